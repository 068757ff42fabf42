"""Break the RTL on purpose: the random test must notice."""

import pytest
from amaranth import Const

from hdl.config import Config
from hdl.gen import verilog
from sim.build import build
from sim.dut import build_dut
from sim.regress import CASE, CASES
from sim.runner import run
from spec.stream_table import STE
from tests.rtl.simulators import VERILATOR

PRESET = "tiny"
SEEDS = range(1, 25)


def caught(built, params=None) -> str:
    """The first seed's complaint; fails if no seed complains."""
    for seed in SEEDS:
        result = run(built, CASE, seed=seed, preset=PRESET, params=params)
        if not result.ok:
            return result.error
    return pytest.fail(f"seeds {SEEDS.start} to {SEEDS.stop - 1} all passed")


def mutant(sim):
    """A build of the RTL as it is generated now, compiled fast."""
    return build(verilog(Config.preset(PRESET))[0], sim, optimize="-O0")


@pytest.mark.parametrize("sim", [VERILATOR])
def test_broken_permission_check(sim, monkeypatch):
    """The walker lets every access pass."""
    for stage in ("stage1", "stage2"):
        monkeypatch.setattr(f"hdl.tcu.walk.{stage}.allows", lambda *_: Const(1))
    assert "disagreements with the model" in caught(mutant(sim))


@pytest.mark.parametrize("sim", [VERILATOR])
def test_swapped_ste_fields(sim, monkeypatch):
    """The RTL takes S1DSS for S1CIR and the other way round."""
    one, two = STE.FIELDS["S1DSS"], STE.FIELDS["S1CIR"]
    monkeypatch.setitem(STE.FIELDS, "S1DSS", two)
    monkeypatch.setitem(STE.FIELDS, "S1CIR", one)
    built = mutant(sim)
    monkeypatch.undo()
    assert "disagreements with the model" in caught(built)


@pytest.mark.parametrize("sim", [VERILATOR])
def test_skipped_tlbi(sim):
    """Software changes tables and does not say so: a stale answer is a disagreement."""
    built = build_dut(Config.preset(PRESET), sim)
    assert "disagreements with the model" in caught(built, {"skip": "TLBI"})


@pytest.mark.parametrize("sim", [VERILATOR])
@pytest.mark.parametrize(("drops", "never"), [
    ("hdl.tcu.config.cache.drops_cd", lambda m, inv: lambda key: Const(0)),
    ("hdl.tcu.walk.tlb.MainTlb._drops", lambda self, m: []),
])
def test_a_cache_that_no_invalidation_reaches(drops, never, sim, monkeypatch):
    """The CD cache, or the main TLB, keeps what it has."""
    monkeypatch.setattr(drops, never)
    assert "disagreements with the model" in caught(mutant(sim))


@pytest.mark.parametrize("sim", [VERILATOR])
def test_stall_commands_for_every_stream(sim, monkeypatch):
    """RESUME and STALL_TERM do not look at their StreamID."""
    monkeypatch.setattr("hdl.tcu.stalls.tags.of_stream", lambda command, sid: Const(1))
    built = build(verilog(Config.preset("tiny-stall"))[0], sim, optimize="-O0")
    monkeypatch.undo()
    for seed in SEEDS:
        result = run(built, CASES["stalls"], seed=seed, preset="tiny-stall")
        if not result.ok:
            return
    pytest.fail("no seed noticed")
