"""The native agents through the pass-through design, on both simulators."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.build import build
from sim.runner import RunResult, run
from sim.toolchain import ROOT

DESIGN = ROOT / "sim" / "designs" / "passthrough.v"
SIMS = [pytest.param("verilator", marks=pytest.mark.verilator),
        pytest.param("icarus", marks=pytest.mark.icarus)]


def play(case: str, sim: str, **options) -> RunResult:
    made = build(DESIGN.read_text(), sim, waves=options.get("waves", False))
    return run(made, f"tests.sim.cases:{case}", preset=str(DESIGN), **options)


@pytest.mark.parametrize("sim", SIMS)
@pytest.mark.parametrize("case", ["smoke", "latency", "bursts", "errors", "exclusive",
                                  "interrupts", "reset", "early", "watched"])
def test_case(case: str, sim: str) -> None:
    play(case, sim).check()


def test_same_seed_same_run_on_both_simulators() -> None:
    values = [play("pressure", sim, seed=seed).check().value
              for sim, seed in (("verilator", 3), ("icarus", 3), ("verilator", 3),
                                ("verilator", 4))]
    assert values[0] == values[1] == values[2]
    assert values[0]["times"] != values[3]["times"]


@pytest.mark.parametrize("sim", SIMS)
def test_a_hang_is_reported_in_words(sim: str) -> None:
    result = play("hang", sim, seed=7)
    assert not result.ok
    assert "no progress for 1000 cycles" in result.error
    assert "0 of 1 requests answered" in result.error
    assert result.reproduce == (f"substream run tests.sim.cases:hang --sim {sim} "
                                f"--preset {DESIGN} --seed 7 --waves")


@pytest.mark.parametrize("sim", SIMS)
def test_broken_protocol_fails_the_run(sim: str) -> None:
    result = play("illegal_burst", sim)
    assert not result.ok
    assert "mem0 AR: burst crosses 4 KB" in result.error


def test_wall_clock_limit_kills_the_simulator() -> None:
    result = play("spin", "verilator", timeout=4.0)
    assert "killed after 4 s" in result.error


def test_a_crash_is_a_failure() -> None:
    assert "no result" in play("crash", "verilator").error


@pytest.mark.parametrize("sim", SIMS)
def test_waves(sim: str) -> None:
    result = play("smoke", sim, waves=True).check()
    assert result.directory is not None
    waves = Path(result.directory) / "waves.fst"
    assert waves.stat().st_size > 500
