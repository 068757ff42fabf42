"""The accelerator behind the SMMU, on both simulators."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run
from tests.rtl.simulators import BOTH


@pytest.mark.parametrize("sim", BOTH)
def test_applications(sim):
    build = build_dut(Config.preset("tiny"), sim)
    run(build, "tests.rtl.accel_cases:applications", preset="tiny").check()
