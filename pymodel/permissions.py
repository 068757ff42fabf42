"""Permissions of a leaf at either stage, as sets of rights (reference 4.6)."""

from __future__ import annotations

from spec.vmsa import (
    AP_RO,
    AP_UNPRIV,
    APTABLE_NO_UNPRIV,
    APTABLE_NO_WRITE,
    S2AP_READ,
    S2AP_WRITE,
    S2XN,
    S2XN_FORBID,
    S1Leaf,
    S1Table,
    S2Leaf,
)

UNPRIV_R, UNPRIV_W, UNPRIV_X, PRIV_R, PRIV_W, PRIV_X = (1 << n for n in range(6))
R, W, X = UNPRIV_R | PRIV_R, UNPRIV_W | PRIV_W, UNPRIV_X | PRIV_X

# The bits that decide, so that rights can be remembered per combination. Those of leaf and tables
# do not overlap.
S1_LEAF_BITS = S1Leaf.AP.mask | S1Leaf.DBM.mask | S1Leaf.PXN.mask | S1Leaf.UXN.mask
S1_TABLE_BITS = S1Table.PXNTable.mask | S1Table.UXNTable.mask | S1Table.APTable.mask
S2_LEAF_BITS = S2Leaf.S2AP.mask | S2Leaf.DBM.mask | S2Leaf.XN.mask

READ_ONLY = AP_RO << S1Leaf.AP.lsb        # stage-1 leaf bit that a dirty update clears
WRITABLE = S2AP_WRITE << S2Leaf.S2AP.lsb  # stage-2 leaf bit that a dirty update sets


def rights_text(rights: int) -> str:
    """Rights for people: u or p for unprivileged and privileged, then R, W, X."""
    names = ("uR", "uW", "uX", "pR", "pW", "pX")
    return " ".join(name for n, name in enumerate(names) if rights >> n & 1) or "none"


def need(write: bool, ind: bool, pnu: bool) -> int:
    """The one right that an access needs. A write is always data."""
    if write:
        return PRIV_W if pnu else UNPRIV_W
    if ind:
        return PRIV_X if pnu else UNPRIV_X
    return PRIV_R if pnu else UNPRIV_R


def stage1_rights(bits: int, *, hd: bool, wxn: bool, pan: bool, epan: bool) -> int:
    """Rights in the EL1 and EL2-E2H worlds.

    `bits` are S1_LEAF_BITS of the leaf and S1_TABLE_BITS accumulated over its tables. `hd`: dirty
    updates are on, so that a writable-clean page counts as writable.
    """
    ap, tables = S1Leaf.AP.get(bits), S1Table.APTable.get(bits)
    unpriv = bool(ap & AP_UNPRIV) and not tables & APTABLE_NO_UNPRIV
    writable = _stage1_writable(bits, ap, tables, hd)
    rights = PRIV_R
    if writable:
        rights |= PRIV_W
    if unpriv:
        rights |= UNPRIV_R
        if writable:
            rights |= UNPRIV_W
    # Execution: XN bits, then write-implies-XN; privileged code never runs what unprivileged code
    # can write.
    uxn = bits & (S1Leaf.UXN.mask | S1Table.UXNTable.mask)
    pxn = bits & (S1Leaf.PXN.mask | S1Table.PXNTable.mask)
    if not uxn and not (wxn and rights & UNPRIV_W):
        rights |= UNPRIV_X
    if not pxn and not rights & UNPRIV_W and not (wxn and rights & PRIV_W):
        rights |= PRIV_X
    # PAN comes last: it takes away data accesses only.
    if pan and rights & (UNPRIV_R | UNPRIV_W | (UNPRIV_X if epan else 0)):
        rights &= ~(PRIV_R | PRIV_W)
    return rights


def stage1_rights_el2(bits: int, *, hd: bool, wxn: bool) -> int:
    """Rights in the EL2 world without E2H, where every access counts as privileged: only AP[2]
    and the one XN bit matter, APTable[0], PXN and PXNTable do not."""
    rights = R
    if _stage1_writable(bits, S1Leaf.AP.get(bits), S1Table.APTable.get(bits), hd):
        rights |= W
    xn = bits & (S1Leaf.UXN.mask | S1Table.UXNTable.mask)
    if not xn and not (wxn and rights & W):
        rights |= X
    return rights


def _stage1_writable(bits: int, ap: int, tables: int, hd: bool) -> bool:
    """AP[2] after dirty-state promotion, then APTable[1]."""
    return not tables & APTABLE_NO_WRITE and (
        not ap & AP_RO or (hd and bool(bits & S1Leaf.DBM.mask)))


def stage2_rights(bits: int, *, hd: bool, xnx: bool) -> int:
    """Rights at stage 2; `bits` are S2_LEAF_BITS of the leaf."""
    ap, xn = S2Leaf.S2AP.get(bits), S2Leaf.XN.get(bits)
    rights = 0
    if ap & S2AP_READ:
        rights |= R
    if ap & S2AP_WRITE or (hd and bits & S2Leaf.DBM.mask):
        rights |= W
    if not xnx:
        return rights if xn & S2XN_FORBID else rights | X
    if xn in (S2XN.ALL, S2XN.UNPRIV_ONLY):
        rights |= UNPRIV_X
    if xn in (S2XN.ALL, S2XN.PRIV_ONLY):
        rights |= PRIV_X
    return rights
