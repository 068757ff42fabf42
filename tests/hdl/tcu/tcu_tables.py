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


STAGE2 = {"S2AA64": 1, "S2T0SZ": 24, "S2SL0": 1, "S2TG": 0, "S2PS": 5, "S2R": 1}
IPA_BITS = 40


class Nested:
    """StreamID 1 with both stages, 4K: stage 2 maps every structure to itself.

    Members
    -------
    it, cd, ttb, s2ttb
        The Machine; addresses of the CD, the stage-1 and the (two, concatenated) stage-2 tables.
    """

    def __init__(self, *, ste: dict | None = None, **cd: int):
        self.it = machine()
        self.s2ttb = self.it.memory.alloc(0x2000)
        self.ttb = stage1(self.it, ste={**STAGE2, "Config": SteConfig.NESTED, "S2TTB": self.s2ttb,
                                        **(ste or {})}, **cd)
        self.cd = self.it.memory.top - 64
        self.map2(0x8000_0000, page2(0x8000_0000, level=2), level=2)

    def map1(self, va: int, descriptor: int, **where) -> None:
        put_leaf(self.it, self.ttb, va, descriptor, **where)

    def map2(self, ipa: int, descriptor: int, level: int = 3) -> None:
        put_leaf(self.it, self.s2ttb, ipa, descriptor, level=level, ia=IPA_BITS, start=1)

    def leaf1(self, va: int) -> tuple[int, int]:
        """Address and value of the last descriptor of a mapped 4K page."""
        return self._find(self.ttb, va, 0, 48)

    def leaf2(self, ipa: int) -> tuple[int, int]:
        return self._find(self.s2ttb, ipa, 1, IPA_BITS)

    def _find(self, table: int, address: int, start: int, ia: int) -> tuple[int, int]:
        for n in range(start, 4):
            place = table + 8 * vmsa.index(12, n, address, ia if n == start else None)
            table = vmsa.S1Table(self.it.memory.get(place)).Address
        return place, self.it.memory.get(place)


def page2(pa: int, *, level: int = 3, **fields: int) -> int:
    """A stage-2 leaf: everything allowed, accessed, Normal WB."""
    return vmsa.S2Leaf.pack(**{
        "Type": 3 if level == 3 else 1, "Address": pa, "AF": 1, "S2AP": vmsa.S2AP.RW,
        "MemAttr": 0xF, "SH": 3, **fields})
