"""Free pages of the machine's RAM, handed out contiguous for tables and scattered for buffers."""

from __future__ import annotations

import random

from pymodel.memory import PAGE, Memory


class PageAllocator:
    """Pages of [base, base + size), zeroed when handed out.

    `scatter` draws single pages at random places (seeded), so that neighbours in a buffer are
    not neighbours in memory; `contiguous` gives naturally aligned blocks from the bottom.
    """

    def __init__(self, memory: Memory, base: int, size: int, seed: int = 1) -> None:
        self._memory, self._next = memory, base
        self._end = base + size
        self._middle = base + size // 2 // PAGE * PAGE
        self._random = random.Random(seed)
        self._scattered: set[int] = set()
        self._blocks: dict[int, list[int]] = {}  # returned contiguous blocks by size

    def contiguous(self, size: int, align: int = PAGE) -> int:
        """A block of at least `size` bytes aligned to `align` (a power of two)."""
        for start in self._blocks.get(_whole(size), ()):
            if not start % align:
                self._blocks[_whole(size)].remove(start)
                self._memory.write(start, bytes(_whole(size)))
                return start
        start = (self._next + align - 1) & ~(align - 1)
        end = (start + size + PAGE - 1) // PAGE * PAGE
        if end > self._middle:
            raise MemoryError(f"no {size} contiguous bytes left")
        self._next = end
        self._memory.write(start, bytes(end - start))
        return start

    def give_back(self, start: int, size: int) -> None:
        """Give back what `contiguous` handed out for `size`."""
        self._blocks.setdefault(_whole(size), []).append(start)

    def scatter(self) -> int:
        """One page from anywhere in the upper half."""
        pages = (self._end - self._middle) // PAGE
        if len(self._scattered) * 2 > pages:
            raise MemoryError("no scattered pages left")
        while (page := self._middle + PAGE * self._random.randrange(pages)) in self._scattered:
            pass
        self._scattered.add(page)
        self._memory.write(page, bytes(PAGE))
        return page

    def free(self, page: int) -> None:
        """Give back a page that `scatter` handed out."""
        self._scattered.remove(page)


def _whole(size: int) -> int:
    """`size` in whole pages."""
    return -(-size // PAGE) * PAGE
