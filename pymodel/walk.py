"""What the walks of both stages share: geometry per granule and descriptor decoding constants."""

from __future__ import annotations

from functools import lru_cache

from spec.vmsa import (
    LAST_LEVEL,
    DescriptorType,
    LeafOverlay,
    S1Leaf,
    block_levels,
    shift,
    stride,
)

TYPE_MASK = S1Leaf.Type.mask
TABLE_OR_PAGE = int(DescriptorType.TABLE_OR_PAGE)
BLOCK = int(DescriptorType.BLOCK)
AF = S1Leaf.AF.mask
DBM = S1Leaf.DBM.mask
CONTIGUOUS = S1Leaf.Contiguous.mask

_ADDRESS_TOP = S1Leaf.Address.hi + 1
# Where OA[51:48] lies with 52-bit output addresses, and how far to move it.
HIGH_OA = LeafOverlay.OA_51_48.mask
HIGH_OA_SHIFT = _ADDRESS_TOP - LeafOverlay.OA_51_48.lsb

# A compare-and-swap that lost makes the walk start over, this often. Descriptors that software
# keeps changing, or that serve both stages at once, would otherwise keep a walk alive for ever.
MAX_RETRIES = 8


class Geometry:
    """One granule's numbers, indexed by level.

    Members
    -------
    shifts
        Lowest input address bit that the level resolves.
    full_mask
        Index mask of a whole table.
    table_mask
        Bits of a table descriptor that hold the next table's address.
    leaf_masks
        Bits of a block or page descriptor that hold its output address.
    blocks
        Whether the level may hold a block.
    wide
        Descriptors hold OA[51:48] too.
    """

    __slots__ = ("blocks", "full_mask", "leaf_masks", "shifts", "table_mask", "wide")

    def __init__(self, g: int, oas_bits: int, wide: bool):
        self.shifts = [shift(g, level) for level in range(LAST_LEVEL + 1)]
        self.full_mask = (1 << stride(g)) - 1
        self.table_mask = _span(g)
        self.leaf_masks = [_span(low) for low in self.shifts]
        self.blocks = [level in block_levels(g, oas_bits) for level in range(LAST_LEVEL + 1)]
        self.wide = wide and g == 16


def _span(low: int) -> int:
    """The address bits of a descriptor from `low` up."""
    return (1 << _ADDRESS_TOP) - (1 << low) if low < _ADDRESS_TOP else 0


@lru_cache(maxsize=64)
def geometry(g: int, oas_bits: int, wide: bool) -> Geometry:
    """The geometry of the granule of 2^g bytes."""
    return Geometry(g, oas_bits, wide)


def swap64(value: int) -> int:
    """A 64-bit value with its bytes in the other order, for big-endian tables."""
    return int.from_bytes(value.to_bytes(8, "little"), "big")
