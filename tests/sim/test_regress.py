"""The regression command: what it keeps, merges and reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from hdl.config import Config
from sim import regress_state, rtl_coverage
from sim.build import build
from sim.regress import command, coverage, summary, turns, unseen
from sim.regress_state import State
from sim.runner import RunResult, run
from sim.toolchain import ROOT
from tb.random_jobs import KINDS

DESIGN = ROOT / "sim" / "designs" / "passthrough.v"


@dataclass
class Built:
    """As much of a build as `State` looks at."""

    directory: Path
    sim: str = "verilator"


def result(ok: bool = True, **coverage) -> RunResult:
    value = {"transactions": 5, "outcomes": {"abort": 5}, "events": {}, "coverage": coverage}
    return RunResult(ok, "" if ok else "it broke\nhere", value if ok else None, 100, 1.5,
                     "substream run x", None if ok else Path("build/runs/x"))


def test_finished_seeds_are_kept_and_belong_to_their_build(tmp_path, monkeypatch):
    state = State(Built(Path("a")), "tiny", folder=tmp_path)
    assert state.get("translation", 1) is None
    for seed, kept in ((1, result()), (2, result(ok=False))):
        state.put("translation", seed, kept)
        assert State(Built(Path("a")), "tiny", folder=tmp_path).get("translation", seed) == kept
    assert state.get("concurrent", 1) is None
    assert State(Built(Path("b")), "tiny", folder=tmp_path).get("translation", 1) is None
    assert State(Built(Path("a")), "base", folder=tmp_path).get("translation", 1) is None
    monkeypatch.setattr(regress_state, "_sources", lambda: "a bench has changed")
    assert State(Built(Path("a")), "tiny", folder=tmp_path).get("translation", 1) is None


def test_results_belong_to_the_coverage_plan(tmp_path, monkeypatch):
    """A bin that the plan excludes makes the cases fail that hit it."""
    sources = regress_state._sources.__wrapped__
    before = sources()
    assert sources() == before
    plan = tmp_path / "coverage.toml"
    plan.write_bytes(regress_state.PLAN.read_bytes() + b"\n")
    monkeypatch.setattr(regress_state, "PLAN", plan)
    assert sources() != before


def test_a_result_that_was_cut_off_does_not_count(tmp_path):
    state = State(Built(Path("a")), "tiny", folder=tmp_path)
    state.put("translation", 1, result())
    path = next(tmp_path.rglob("*.json"))
    path.write_text(path.read_text()[:20])
    assert state.get("translation", 1) is None


def test_the_report_names_failures_and_sums_the_coverage():
    config = Config.preset("tiny")
    queue = {"event|3|used": 2}
    report = summary({1: result(queue=queue), 2: result(ok=False), 3: result(queue=queue)},
                     config, 2.0)
    assert (report["seeds"], report["passed"], report["transactions"]) == (3, 2, 10)
    assert report["failed"] == [{"seed": 2, "why": "it broke\nhere",
                                 "reproduce": "substream run x"}]
    assert report["coverage"]["queue"][0] == 1
    assert report["coverage"]["ending"] == [1, 4]
    assert all(0 <= hit <= total for hit, total in report["coverage"].values())


def test_what_nothing_hit_is_named():
    config = Config.preset("tiny")
    values = [{"outcomes": {"translated": 3}, "events": {}, "jobs": {KINDS[0].name: 2}}]
    missed, counts = unseen(values, config), coverage(values, config)
    assert set(missed) == set(counts)
    for group, (hit, total) in counts.items():
        assert hit + len(missed[group]) == total
    assert "translated" not in missed["ending"]
    assert KINDS[0].name not in missed["job"]
    assert "abort" in missed["ending"]


@pytest.mark.parametrize(("preset", "stalls"), [("tiny", False), ("base", True)])
def test_seeds_take_turns_at_what_the_design_can(preset, stalls):
    assert ("stalls" in turns(Config.preset(preset))) == stalls


def test_without_clients_only_the_accelerator_works():
    assert turns(Config.preset("tiny:clients=0")) == ["accel"]
    result = CliRunner().invoke(command, ["--preset", "tiny:clients=0", "--case", "translation"])
    assert result.exit_code == 2
    assert "needs clients" in result.output


def test_lines_and_toggles_are_merged_by_block(tmp_path):
    def line(page: str, module: str, number: int, count: int) -> str:
        fields = {"f": "design.sv", "l": str(number), "n": "1", "page": f"{page}/{module}",
                  "o": "x", "h": "top"}
        return "C '" + "".join(f"\x01{k}\x02{v}" for k, v in fields.items()) + f"' {count}\n"

    walk, tbu = "substream.smmu.tcu.walk_step.permissions", "substream.smmu.tbu1.utlb"
    (tmp_path / "a").write_text("# SystemC::Coverage-3\n" + line("v_line", walk, 1, 0)
                                + line("v_line", walk, 2, 3) + line("v_toggle", tbu, 3, 0)
                                + line("v_line", "tb_top", 4, 9))
    (tmp_path / "b").write_text(line("v_line", walk, 1, 1) + line("v_toggle", tbu, 3, 0))
    found = rtl_coverage.summary(rtl_coverage.merge([tmp_path / "a", tmp_path / "b"]))
    assert found == {"smmu.tbu.utlb": {"line": [0, 0], "toggle": [0, 1]},
                     "smmu.tcu.walk_step": {"line": [2, 2], "toggle": [0, 0]}}


@pytest.mark.verilator
def test_verilator_counts_the_lines_of_a_run():
    """A real file: the pass-through design, of which a read reaches something, but not all."""
    made = build(DESIGN.read_text(), "verilator", coverage=True)
    done = run(made, "tests.sim.cases:smoke", preset=str(DESIGN), keep=True).check()
    assert done.directory is not None
    found = rtl_coverage.summary(rtl_coverage.merge([done.directory / rtl_coverage.FILE]))
    assert set(found) == {"substream"}
    for kind in ("line", "toggle"):
        hit, total = found["substream"][kind]
        assert 0 < hit < total or (kind == "line" and 0 < hit <= total)


@pytest.mark.regress
@pytest.mark.timeout(1200)
def test_lines_of_the_smmu_are_counted():
    """Verilator builds the whole design with its counters too."""
    done = CliRunner().invoke(command, ["--rtl-coverage", "--preset", "tiny", "--seed", "1",
                                        "--case", "translation", "--json"])
    assert done.exit_code == 0, done.output
    hit, total = json.loads(done.stdout)["rtl_coverage"]["smmu.tcu.translator"]["line"]
    assert total / 2 < hit < total
