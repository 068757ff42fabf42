"""The accelerator behind the SMMU, on both simulators."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run

SIMULATORS = [pytest.param("verilator", marks=pytest.mark.verilator),
              pytest.param("icarus", marks=pytest.mark.icarus)]


@pytest.mark.parametrize("sim", SIMULATORS)
def test_applications(sim):
    build = build_dut(Config.preset("tiny"), sim)
    run(build, "tests.rtl.accel_cases:applications", preset="tiny").check()
