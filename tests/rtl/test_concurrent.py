"""Tables that change under traffic: the RTL against all that is allowed meanwhile."""

import pytest

from sim.regress import CASES
from sim.runner import run
from tests.rtl.simulators import VERILATOR, check_same_verdict

PRESET, CASE = "tiny", CASES["concurrent"]


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("seed", range(101, 116))
def test_every_ending_is_possible(seed, sim, verilator):
    value = run(verilator, CASE, seed=seed, preset=PRESET).check().value
    assert value["transactions"] == 500
    assert value["changes"] > 10


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("skip", ["TLBI", "CFGI"])
def test_skipped_invalidations_are_noticed(skip, sim, verilator):
    """The RTL is not told of changes: it uses what has to be gone when a CMD_SYNC completes."""
    for seed in range(1, 13):
        result = run(verilator, CASE, seed=seed, preset=PRESET, params={"skip": skip})
        if not result.ok:
            assert "stale" in result.error
            return
    pytest.fail("no seed noticed")


@pytest.mark.icarus
def test_both_simulators_give_the_same_verdict():
    check_same_verdict(CASE, PRESET)
