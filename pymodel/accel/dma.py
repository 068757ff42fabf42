"""The accelerator's accesses to memory: through the SMMU, page by page, waiting where they stall.

Everything that takes time is a generator: it yields what it waits for, a stalled `Transaction` or
a condition, and `Tasks` goes on with it when that has come.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from pymodel.memory import PAGE, BusError, Memory
from pymodel.observer import Completion, Observer
from pymodel.smmu import Smmu
from pymodel.transaction import Ending, Result, Transaction

T = TypeVar("T")
Condition = Callable[[], bool]
Task = Generator[Transaction | Condition, Result | None, T]


class AccessError(Exception):
    """An access of the accelerator that was answered with an error.

    Members
    -------
    address : int
        Its first byte, as the accelerator named it.
    """

    def __init__(self, address: int) -> None:
        super().__init__(f"no access at {address:#x}")
        self.address = address


class Tasks(Observer):
    """Runs tasks as far as they go, and on when their stalled access ends or their condition
    holds."""

    def __init__(self) -> None:
        self._stalled: list[tuple[Transaction, Task[None]]] = []
        self._waiting: list[tuple[Condition, Task[None]]] = []

    def start(self, task: Task[None]) -> None:
        self._advance(task, None)
        self.poll()

    def poll(self) -> None:
        """Go on with every task whose condition holds now."""
        while ready := next((entry for entry in self._waiting if entry[0]()), None):
            self._waiting.remove(ready)
            self._advance(ready[1], None)

    def _advance(self, task: Task[None], result: Result | None) -> None:
        try:
            wish = task.send(result)
        except StopIteration:
            return
        if isinstance(wish, Transaction):
            self._stalled.append((wish, task))
        else:
            self._waiting.append((wish, task))

    def on_completion(self, completion: Completion) -> None:
        for entry in self._stalled:
            if entry[0] is completion.txn:
                self._stalled.remove(entry)
                self._advance(entry[1], completion.result)
                self.poll()
                return


class Waiting(Observer):
    """Accesses of the accelerator that the SMMU holds, of all its lives."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []

    def on_completion(self, completion: Completion) -> None:
        self.transactions = [txn for txn in self.transactions if txn is not completion.txn]


class Dma:
    """Reads and writes in the address spaces of one StreamID.

    `ssid` None is the function's own space (reference 3.10). Accesses that cross a page are
    separate transactions, lowest first; addresses wrap at 2^64.

    Members
    -------
    stopped : bool
        Nothing is begun while True.
    """

    def __init__(self, memory: Memory, smmu: Smmu, sid: int, waiting: Waiting):
        self.memory, self.smmu, self.sid, self._waiting = memory, smmu, sid, waiting
        self.stopped = False

    def read(self, ssid: int | None, address: int, size: int) -> Task[bytes]:
        """The bytes; AccessError if any of them cannot be read."""
        out = b""
        for at, take in pieces(address, size):
            pa = yield from self._translate(ssid, at, take, write=False)
            try:
                out += bytes(take) if pa is None else self.memory.read(pa, take)
            except BusError:
                raise AccessError(at) from None
        return out

    def write(self, ssid: int | None, address: int, data: bytes) -> Task[None]:
        """AccessError at the first page that cannot be written; earlier ones are."""
        for at, take in pieces(address, len(data)):
            pa = yield from self._translate(ssid, at, take, write=True)
            piece, data = data[:take], data[take:]
            if pa is not None:
                try:
                    self.memory.write(pa, piece)
                except BusError:
                    raise AccessError(at) from None

    def _translate(self, ssid: int | None, address: int, size: int, *,
                   write: bool) -> Task[int | None]:
        """The physical address; None for an access without effect (RAZ/WI)."""
        if self.stopped:
            yield lambda: not self.stopped
        txn = Transaction(sid=self.sid, ssid=ssid, addr=address, write=write, size=size)
        result = self.smmu.access(txn)
        if result.ending is Ending.STALLED:
            self._waiting.transactions.append(txn)
            ended = yield txn
            assert ended is not None
            result = ended
        if result.ending is Ending.ABORT:
            raise AccessError(address)
        return None if result.ending is Ending.RAZWI else result.pa


def pieces(address: int, size: int) -> list[tuple[int, int]]:
    """(address, size) of the parts of an access that lie in one page each."""
    out = []
    while size:
        address %= 1 << 64
        take = min(size, PAGE - address % PAGE)
        out.append((address, take))
        address, size = address + take, size - take
    return out
