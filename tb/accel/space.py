"""The memory of one application: slots of pages, most of them mapped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from driver.bus import Bus
from driver.iommu.domain import Domain
from driver.iommu.pagetable import Prot
from pymodel.memory import PAGE
from tb.env import Env

BASE = 0x40_0000_0000   # the same for every application
SLOTS = 4
SLOT_PAGES = 8
READ, BOTH = Prot.READ, Prot.READ | Prot.WRITE


class NoRoom(Exception):
    """The slot is full."""


@dataclass
class Slot:
    """Memory of one job; `take` gives it away from the beginning, often at the end of a page."""

    start: int
    end: int
    page: int
    rng: Random
    at: int = 0

    def take(self, size: int) -> int:
        """So many bytes that nothing else has."""
        if self.rng.random() < 0.3:
            edge = (self.at // self.page + 1) * self.page
            self.at = max(self.at, edge - self.rng.randrange(size))
        if self.at + size > self.end:
            raise NoRoom
        self.at += size
        return self.at - size


class Space:
    """Physically scattered pages in `domain`; some are missing, read-only or answer with errors,
    some are mapped only when a stalled transaction asks for them.

    Readable and writable by address as its owner names it: what is missing reads 0 and ignores
    writes.

    Members
    -------
    free
        Slots that no job uses.
    """

    def __init__(self, env: Env, bus: Bus, domain: Domain, rng: Random, faults: float,
                 late: float) -> None:
        self._env, self._bus, self._domain, self._rng = env, bus, domain, rng
        self._page = 1 << domain.table.granule
        self._pages: dict[int, int] = {}
        self._late: dict[int, int] = {}      # those of `_pages` that are not mapped yet
        self._read_only: set[int] = set()
        self._faulting: set[int] = set()     # what may stall
        size = SLOT_PAGES * self._page
        self.free = [Slot(at, at + size, self._page, rng, at)
                     for at in range(BASE, BASE + SLOTS * size, size)]
        for at in range(BASE, BASE + SLOTS * size, self._page):
            fault = rng.choice(("missing", "read-only", "error")) if rng.random() < faults else ""
            self._make_page(at, "late" if rng.random() < late else fault)

    def _make_page(self, iova: int, fault: str) -> None:
        number = iova // self._page
        if fault in ("missing", "read-only", "late"):
            self._faulting.add(number)
        if fault == "missing":
            return
        pages = self._bus.pages
        pa = pages.scatter() if self._page == PAGE else pages.contiguous(self._page, self._page)
        self._pages[number] = pa
        if fault == "late":
            self._late[number] = pa
            return
        self._domain.map(iova, pa, self._page, READ if fault == "read-only" else BOTH)
        if fault == "read-only":
            self._read_only.add(number)
        if fault == "error":
            self._env.poison(pa + PAGE * self._rng.randrange(self._page // PAGE))

    async def fault(self, address: int, write: bool) -> bool:
        """A transaction is stalled: map what it asks for; whether to try again."""
        number = address // self._page
        if number in self._late:
            self._domain.map(number * self._page, self._late.pop(number), self._page, BOTH)
        return number in self._pages and not (write and number in self._read_only)

    def promise(self, address: int) -> int | None:
        """Where an address that stalls will lead in the end."""
        page = self._late.get(address // self._page)
        return None if page is None else page + address % self._page

    def may_stall(self, address: int) -> bool:
        """Whether accesses to an address could have stalled."""
        number = address // self._page
        return number in self._faulting or number not in self._pages

    def _pieces(self, address: int, size: int) -> Iterator[tuple[int | None, int]]:
        """(physical address or None, bytes) page by page."""
        while size:
            number, offset = divmod(address, self._page)
            take = min(size, self._page - offset)
            page = self._pages.get(number)
            yield None if page is None else page + offset, take
            address, size = address + take, size - take

    def read(self, address: int, size: int) -> bytes:
        return b"".join(bytes(take) if pa is None else self._bus.memory.read(pa, take)
                        for pa, take in self._pieces(address, size))

    def write(self, address: int, data: bytes) -> None:
        for pa, take in self._pieces(address, len(data)):
            if pa is not None:
                self._bus.memory.write(pa, data[:take])
            data = data[take:]
