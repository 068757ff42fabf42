"""An external abort of each access on the way of one translation (reference 4.2, 4.8)."""

import pytest
from tcu_harness import Access
from tcu_tables import Nested, fault, page, page2

from hdl.streams import Outcome
from spec.context import L1CD
from spec.events import EventType, FaultClass
from spec.stream_table import L1STD, STE, StrtabFmt
from spec.vmsa import S1Leaf

AF = S1Leaf.AF.mask  # the same bit in both stages
VA, IPA, PA = 0x12_3456_7000, 0x45_6789_A000, 0x98_7654_3000
SSID = 3
OF_STE, OF_CD = (EventType.F_STE_FETCH,), (EventType.F_CD_FETCH,)


def walk(stage2: int, cls: FaultClass) -> tuple:
    return EventType.F_WALK_EABT, stage2, cls


# Every read of a nested translation through two-level tables: what its abort is. Structures are
# in a block of stage 2 (two descriptors), the page is not (three).
READS = [
    OF_STE, OF_STE,
    *[walk(1, FaultClass.CD)] * 2, OF_CD, *[walk(1, FaultClass.CD)] * 2, OF_CD,
    *[*[walk(1, FaultClass.TT)] * 2, walk(0, FaultClass.TT)] * 4,
    *[walk(1, FaultClass.IN)] * 3,
]


def world(*, ste: dict | None = None, **cd: int) -> Nested:
    """Two-level stream and CD tables; VA is mapped to PA."""
    world = Nested(ste={"S1Fmt": 1, "S1CDMax": 7, "S1DSS": 0, **(ste or {})}, **cd)
    it = world.it
    l1cd, cds = it.memory.alloc(16), it.memory.alloc(0x1000)
    it.memory.put(l1cd, L1CD.pack(V=1, L2Ptr=cds))
    for n in range(0, 64, 8):
        it.memory.put(cds + 64 * SSID + n, it.memory.get(world.cd + n))
    at = it.strtab_base + 64
    it.memory.put(at, it.memory.get(at) & ~STE.S1ContextPtr.mask | l1cd)
    l1std = it.memory.alloc(8)
    it.memory.put(l1std, L1STD.pack(Span=5, L2Ptr=it.strtab_base))
    it.strtab_base, it.strtab_fmt, it.strtab_split = l1std, StrtabFmt.TWO_LEVEL, 6
    it.strtab_log2size = 6
    world.map1(VA, page(IPA))
    world.map2(IPA, page2(PA))
    return world


def access() -> Access:
    return Access(VA, ssid=SSID, write=True)


def test_every_read():
    it = world().it
    one, = it.run([access()])
    assert one.pa == PA
    reads = list(it.reads)
    assert len(reads) == len(READS)
    for number, (address, expected) in enumerate(zip(reads, READS, strict=True)):
        it.broken = {len(it.reads) + number}
        one, = it.run([access()])
        assert one.outcome == Outcome.ABORT
        found = fault(one) if len(expected) > 1 else (one.event.TYPE,)
        assert found == expected, (number, hex(address))
        assert one.event.FetchAddr == address
    assert it.run([access()])[0].pa == PA


@pytest.mark.parametrize("second", [False, True])
def test_hardware_updates(second):
    """The read to change a descriptor, and the write: of stage 1 or of stage 2."""
    one = world(HA=1) if not second else world(ste={"S2HA": 1})
    it = one.it
    leaf, value = (one.leaf2(IPA) if second else one.leaf1(VA))
    old = value & ~AF
    for broken in ("read", "write"):
        it.memory.put(leaf, old)
        first = len(it.reads)
        it.broken = set()
        assert it.run([access()])[0].pa == PA
        assert it.memory.get(leaf) == value
        locked = [n for n, address in enumerate(it.reads[first:]) if address == leaf]
        it.memory.put(leaf, old)
        if broken == "read":
            it.broken = {len(it.reads) + locked[1]}
        else:
            it.broken_writes = {it.writes + 1}
        got, = it.run([access()])
        assert fault(got)[0] == EventType.F_WALK_EABT
        assert (got.outcome, got.event.FetchAddr, got.event.S2) == (Outcome.ABORT, leaf, second)
        assert it.memory.get(leaf) == old
