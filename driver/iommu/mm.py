"""Memory of one program: virtual addresses, pages that come when touched, pins."""

from __future__ import annotations

import errno
import os
from collections import Counter
from dataclasses import dataclass

from driver.bus import Bus
from driver.iommu.pagetable import Prot
from pymodel.memory import PAGE

FIRST = 0x10_0000_0000  # where the first mapping lies, the same in every program


@dataclass
class Area:
    """One mmap, or what munmap left of it."""

    start: int
    size: int
    prot: Prot

    @property
    def end(self) -> int:
        return self.start + self.size


class Mm:
    """Areas and the pages behind them. A page is freed when it is neither mapped nor pinned."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._areas: list[Area] = []
        self._pages: dict[int, int] = {}  # virtual page to physical page
        self._users: Counter[int] = Counter()  # physical page: 1 if mapped, 1 for each pin
        self._next = FIRST

    def mmap(self, size: int, prot: Prot = Prot.READ | Prot.WRITE) -> int:
        """A new area of whole pages that read 0; its address."""
        size = -(-size // PAGE) * PAGE
        self._areas.append(Area(self._next, size, prot))
        self._next += size + PAGE
        return self._areas[-1].start

    def touch(self, address: int, write: bool) -> int:
        """The physical page behind an address, there from now on; EFAULT where nothing is, or
        nothing that may be written; ENOMEM if no page is left."""
        page = address // PAGE * PAGE
        area = next((a for a in self._areas if a.start <= page < a.end), None)
        if area is None or (write and not area.prot & Prot.WRITE):
            raise OSError(errno.EFAULT, f"{os.strerror(errno.EFAULT)}: {address:#x}")
        if page not in self._pages:
            try:
                self._pages[page] = self._bus.pages.scatter()
            except MemoryError as error:
                raise OSError(errno.ENOMEM, f"{os.strerror(errno.ENOMEM)}: {error}") from None
            self._users[self._pages[page]] += 1
        return self._pages[page]

    def prot(self, address: int) -> Prot:
        """What the area at an address allows."""
        return next(a.prot for a in self._areas if a.start <= address < a.end)

    def present(self, start: int, size: int) -> list[int]:
        """The virtual pages of a range that have a page."""
        return [page for page in range(start, start + size, PAGE) if page in self._pages]

    def areas(self) -> list[Area]:
        """All there are."""
        return list(self._areas)

    def munmap(self, start: int, size: int) -> None:
        """Forget a range; areas that lie in it only partly keep the rest. EINVAL if it is not
        whole pages."""
        if (start | size) % PAGE or size <= 0:
            raise OSError(errno.EINVAL, f"{os.strerror(errno.EINVAL)}: munmap {start:#x}")
        kept = []
        for area in self._areas:
            for low, high in ((area.start, min(area.end, start)),
                              (max(area.start, start + size), area.end)):
                if low < high:
                    kept.append(Area(low, high - low, area.prot))
        self._areas = kept
        for page in self.present(start, size):
            self._drop(self._pages.pop(page))

    def pin(self, address: int, size: int, write: bool) -> list[int]:
        """The physical pages of a range; they stay until `unpin`. Errors as `touch`."""
        pages = [self.touch(at, write) for at in range(address, address + size, PAGE)]
        self._users.update(pages)
        return pages

    def unpin(self, pages: list[int]) -> None:
        """Let go of what `pin` returned."""
        for page in pages:
            self._drop(page)

    def read(self, address: int, size: int) -> bytes:
        """As the program reads it."""
        return b"".join(self._bus.memory.read(self.touch(at, False) + at % PAGE, take)
                        for at, take in _pieces(address, size))

    def write(self, address: int, data: bytes) -> None:
        """As the program writes it."""
        done = 0
        for at, take in _pieces(address, len(data)):
            self._bus.memory.write(self.touch(at, True) + at % PAGE, data[done:done + take])
            done += take

    def _drop(self, page: int) -> None:
        self._users[page] -= 1
        if not self._users[page]:
            del self._users[page]
            self._bus.pages.free(page)


def _pieces(address: int, size: int) -> list[tuple[int, int]]:
    """(address, size) of the parts that lie in one page each."""
    out = []
    while size:
        take = min(size, PAGE - address % PAGE)
        out.append((address, take))
        address, size = address + take, size - take
    return out
