"""The usual case: nothing that a transaction reads has more than one version."""

from __future__ import annotations

from collections.abc import Callable

from pymodel.checker.history import History
from pymodel.checker.lifetime import Window
from pymodel.checker.outcome import Outcome
from pymodel.checker.states import States
from pymodel.memory import PAGE, Memory
from pymodel.reader import Context, MemoryReader
from pymodel.transaction import Transaction
from pymodel.translate import translate
from spec.context import CD_BYTES
from spec.impl import Implementation
from spec.stream_table import STE_BYTES

_MOST = 1 << 18  # pages remembered


class _ChangedError(Exception):
    """A doubleword with a history was read."""


class _SteadyReader(MemoryReader):
    """Memory as it is now, where it has always been so; updates stay in `updated`."""

    def __init__(self, memory: Memory, history: History) -> None:
        super().__init__(memory)
        self._words, self._pages = history.words, history.pages
        self._read64: Callable[[int], int] = memory.read64
        self.updated: dict[int, int] = {}

    def ste(self, address: int, sid: int) -> bytes:
        if address // PAGE in self._pages:
            raise _ChangedError
        return self.memory.read(address, STE_BYTES)

    def cd(self, address: int, sid: int, ssid: int) -> bytes:
        if address // PAGE in self._pages:
            raise _ChangedError
        return self.memory.read(address, CD_BYTES)

    def l1std(self, address: int, sid: int) -> int:
        if address in self._words:
            raise _ChangedError
        return self._read64(address)

    def l1cd(self, address: int, sid: int, ssid: int) -> int:
        return self.l1std(address, sid)

    def descriptor(self, address: int, stage: int, level: int, context: Context) -> int:
        if address in self._words:
            raise _ChangedError
        if self.updated and address in self.updated:
            return self.updated[address]
        return self._read64(address)

    def update(self, address: int, old: int, new: int, stage: int, level: int,
               context: Context) -> bool:
        self.updated[address] = new
        return True


class Quick:
    """Answers transactions whose pages have been walked before by the full search, if nothing on
    their way has changed since.

    A page is known by (StreamID, SubstreamID, page of the input address); `reset` forgets all.
    """

    def __init__(self, impl: Implementation, history: History, states: States) -> None:
        self._impl, self._states = impl, states
        self._reader = _SteadyReader(history.memory, history)
        self._known: set[tuple[int, int | None, int]] = set()

    def reset(self) -> None:
        self._known.clear()

    def add(self, txn: Transaction) -> None:
        """The full search has been through this page."""
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known.add((txn.sid, txn.ssid, txn.addr // PAGE))

    def outcome(self, txn: Transaction, window: Window) -> Outcome | None:
        """An outcome that is legal; None if it takes the full search to tell."""
        if (txn.sid, txn.ssid, txn.addr // PAGE) not in self._known:
            return None
        states = self._states.effective(window)
        if len(states) != 1:
            return None
        reader = self._reader
        try:
            return Outcome.of(translate(self._impl, states[0].state, reader, txn))
        except _ChangedError:
            return None
        finally:
            if reader.updated:
                reader.updated.clear()
