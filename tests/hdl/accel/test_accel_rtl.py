"""The accelerator's RTL, alone with a memory that delays at random."""

import pytest

from tests.accel.cases import CASES
from tests.hdl.accel.bench import Bench


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_case(case):
    Bench(depth=CASES[case], stall=0.2).run(case)
