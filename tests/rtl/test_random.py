"""Constrained-random translations: RTL against the golden model, same verdict everywhere."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.regress import CASE
from sim.runner import run
from tests.rtl.simulators import ICARUS, VERILATOR

PRESET = "tiny"


@pytest.fixture(scope="module")
def verilator():
    return build_dut(Config.preset(PRESET), "verilator")


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("seed", range(101, 131))
def test_every_transaction_agrees(seed, sim, verilator):
    value = run(verilator, CASE, seed=seed, preset=PRESET).check().value
    assert value["agree"] == value["transactions"] == 240


@pytest.mark.parametrize("sim", [ICARUS])
@pytest.mark.parametrize("seed", [1, 2])
def test_both_simulators_give_the_same_verdict(seed, sim, verilator):
    icarus = build_dut(Config.preset(PRESET), sim)
    one = run(verilator, CASE, seed=seed, preset=PRESET).check()
    two = run(icarus, CASE, seed=seed, preset=PRESET).check()
    assert one.value == two.value
    assert one.cycles == two.cycles
