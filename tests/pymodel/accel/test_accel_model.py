"""The accelerator's golden model."""

import pytest

from tests.accel.cases import CASES
from tests.accel.engine_cases import ENGINE_CASES
from tests.accel.event_cases import EVENT_CASES
from tests.accel.probe_cases import PROBE_CASES
from tests.accel.qm_cases import QM_CASES
from tests.accel.rule_cases import RULE_CASES
from tests.pymodel.accel.bench import Bench

ALL = CASES | PROBE_CASES | QM_CASES | EVENT_CASES | RULE_CASES | ENGINE_CASES


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.__name__)
def test_case(case):
    Bench(depth=ALL[case]).run(case)
