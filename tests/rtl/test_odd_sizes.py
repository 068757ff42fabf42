"""Random runs on designs of odd sizes."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.regress import CASES, turns
from sim.runner import run
from tests.hdl.odd_sizes import ODD
from tests.rtl.simulators import VERILATOR


@pytest.mark.regress
@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("preset", ODD.values(), ids=list(ODD))
def test_every_case_passes(preset, sim):
    config = Config.preset(preset)
    build, cases = build_dut(config, sim), turns(config)
    for seed in range(1, 9):
        run(build, CASES[cases[seed % len(cases)]], seed=seed, preset=preset).check()
