"""Messages, demand paging and resets of the accelerator behind an SMMU that stalls."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run
from tests.rtl.simulators import BOTH

PRESET = "tiny-stall"


@pytest.mark.parametrize("case", ["everything", "attacks"])
def test_case(case):
    build = build_dut(Config.preset(PRESET), "verilator")
    run(build, f"tests.rtl.accel_system_cases:{case}", preset=PRESET).check()


@pytest.mark.parametrize("sim", BOTH)
def test_demand_paging(sim):
    build = build_dut(Config.preset(PRESET), sim)
    run(build, "tests.rtl.accel_system_cases:demand_paging", preset=PRESET).check()
