"""Tables that change under traffic: the RTL against all that is allowed meanwhile."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.regress import CASES
from sim.runner import run
from tests.rtl.simulators import ICARUS, VERILATOR

PRESET, CASE = "tiny", CASES["concurrent"]


@pytest.fixture(scope="module")
def verilator():
    return build_dut(Config.preset(PRESET), "verilator")


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


@pytest.mark.parametrize("sim", [ICARUS])
def test_both_simulators_give_the_same_verdict(sim, verilator):
    icarus = build_dut(Config.preset(PRESET), sim)
    one = run(verilator, CASE, seed=1, preset=PRESET).check()
    two = run(icarus, CASE, seed=1, preset=PRESET).check()
    assert one.value == two.value
    assert one.cycles == two.cycles
