"""The RTL answers the captured probes as recorded, events byte for byte."""

from pathlib import Path

import pytest

from sim.replay.capture import load
from sim.replay.command import replay
from tests.rtl.simulators import BOTH, ICARUS, VERILATOR

DATA = Path(__file__).parents[1] / "data" / "captures"
SETS = sorted(path.name for path in DATA.iterdir())


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize("name", SETS)
def test_every_probe_on_verilator(name, sim):
    verdict = replay(load(DATA / name), "rtl", sim)
    assert verdict.mismatches == []
    assert verdict.agree == verdict.probes > 1000


@pytest.mark.parametrize("sim", [ICARUS])
@pytest.mark.parametrize("name", ["s1-6.12-4k", "nested-1", "third-1"])
def test_a_sample_on_icarus(name, sim):
    verdict = replay(load(DATA / name), "rtl", sim, every=61)
    assert verdict.mismatches == []
    assert verdict.agree == verdict.probes > 30


@pytest.mark.regress
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sim", BOTH)
@pytest.mark.parametrize("name", ["s1-6.12-4k", "s1-6.12-4k-pt", "s2-6.12-4k"])
def test_linux_captures_whole(name, sim):
    assert replay(load(DATA / name), "rtl", sim, seed=2).mismatches == []
