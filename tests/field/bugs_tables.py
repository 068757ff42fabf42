"""Bugs of table walks, permissions and fault records."""

from __future__ import annotations

from spec.events import F_ACCESS, F_ADDR_SIZE, F_PERMISSION, F_TRANSLATION, FaultClass
from spec.stream_table import STE, SteConfig
from spec.vmsa import AP, S2AP, S1Leaf, S2Leaf
from tests.field.needs import needs
from tests.field.rig import S1, S1_READ, S2, Rig

IOVA = 0x12_3456_7000


@needs("S1P")
async def no_permission_check_on_a_hit(rig: Rig) -> None:
    """A read-only page that was read is not writable; nor is one without execute executable."""
    await rig.start()
    table = rig.stage1()
    frame = rig.page()
    table.map(IOVA, 3, frame, S1_READ)
    rig.stream1(1, table)
    for _ in range(2):
        assert (await rig.access(1, IOVA)).pa == frame
        assert not (await rig.access(1, IOVA, write=True)).ok
        record = await rig.event()
        assert isinstance(record, F_PERMISSION)
        assert (record.RnW, record.S2, record.CLASS, record.InputAddr) == (
            0, 0, FaultClass.IN, IOVA)


@needs("S1P", "HTTU")
async def store_on_an_entry_that_is_not_dirty(rig: Rig) -> None:
    """RISC-V RTL: a write that hits an entry made by a read still makes the descriptor dirty."""
    await rig.start()
    table = rig.stage1()
    frame = rig.page()
    table.map(IOVA, 3, frame, S1Leaf.make(AF=1, AP=AP.RO, nG=1, SH=3, DBM=1))
    rig.stream1(1, table, HA=1, HD=1)
    slot = table.leaves[0].slot
    assert (await rig.access(1, IOVA)).ok
    assert table.get(slot) >> S1Leaf.AP.lsb & 3 == AP.RO
    assert (await rig.access(1, IOVA, write=True)).pa == frame
    await rig.issue()
    assert table.get(slot) >> S1Leaf.AP.lsb & 3 == AP.RW


@needs("S1P")
async def one_setting_for_both_halves(rig: Rig) -> None:
    """QEMU: TT1 has its own table, size, granule code and TBI; VA[55] chooses."""
    await rig.start()
    lower, upper = rig.stage1(), rig.stage1(ia=36, upper=True)
    low, high = rig.page(), rig.page()
    lower.map(0x5000, 3, low, S1)
    upper.map(0x5000, 3, high, S1)
    rig.stream1(1, lower, upper=upper, TBI1=1)
    base = (1 << 64) - (1 << 36)
    assert (await rig.access(1, 0x5000)).pa == low
    assert (await rig.access(1, base + 0x5000)).pa == high
    assert (await rig.access(1, (base + 0x5000) & ~(0xFF << 56))).pa == high  # a tag
    for wrong in (0x5000 | 0x12 << 56, (base + 0x5000) & ~(1 << 50), 0x5000 | 1 << 54):
        assert not (await rig.access(1, wrong)).ok, hex(wrong)
        record = await rig.event()
        assert isinstance(record, F_TRANSLATION)
        assert record.InputAddr == wrong


@needs("S1P")
async def fault_priority(rig: Rig) -> None:
    """RISC-V RTL, QEMU: address size before access flag before permission."""
    await rig.start()
    table = rig.stage1()
    beyond = 1 << 40
    none = S1Leaf.make(AF=0, AP=AP.PRIV_RO, nG=1)
    table.map(IOVA, 3, beyond, none)
    table.map(IOVA + 0x1000, 3, rig.page(), none)
    table.map(IOVA + 0x2000, 3, rig.page(), S1Leaf.make(AF=1, AP=AP.PRIV_RO, nG=1))
    rig.stream1(1, table, IPS=1)
    for n, kind in enumerate((F_ADDR_SIZE, F_ACCESS, F_PERMISSION)):
        assert not (await rig.access(1, IOVA + 0x1000 * n, write=True)).ok
        assert isinstance(await rig.event(), kind)


@needs("S1P", "S2P")
async def class_of_nested_faults(rig: Rig) -> None:
    """QEMU: CLASS is CD, TT or IN by what stage 2 was translating, and IPA is the address of
    that."""
    await rig.start()
    nested = rig.nested(1)
    nested.s1.map(IOVA, 3, 0x7000, S1)
    assert not (await rig.access(1, IOVA)).ok
    record = await rig.event()
    assert (record.S2, record.CLASS, record.IPA) == (1, FaultClass.IN, 0x7000)
    nested.s1.slot(IOVA + (1 << 30), 1)
    nested.s1.put(nested.s1.slot(IOVA + (1 << 30), 1), 0x2F_0000_0003)
    assert not (await rig.access(1, IOVA + (1 << 30))).ok
    record = await rig.event()
    index = (IOVA + (1 << 30)) >> 21 & 511
    assert (record.S2, record.CLASS) == (1, FaultClass.TT)
    assert record.IPA == (0x2F_0000_0000 + 8 * index) & ~0xFFF
    rig.put_ste(2, STE.make(V=1, Config=SteConfig.NESTED, S1ContextPtr=0x3000,
                            **rig.fields2(nested.s2)))
    assert not (await rig.access(2, IOVA)).ok
    record = await rig.event()
    assert (record.S2, record.CLASS, record.IPA) == (1, FaultClass.CD, 0x3000)


@needs("S2P")
async def stage_2_event_without_ipa(rig: Rig) -> None:
    """QEMU: a stage-2 fault carries the IPA, by pages, beside the input address; write permission
    is checked on a hit."""
    await rig.start()
    table = rig.stage2()
    frame = rig.page()
    table.map(0x9000, 3, frame, S2Leaf.make(AF=1, S2AP=S2AP.READ, MemAttr=0xF))
    rig.put_ste(1, STE.make(V=1, Config=SteConfig.S2, **rig.fields2(table)))
    assert (await rig.access(1, 0x9008)).pa == frame + 8
    assert not (await rig.access(1, 0x9008, write=True)).ok
    record = await rig.event()
    assert isinstance(record, F_PERMISSION)
    assert (record.S2, record.CLASS, record.IPA, record.InputAddr) == (
        1, FaultClass.IN, 0x9000, 0x9008)


@needs("S1P")
async def table_permission_faults_too_early(rig: Rig) -> None:
    """QEMU: APTable takes effect on a valid leaf; below it an invalid one is F_TRANSLATION."""
    await rig.start()
    table = rig.stage1()
    table.map(IOVA, 3, rig.page(), S1)
    link = table.slot(IOVA, 2)
    table.put(link, table.get(link) | 2 << 61)
    rig.stream1(1, table)
    assert (await rig.access(1, IOVA)).ok
    for addr, kind in ((IOVA, F_PERMISSION), (IOVA + 0x1000, F_TRANSLATION)):
        assert not (await rig.access(1, addr, write=True)).ok
        assert isinstance(await rig.event(), kind)


@needs("S2P")
async def stage_2_output_is_not_checked(rig: Rig) -> None:
    """QEMU: an output above S2PS is F_ADDR_SIZE of stage 2."""
    await rig.start()
    table = rig.stage2()
    table.map(0x9000, 3, 1 << 40, S2)
    rig.put_ste(1, STE.make(V=1, Config=SteConfig.S2, **rig.fields2(table) | {"S2PS": 1}))
    assert not (await rig.access(1, 0x9000)).ok
    record = await rig.event()
    assert isinstance(record, F_ADDR_SIZE)
    assert (record.S2, record.IPA) == (1, 0x9000)
