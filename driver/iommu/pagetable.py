"""Building stage-1 page tables in memory (reference 4.6): any granule, 48 bits, blocks."""

from __future__ import annotations

import struct
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


class PageTable:
    """One address space of pages of 2^`granule` bytes. Edits memory only; invalidation is the
    domain's, and so is the order of the two."""

    def __init__(self, bus: Bus, granule: int = GRANULE) -> None:
        self._bus, self.granule = bus, granule
        self.page = 1 << granule
        self._start = start_level(granule, BITS)
        self._sizes = {n: 1 << shift(granule, n) for n in range(self._start, LAST_LEVEL + 1)}
        self._leaf_levels = (*BLOCK_LEVELS[granule], LAST_LEVEL)
        self.root = self._table()

    def map(self, iova: int, pa: int, size: int, prot: Prot) -> None:
        """Map [iova, iova+size) to [pa, ...), whole pages, with the largest blocks that fit.

        ValueError: misaligned, outside 48 bits, empty, write-only, or overlapping a mapping.
        """
        self._range(iova, size)
        if pa % self.page or not prot & Prot.READ:
            raise ValueError(f"cannot map to {pa:#x} with {prot!r}")
        if self.mapped(iova, size):
            raise ValueError(f"[{iova:#x}, +{size:#x}) overlaps a mapping")
        while size:
            level = next(n for n in self._leaf_levels
                         if not (iova | pa) % self._sizes[n] and size >= self._sizes[n])
            self._put(self._slot(iova, level), self._leaf(pa, level, prot))
            step = self._sizes[level]
            iova, pa, size = iova + step, pa + step, size - step

    def mapped(self, iova: int, size: int) -> bool:
        """Whether anything in [iova, +size) is mapped."""
        end = iova + size
        while iova < end:
            level, raw = self._walk(iova)
            if raw & 1:
                return True
            iova = (iova // self._sizes[level] + 1) * self._sizes[level]
        return False

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
        self._put(self._find(block, self._walk(block)[0]), 0)

    def split(self, block: int, level: int, raw: int) -> None:
        """Put a table in the place of the block that was `raw` at `level`, mapping the same."""
        leaf, below = S1Leaf(raw), level + 1
        kind = DescriptorType.TABLE_OR_PAGE if below == LAST_LEVEL else DescriptorType.BLOCK
        step = self._sizes[below]
        if below not in self._leaf_levels:
            raise ValueError(f"level {below} holds no blocks")
        entries = (leaf.replace(Type=kind, Address=leaf.Address + step * n)
                   for n in range(self._sizes[level] // step))
        table = self._table()
        self._bus.memory.write(table, b"".join(entry.to_bytes() for entry in entries))
        self._put(self._slot(block, level),
                  S1Table.pack(Type=DescriptorType.TABLE_OR_PAGE, Address=table))

    def unmap(self, iova: int, size: int) -> list[int]:
        """Remove [iova, iova+size); the tables that are linked nowhere any more: `release` them
        when no walk can hold them.

        ValueError if part of it is not mapped or only part of a block is meant.
        """
        self._range(iova, size)
        at, end = iova, iova + size
        slots = []
        while at < end:
            level, raw = self._walk(at)
            if not raw & 1 or at % self._sizes[level] or at + self._sizes[level] > end:
                raise ValueError(f"[{iova:#x}, {end:#x}) is not a whole mapping")
            slots.append(self._slot(at, level))
            at += self._sizes[level]
        for slot in slots:
            self._put(slot, 0)
        return self._prune(iova, end)

    def destroy(self) -> None:
        """Give all tables' memory back; nothing may walk them any more, or map."""
        tables = [(self._start, self.root)]
        while tables:
            level, table = tables.pop()
            if level < LAST_LEVEL:
                raw = self._bus.memory.read(table, self.page)
                tables += [(level + 1, S1Table(word).Address)
                           for (word,) in struct.iter_unpack("<Q", raw)
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

    def _walk(self, iova: int) -> tuple[int, int]:
        """(level, descriptor) of the leaf or the invalid descriptor that `iova` ends at."""
        table = self.root
        for level in range(self._start, LAST_LEVEL):
            raw = self._bus.memory.read64(self._at(table, level, iova))
            if raw & 3 != DescriptorType.TABLE_OR_PAGE:
                return level, raw
            table = S1Table(raw).Address
        return LAST_LEVEL, self._bus.memory.read64(self._at(table, LAST_LEVEL, iova))

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
                    self._put(slot, 0)
                    empty.append(table)
        return empty

    def _range(self, iova: int, size: int) -> None:
        if (iova | size) % self.page or size <= 0 or iova < 0 or iova + size > 1 << BITS:
            raise ValueError(f"[{iova:#x}, +{size:#x}) is not a range of whole pages below 2^48")

    def _table(self) -> int:
        return self._bus.pages.contiguous(self.page, self.page)

    def _put(self, slot: int, value: int) -> None:
        self._bus.memory.write(slot, value.to_bytes(DESCRIPTOR_BYTES, "little"))

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
                self._put(slot, raw)
            table = S1Table(raw).Address
        return self._at(table, level, iova)

    def _leaf(self, pa: int, level: int, prot: Prot) -> int:
        kind = DescriptorType.TABLE_OR_PAGE if level == LAST_LEVEL else DescriptorType.BLOCK
        ap = AP.RW if prot & Prot.WRITE else AP.RO
        return S1Leaf.pack(Type=kind, Address=pa, AttrIndx=0, AP=ap, AF=1, nG=1,
                           SH=Shareability.INNER, PXN=1, UXN=1)
