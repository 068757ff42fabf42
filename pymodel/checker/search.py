"""All outcomes that a transaction may have, by running the translation over all versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from pymodel.checker.choices import Choices, Replay
from pymodel.checker.lifetime import BEGIN, Window
from pymodel.checker.outcome import Outcome
from pymodel.checker.possible import unmet
from pymodel.checker.reader import BranchingReader, ImpossibleError, Records
from pymodel.checker.reads import Read
from pymodel.checker.shares import User
from pymodel.checker.states import States, StateVersion
from pymodel.faults import conclude
from pymodel.job import Fault, Job
from pymodel.rules import rules_of
from pymodel.state import SmmuState
from pymodel.transaction import Step, Transaction
from pymodel.translate import procedure
from spec.events import TRANSLATION_FAULTS, EventType, FaultClass
from spec.impl import Implementation

# Faults that a walk of the TLB's may meet.
_OF_WALKS = TRANSLATION_FAULTS | {EventType.F_WALK_EABT}


class TooManyError(Exception):
    """More combinations of versions than the checker is willing to try."""


class Case(NamedTuple):
    """One run: an outcome and how it came about. `needs` are the reads that forbid it."""

    outcome: Outcome
    needs: list[Read]
    state: SmmuState
    root: StateVersion | None
    stream: tuple[int, int | None]
    user: User | None
    choices: list[int]


class _Seen(NamedTuple):
    """What the runs with the transaction's own configuration found."""

    users: dict[tuple[bytes, bytes | None], User]
    skipped: list[bool]


class Search:
    """Runs translations over what `records` and `states` know.

    Parameters
    ----------
    limit
        Combinations tried for one transaction before `TooManyError`.
    """

    def __init__(self, impl: Implementation, records: Records, states: States,
                 limit: int) -> None:
        self.impl, self.records, self.states, self.limit = impl, records, states, limit

    def cases(self, txn: Transaction, window: Window, judged: Window | None = None
              ) -> Iterator[Case]:
        """Legal runs, the newest versions first; an outcome may come more than once.

        With `judged`, `window` is a wider one: all runs, and `needs` says what forbids them in
        the window `judged`.
        """
        budget = [self.limit]
        self.records.registry.known.add((txn.sid, txn.ssid))
        for version in self.states.effective(window):
            if not version.state.smmuen:
                yield self._disabled(txn, version.state)
                continue
            seen = _Seen({}, [])
            for case in self._own(txn, version, window, judged or window, budget, seen):
                if judged or not case.needs:
                    yield case
            for case in self._shared(txn, version, window, judged or window, budget, seen):
                if judged or not case.needs:
                    yield case

    def _disabled(self, txn: Transaction, state: SmmuState) -> Case:
        job = Job(rules_of(self.impl), state, self._reader(Choices(), Window(0, 0, 0)), txn, None)
        return Case(Outcome.of(procedure(job)), [], state, None, (txn.sid, txn.ssid), None, [])

    def _reader(self, choices: Choices, window: Window, root: StateVersion | None = None,
                user: User | None = None) -> BranchingReader:
        root = root or self.states.versions[0]
        return BranchingReader(self.records, choices, window, root.life, user)

    def _own(self, txn: Transaction, version: StateVersion, window: Window, judged: Window,
             budget: list[int], seen: _Seen) -> Iterator[Case]:
        """The transaction's own configuration, and walks from there."""
        for root in self.states.roots():
            state = self.states.through(version.state, root)
            choices = Choices()
            while choices.again():
                self._spend(budget, txn)
                run = self._reader(choices, window, root)
                ran = self._run(run, state, txn)
                seen.skipped.append(run.skipped)
                if ran is None:
                    continue
                outcome, fault = ran
                if _translates(run, fault):
                    self._note(txn, run, seen)
                # Without an STE nothing is cached but an L1STD: the register state decides.
                if run.ste_read is None and run.l1std_read is None and root is not version:
                    continue
                yield Case(outcome, unmet(run, fault, judged), state, root,
                           (txn.sid, txn.ssid), None, choices.made())

    def _note(self, txn: Transaction, run: BranchingReader, seen: _Seen) -> None:
        """Remember what this configuration's translations are tagged with."""
        ste, cd, tags = run.ste_read, run.cd_read, run.tags()
        assert ste is not None
        assert isinstance(ste.value, bytes)
        raw = cd.value if cd is not None else None
        assert raw is None or isinstance(raw, bytes)
        seen.users[ste.value, raw] = User(tags, ste.value, raw)
        self.records.registry.stream(txn.sid, txn.ssid, tags)

    def _shared(self, txn: Transaction, version: StateVersion, window: Window, judged: Window,
                budget: list[int], seen: _Seen) -> Iterator[Case]:
        """TLB entries under the same tags, from configuration that is gone or another stream's."""
        for user in seen.users.values():
            for sid, ssid in sorted(self.records.registry.known, key=str):
                own = (sid, ssid) == (txn.sid, txn.ssid)
                if own and len(seen.users) == 1 and not any(seen.skipped):
                    continue
                for root in self.states.roots():
                    state = self.states.through(version.state, root)
                    yield from self._hits(replace(txn, sid=sid, ssid=ssid), txn, user, state,
                                          root, window, judged, budget)

    def _hits(self, walker: Transaction, txn: Transaction, user: User, state: SmmuState,
              root: StateVersion, window: Window, judged: Window,
              budget: list[int]) -> Iterator[Case]:
        choices = Choices()
        while choices.again():
            self._spend(budget, txn)
            run = self._reader(choices, window, root, user)
            ran = self._run(run, state, walker, txn)
            if ran is None or not _hit(run, ran[1], user):
                continue
            yield Case(ran[0], unmet(run, ran[1], judged), state, root,
                       (walker.sid, walker.ssid), user, choices.made())

    def _run(self, run: BranchingReader, state: SmmuState, walker: Transaction,
             txn: Transaction | None = None, steps: list[Step] | None = None
             ) -> tuple[Outcome, Fault | None] | None:
        """One translation; None if it cannot have happened. `txn`, if not the walker, is whose
        record a fault gives."""
        job = Job(rules_of(self.impl), state, run, walker, steps)
        run.job = job
        try:
            return Outcome.of(procedure(job)), None
        except ImpossibleError:
            return None
        except Fault as fault:
            if txn is not None:
                job.sid, job.ssid = txn.sid, txn.ssid
            return Outcome.of(conclude(job, fault)), fault

    def _spend(self, budget: list[int], txn: Transaction) -> None:
        budget[0] -= 1
        if budget[0] < 0:
            raise TooManyError(f"{txn}: more than {self.limit} combinations of versions")

    def steps(self, txn: Transaction, window: Window, case: Case) -> list[Step]:
        """The steps of a case that `cases` has given for the same transaction and window."""
        steps: list[Step] = []
        sid, ssid = case.stream
        run = self._reader(Replay(case.choices), window, case.root, case.user)
        self._run(run, case.state, replace(txn, sid=sid, ssid=ssid), txn, steps)
        return steps

    def anything(self, txn: Transaction, window: Window) -> Iterator[Case]:
        """As `cases`, also what invalidations and time forbid, and why."""
        return self.cases(txn, Window(BEGIN, window.decided, BEGIN), window)


def _translates(run: BranchingReader, fault: Fault | None) -> bool:
    """Whether the run came as far as a TLB lookup."""
    if run.cd_read is not None:
        return not run.job.cd.illegal
    return bool(run.stage2) and run.l1cd_read is None and (
        fault is None or (fault.stage == 2 and fault.cls is FaultClass.IN))


def _hit(run: BranchingReader, fault: Fault | None, user: User) -> bool:
    """Whether the user's tags can lead to this run: by a hit on its last entry, or by a hit on a
    table descriptor and a walk of the user's own from there."""
    if fault is not None and (fault.cls is FaultClass.CD or fault.type not in _OF_WALKS):
        return False
    if run.cd_read is None and not run.stage2:
        return False  # no stage was on: no TLB was asked
    tags = run.tags()
    if (tags.world, tags.vmid) != (user.tags.world, user.tags.vmid):
        return False
    whole = not run.updated and (fault is None or (
        fault.type is EventType.F_PERMISSION and fault.cls is FaultClass.IN))
    if user.cd is None:
        return run.cd_read is None and len(run.stage2) > (0 if whole else 1)
    if not whole:
        return len(run.stage1) > 1 and tags.asid == user.tags.asid
    if not run.stage1:
        return False  # an entry of stage 2 alone
    leaf = run.stage1[-1]
    asid = leaf.place.entry(leaf.value).asid
    return tags.aset == user.tags.aset if asid is None else asid == user.tags.asid
