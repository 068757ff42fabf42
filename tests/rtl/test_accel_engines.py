"""Engines, lists and their errors, on both simulators."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run
from tests.accel.engine_cases import ENGINE_CASES
from tests.rtl.simulators import BOTH


@pytest.mark.parametrize("sim", BOTH)
@pytest.mark.parametrize("case", [case.__name__ for case in ENGINE_CASES])
def test_engines(sim, case):
    build = build_dut(Config.preset("tiny"), sim)
    run(build, "tests.rtl.accel_engine_cases:engine_case", preset="tiny",
        params={"case": case}).check()
