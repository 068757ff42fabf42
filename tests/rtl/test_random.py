"""Constrained-random translations: RTL against the golden model, same verdict everywhere."""

import pytest

from sim.regress import CASE
from sim.runner import run
from tests.rtl.simulators import VERILATOR, check_same_verdict

PRESET = "tiny"


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("seed", range(101, 131))
def test_every_transaction_agrees(seed, sim, verilator):
    value = run(verilator, CASE, seed=seed, preset=PRESET).check().value
    assert value["agree"] == value["transactions"] >= 240


@pytest.mark.icarus
@pytest.mark.parametrize("seed", [1, 2])
def test_both_simulators_give_the_same_verdict(seed):
    check_same_verdict(CASE, PRESET, seed)
