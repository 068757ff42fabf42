"""Changes of translation tables: what the lint names, and the correct neighbours it lets pass."""

from __future__ import annotations

import pytest
from lint_rig import BLOCK, DATA, PAGE, VA, Desk, leaf

from spec import commands as c
from spec.codes import TGCode
from spec.vmsa import S1Leaf, S1Table, S2Leaf

TLBI = c.TLBI_NH_VA.make(ASID=0x11, VA=VA, Leaf=1)


def unmap(desk: Desk, sid: int = 1, addr: int = VA) -> None:
    desk.put(desk.leaf(sid, addr), 0)


def unmap_and(*commands):
    def act(desk: Desk) -> None:
        unmap(desk)
        desk.issue(*commands)
    return act


def remap(desk: Desk, *between) -> None:
    unmap(desk)
    if between:
        desk.post(*between)
    desk.put(desk.leaf(), leaf(DATA + 8 * PAGE, 1, 3))
    desk.issue(TLBI)


def flip_and_flush(mask: int, sid: int = 1, addr: int = VA):
    def act(desk: Desk) -> None:
        desk.flip(desk.leaf(sid, addr), mask)
        desk.issue(c.TLBI_NSNH_ALL.make())
    return act


def size_change(desk: Desk) -> None:
    """A block becomes a table of the same pages."""
    desk.put(desk.leaf(1, BLOCK), S1Table.pack(Type=3, Address=desk.page()))
    desk.issue(c.TLBI_NSNH_ALL.make())


def replace_table(desk: Desk) -> None:
    desk.put(desk.table(), S1Table.pack(Type=3, Address=desk.page()))
    desk.issue(c.TLBI_NSNH_ALL.make())


def free_table(desk: Desk, *commands) -> None:
    page = S1Table.Address.get(desk.memory.read64(desk.table()))
    desk.put(desk.table(), 0)
    if commands:
        desk.post(*commands)
    desk.write(page, b"data" * 64)
    desk.issue(c.TLBI_NSNH_ALL.make())


def stage2(*commands):
    """The page that maps the data of the nested stream goes away."""
    def act(desk: Desk) -> None:
        desk.put(desk.where[desk.flat, DATA], 0)
        desk.issue(*commands)
    return act


IPA = c.TLBI_S2_IPA.make(VMID=3, IPA=DATA, Leaf=1)
RANGE = {"ASID": 0x11, "VA": VA, "Leaf": 1, "TG": TGCode.G4K}

CASES = [
    # Invalidations
    ("nothing", lambda d: None, set()),
    ("unmap", unmap_and(TLBI), set()),
    ("unmap without TLBI", unmap_and(), {"tlbi.missing"}),
    ("TLBI of another ASID", unmap_and(TLBI.replace(ASID=0x12)), {"tlbi.missing"}),
    ("TLBI of another VMID", unmap_and(TLBI.replace(VMID=7)), {"tlbi.missing"}),
    ("TLBI of another page", unmap_and(TLBI.replace(VA=VA + PAGE)), {"tlbi.missing"}),
    ("TLBI of all ASIDs", unmap_and(c.TLBI_NH_VAA.make(VA=VA, Leaf=1)), set()),
    ("TLBI of the ASID", unmap_and(c.TLBI_NH_ASID.make(ASID=0x11)), set()),
    ("TLBI of the VMID", unmap_and(c.TLBI_S12_VMALL.make()), set()),
    ("only a CFGI", unmap_and(c.CFGI_STE_RANGE.make(Range=31)), {"tlbi.missing"}),
    ("stage-2 TLBI for stage 1", unmap_and(c.TLBI_S2_IPA.make(IPA=VA)), {"tlbi.missing"}),
    ("range", unmap_and(c.TLBI_NH_VA.make(NUM=1, TTL=3, **RANGE)), set()),
    ("range of another granule", unmap_and(c.TLBI_NH_VA.make(
        NUM=1, TTL=3, **(RANGE | {"TG": TGCode.G64K, "VA": VA & ~0xFFFF}))), {"tlbi.missing"}),
    ("range with the wrong level", unmap_and(c.TLBI_NH_VA.make(
        NUM=1, TTL=2, **(RANGE | {"VA": 0x40_0000}))), {"tlbi.missing"}),
    ("invalidated before the change",
     lambda d: (d.issue(TLBI), unmap(d)), {"tlbi.missing"}),
    ("no SYNC", lambda d: (unmap(d), d.post(TLBI)), {"sync.missing"}),
    ("used after a SYNC that covers nothing",
     lambda d: (unmap(d), d.issue(), d.access(), d.issue(TLBI)), {"tlbi.missing"}),
    ("used before the SYNC",
     lambda d: (unmap(d), d.access(), d.issue(TLBI)), set()),
    ("two pages, one TLBI", lambda d: (unmap(d), unmap(d, 1, VA + PAGE), d.issue(TLBI)),
     {"tlbi.missing"}),
    ("never used", lambda d: d.put(d.map(d.roots[1], 0x123000, DATA), 0), set()),
    # Making mappings
    ("map", lambda d: (d.map(d.roots[1], 0x123000, DATA), d.access(1, 0x123000)), set()),
    ("map after a fault",
     lambda d: (d.access(1, 0x123000), d.map(d.roots[1], 0x123000, DATA),
                d.access(1, 0x123000)), set()),
    ("access flag set", lambda d: d.put(d.map(d.roots[1], 0x123000, DATA), leaf(DATA, 1, 3)),
     set()),
    # Break-before-make
    ("remap", lambda d: remap(d, TLBI, c.SYNC.make()), set()),
    ("remap without TLBI", lambda d: remap(d), {"bbm"}),
    ("remap before the SYNC", lambda d: remap(d, TLBI), {"sync.missing"}),
    ("the same again", lambda d: (unmap(d), d.put(d.leaf(), leaf(DATA, 1, 3))), set()),
    ("other address", flip_and_flush(1 << 30), {"bbm"}),
    ("other attributes", flip_and_flush(S1Leaf.AttrIndx.mask), {"bbm"}),
    ("other shareability", flip_and_flush(S1Leaf.SH.mask), {"bbm"}),
    ("nG", flip_and_flush(S1Leaf.nG.mask), {"bbm"}),
    ("stage-2 address", flip_and_flush(1 << 30, 2), {"bbm"}),
    ("stage-2 attributes", flip_and_flush(S2Leaf.MemAttr.mask, 2), {"bbm"}),
    ("permissions", flip_and_flush(2 << S1Leaf.AP.lsb), set()),
    ("permissions without TLBI", lambda d: d.flip(d.leaf(), 2 << S1Leaf.AP.lsb),
     {"tlbi.missing"}),
    ("stage-2 permissions", flip_and_flush(2 << S2Leaf.S2AP.lsb, 2), set()),
    ("software bits", lambda d: d.flip(d.leaf(), S1Leaf.Software.mask), set()),
    ("access flag cleared", lambda d: d.flip(d.leaf(), S1Leaf.AF.mask), set()),
    ("Contiguous", flip_and_flush(S1Leaf.Contiguous.mask), set()),
    ("size", size_change, set()),
    ("other table", replace_table, {"bbm"}),
    ("table permissions", lambda d: (d.flip(d.table(), S1Table.APTable.mask),
                                     d.issue(c.TLBI_NSNH_ALL.make())), set()),
    ("table permissions without TLBI", lambda d: d.flip(d.table(), S1Table.APTable.mask),
     {"tlbi.missing"}),
    # Tables
    ("free a table", lambda d: free_table(d, c.TLBI_NH_ASID.make(ASID=0x11), c.SYNC.make()),
     set()),
    ("free a table too early", lambda d: free_table(d), {"reuse"}),
    ("free a table before the SYNC",
     lambda d: free_table(d, c.TLBI_NH_ASID.make(ASID=0x11)), {"sync.missing"}),
    ("unlink a table, leaves only",
     lambda d: (d.put(d.table(), 0), d.issue(c.TLBI_NH_VA.make(ASID=0x11, VA=VA, Leaf=1),
                                             TLBI.replace(VA=VA + PAGE))), {"tlbi.missing"}),
    ("unlink a table, all of it",
     lambda d: (d.put(d.table(), 0), d.issue(c.TLBI_NH_VA.make(ASID=0x11, VA=VA),
                                             TLBI.replace(VA=VA + PAGE))), set()),
    # Stage 2 and nested
    ("unmap stage 2", lambda d: (unmap(d, 2), d.issue(c.TLBI_S2_IPA.make(
        VMID=2, IPA=VA, Leaf=1))), set()),
    ("unmap stage 2 without TLBI", lambda d: (unmap(d, 2), d.issue()), {"tlbi.missing"}),
    ("nested, IPA only", stage2(IPA), {"tlbi.missing"}),
    ("nested, stage 1 only", stage2(c.TLBI_NH_ALL.make(VMID=3)), {"tlbi.missing"}),
    ("nested, both", stage2(IPA, c.TLBI_NH_ALL.make(VMID=3)), set()),
    ("nested, all", stage2(c.TLBI_S12_VMALL.make(VMID=3)), set()),
    ("nested, stage 1 unmapped", lambda d: (unmap(d, 3), d.issue(
        c.TLBI_NH_VA.make(VMID=3, ASID=0x13, VA=VA, Leaf=1))), set()),
]


@pytest.mark.parametrize(("name", "act", "expected"), CASES, ids=[case[0] for case in CASES])
def test_table_change(name, act, expected):
    desk = Desk()
    desk.use()
    assert desk.rules() == set()
    act(desk)
    assert desk.rules() == expected


@pytest.mark.parametrize(("bbml", "contiguous", "size", "marked"), [
    (0, {"bbm"}, {"bbm"}, {"bbm"}), (1, set(), {"bbm"}, set()), (2, set(), set(), set())])
def test_levels_of_break_before_make(bbml, contiguous, size, marked):
    """BBML decides what may change in place; with level 1 a block must carry nT."""
    def run(act):
        desk = Desk(BBML=bbml, ArchMinorRev=1)
        act(desk)
        return desk.rules()

    assert run(lambda d: (d.use(), flip_and_flush(S1Leaf.Contiguous.mask)(d))) == contiguous
    assert run(lambda d: (d.use(), size_change(d))) == size
    assert run(lambda d: (d.flip(d.leaf(1, BLOCK), 1 << 16), d.use(), size_change(d))) == marked


def test_hardware_updates_are_not_software_s():
    desk = Desk()
    desk.write(desk.cd(1), desk.context(1, HA=1, HD=1).to_bytes())
    desk.issue(c.CFGI_CD.make(StreamID=1, SSV=1, SubstreamID=1, Leaf=1))
    at = desk.map(desk.roots[1], 0x123000, DATA)
    desk.put(at, leaf(DATA, 1, 3, AF=0, DBM=1, AP=3))
    desk.access(1, 0x123000)
    desk.access(1, 0x123000, write=True)
    assert S1Leaf.AF.get(desk.memory.read64(at)) == 1
    assert S1Leaf.AP.get(desk.memory.read64(at)) == 1
    assert desk.rules() == set()


def test_reserved_descriptor():
    desk = Desk()
    desk.flip(desk.leaf(), 2)  # block at level 3
    desk.access()
    assert desk.rules() == {"descriptor"}


def test_big_endian_tables_are_understood():
    desk = Desk()
    root, pages = desk.page(), [desk.page(), desk.page()]
    swap = lambda value: int.from_bytes(value.to_bytes(8, "little"), "big")  # noqa: E731
    desk.put(root, swap(S1Table.pack(Type=3, Address=pages[0])))
    desk.put(pages[0] + 16, swap(S1Table.pack(Type=3, Address=pages[1])))
    desk.put(pages[1] + 8, swap(leaf(DATA, 1, 3)))
    desk.write(desk.cd(2), desk.context(1, ENDI=1, ASID=9, TTB0=root).to_bytes())
    desk.issue(c.CFGI_CD.make(StreamID=1, SSV=1, SubstreamID=2, Leaf=1))
    assert desk.access(ssid=2).pa == DATA
    desk.put(pages[1] + 8, swap(leaf(DATA, 1, 3, AP=3)))
    desk.issue(c.TLBI_NH_ASID.make(ASID=9))
    assert desk.rules() == set()
    desk.put(pages[1] + 8, swap(leaf(DATA + PAGE, 1, 3, AP=3)))
    assert desk.rules() == {"bbm"}
