"""Random translation tables, written by hand rather than by any driver, legal and not.

A `StageTable` is one set of tables of either stage: it allocates, links and fills them, and
remembers the addresses worth asking about. It knows geometry (spec.vmsa), not permissions: what an
access may do is for the golden model and the RTL to find out, each on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from pymodel.memory import Memory
from spec.codes import SIZE_CODE, SizeCode
from spec.fields import Structure
from spec.vmsa import (
    AP,
    DESCRIPTOR_BYTES,
    LAST_LEVEL,
    S2AP,
    DescriptorType,
    LeafOverlay,
    S1Leaf,
    S1Table,
    S2Leaf,
    S2Table,
    block_levels,
    index,
    shift,
    start_table_bytes,
)

# Hands out a zeroed block: (address as the tables name it, physical address). The two differ
# where a stage below translates.
Allocate = Callable[[int], tuple[int, int]]


@dataclass
class Leaf:
    """One leaf descriptor that was written, for later changes."""

    iova: int
    level: int
    slot: int  # physical address of the descriptor
    value: int
    present: bool = True


@dataclass
class StageTable:
    """Tables for inputs of `ia` bits with granule 2^`g`, starting at `start`.

    Members
    -------
    prefix
        What the input bits above `ia` must be (all ones for TTB1).
    updates
        Hardware sets access flags, so that more leaves lack them.
    shared
        Leaves may be global: nobody else has their VMID.
    """

    memory: Memory
    allocate: Allocate
    rng: Random
    stage: int
    g: int
    ia: int
    start: int
    oas: int
    prefix: int = 0
    big_endian: bool = False
    updates: bool = False
    shared: bool = False
    root: int = 0
    leaves: list[Leaf] = field(default_factory=list)
    interesting: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = max(start_table_bytes(self.g, self.start, self.ia), 64)
        self.root, physical = self.allocate(size)
        self._tables: dict[tuple[int, int], int] = {(self.start, 0): physical}
        self._used: set[int] = set()

    def slot(self, iova: int, level: int) -> int | None:
        """Physical address of the descriptor for `iova` at `level`, making tables on the way;
        None if a leaf or a broken link is already in the way."""
        low = iova & ((1 << self.ia) - 1)
        table = self._tables[self.start, 0]
        for above in range(self.start, level):
            link = table + DESCRIPTOR_BYTES * self._index(low, above)
            key = (above + 1, low >> shift(self.g, above))
            if key not in self._tables:
                if link in self._used:
                    return None
                visible, physical = self.allocate(1 << self.g)
                self._tables[key] = physical
                self.put(link, self._table_descriptor(visible))
            table = self._tables[key]
        return table + DESCRIPTOR_BYTES * self._index(low, level)

    def _index(self, low: int, level: int) -> int:
        return index(self.g, level, low, self.ia if level == self.start else None)

    def get(self, slot: int) -> int:
        """What a descriptor in the tables' byte order says."""
        return int.from_bytes(self.memory.read(slot, DESCRIPTOR_BYTES),
                              "big" if self.big_endian else "little")

    def put(self, slot: int, value: int) -> None:
        """Write a descriptor in the tables' own byte order."""
        self._used.add(slot)
        self.memory.write(slot, value.to_bytes(DESCRIPTOR_BYTES,
                                               "big" if self.big_endian else "little"))

    def map(self, iova: int, level: int, output: int, leaf: Structure | None = None) -> bool:
        """Map the 2^shift block around `iova` to `output`; False if its place is taken."""
        size = 1 << shift(self.g, level)
        slot = self.slot(iova, level)
        if slot is None or slot in self._used:
            return False
        value = (leaf or self.random_leaf()).value | self.address(output & ~(size - 1)) | (
            DescriptorType.TABLE_OR_PAGE if level == LAST_LEVEL else DescriptorType.BLOCK)
        self.put(slot, value)
        base = self.prefix | iova & ((1 << self.ia) - 1) & ~(size - 1)
        self.leaves.append(Leaf(base, level, slot, value))
        self.interesting += [base, base + size - 16, base + self.rng.randrange(size) & ~15]
        return True

    def address(self, output: int) -> int:
        """An output or table address as descriptors hold it; what they cannot hold is cut off."""
        low, high = output & S1Leaf.Address.mask, output >> S1Leaf.Address.hi + 1
        wide = self.g == 16 and SIZE_CODE[self.oas] == SizeCode.B52
        return low | LeafOverlay.OA_51_48.put(high) if wide else low

    def spoil(self, iova: int, level: int, outside: int) -> None:
        """Put something that faults where `iova` would continue at `level`: an invalid or
        reserved descriptor, an output beyond the address size, or a table outside RAM."""
        slot = self.slot(iova, level)
        if slot is None or slot in self._used:
            return
        kind = self.rng.randrange(4)
        if kind == 0 or (kind == 1 and level != LAST_LEVEL):
            value = self.rng.getrandbits(64) & ~1
        elif kind == 1:
            value = self.rng.getrandbits(64) & ~3 | DescriptorType.BLOCK
        elif kind == 2:
            value = S1Leaf.Address.mask & ~((1 << self.oas) - 1) | DescriptorType.TABLE_OR_PAGE \
                | S1Leaf.AF.mask
        else:
            value = outside & S1Table.Address.mask | DescriptorType.TABLE_OR_PAGE
        self.put(slot, value)
        self.interesting.append(self.prefix | iova & ((1 << self.ia) - 1) & ~15)

    def random_iova(self) -> int:
        """Somewhere in the input range, often near something that is mapped."""
        if self.interesting and self.rng.random() < 0.5:
            near = self.rng.choice(self.interesting) & ((1 << self.ia) - 1)
            return (near + (self.rng.randrange(-3, 4) << self.g)) % (1 << self.ia)
        return self.rng.getrandbits(self.ia)

    def random_level(self) -> int:
        """A level that may hold a leaf, pages most often."""
        blocks = [n for n in block_levels(self.g, self.oas) if n >= self.start]
        often = 0.25 if self.stage == 1 else 0.4
        return self.rng.choice(blocks) if blocks and self.rng.random() < often else LAST_LEVEL

    def random_leaf(self) -> Structure:
        """Leaf attributes, permissive more often than not. Entries are global only if `shared`,
        so that address spaces with different ASIDs cannot see each other's."""
        rng = self.rng
        often = int(rng.random() < (0.5 if self.updates else 0.9 if self.stage == 1 else 0.8))
        dirty = rng.randrange(2) if self.updates else int(rng.random() < 0.1)
        if self.stage == 2:
            return S2Leaf.make(
                MemAttr=rng.choice((0xF, 0xF, 0x5, 0x1, rng.randrange(16))),
                SH=rng.randrange(4), AF=often, DBM=dirty, Contiguous=int(rng.random() < 0.1),
                S2AP=S2AP.RW if rng.random() < 0.8 else rng.randrange(4),
                XN=rng.choice((0, 0, 0, 1, 2, 3)), Software=rng.randrange(16))
        return S1Leaf.make(
            AttrIndx=rng.randrange(8), SH=rng.randrange(4), AF=often, DBM=dirty,
            nG=rng.randrange(2) if self.shared else 1,
            AP=AP.RW if rng.random() < 0.7 else rng.randrange(4),
            UXN=rng.randrange(2), PXN=rng.randrange(2), Software=rng.randrange(16),
            Contiguous=int(rng.random() < 0.1))

    def slots(self) -> set[int]:
        """Physical addresses of the descriptors that were written."""
        return self._used

    def _table_descriptor(self, visible: int) -> int:
        rng = self.rng
        if self.stage == 2:
            return S2Table.pack(Type=DescriptorType.TABLE_OR_PAGE) | self.address(visible)
        strict = rng.random() < 0.15
        return self.address(visible) | S1Table.pack(
            Type=DescriptorType.TABLE_OR_PAGE,
            APTable=rng.randrange(4) if strict else 0,
            UXNTable=rng.randrange(2) if strict else 0, PXNTable=rng.randrange(2) if strict else 0)
