"""Stalls and their answers: the RTL against all that is allowed meanwhile."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.regress import CASES
from sim.runner import run
from sim.scenarios.command import CASE as SCENARIOS
from tests.rtl.simulators import VERILATOR, check_same_verdict

PRESET, CASE = "tiny-stall", CASES["stalls"]


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("seed", range(101, 111))
def test_every_attempt_is_possible_and_every_answer_heard(seed, sim, verilator):
    value = run(verilator, CASE, seed=seed, preset=PRESET).check().value
    assert value["transactions"] == 120


@pytest.mark.parametrize("sim", [VERILATOR])
def test_demand_paging(sim, verilator):
    """A job whose pages are not mapped: stall, map, RESUME; and one that nobody helps."""
    config = Config.preset(PRESET)
    rows = run(verilator, SCENARIOS, preset=PRESET, params={
        "numbers": [9], "sid": config.accel_sid, "queues": config.queues}).check().value
    assert [row["error"] for row in rows] == [""]
    assert rows[0]["counts"]["stalls"] == 3


@pytest.mark.parametrize("sim", [VERILATOR])
def test_nothing_stalls_where_that_is_not_implemented(sim):
    """CD.S and STE.S1STALLD are illegal then."""
    events: dict[str, int] = {}
    build = build_dut(Config.preset("tiny"), sim)
    for seed in range(1, 5):
        value = run(build, CASE, seed=seed, preset="tiny").check().value
        assert not value["answers"]
        for name, count in value["events"].items():
            events[name] = events.get(name, 0) + count
    assert events["C_BAD_CD"]
    assert events["F_TRANSLATION"]


@pytest.mark.regress
@pytest.mark.icarus
def test_both_simulators_give_the_same_verdict():
    check_same_verdict(CASE, PRESET)
