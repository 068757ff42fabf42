"""The golden model answers every captured probe as recorded, and a wrong answer is noticed."""

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pymodel.transaction import Ending
from sim.cli import main
from sim.replay import dut_model
from sim.replay.capture import load
from sim.replay.command import replay
from sim.replay.expect import Answer, expected
from spec.events import EVENTS

DATA = Path(__file__).parents[1] / "data" / "captures"
SETS = sorted(p.name for p in DATA.iterdir())

# Oddities per set, as documented beside the fixtures: a count that moves is a changed judgement.
ODDITIES = {
    "s1-6.12-4k": {"bypass_above_oas": 5},
    "s1-6.12-4k-pt": {"bypass_above_oas": 10},
    "s2-6.12-4k": {"bypass_above_oas": 5, "ipa_low12": 196, "s2_input_above_range": 17},
    "third-1": {},
}


@pytest.mark.parametrize("name", SETS)
def test_every_probe_agrees(name):
    verdict = replay(load(DATA / name))
    assert verdict.mismatches == []
    assert verdict.agree == verdict.probes > 1000
    if name in ODDITIES:
        assert dict(verdict.oddities) == ODDITIES[name]


def test_labelled_oddities_are_counted_as_documented():
    """The capture says itself how many probes of each kind it holds."""
    for name in ("s1-1", "s2-1", "nested-1"):
        capture = load(DATA / name)
        raw = sum(1 for p in capture.probes if p.oddities or p.field_oddities)
        judged = sum(1 for p in capture.probes
                     if set(expected(capture, p).oddities) - {"ttrnw_zero"})
        assert judged == raw


def wrong_answers(answer: Answer):
    """The given answer with one thing wrong each."""
    yield "ending", dataclasses.replace(answer, ending=Ending.STALLED)
    if answer.pa is not None:
        yield "address", dataclasses.replace(answer, pa=answer.pa ^ 4096)
    if answer.event is None:
        yield "event", dataclasses.replace(answer, event=bytes(32))
        return
    yield "event", dataclasses.replace(answer, event=None)
    for field in EVENTS[answer.event[0]].FIELDS.values():
        value = int.from_bytes(answer.event, "little") ^ 1 << field.lsb
        yield field.name, dataclasses.replace(answer, event=value.to_bytes(32, "little"))


@pytest.mark.parametrize("name", ["s1-6.12-4k", "nested-1", "third-1"])
def test_any_wrong_bit_is_a_mismatch(name):
    capture = load(DATA / name)
    for probe in capture.probes[::97]:
        want = expected(capture, probe)
        assert want.differences(want.answer) == []
        for what, wrong in wrong_answers(want.answer):
            assert want.differences(wrong), f"probe {probe.number}: {what}"


def test_a_changed_descriptor_is_a_mismatch_with_steps(monkeypatch):
    """Break the machine, not the judge: clear one page table page."""
    capture = load(DATA / "s1-6.12-4k")
    page = next(a for a, c in capture.pages.items()
                if all(int.from_bytes(c[n:n + 8], "little") & 3 in (0, 3)
                       for n in range(0, 4096, 8)) and any(c) and a in tables(capture))
    broken = dataclasses.replace(capture, pages={**capture.pages, page: bytes(4096)})
    verdict = replay(broken)
    assert verdict.mismatches
    assert verdict.mismatches[0]["steps"]
    json.dumps(verdict.as_json())


def tables(capture) -> set[int]:
    """Pages that a translated probe's walk reads."""
    smmu, _ = dut_model.machine(capture)
    probe = next(p for p in capture.probes if p.trace and p.trace[0] == "success")
    steps = smmu.explain(dut_model.transaction(probe, False)).steps
    return {s.address & ~4095 for s in steps if s.address is not None and len(s.words) == 1}


def test_command_json_and_status():
    result = CliRunner().invoke(main, ["replay", str(DATA / "s1-1"), "--json"])
    assert result.exit_code == 0
    verdict = json.loads(result.stdout)
    assert verdict.keys() >= {"capture", "dut", "sim", "probes", "agree", "oddities",
                              "mismatches", "cycles", "seconds"}
    assert verdict["agree"] == verdict["probes"] == 2445
