"""The whole design, generated and built, on both simulators."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run
from tests.rtl.simulators import BOTH

CASES = ("bypass", "translate")


@pytest.mark.parametrize("sim", BOTH)
@pytest.mark.parametrize("case", CASES)
def test_smoke(sim, case):
    build = build_dut(Config.preset("tiny"), sim)
    run(build, f"tests.rtl.smoke_cases:{case}", preset="tiny").check()
