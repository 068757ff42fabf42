"""Why something is impossible, in words: what would have been legal, and what stale copy explains
what was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymodel.checker.lifetime import NEVER, Window
from pymodel.checker.outcome import Outcome
from pymodel.checker.reads import Read
from pymodel.checker.search import Case, Search, TooManyError
from pymodel.transaction import Step
from spec.events import EVENTS
from spec.fields import SpecError

if TYPE_CHECKING:
    from pymodel.checker.judge import Observation

_SHOWN = 3


class Story:
    """Writes the texts of `Verdict.failures`."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def impossible(self, observation: Observation) -> str:
        """No legal outcome looks like the observation."""
        lines = [self._what(observation)]
        lines += self._stale(observation)
        shown: set[Outcome] = set()
        for case in self._search.cases(observation.txn, observation.window):
            if case.outcome not in shown:
                shown.add(case.outcome)
                lines.append(f"legal: {outcome_text(case.outcome)}")
                lines += self._steps(observation, observation.window, case)
            if len(shown) == _SHOWN:
                break
        return "\n".join(lines)

    def unexplained(self, record: bytes, observations: list[Observation]) -> str:
        """No transaction can have caused the record."""
        stale: list[str] = []
        for observation in observations:
            stale += self._stale(observation, record)
        return "\n".join([f"event record that nothing caused: {record_text(record)}", *stale])

    def missing(self, observation: Observation, events: set[bytes]) -> str:
        """The observation needs a record that is not there."""
        return "\n".join([f"event record missing: {self._what(observation)}",
                          *(f"due: {record_text(event)}" for event in sorted(events))])

    def _what(self, observation: Observation) -> str:
        end = observation.ending.name
        pa = "" if observation.pa is None else f" at {observation.pa:#x}"
        return (f"{observation.txn}: {end}{pa}, issued {observation.issued}, decided "
                f"{observation.decided}, completed {observation.completed}")

    def _stale(self, observation: Observation, record: bytes | None = None) -> list[str]:
        """What would explain the observation, or the record, if it were possible: the runs with
        the fewest impossible reads, and those reads by name."""
        best: list[list[Read]] = []
        try:
            for case in self._search.anything(observation.txn, observation.window):
                fits = (case.outcome.event == record if record is not None
                        else observation.shows(case.outcome))
                if not fits or not case.needs or case.needs in best:
                    continue
                if best and len(case.needs) < len(best[0]):
                    best.clear()
                if not best or len(case.needs) == len(best[0]):
                    best.append(case.needs)
        except TooManyError:
            return ["too many combinations to find what explains it"]
        return ["; ".join(self._blame(read, observation.window) for read in needs)
                for needs in best[:_SHOWN]]

    def _blame(self, read: Read, window: Window) -> str:
        value = (f"{read.value:#x}" if isinstance(read.value, int)
                 else read.value.hex())
        text = f"stale {read.role} at {read.address:#x} = {value}"
        if read.overwritten != NEVER:
            text += f", overwritten at {read.overwritten}"
        life = read.life
        if life.dead < window.completed:
            numbers = sorted(life.killed)
            done = next(d for d in self._search.records.log.done
                        if d.number in numbers and d.completed == life.dead)
            return (f"{text}: {done.inv.opcode.name} issued at {done.issued} removes it, its "
                    f"CMD_SYNC completed at {done.completed}")
        return f"{text}: not cacheable, and not in memory while the transaction was decided"

    def _steps(self, observation: Observation, window: Window, case: Case) -> list[str]:
        return [f"    {step_text(step)}"
                for step in self._search.steps(observation.txn, window, case)]


def step_text(step: Step) -> str:
    """One step in one line."""
    at = "" if step.address is None else f" {step.address:#x}"
    words = "".join(f" {word:016x}" for word in step.words)
    return f"{step.step}{at}{words} [{step.section}]"


def outcome_text(outcome: Outcome) -> str:
    pa = "" if outcome.pa is None else f" at {outcome.pa:#x}"
    event = "" if outcome.event is None else f", {record_text(outcome.event)}"
    return f"{outcome.ending.name}{pa}{event}"


def record_text(record: bytes) -> str:
    """A record's name and fields that are not 0."""
    layout = EVENTS.get(record[0])
    if layout is None:
        return record.hex()
    try:
        fields = layout.from_bytes(record)
    except SpecError:
        return record.hex()
    return f"{layout.__name__} {fields.text()}"
