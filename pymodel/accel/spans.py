"""Where the bytes of a job lie: in one piece, or as a scatter-gather list says (reference 3.7)."""

from __future__ import annotations

from collections.abc import Callable

from pymodel.accel.dma import Task
from spec.qm import SGE, SGL, SGL_ALIGN
from spec.sec import AddressType

Span = tuple[int, int]  # address, bytes
Read = Callable[[int, int], Task[bytes]]


class BadList(Exception):
    """A list that is malformed or too short."""


class Spans:
    """Gives away the memory of a source or a destination from its beginning.

    Parameters
    ----------
    read
        Reads the lists: (address, size).
    """

    def __init__(self, kind: int, address: int, read: Read) -> None:
        self._read = read
        self._flat = kind == AddressType.FLAT
        self._address = address          # flat: of the next byte; else of the list in `_head`
        self._head: SGL | None = None
        self._index = 0                  # of the next entry
        self._span: Span = 0, 0          # what is left of the entry before it

    def take(self, size: int) -> Task[list[Span]]:
        """The next `size` bytes. BadList if there are not so many."""
        out = []
        while size:
            out.append((yield from self.piece(size)))
            size -= out[-1][1]
        return out

    def piece(self, most: int) -> Task[Span]:
        """The next bytes that lie together, at most so many. BadList if there are none."""
        if self._flat:
            self._address, at = self._address + most, self._address
            return at, most
        if not self._span[1]:
            self._span = yield from self._next_entry()
        address, left = self._span
        part = min(most, left)
        self._span = address + part, left - part
        return address, part

    def _next_entry(self) -> Task[Span]:
        if self._head is None:
            yield from self._open(self._address)
        elif self._index == self._head.entry_sum_in_sgl:
            yield from self._open(self._head.next_dma)
        at = self._address + SGL.size() + SGE.size() * self._index
        entry = SGE.from_bytes((yield from self._read(at, SGE.size())))
        self._index += 1
        if not entry.buffer or not entry.length:
            raise BadList
        return entry.buffer, entry.length

    def _open(self, address: int) -> Task[None]:
        """Go to another list."""
        if not address or address % SGL_ALIGN:
            raise BadList
        self._address, self._index = address, 0
        self._head = SGL.from_bytes((yield from self._read(address, SGL.size())))
        if not self._head.entry_sum_in_sgl:
            raise BadList
