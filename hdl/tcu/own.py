"""Memory types of the SMMU's own accesses (reference 4.10), as MAIR bytes.

AXI4 shows the outer cacheability only, and no shareability: the inner half of a Normal type that
comes from a two-bit code is the outer one again. A hint for the other direction does not count.
"""

from amaranth import Cat, Const, Mux, Value

from hdl.tcu.bits import choose
from spec.codes import FetchCacheability, TableCacheability, WalkCacheability
from spec.vmsa import MEMATTR_MAIR, NORMAL_NC_NIBBLE


def _nibble(*, back: bool, read: bool, write: bool) -> int:
    """Outer half of a cacheable type with its allocation hints, not transient."""
    return 0b1000 | back << 2 | read << 1 | int(write)


_FETCH: dict[int, int] = {
    FetchCacheability.WB_RA: _nibble(back=True, read=True, write=False),
    FetchCacheability.WT_RA: _nibble(back=False, read=True, write=False),
    FetchCacheability.WB: _nibble(back=True, read=False, write=False),
}
_WALK: dict[int, int] = {
    WalkCacheability.WB_RA_WA: _nibble(back=True, read=True, write=True),
    WalkCacheability.WT_RA: _nibble(back=False, read=True, write=False),
    WalkCacheability.WB_RA: _nibble(back=True, read=True, write=False),
}


def by_register(oc: Value, allocate: Value, *, write: bool) -> Value:
    """Stream table and queues: CR1.TABLE_OC or QUEUE_OC, RA (WA if `write`) of the base."""
    back, through = oc == TableCacheability.WB, oc == TableCacheability.WT
    hints = Cat(allocate, Const(0, 1)) if write else Cat(Const(0, 1), allocate)
    return Mux(back | through, Cat(hints, back, Const(1, 1)), NORMAL_NC_NIBBLE)[:4].replicate(2)


def by_ste(s1cor: Value) -> Value:
    """L1CD and CD: STE.S1COR."""
    return choose(s1cor, _FETCH, NORMAL_NC_NIBBLE)[:4].replicate(2)


def by_walk(code: Value) -> Value:
    """Translation tables: STE.S2OR0, CD.OR0 or OR1."""
    return choose(code, _WALK, NORMAL_NC_NIBBLE)[:4].replicate(2)


def by_cd(cd, half: Value) -> Value:
    """Stage-1 tables of TT0, or TT1 if `half`."""
    return by_walk(Mux(half, cd.OR1, cd.OR0))


def by_memattr(code: Value) -> Value:
    """MSIs: MemAttr of *_IRQ_CFG2, MSIAttr of the CMD_SYNC."""
    return choose(code, dict(enumerate(MEMATTR_MAIR)))[:8]
