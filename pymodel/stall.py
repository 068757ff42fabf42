"""Stalled transactions: tags, held records, answers (reference 4.9, 6.3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from pymodel.evtq import EventQueue
from pymodel.transaction import Ending, Result, Transaction
from spec.commands import RESUME
from spec.events import EVENT_BYTES, F_TRANSLATION
from spec.impl import Implementation

_STAG = F_TRANSLATION.STAG


class StallBuffer:
    """Holds stalled transactions until software answers or SMMUEN is cleared.

    A stall has a record in the Event queue and a STAG, or waits (`held`) for room in the queue and
    a free STAG; a held transaction is translated anew when there is room, and only the result of
    that counts. STAGs are unique over all streams and below STALL_MAX.

    Parameters
    ----------
    retry
        Translates a transaction again and deals with whatever comes of it.
    complete
        Called with each stalled transaction that has been terminated.
    """

    def __init__(self, impl: Implementation, eventq: EventQueue,
                 retry: Callable[[Transaction], None],
                 complete: Callable[[Transaction, Result], None]) -> None:
        self.impl, self.eventq, self.retry, self.complete = impl, eventq, retry, complete
        self._tagged: dict[int, Transaction] = {}
        self._lost: set[int] = set()  # tags whose record write aborted: nobody can answer them
        self._held: deque[Transaction] = deque()
        self._pumping = False

    def __len__(self) -> int:
        """Transactions stalled."""
        return len(self._tagged) + len(self._held)

    def __iter__(self) -> Iterator[tuple[int | None, Transaction]]:
        """(STAG, transaction) of each; None while its record is held."""
        yield from self._tagged.items()
        yield from ((None, txn) for txn in self._held)

    def admit(self, txn: Transaction, result: Result) -> None:
        """Keep `txn`; record it if there is room. Fills `stag`, `event` and `recorded`."""
        if not self._room():
            self._held.append(txn)
            return
        stag = next(n for n in range(self.impl.STALL_MAX) if n not in self._tagged)
        assert result.event is not None
        record = int.from_bytes(result.event, "little") | _STAG.put(stag)
        self._tagged[stag] = txn
        result.stag, result.event = stag, record.to_bytes(EVENT_BYTES, "little")
        result.recorded = self.eventq.append(result.event)
        if not result.recorded and self._tagged.get(stag) is txn:
            self._lost.add(stag)

    def resume(self, command: RESUME) -> None:
        """CMD_RESUME: retry, abort or RAZ/WI of one stall; no effect if none matches."""
        stag, txn = command.STAG, self._tagged.get(command.STAG)
        if txn is None or txn.sid != command.StreamID or stag in self._lost:
            return
        del self._tagged[stag]
        if command.Ac:
            self.retry(txn)
        elif command.Ab or self.impl.TERM_MODEL:
            self.complete(txn, Result(Ending.ABORT))
        else:
            self.complete(txn, Result(Ending.RAZWI))
        self.pump()

    def terminate(self, sid: int | None = None) -> None:
        """Abort the stalls of one stream (CMD_STALL_TERM), or all of them (SMMUEN cleared)."""
        ended = [(stag, txn) for stag, txn in self if sid is None or txn.sid == sid]
        for stag, _ in ended:
            if stag is not None:
                del self._tagged[stag]
                self._lost.discard(stag)
        self._held = deque(txn for txn in self._held if sid is not None and txn.sid != sid)
        for _, txn in ended:
            self.complete(txn, Result(Ending.ABORT))
        self.pump()

    def pump(self) -> None:
        """Retry held transactions in the order of their arrival while there is room."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._held and self._room():
                self.retry(self._held.popleft())
        finally:
            self._pumping = False

    def _room(self) -> bool:
        return len(self._tagged) < self.impl.STALL_MAX and self.eventq.writable()
