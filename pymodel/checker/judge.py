"""Judging what was observed: each ending against its legal outcomes, records against endings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from pymodel.checker.lifetime import Time, Window
from pymodel.checker.match import cover
from pymodel.checker.outcome import Outcome, masked
from pymodel.checker.quick import Quick
from pymodel.checker.search import Case, Search
from pymodel.checker.story import Story
from pymodel.transaction import Attributes, Ending, Transaction
from spec.events import F_TRANSLATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A transaction that has ended, or stalled.

    Members
    -------
    issued, decided, completed
        As `Checker.allowed` takes them. The ending of a stalled transaction that RESUME lets try
        again is an observation of its own, issued when the RESUME was; one that RESUME or
        STALL_TERM ends is not for the checker.
    pa, attrs
        None: not observed.
    """

    txn: Transaction
    ending: Ending
    issued: Time
    decided: Time
    completed: Time
    pa: int | None = None
    attrs: Attributes | None = None

    @property
    def window(self) -> Window:
        return Window(self.issued, self.decided, self.completed)

    def shows(self, outcome: Outcome) -> bool:
        """Whether the outcome looks like what was observed."""
        return (outcome.ending is self.ending
                and (self.pa is None or outcome.pa == self.pa)
                and (self.attrs is None or outcome.attrs == self.attrs))


@dataclass
class Verdict:
    """What `judge` found.

    Members
    -------
    checked
        Observations judged.
    failures
        One text for each thing that is impossible, with steps of the nearest legal outcomes.
    """

    checked: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failures

    def verify(self) -> None:
        """AssertionError with the first failures, if there are any."""
        shown = "\n\n".join(self.failures[:3])
        assert not self.failures, f"{len(self.failures)} impossible:\n{shown}"


@dataclass
class _Due:
    """An observation's possible records: `events` of outcomes that look like it."""

    observation: Observation
    events: set[bytes | None]
    complete: bool  # whether all such outcomes are in `events`


class Judge:
    """Judges batches; see `Checker.judge`."""

    def __init__(self, search: Search, quick: Quick) -> None:
        self._search, self._quick, self._story = search, quick, Story(search)

    def judge(self, observations: list[Observation], records: list[bytes],
              lossy: bool) -> Verdict:
        verdict = Verdict(len(observations))
        dues = []
        for observation in observations:
            due = self._due(observation)
            if due.events:
                dues.append(due)
            else:
                verdict.failures.append(self._story.impossible(observation))
        self._records(dues, [masked(record) for record in records], lossy, verdict)
        return verdict

    def _due(self, observation: Observation) -> _Due:
        """Enough outcomes to accept the observation, found the cheap way if there is one."""
        outcome = self._quick.outcome(observation.txn, observation.window)
        if outcome is not None and observation.shows(outcome):
            return _Due(observation, {outcome.event}, False)
        for case in self._search.cases(observation.txn, observation.window):
            if observation.shows(case.outcome):
                self._quick.add(observation.txn)
                return _Due(observation, {case.outcome.event}, False)
        return _Due(observation, set(), True)

    def _complete(self, due: _Due) -> None:
        if not due.complete:
            due.events |= {case.outcome.event for case in self._cases(due.observation)
                           if due.observation.shows(case.outcome)}
            due.complete = True

    def _cases(self, observation: Observation) -> Iterator[Case]:
        return self._search.cases(observation.txn, observation.window)

    def _records(self, dues: list[_Due], records: list[bytes], lossy: bool,
                 verdict: Verdict) -> None:
        """Match records with the observations that caused them."""
        first = Counter(e for due in dues for e in due.events if e is not None)
        if first == Counter(records):
            return
        for due in dues:
            self._complete(due)
        may = [[n for n, due in enumerate(dues) if record in due.events] for record in records]
        # Attempts that stalled and were tried again leave records of their own.
        rest = [n for n, record in enumerate(records)
                if may[n] or not self._stalled(record, dues)]
        needed = [] if lossy else [n for n, due in enumerate(dues) if None not in due.events]
        must = [n for n in rest if not _is_stall(records[n])]
        matched = cover(may, must, needed, set(rest))
        for n in must:
            if n not in matched:
                verdict.failures.append(self._story.unexplained(
                    records[n], [due.observation for due in dues]))
        for n in rest:
            if n not in must and not may[n]:
                verdict.failures.append(self._story.unexplained(
                    records[n], [due.observation for due in dues]))
        taken = set(matched.values())
        for n in needed:
            if n not in taken:
                verdict.failures.append(self._story.missing(
                    dues[n].observation, {e for e in dues[n].events if e is not None}))

    def _stalled(self, record: bytes, dues: list[_Due]) -> bool:
        return _is_stall(record) and any(
            case.outcome.event == record
            for due in dues for case in self._cases(due.observation))


def _is_stall(record: bytes) -> bool:
    return bool(F_TRANSLATION.Stall.get(int.from_bytes(record, "little")))
