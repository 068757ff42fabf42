"""The drivers' stories on the RTL: the smallest configuration that stalls, on Verilator; a short
set on Icarus."""

from functools import cache

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run
from tests.driver.stories import STORIES

PRESET = "tiny-stall"
SHORT = ("commands", "whole_function")


@cache
def played(sim, names):
    """One run of the simulator for all of them."""
    config = Config.preset(PRESET)
    result = run(build_dut(config, sim), "tests.rtl.driver_cases:stories", preset=PRESET,
                 params={"names": names, "sid": config.accel_sid})
    result.check()
    return result.value


@pytest.mark.verilator
@pytest.mark.parametrize("name", STORIES)
def test_on_verilator(name):
    assert not played("verilator", tuple(STORIES))[name]["error"]


@pytest.mark.icarus
@pytest.mark.parametrize("name", SHORT)
def test_on_icarus(name):
    assert not played("icarus", SHORT)[name]["error"]
