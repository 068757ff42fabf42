"""The checker: what happened goes in, what each transaction may do comes out.

    checker = Checker(impl, memory)
    checker.attach(smmu)                      # or on_write, on_command, on_sync, on_state
    checker.allowed(txn, issued, decided, completed)   # set of Outcome
    checker.judge(observations, records).verify()

Rules, in the order in which they decide (reference 2.2, 4.3, 6.3, 6.4):

1. A transaction finds one register state, one copy of its STE and one of its CD. Doublewords of an
   STE or CD are fetched in any order, at different times, so a copy may be torn by a change; a
   copy is one fetch's, and goes as a whole with an invalidation issued after any of its
   doublewords changed.
2. A copy may be used until a CMD_SYNC completes whose preceding commands, issued when the copy
   could not be fetched again, cover it. A copy found by way of another one (a leaf by its table, a
   CD by its STE) can be fetched as long as that one can be used; one command that covers both
   removes both. Commands of one batch have no order: CFGI and TLBI that depend on each other need
   a SYNC between them.
3. Transactions that used a copy complete before that SYNC does.
4. Invalid descriptors, AF=0 and addresses above the output size are not cached: a transaction
   that faults on them has read them itself, between its issue and its decision. Neither is a
   failed fetch. Invalid STEs, CDs and L1 descriptors may be cached.
5. TLB entries depend on their tags only. They outlive the STE and CD under which they were made,
   and serve every stream with the same tags (global ones: every ASID with the same ASET). Such a
   hit translates, or faults on permission.
6. A hardware update needs the descriptor to be in memory as it was read.

Limits: which of two S2TTBs under one VMID translates is not mixed within one translation; bus
errors have no history.
"""

from __future__ import annotations

from collections.abc import Iterable

from pymodel.checker.attach import Attachment
from pymodel.checker.forget import Forgetting
from pymodel.checker.history import History
from pymodel.checker.judge import Judge, Observation, Verdict
from pymodel.checker.lifetime import CommandLog, Time, Window
from pymodel.checker.outcome import Outcome
from pymodel.checker.quick import Quick
from pymodel.checker.reader import Records
from pymodel.checker.registry import Registry
from pymodel.checker.search import Search
from pymodel.checker.states import States
from pymodel.invalidation import Invalidation
from pymodel.memory import Memory
from pymodel.smmu import Smmu
from pymodel.state import SmmuState
from pymodel.transaction import Transaction
from spec.commands import Command
from spec.impl import Implementation

_LIMIT = 4096


class Checker:
    """The set of what is allowed on one SMMU.

    Parameters
    ----------
    memory
        As it is now; `on_write` says how it came to be so. What it holds at the start counts as
        there from the beginning.
    state
        Registers at the start.
    limit
        Combinations of versions tried for one transaction before `TooManyError`.
    """

    def __init__(self, impl: Implementation, memory: Memory, state: SmmuState | None = None, *,
                 limit: int = _LIMIT) -> None:
        self.impl, self.memory = impl, memory
        self._history, self._log, self._registry = History(memory), CommandLog(), Registry()
        self._states = States(state or SmmuState())
        self._search = Search(impl, Records(self._history, self._log, self._registry),
                              self._states, limit)
        self._quick = Quick(impl, self._history, self._states)
        self._judge = Judge(self._search, self._quick)

    # What happened

    def on_write(self, address: int, old: bytes, new: bytes, time: Time) -> None:
        """Memory at `address` has changed from `old` to `new`, by software or by the SMMU.
        Writes to what is no structure cost memory until `prune`; leave them out if known."""
        if self._history.on_write(address, old, new, time):
            words = range(address // 8 * 8, address + len(new), 8)
            if any(self._registry.steers(at, self.memory.read64(at)) for at in words):
                self._quick.reset()

    def on_command(self, command: Command, inv: Invalidation | None, time: Time) -> None:
        """A command was issued: CMDQ_PROD moved past it at `time`. `inv` is
        `pymodel.invalidation.decode` of it. In the order of the queue, SYNCs included."""
        self._log.on_command(command, inv, time)

    def on_sync(self, time: Time) -> None:
        """The oldest incomplete SYNC has completed: CMDQ_CONS was past it at `time`, or not much
        before (later is safe, it only allows more)."""
        self._log.on_sync(time)

    def on_stream(self, sid: int, ssid: int | None = None) -> None:
        """The stream has transactions. Needed only where others may hit its TLB entries before
        one of its own has been judged."""
        self._registry.known.add((sid, ssid))

    def on_state(self, state: SmmuState, since: Time, by: Time | None = None) -> None:
        """The registers say `state`. It may be in effect from `since` (the write), and surely is
        for what is issued after `by` (the acknowledge; `since` if there is none)."""
        if self._states.on_state(state, since, since if by is None else by):
            self._quick.reset()

    def attach(self, smmu: Smmu) -> Attachment:
        """Take everything from a golden model, with a counter as time."""
        return Attachment(self, smmu)

    # What is allowed

    def allowed(self, txn: Transaction, issued: Time, decided: Time | None = None,
                completed: Time | None = None) -> set[Outcome]:
        """Every legal outcome of a transaction.

        `issued` is when the SMMU took it, `decided` when its outcome was fixed, `completed` when
        its last response left memory or the fault was answered. Default: at once. Raises
        `TooManyError`.
        """
        return {case.outcome for case in self._search.cases(txn, _window(issued, decided,
                                                                         completed))}

    def judge(self, observations: Iterable[Observation], records: Iterable[bytes] = (), *,
              lossy: bool = False) -> Verdict:
        """Whether the observations are legal, and the event records are those they caused.

        `records` are all that were written since the last call, for transactions in
        `observations`, STALL records included. `lossy`: the queue was full, disabled or in error,
        so that records may be missing. Raises `TooManyError`.
        """
        batch = list(observations)
        for observation in batch:
            self.on_stream(observation.txn.sid, observation.txn.ssid)
        return self._judge.judge(batch, list(records), lossy)

    def prune(self, before: Time) -> None:
        """Forget what no transaction issued at `before` or later can meet. None issued earlier may
        be asked about any more.

        Pages that no judged transaction has walked through are taken as not cached, and tags that
        none had as not in use. States other than
        the current one go when everything may be gone that was fetched under them.
        """
        Forgetting(self._history, self._log, self._registry, self._states, self.impl.SIDSIZE,
                   before).run()

    @property
    def versions(self) -> int:
        """Doublewords with more than one version."""
        return len(self._history.words)


def _window(issued: Time, decided: Time | None, completed: Time | None) -> Window:
    decided = issued if decided is None else decided
    return Window(issued, decided, decided if completed is None else completed)

