"""The scenarios of vfio.md 4, by name, on the golden model and on the RTL."""

from functools import cache

import pytest

from driver.model_bus import ModelBus
from driver.run import run
from hdl.config import Config
from sim.scenarios.command import on_rtl
from sim.scenarios.table import SCENARIOS, play

IDS = {number: f"{number}-{scenario.name}" for number, scenario in SCENARIOS.items()}
PLAYED = [n for n in SCENARIOS if SCENARIOS[n].possible(Config.preset("tiny").impl)]
SHORT = (1, 5, 8)  # on Icarus


def parameters(numbers):
    return [pytest.param(n, id=IDS[n]) for n in numbers]


@pytest.mark.parametrize(("number", "preset"), [
    pytest.param(n, preset, id=f"{IDS[n]}-{preset}") for preset in ("tiny", "base")
    for n in SCENARIOS if SCENARIOS[n].possible(Config.preset(preset).impl)])
def test_on_the_model(number, preset):
    config = Config.preset(preset)
    bus = ModelBus(config.impl, sid=config.accel_sid, queues=config.queues)
    run(play(number, bus, config.accel_sid))


@cache
def rtl(sim, numbers):
    """One run of the simulator for all of them."""
    return {row["number"]: row for row in on_rtl(Config.preset("tiny"), "tiny", sim,
                                                 list(numbers), 1)}


def check(row):
    assert not row["error"], row["error"]
    assert row["counts"]["agree"] == row["counts"]["transactions"] > 0


@pytest.mark.verilator
@pytest.mark.parametrize("number", parameters(PLAYED))
def test_on_verilator(number):
    check(rtl("verilator", tuple(PLAYED))[number])


@pytest.mark.icarus
@pytest.mark.parametrize("number", parameters(SHORT))
def test_on_icarus(number):
    check(rtl("icarus", SHORT)[number])


@pytest.mark.verilator
def test_stale_hits_show():
    assert rtl("verilator", tuple(PLAYED))[3]["counts"]["stale hits"] == 2
