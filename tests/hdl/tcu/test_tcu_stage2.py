"""Stage 2 alone and nested, and hardware updates (reference 4.6 to 4.8)."""

import pytest
from tcu_harness import RAM_END, Access
from tcu_tables import IN, STAGE2, Nested, fault, machine, page, page2, put_leaf, put_ste, rights

from hdl.streams import Outcome
from spec import vmsa
from spec.events import EventType, FaultClass
from spec.stream_table import SteConfig
from spec.vmsa import AP, S2AP, S1Leaf, S2Leaf

VA, IPA, PA = 0x12_3456_7000, 0x45_6789_A000, 0x98_7654_3000


def test_stage2_only_with_every_start():
    it = machine(log2size=6)
    accesses = []
    cases = [(g, sl0, ia) for g, sl0, ia in (
        (12, 2, 48), (12, 1, 40), (12, 1, 43), (12, 0, 25), (12, 0, 34), (14, 2, 48), (14, 2, 41),
        (14, 1, 40), (14, 0, 29), (16, 2, 46), (16, 1, 42), (16, 0, 29), (16, 1, 38))]
    for sid, (g, sl0, ia) in enumerate(cases):
        ttb = it.memory.alloc(16 << g)
        level = vmsa.S2_START_LEVEL[g][sl0]
        put_ste(it, sid, Config=SteConfig.S2, **{
            **STAGE2, "S2T0SZ": 64 - ia, "S2SL0": sl0, "S2TTB": ttb,
            "S2TG": {12: 0, 14: 2, 16: 1}[g]})
        top = (1 << ia) - (1 << g)
        put_leaf(it, ttb, top, page2(0x5_0000_0000), g=g, ia=ia, start=level)
        accesses += [Access(top | 0x18, sid), Access(1 << ia, sid)]
    it.run(accesses)
    for (g, _, ia), inside, outside in zip(cases, accesses[::2], accesses[1::2], strict=True):
        assert (inside.pa, inside.response.size) == (0x5_0000_0018, g), (g, ia)
        expected = ((EventType.F_ADDR_SIZE, *IN) if ia == 48
                    else (EventType.F_TRANSLATION, 1, FaultClass.IN))
        assert fault(outside) == expected


def test_rights_of_both_stages():
    world = Nested()
    world.map1(VA, page(IPA, AP=AP.RW, UXN=1))
    world.map2(IPA, page2(PA, S2AP=S2AP.READ, XN=3, SH=2))
    read, write = world.it.run([Access(VA | 0x10), Access(VA, write=True)])
    assert read.pa == PA | 0x10
    assert rights(read.response.perms) == "r--r--"
    assert (read.response.attrs.mair, read.response.attrs.sh) == (0xFF, 2)
    assert fault(write) == (EventType.F_PERMISSION, 1, FaultClass.IN)
    assert write.event.IPA == IPA


@pytest.mark.parametrize(("fields", "event"), [
    (None, EventType.F_TRANSLATION), ({"AF": 0}, EventType.F_ACCESS),
    ({"S2AP": S2AP.WRITE}, EventType.F_PERMISSION), ({"Type": 1}, EventType.F_TRANSLATION),
    ({"MemAttr": 1}, EventType.F_PERMISSION)])
def test_class_and_ipa_of_stage2_faults(fields, event):
    for what, cls in (("CD", FaultClass.CD), ("TTB0", FaultClass.TT)):
        moved = 0x10_0000_0000
        world = Nested(ste={"S2PTW": 1, **({"S1ContextPtr": moved | 0x40} if what == "CD" else {})},
                       **({"TTB0": moved} if what == "TTB0" else {}))
        if fields is not None:
            world.map2(moved, page2(world.ttb, **fields))
        access, = world.it.run([Access(VA, write=True)])
        assert fault(access) == (event, 1, cls)
        assert access.event.IPA == moved
        if event == EventType.F_PERMISSION:
            assert access.event.TTRnW == (cls == FaultClass.TT)


def test_aborts_of_both_stages():
    world = Nested()
    world.map1(VA, vmsa.S1Table.pack(Type=3, Address=0x20_0000_0000), level=2)
    world.map2(0x20_0000_0000, page2(RAM_END - 0x1000 + 0x1000))
    world.map1(0, page(0x30_0000_0000))
    world.map2(0x30_0000_0000, vmsa.S2Table.pack(Type=3, Address=RAM_END), level=2)
    first, second = world.it.run([Access(VA), Access(0)])
    assert fault(first) == (EventType.F_WALK_EABT, 0, FaultClass.TT)
    assert first.event.FetchAddr == RAM_END + 8 * vmsa.index(12, 3, VA)
    assert fault(second) == (EventType.F_WALK_EABT, 1, FaultClass.IN)


@pytest.mark.parametrize("exclusive", [True, False])
def test_access_flags_and_dirty_state(exclusive):
    world = Nested(ste={"S2HA": 1, "S2HD": 1}, HA=1, HD=1)
    world.it.exclusive, world.it.lose = exclusive, 2 if exclusive else 0
    world.map1(VA, page(IPA, AF=0, DBM=1, AP=AP.RO))
    world.map2(IPA, page2(PA, AF=0, DBM=1, S2AP=S2AP.READ))
    read, = world.it.run([Access(VA)])
    assert read.pa == PA
    assert rights(read.response.perms) == "r--r-x"  # counts as writable
    one, two = S1Leaf(world.leaf1(VA)[1]), S2Leaf(world.leaf2(IPA)[1])
    assert (one.AF, one.AP, two.AF, two.S2AP) == (1, AP.RO, 1, S2AP.READ)
    write, = world.it.run([Access(VA, write=True)])
    assert write.pa == PA
    assert rights(write.response.perms) == "rw-rwx"
    one, two = S1Leaf(world.leaf1(VA)[1]), S2Leaf(world.leaf2(IPA)[1])
    assert (one.AF, one.AP, two.AF, two.S2AP) == (1, AP.RW, 1, S2AP.RW)
    assert one.replace(AP=AP.RO).value == page(IPA, DBM=1, AP=AP.RO)


def test_a_page_is_not_dirty_when_stage2_refuses():
    world = Nested(HA=1, HD=1)
    world.map1(VA, page(IPA, DBM=1, AP=AP.RO))
    world.map2(IPA, page2(PA, S2AP=S2AP.READ))
    write, = world.it.run([Access(VA, write=True)])
    assert fault(write) == (EventType.F_PERMISSION, 1, FaultClass.IN)
    assert S1Leaf(world.leaf1(VA)[1]).AP == AP.RO
    assert world.it.writes == 0


def test_stage2_refuses_the_update_of_a_descriptor():
    world = Nested(HA=1)
    table, ipa = world.it.memory.alloc(0x1000), 0x20_0000_0000
    world.map1(VA, vmsa.S1Table.pack(Type=3, Address=ipa), level=2)
    world.map2(ipa, page2(table, S2AP=S2AP.READ))
    offset = 8 * vmsa.index(12, 3, VA)
    world.it.memory.put(table + offset, page(IPA, AF=0))
    access, = world.it.run([Access(VA)])
    assert fault(access) == (EventType.F_PERMISSION, 1, FaultClass.TT)
    assert (access.event.TTRnW, access.event.IPA) == (0, ipa)
    assert access.outcome == Outcome.ABORT


@pytest.mark.parametrize("af", [0, 1])
@pytest.mark.parametrize("output", [S2AP.READ, S2AP.RW, None])
def test_stage1_is_complete_before_stage2_sees_the_output(output, af):
    """A page that must become dirty below a table that stage 2 does not let be written: that is
    the fault, whatever stage 2 says of the output (reference 4.2 step 11)."""
    world = Nested(HA=1, HD=1)
    table, ipa = world.it.memory.alloc(0x1000), 0x20_0000_0000
    world.map1(VA, vmsa.S1Table.pack(Type=3, Address=ipa), level=2)
    world.map2(ipa, page2(table, S2AP=S2AP.READ))
    if output is not None:
        world.map2(IPA, page2(PA, S2AP=output))
    offset = 8 * vmsa.index(12, 3, VA)
    world.it.memory.put(table + offset, page(IPA, DBM=1, AP=AP.RO, AF=af))
    access, = world.it.run([Access(VA, write=True)])
    assert fault(access) == (EventType.F_PERMISSION, 1, FaultClass.TT)
    assert (access.event.TTRnW, access.event.IPA) == (0, ipa)
    assert world.it.writes == 0


@pytest.mark.parametrize(("stage1", "stage2"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_stage_of_the_fault_alone_decides_about_a_stall(stage1, stage2):
    """Stage-2 faults of CD and table fetches are S2S's, too."""
    results = {}
    for case in ("stage 1", "table", "output", "CD"):
        world = Nested(S=stage1, ste={"S2S": stage2})
        if case == "table":
            world.map1(VA, vmsa.S1Table.pack(Type=3, Address=IPA), level=0)
        elif case == "output":
            world.map1(VA, page(IPA))
        elif case == "CD":
            world.map2(0x8000_0000, 0, level=2)
        access, = world.it.run([Access(VA)])
        assert access.event.S2 == (case != "stage 1")
        assert access.event.Stall == (access.outcome == Outcome.RETRY)
        results[case] = access.event.Stall
    assert results == {"stage 1": stage1, "table": stage2, "output": stage2, "CD": stage2}
