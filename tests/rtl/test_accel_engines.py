"""Engines, lists and their errors, on both simulators."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run
from tests.accel.engine_cases import ENGINE_CASES

# Half a minute and more on Icarus; the other cases have some AES too.
SLOW = ("aes_lengths", "aes_scattered", "the_self_test_of_linux")


def runs():
    for case in ENGINE_CASES:
        name = case.__name__
        yield pytest.param("verilator", name, marks=pytest.mark.verilator)
        slow = [pytest.mark.regress] if name in SLOW else []
        yield pytest.param("icarus", name, marks=[pytest.mark.icarus, *slow])


@pytest.mark.parametrize(("sim", "case"), list(runs()))
def test_engines(sim, case):
    build = build_dut(Config.preset("tiny"), sim)
    run(build, "tests.rtl.accel_engine_cases:engine_case", preset="tiny",
        params={"case": case}).check()
