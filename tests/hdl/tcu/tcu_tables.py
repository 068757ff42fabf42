"""Stream tables, contexts and page tables in a `Machine`'s memory."""

from tcu_harness import Access, Machine

from spec import vmsa
from spec.codes import SizeCode, TG0Code, TG1Code
from spec.context import CD
from spec.events import FaultClass
from spec.stream_table import STE, SteConfig

HIGH = 0xFFFF_0000_0000_0000  # an address of TT1 with 48 bits
IN = (0, FaultClass.IN)
MAIR = 0x04FF44  # byte 0 Normal NC, 1 Normal WB, 2 Device nGnRE


def machine(log2size: int = 4, **parameters) -> Machine:
    """A Machine with a linear stream table of 2^log2size invalid entries."""
    it = Machine(strtab_log2size=log2size, **parameters)
    it.strtab_base = it.memory.alloc(64 << log2size)
    return it


def put_ste(it: Machine, sid: int, **fields: int) -> None:
    it.memory.put(it.strtab_base + 64 * sid, STE.pack(**{"V": 1, **fields}), 64)


def stage1(it: Machine, sid: int = 1, *, ste: dict | None = None, **cd: int) -> int:
    """StreamID `sid` with one CD and empty 4K tables for TT0 and TT1, 48 bits each; returns TTB0.
    TTB1 follows 4 KB behind it."""
    ttb = it.memory.alloc(0x2000)
    address = it.memory.alloc(64)
    it.memory.put(address, CD.pack(**{**CONTEXT, "TTB0": ttb, "TTB1": ttb + 0x1000, **cd}), 64)
    put_ste(it, sid, **{"Config": SteConfig.S1, "S1ContextPtr": address, **(ste or {})})
    return ttb


CONTEXT = {
    "V": 1, "AA64": 1, "T0SZ": 16, "T1SZ": 16, "TG0": TG0Code.G4K, "TG1": TG1Code.G4K,
    "IPS": SizeCode.B48, "A": 1, "R": 1, "MAIR0": MAIR, "ASID": 7,
}


def put_leaf(it: Machine, ttb: int, va: int, descriptor: int, *, level: int = 3, g: int = 12,
             ia: int = 48, start: int | None = None, tables: dict[int, int] | None = None,
             big: bool = False) -> None:
    """Puts `descriptor` where the walk of `va` ends at `level`, making tables on the way with the
    upper attribute bits `tables[level of the descriptor]`."""
    start = vmsa.start_level(g, ia) if start is None else start
    table = ttb
    for n in range(start, level + 1):
        index = vmsa.index(g, n, va & (1 << 64) - 1, ia if n == start else None)
        place = table + 8 * index
        if n == level:
            it.memory.put(place, swap(descriptor) if big else descriptor)
            return
        entry = it.memory.get(place)
        entry = swap(entry) if big else entry
        if not entry:
            entry = vmsa.S1Table.pack(Type=3, Address=it.memory.alloc(1 << g))
            entry |= (tables or {}).get(n, 0)
            it.memory.put(place, swap(entry) if big else entry)
        table = vmsa.S1Table(entry).Address


def swap(word: int) -> int:
    return int.from_bytes(word.to_bytes(8, "little"), "big")


def page(pa: int, *, level: int = 3, **fields: int) -> int:
    """A stage-1 leaf: read-write for all, accessed, Normal WB."""
    return vmsa.S1Leaf.pack(**{
        "Type": 3 if level == 3 else 1, "Address": pa, "AF": 1, "AP": vmsa.AP.RW, "AttrIndx": 1,
        "SH": 3, **fields})


def fault(access: Access) -> tuple:
    """(event type, S2, CLASS) of the record of a translation, which must name the access; just
    the outcome without a record."""
    event = access.event
    if event is None:
        return (access.outcome,)
    assert (event.StreamID, event.InputAddr) == (access.sid, access.addr)
    assert (event.RnW, event.PnU, event.InD) == (
        not access.write, access.pnu, access.ind and not access.write)
    assert event.value == type(event).pack(**{
        n: v for n, v in event.items() if n not in ("STAG", "Stall", "NSIPA", "Reason")})
    return event.TYPE, event.S2, event.CLASS


def rights(perms) -> str:
    """`perms` as privileged, then unprivileged rwx."""
    return "".join(n if getattr(perms, p + n) else "-" for p in "pu" for n in "rwx")
