"""What the change of a translation table descriptor asks of software (reference 4.6, 6.3)."""

from __future__ import annotations

from enum import Enum

from pymodel.walk import AF, BLOCK, DBM, TABLE_OR_PAGE, TYPE_MASK, Geometry
from spec.vmsa import LAST_LEVEL, LeafOverlay, S1Leaf, S1Table, S2Leaf

_S1_PERMS = S1Leaf.AP.mask | S1Leaf.PXN.mask | S1Leaf.UXN.mask | DBM
_S1_TABLE_PERMS = (S1Table.PXNTable.mask | S1Table.UXNTable.mask | S1Table.APTable.mask)
_S1_ATTRS = S1Leaf.AttrIndx.mask | S1Leaf.SH.mask | S1Leaf.nG.mask | S1Leaf.NS.mask
_S2_PERMS = S2Leaf.S2AP.mask | S2Leaf.XN.mask | DBM
_S2_ATTRS = S2Leaf.MemAttr.mask | S2Leaf.SH.mask
_CONTIGUOUS = S1Leaf.Contiguous.mask


class Change(Enum):
    """From the mildest to the worst."""

    NOTHING = 0     # no cache can tell: was not cached, or only access flag and software bits
    STALE = 1       # caches must forget the old one
    BREAK = 2       # and must have forgotten it before the new one may be there


def cacheable(value: int, level: int, shape: Geometry, *, affd: bool) -> bool:
    """Whether a TLB may hold something made from this descriptor."""
    kind = value & TYPE_MASK
    if kind == TABLE_OR_PAGE and level < LAST_LEVEL:
        return True
    leaf = kind == TABLE_OR_PAGE or (kind == BLOCK and shape.blocks[level])
    return leaf and (affd or bool(value & AF))


def is_table(value: int, level: int) -> bool:
    return level < LAST_LEVEL and value & TYPE_MASK == TABLE_OR_PAGE


def classify(old: int, new: int, stage: int, level: int, shape: Geometry, bbml: int, *,
             affd: bool) -> tuple[Change, str]:
    """What replacing `old` by `new` means, and why. Permissions, access flag, dirty state and
    software bits may change in place; so may the size with BBML 2, or BBML 1 and nT."""
    if not cacheable(old, level, shape, affd=affd):
        return Change.NOTHING, ""
    if not cacheable(new, level, shape, affd=affd):
        # AF=0 over a leaf that else is the same only restarts its accounting.
        if (old ^ new) & ~_soft(stage) == 0:
            return Change.NOTHING, ""
        return Change.STALE, "made invalid"
    old_table, new_table = is_table(old, level), is_table(new, level)
    if old_table != new_table:
        block = new if old_table else old
        if bbml >= 2 or (bbml == 1 and block & LeafOverlay.nT.mask):
            return Change.STALE, "changed its size"
        return Change.BREAK, "a table replaced by a block" if old_table else \
            "a block replaced by a table"
    if old_table:
        return _table(old ^ new, stage, shape)
    return _leaf(old ^ new, stage, level, shape, bbml)


def _table(difference: int, stage: int, shape: Geometry) -> tuple[Change, str]:
    if difference & shape.table_mask:
        return Change.BREAK, "a table replaced by another"
    if stage == 1 and difference & _S1_TABLE_PERMS:
        return Change.STALE, "table permissions changed"
    return Change.NOTHING, ""


def _leaf(difference: int, stage: int, level: int, shape: Geometry,
          bbml: int) -> tuple[Change, str]:
    attrs, perms = (_S1_ATTRS, _S1_PERMS) if stage == 1 else (_S2_ATTRS, _S2_PERMS)
    if difference & shape.leaf_masks[level]:
        return Change.BREAK, "the output address changed"
    if difference & attrs:
        return Change.BREAK, "memory attributes or nG changed"
    if difference & _CONTIGUOUS:
        return (Change.STALE if bbml else Change.BREAK), "Contiguous changed"
    if difference & perms:
        return Change.STALE, "permissions changed"
    return Change.NOTHING, ""


def _soft(stage: int) -> int:
    """Bits that may differ without any consequence."""
    return AF | S1Leaf.Software.mask | S1Leaf.PBHA.mask
