"""The accelerator's golden model."""

import pytest

from tests.accel.cases import CASES
from tests.pymodel.accel.bench import Bench


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_case(case):
    Bench(depth=CASES[case]).run(case)
