"""Constrained-random work for the accelerator: RTL against the golden model, same verdict on both
simulators."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.regress import CASES
from sim.runner import run
from tests.rtl.simulators import VERILATOR, check_same_verdict

PRESET = "tiny"
CASE = CASES["accel"]
LOST_EVENT = "tests.rtl.accel_random_cases:lost_event"
LITTLE = {"queues": 3, "rounds": 1, "jobs": 3}   # Icarus takes its time


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("seed", range(101, 109))
def test_every_job_and_every_byte_agrees(seed, sim, verilator):
    value = run(verilator, CASE, seed=seed, preset=PRESET).check().value
    assert value["agree"] == value["transactions"] > 0
    assert value["jobs"]["jobs"] > 50


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("seed", [201, 203])
def test_jobs_wait_while_their_pages_are_made(seed, sim):
    """Pages that are mapped when a stalled access asks for them, and some that never are."""
    built = build_dut(Config.preset("tiny-stall"), sim)
    value = run(built, CASE, seed=seed, preset="tiny-stall").check().value
    assert value["agree"] == value["transactions"]
    assert value["stalls"] > 10


@pytest.mark.parametrize("sim", [VERILATOR])
def test_an_event_that_is_lost_is_noticed(sim, verilator):
    """Unless its queue is stopped before anybody could tell: the first seed that complains."""
    results = (run(verilator, LOST_EVENT, seed=seed, preset=PRESET, params={"rounds": 1})
               for seed in range(1, 9))
    complaint = next((result.error for result in results if not result.ok), "none")
    assert "no event for its completion" in complaint


@pytest.mark.icarus
def test_both_simulators_give_the_same_verdict():
    check_same_verdict(CASE, PRESET, params=LITTLE)
