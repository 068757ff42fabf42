"""The RTL as the device under test of a replay."""

from __future__ import annotations

from collections.abc import Iterator

from hdl.config import Config
from pymodel.transaction import Ending
from sim.dut import build_dut
from sim.replay.capture import Capture, Probe
from sim.replay.expect import Answer
from sim.runner import run

CASE = "tb.cases.replay:replay"
TIMEOUT = 1800.0


def answers(capture: Capture, sim: str, seed: int, waves: bool, pnu: list[bool],
            every: int = 1) -> tuple[Iterator[tuple[Probe, Answer]], int]:
    """The answers of every `every`-th probe, and the simulated cycles they took.

    The design has the capture's ID registers and the small sizes of preset `tiny`.
    """
    build = build_dut(Config.preset("tiny").with_(impl=capture.impl), sim, waves=waves)
    result = run(build, CASE, seed=seed, waves=waves, timeout=TIMEOUT, preset="tiny",
                 params={"capture": str(capture.path.resolve()), "pnu": pnu,
                         "every": every}).check()
    return ((probe, _answer(raw)) for probe, raw
            in zip(capture.probes[::every], result.value, strict=True)), result.cycles


def _answer(raw: dict) -> Answer:
    event = raw["event"]
    return Answer(Ending(raw["ending"]), raw["pa"], None if event is None else bytes.fromhex(event),
                  {int(a): v for a, v in raw["memory"].items()})
