"""Accelerator, SMMU and driver together on the golden model."""

import pytest

from driver.model_bus import ModelBus
from driver.run import run
from spec.impl import PRESETS
from tests.accel.system_cases import SYSTEM_CASES, System, all_cases

SID = 0x18


@pytest.mark.parametrize("case", SYSTEM_CASES, ids=lambda case: case.__name__)
def test_case(case):
    bus = ModelBus(PRESETS["tiny-stall"], sid=SID, queues=8)
    run(case(run(System.start(bus, SID))))
    bus.lint.check()


def test_all_on_one_machine():
    run(all_cases(ModelBus(PRESETS["tiny-stall"], sid=SID, queues=8), SID))
