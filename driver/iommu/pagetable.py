"""Building stage-1 page tables in memory (reference 4.6): 4 KB granule, 48 bits, blocks."""

from __future__ import annotations

from enum import IntFlag

from driver.bus import Bus
from spec.codes import Shareability
from spec.vmsa import AP, LAST_LEVEL, DescriptorType, S1Leaf, S1Table, index, shift, start_level

BITS = 48
GRANULE = 12
START = start_level(GRANULE, BITS)


class Prot(IntFlag):
    """What a mapping allows the device to do."""

    READ = 1
    WRITE = 2


class PageTable:
    """One address space. `map` and `unmap` only edit memory; invalidation is the domain's."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.root = self._table()

    def map(self, iova: int, pa: int, size: int, prot: Prot) -> None:
        """Map [iova, iova+size) to [pa, ...), whole pages, with the largest blocks that fit.

        ValueError: misaligned, outside 48 bits, empty, write-only, or overlapping a mapping.
        """
        self._range(iova, size)
        if pa % (1 << GRANULE) or not prot & Prot.READ:
            raise ValueError(f"cannot map to {pa:#x} with {prot!r}")
        if any(self.lookup(page) is not None for page in range(iova, iova + size, 1 << GRANULE)):
            raise ValueError(f"[{iova:#x}, +{size:#x}) overlaps a mapping")
        while size:
            level = next(n for n in range(1, LAST_LEVEL + 1)
                         if not (iova | pa) % _bytes(n) and size >= _bytes(n))
            slot = self._slot(iova, level, make=True)
            assert slot is not None
            self._put(slot, self._leaf(pa, level, prot))
            iova, pa, size = iova + _bytes(level), pa + _bytes(level), size - _bytes(level)

    def unmap(self, iova: int, size: int) -> None:
        """Remove [iova, iova+size). ValueError if part of it is not mapped or a block would have
        to be split."""
        self._range(iova, size)
        end = iova + size
        while iova < end:
            found = self.lookup(iova)
            if found is None or iova % _bytes(found[0]) or iova + _bytes(found[0]) > end:
                raise ValueError(f"[{iova:#x}, {end:#x}) is not a whole mapping")
            slot = self._slot(iova, found[0], make=False)
            assert slot is not None
            self._put(slot, 0)
            iova += _bytes(found[0])

    def lookup(self, iova: int) -> tuple[int, int] | None:
        """(level, output address) of the leaf that maps `iova`, or None."""
        table = self.root
        for level in range(START, LAST_LEVEL + 1):
            raw = self._bus.memory.read64(table + 8 * index(GRANULE, level, iova))
            kind = raw & 3
            if not kind & 1:
                return None
            if level == LAST_LEVEL or kind == DescriptorType.BLOCK:
                return level, S1Leaf(raw).Address | iova & (_bytes(level) - 1)
            table = S1Table(raw).Address
        return None

    def _range(self, iova: int, size: int) -> None:
        if (iova | size) % (1 << GRANULE) or size <= 0 or iova < 0 or iova + size > 1 << BITS:
            raise ValueError(f"[{iova:#x}, +{size:#x}) is not a range of whole pages below 2^48")

    def _table(self) -> int:
        return self._bus.pages.contiguous(1 << GRANULE)

    def _put(self, slot: int, value: int) -> None:
        self._bus.memory.write(slot, value.to_bytes(8, "little"))

    def _slot(self, iova: int, level: int, *, make: bool) -> int | None:
        """Address of the descriptor for `iova` at `level`, making the tables above it."""
        table = self.root
        for above in range(START, level):
            slot = table + 8 * index(GRANULE, above, iova)
            raw = self._bus.memory.read64(slot)
            if not raw & 1:
                if not make:
                    return None
                raw = S1Table.pack(Type=DescriptorType.TABLE_OR_PAGE, Address=self._table())
                self._put(slot, raw)
            table = S1Table(raw).Address
        return table + 8 * index(GRANULE, level, iova)

    def _leaf(self, pa: int, level: int, prot: Prot) -> int:
        kind = DescriptorType.TABLE_OR_PAGE if level == LAST_LEVEL else DescriptorType.BLOCK
        ap = AP.RW if prot & Prot.WRITE else AP.RO
        return S1Leaf.pack(Type=kind, Address=pa, AttrIndx=0, AP=ap, AF=1, nG=1,
                           SH=Shareability.INNER, PXN=1, UXN=1)


def _bytes(level: int) -> int:
    """What one descriptor of `level` maps."""
    return 1 << shift(GRANULE, level)
