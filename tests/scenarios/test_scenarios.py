"""The scenarios of vfio.md 4, by name, on the golden model and on the RTL."""

from functools import cache

import pytest

from driver.run import run
from hdl.config import Config
from sim.scenarios.command import PRESETS, on_rtl
from sim.scenarios.model import ModelWatcher, model_bus
from sim.scenarios.table import SCENARIOS, play

IDS = {number: f"{number}-{scenario.name}" for number, scenario in SCENARIOS.items()}
PRESET = PRESETS["rtl"]
UNDER_TRAFFIC = (4, 9, 15)  # tables change while the device works: nothing is compared
SHORT = (1, 5, 8)  # on Icarus


def parameters(numbers):
    return [pytest.param(n, id=IDS[n]) for n in numbers]


@pytest.mark.parametrize(("number", "preset"), [
    pytest.param(n, preset, id=f"{IDS[n]}-{preset}") for preset in ("tiny", "base")
    for n in SCENARIOS if SCENARIOS[n].possible(Config.preset(preset).impl)])
def test_on_the_model(number, preset):
    config = Config.preset(preset)
    run(play(number, lambda: model_bus(config), config.accel_sid, ModelWatcher(config)))


@cache
def rtl(sim, numbers):
    """One run of the simulator for all of them."""
    return {row["number"]: row for row in on_rtl(Config.preset(PRESET), PRESET, sim,
                                                 list(numbers), 1)}


def check(row):
    assert not row["error"], row["error"]
    counts = row["counts"]
    assert counts.get("agree", 0) == counts.get("transactions", 0)
    assert counts.get("transactions", 0) or row["number"] in UNDER_TRAFFIC


@pytest.mark.verilator
@pytest.mark.parametrize("number", parameters(SCENARIOS))
def test_on_verilator(number):
    check(rtl("verilator", tuple(SCENARIOS))[number])


@pytest.mark.icarus
@pytest.mark.parametrize("number", parameters(SHORT))
def test_on_icarus(number):
    check(rtl("icarus", SHORT)[number])


@pytest.mark.verilator
def test_stale_hits_show():
    assert rtl("verilator", tuple(SCENARIOS))[3]["counts"]["stale hits"] == 2
