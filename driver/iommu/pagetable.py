"""Building stage-1 page tables in memory (reference 4.6): any granule, 48 bits, blocks."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag

from driver.bus import Bus
from spec.codes import Shareability
from spec.vmsa import (
    AP,
    BLOCK_LEVELS,
    DESCRIPTOR_BYTES,
    LAST_LEVEL,
    DescriptorType,
    S1Leaf,
    S1Table,
    index,
    shift,
    start_level,
)

BITS = 48
GRANULE = 12


class Prot(IntFlag):
    """What a mapping allows the device to do."""

    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Leaves:
    """Neighbouring leaves of one level that were removed."""

    iova: int
    size: int
    level: int


@dataclass(frozen=True)
class _Run:
    """Neighbouring slots of one table."""

    slot: int
    count: int
    iova: int
    level: int


class PageTable:
    """One address space of pages of 2^`granule` bytes. Edits memory only; invalidation is the
    domain's, and so is the order of the two.

    Parameters
    ----------
    oas_bits
        Physical address bits; what is mapped lies below.
    """

    def __init__(self, bus: Bus, granule: int = GRANULE, oas_bits: int = BITS) -> None:
        self._bus, self.granule, self._limit = bus, granule, 1 << oas_bits
        self.page = 1 << granule
        self._start = start_level(granule, BITS)
        self._sizes = {n: 1 << shift(granule, n) for n in range(self._start, LAST_LEVEL + 1)}
        self._leaf_levels = (*BLOCK_LEVELS[granule], LAST_LEVEL)
        self.root = self._table()

    def map(self, iova: int, pa: int, size: int, prot: Prot) -> None:
        """Map [iova, iova+size) to [pa, ...), whole pages, with the largest blocks that fit.

        ValueError: misaligned, outside 48 bits or the physical addresses, empty, write-only, or
        overlapping a mapping.
        """
        self._range(iova, size)
        if pa % self.page or not prot & Prot.READ or not 0 <= pa <= self._limit - size:
            raise ValueError(f"cannot map to {pa:#x} with {prot!r}")
        self._free(iova, size)
        self._map(iova, pa, size, prot)

    def _map(self, iova: int, pa: int, size: int, prot: Prot) -> None:
        while size:
            level = next(n for n in self._leaf_levels
                         if not (iova | pa) % self._sizes[n] and size >= self._sizes[n])
            step = self._sizes[level]
            room = self.page // DESCRIPTOR_BYTES - index(self.granule, level, iova)
            count = min(room, self._count(iova, pa, size, level))
            first = self._leaf(pa, level, prot)
            self._write(self._slot(iova, level), range(first, first + count * step, step))
            iova, pa, size = iova + count * step, pa + count * step, size - count * step

    def map_pages(self, iova: int, pages: Sequence[int], prot: Prot) -> None:
        """Map physical pages one behind the other; neighbours together. ValueError as `map`, and
        then nothing is mapped."""
        self._range(iova, len(pages) * self.page)
        if not prot & Prot.READ or any(
                page % self.page or not 0 <= page < self._limit for page in pages):
            raise ValueError("write-only, or a page that is none")
        self._free(iova, len(pages) * self.page)
        first = end = 0
        while end < len(pages):
            start = end  # of a run of neighbours
            while end < len(pages) and pages[end] == pages[start] + (end - start) * self.page:
                end += 1
            if (end - start) * self.page >= self._sizes[LAST_LEVEL - 1]:
                self._put_pages(iova + first * self.page, pages[first:start], prot)
                self._map(iova + start * self.page, pages[start], (end - start) * self.page, prot)
                first = end
        self._put_pages(iova + first * self.page, pages[first:], prot)

    def mapped(self, iova: int, size: int) -> bool:
        """Whether anything in [iova, +size) is mapped."""
        return any(word & 1 for *_, words in self._chunks(iova, iova + size) for word in words)

    def straddlers(self, iova: int, size: int) -> list[int]:
        """First addresses of the blocks that lie partly inside [iova, +size)."""
        blocks = []
        for edge in (iova, iova + size):
            level, raw = self._walk(edge) if edge < 1 << BITS else (LAST_LEVEL, 0)
            if raw & 1 and edge % self._sizes[level]:
                blocks.append(edge // self._sizes[level] * self._sizes[level])
        return sorted(set(blocks))

    def peek(self, iova: int) -> tuple[int, int]:
        """(level, descriptor) that the walk for `iova` ends at."""
        return self._walk(iova)

    def clear(self, block: int) -> None:
        """Make the block at address `block` invalid."""
        self._write(self._slot(block, self._walk(block)[0]), [0])

    def split(self, block: int, level: int, raw: int) -> None:
        """Put a table in the place of the block that was `raw` at `level`, mapping the same."""
        leaf, below = S1Leaf(raw), level + 1
        kind = DescriptorType.TABLE_OR_PAGE if below == LAST_LEVEL else DescriptorType.BLOCK
        step = self._sizes[below]
        if below not in self._leaf_levels:
            raise ValueError(f"level {below} holds no blocks")
        first, table = leaf.replace(Type=kind).value, self._table()
        self._write(table, range(first, first + self._sizes[level], step))
        self._write(self._slot(block, level),
                    [S1Table.pack(Type=DescriptorType.TABLE_OR_PAGE, Address=table)])

    def unmap(self, iova: int, size: int) -> tuple[list[Leaves], list[int]]:
        """Remove [iova, iova+size): what was removed, and the tables that are linked nowhere any
        more; `release` them when no walk can hold them.

        ValueError if part of it is not mapped or only part of a block is meant; nothing is
        removed then.
        """
        self._range(iova, size)
        runs: list[_Run] = []
        for at, level, slot, words in self._chunks(iova, iova + size):
            end = at + len(words) * self._sizes[level]
            if at < iova or end > iova + size or not all(word & 1 for word in words):
                raise ValueError(f"[{iova:#x}, +{size:#x}) is not a whole mapping")
            runs.append(_Run(slot, len(words), at, level))
        for run in runs:
            self._write(run.slot, [0] * run.count)
        return self._joined(runs), self._prune(iova, iova + size)

    def destroy(self) -> None:
        """Give all tables' memory back; nothing may walk them any more, or map."""
        tables = [(self._start, self.root)]
        while tables:
            level, table = tables.pop()
            if level < LAST_LEVEL:
                tables += [(level + 1, S1Table(word).Address)
                           for word in self._read(table, self.page // DESCRIPTOR_BYTES)
                           if word & 3 == DescriptorType.TABLE_OR_PAGE]
            self.release([table])

    def release(self, tables: list[int]) -> None:
        """Give tables' memory back."""
        for table in tables:
            self._bus.pages.give_back(table, self.page)

    def lookup(self, iova: int) -> tuple[int, int] | None:
        """(level, output address) of the leaf that maps `iova`, or None."""
        level, raw = self._walk(iova)
        if not raw & 1:
            return None
        return level, S1Leaf(raw).Address | iova & (self._sizes[level] - 1)

    def _count(self, iova: int, pa: int, size: int, level: int) -> int:
        """How many leaves of `level` come before a larger one fits."""
        step = self._sizes[level]
        larger = [self._sizes[n] for n in self._leaf_levels if n < level]
        if not larger or (iova ^ pa) % larger[-1]:
            return size // step
        before = -iova % larger[-1]
        return min(size, before) // step if size >= before + larger[-1] else size // step

    def _free(self, iova: int, size: int) -> None:
        """ValueError if anything in a range is mapped."""
        if self.mapped(iova, size):
            raise ValueError(f"[{iova:#x}, +{size:#x}) overlaps a mapping")

    def _put_pages(self, iova: int, pages: Sequence[int], prot: Prot) -> None:
        """Write last-level descriptors, table by table."""
        leaf, at = self._leaf(0, LAST_LEVEL, prot), 0
        while at < len(pages):
            address = iova + at * self.page
            room = self.page // DESCRIPTOR_BYTES - index(self.granule, LAST_LEVEL, address)
            self._write(self._slot(address, LAST_LEVEL),
                        [leaf | page for page in pages[at:at + room]])
            at += room

    def _chunks(self, iova: int, end: int) -> Iterator[tuple[int, int, int, tuple[int, ...]]]:
        """(address, level, slot, descriptors) of neighbours in one table that the walks for
        [iova, end) end at: leaves and invalid descriptors, in order."""
        at = iova
        while at < end:
            table, level = self._lowest(at)
            step = self._sizes[level]
            at = at // step * step
            first = index(self.granule, level, at)
            count = min(self.page // DESCRIPTOR_BYTES - first, -(-(end - at) // step))
            slot = table + DESCRIPTOR_BYTES * first
            words = self._read(slot, count)
            if level < LAST_LEVEL:
                words = tuple(itertools.takewhile(
                    lambda word: word & 3 != DescriptorType.TABLE_OR_PAGE, words))
            yield at, level, slot, words
            at += step * len(words)

    def _lowest(self, iova: int) -> tuple[int, int]:
        """The table in which the walk for `iova` ends, and its level."""
        table = self.root
        for level in range(self._start, LAST_LEVEL):
            raw = self._bus.memory.read64(self._at(table, level, iova))
            if raw & 3 != DescriptorType.TABLE_OR_PAGE:
                return table, level
            table = S1Table(raw).Address
        return table, LAST_LEVEL

    def _walk(self, iova: int) -> tuple[int, int]:
        """(level, descriptor) of the leaf or the invalid descriptor that `iova` ends at."""
        table, level = self._lowest(iova)
        return level, self._bus.memory.read64(self._at(table, level, iova))

    def _joined(self, runs: list[_Run]) -> list[Leaves]:
        """Runs of several tables that are neighbours, as one."""
        leaves: list[Leaves] = []
        for run in runs:
            size = run.count * self._sizes[run.level]
            last = leaves[-1] if leaves else None
            if last and last.level == run.level and last.iova + last.size == run.iova:
                leaves[-1] = Leaves(last.iova, last.size + size, run.level)
            else:
                leaves.append(Leaves(run.iova, size, run.level))
        return leaves

    def _prune(self, iova: int, end: int) -> list[int]:
        """Unlink the tables of [iova, end) that have become empty, from the bottom."""
        empty = []
        for level in range(LAST_LEVEL - 1, self._start - 1, -1):
            step = self._sizes[level]
            for at in range(iova // step * step, end, step):
                slot = self._find(at, level)
                raw = self._bus.memory.read64(slot) if slot else 0
                if raw & 3 != DescriptorType.TABLE_OR_PAGE:
                    continue
                table = S1Table(raw).Address
                if not any(self._bus.memory.read(table, self.page)):
                    self._write(slot, [0])
                    empty.append(table)
        return empty

    def _range(self, iova: int, size: int) -> None:
        if (iova | size) % self.page or size <= 0 or iova < 0 or iova + size > 1 << BITS:
            raise ValueError(f"[{iova:#x}, +{size:#x}) is not a range of whole pages below 2^48")

    def _table(self) -> int:
        return self._bus.pages.contiguous(self.page, self.page)

    def _read(self, slot: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}Q", self._bus.memory.read(slot, DESCRIPTOR_BYTES * count))

    def _write(self, slot: int, words: Sequence[int]) -> None:
        self._bus.memory.write(slot, struct.pack(f"<{len(words)}Q", *words))

    def _at(self, table: int, level: int, iova: int) -> int:
        return table + DESCRIPTOR_BYTES * index(self.granule, level, iova)

    def _find(self, iova: int, level: int) -> int:
        """Address of the descriptor for `iova` at `level`; 0 if there is no such table."""
        table = self.root
        for above in range(self._start, level):
            raw = self._bus.memory.read64(self._at(table, above, iova))
            if raw & 3 != DescriptorType.TABLE_OR_PAGE:
                return 0
            table = S1Table(raw).Address
        return self._at(table, level, iova)

    def _slot(self, iova: int, level: int) -> int:
        """As `_find`, making the tables above it."""
        table = self.root
        for above in range(self._start, level):
            slot = self._at(table, above, iova)
            raw = self._bus.memory.read64(slot)
            if not raw & 1:
                raw = S1Table.pack(Type=DescriptorType.TABLE_OR_PAGE, Address=self._table())
                self._write(slot, [raw])
            table = S1Table(raw).Address
        return self._at(table, level, iova)

    def _leaf(self, pa: int, level: int, prot: Prot) -> int:
        kind = DescriptorType.TABLE_OR_PAGE if level == LAST_LEVEL else DescriptorType.BLOCK
        ap = AP.RW if prot & Prot.WRITE else AP.RO
        return S1Leaf.pack(Type=kind, Address=pa, AttrIndx=0, AP=ap, AF=1, nG=1,
                           SH=Shareability.INNER, PXN=1, UXN=1)
