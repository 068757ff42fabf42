"""Collecting answers into the verdict that `substream replay` prints."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from pymodel.transaction import Step
from sim.replay.capture import Capture, Probe
from sim.replay.expect import Answer, Expected, decode, expected


@dataclass
class Verdict:
    """Outcome of a replay; `as_json` has the keys that the design fixes."""

    capture: str
    dut: str
    sim: str | None
    probes: int = 0
    agree: int = 0
    oddities: Counter[str] = field(default_factory=Counter)
    weak: Counter[str] = field(default_factory=Counter)
    mismatches: list[dict[str, Any]] = field(default_factory=list)
    cycles: int | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        plain = dataclasses.replace(self, oddities=Counter(), weak=Counter())
        return asdict(plain) | {"oddities": dict(self.oddities), "weak": dict(self.weak)}


class Judge:
    """Compares answers with the capture, probe by probe.

    `explain` gives the model's own steps for a probe, for the report of a mismatch.
    """

    def __init__(self, capture: Capture, verdict: Verdict,
                 explain: Callable[[Probe, bool], list[Step]]) -> None:
        self.capture, self.verdict, self._explain = capture, verdict, explain
        self.expected = [expected(capture, probe) for probe in capture.probes]

    def answer(self, probe: Probe, got: Answer) -> None:
        """Take the device's answer for `probe`."""
        verdict, want = self.verdict, self.expected[probe.number]
        verdict.probes += 1
        verdict.oddities.update(want.oddities)
        why = want.differences(got)
        if not why:
            verdict.agree += 1
            return
        verdict.weak.update(probe.weak)
        verdict.mismatches.append({
            "probe": _probe(probe, want),
            "expected": _answer(want.answer), "got": _answer(got), "why": why,
            "weak": list(probe.weak),
            "steps": [asdict(step) for step in self._explain(probe, want.pnu)],
        })


def _probe(probe: Probe, want: Expected) -> dict[str, Any]:
    return {"number": probe.number, "sid": probe.sid, "ssid": probe.ssid,
            "iova": hex(probe.iova), "write": probe.write, "pnu": want.pnu, "ind": probe.ind,
            "oddities": list(want.oddities)}


def _answer(answer: Answer) -> dict[str, Any]:
    return {"ending": answer.ending.value,
            "pa": None if answer.pa is None else hex(answer.pa),
            "event": None if answer.event is None else answer.event.hex(),
            "decoded": decode(answer.event)}
