"""Bugs of stream tables and context descriptors."""

from __future__ import annotations

from spec import registers as r
from spec.context import CD_BYTES, L1CD
from spec.events import C_BAD_STE, C_BAD_STREAMID, C_BAD_SUBSTREAMID, F_TRANSLATION, FaultClass
from spec.stream_table import L1STD, STE, STE_BYTES, SteConfig, SteS1Fmt, StrtabFmt
from tests.field.needs import needs
from tests.field.rig import S1, Rig
from tests.field.rig import S2 as S2_LEAF

IOVA = 0x1234_5000


async def _two_level(rig: Rig, sid: int, *, split: int, span: int) -> tuple[int, int]:
    """A two-level table; bypass STEs under `sid`'s descriptor: (L1 index, L2 table)."""
    effective = split if split in (6, 8, 10) else 6
    table = rig.pages.contiguous(STE_BYTES << effective, STE_BYTES << effective)
    index = sid >> effective
    rig.memory.write(rig.strtab + 8 * index, L1STD.make(Span=span, L2Ptr=table).to_bytes())
    for n in range(1 << effective):
        rig.memory.write(table + STE_BYTES * n, STE.make(V=1, Config=SteConfig.BYPASS).to_bytes())
    return index, table


@needs("ST_LEVEL")
async def second_level_span_is_twice_too_large(rig: Rig) -> None:
    """QEMU: Span n bounds the table at 2^(n-1), not 2^n - 1 or 2^n."""
    await rig.start(LOG2SIZE=8, FMT=StrtabFmt.TWO_LEVEL, SPLIT=6)
    await _two_level(rig, 0x40, split=6, span=4)
    assert (await rig.access(0x47, rig.page())).ok
    assert not (await rig.access(0x48, rig.page())).ok
    assert isinstance(await rig.event(), C_BAD_STREAMID)
    for span in (0, 8, 12, 31):  # invalid, beyond SPLIT + 1, reserved
        rig.memory.write(rig.strtab + 8, L1STD.make(Span=span, L2Ptr=rig.page()).to_bytes())
        await _forget(rig)
        assert not (await rig.access(0x40, rig.page())).ok
        assert isinstance(await rig.event(), C_BAD_STREAMID)


async def _forget(rig: Rig) -> None:
    from spec.commands import CFGI_STE_RANGE
    await rig.issue(CFGI_STE_RANGE.make(Range=31))


@needs("ST_LEVEL")
async def split_codes_are_7_8_16(rig: Rig) -> None:
    """gem5: SPLIT is 6, 8 or 10 as it stands; any other value behaves as 6."""
    for split, sid in ((6, 0x81), (8, 0x181), (10, 0x481), (7, 0x81), (16, 0x81)):
        await rig.start(LOG2SIZE=12, FMT=StrtabFmt.TWO_LEVEL, SPLIT=split)
        effective = split if split in (6, 8, 10) else 6
        await _two_level(rig, sid, split=split, span=effective + 1)
        await _forget(rig)
        assert (await rig.access(sid, rig.page())).ok, split
        assert not (await rig.access(sid + (1 << effective), rig.page())).ok, split
        await rig.enable()


async def invalid_stream_table_entry_bypasses(rig: Rig) -> None:
    """STE.V=0 aborts with C_BAD_STE."""
    await rig.start()
    rig.put_ste(1, STE.make(V=0, Config=SteConfig.BYPASS))
    assert not (await rig.access(1, rig.page())).ok
    assert isinstance(await rig.event(), C_BAD_STE)


async def abort_entry_records_an_event(rig: Rig) -> None:
    """QEMU: Config 0b0xx aborts and records nothing."""
    await rig.start()
    for config in range(4):
        rig.put_ste(config + 1, STE.make(V=1, Config=config))
        assert not (await rig.access(config + 1, rig.page())).ok
    await rig.issue()
    assert await rig.events() == []


async def _substreams(rig: Rig, fmt: SteS1Fmt, log2: int, ssid: int) -> int:
    """A stream with a two-level CD table that has CD `ssid` only; address of its L1CD."""
    bits = {SteS1Fmt.L2_4K: 6, SteS1Fmt.L2_64K: 10}[fmt]
    table = rig.stage1()
    table.map(IOVA, 3, rig.page(), S1)
    first, leaves = rig.page(), rig.pages.contiguous(CD_BYTES << bits, CD_BYTES << bits)
    place = first + 8 * (ssid >> bits)
    rig.memory.write(place, L1CD.make(V=1, L2Ptr=leaves).to_bytes())
    rig.put_cd(leaves + CD_BYTES * (ssid % (1 << bits)), table)
    rig.put_ste(1, STE.make(V=1, Config=SteConfig.S1, S1Fmt=fmt, S1CDMax=log2,
                            S1ContextPtr=first))
    return place


@needs("S1P", "CD2L", "SSIDSIZE")
async def context_table_is_split_one_bit_off(rig: Rig) -> None:
    """gem5 splits SubstreamIDs at 7 and 11; it is 6 and 10."""
    for fmt, ssid in ((SteS1Fmt.L2_4K, 0x40 + 3), (SteS1Fmt.L2_64K, 0x400 + 3)):
        await rig.start()
        await _substreams(rig, fmt, 12, ssid)
        assert (await rig.access(1, IOVA, ssid=ssid)).ok
        assert not (await rig.access(1, IOVA, ssid=ssid ^ 0x40)).ok
        await rig.enable()


@needs("S1P", "CD2L", "SSIDSIZE")
async def first_level_context_is_used_unchecked(rig: Rig) -> None:
    """L1CD.V=0 is C_BAD_SUBSTREAMID."""
    await rig.start()
    place = await _substreams(rig, SteS1Fmt.L2_4K, 8, 0x41)
    rig.memory.write(place, L1CD(int.from_bytes(rig.memory.read(place, 8), "little")).replace(
        V=0).to_bytes())
    assert not (await rig.access(1, IOVA, ssid=0x41)).ok
    record = await rig.event()
    assert isinstance(record, C_BAD_SUBSTREAMID)
    assert record.SubstreamID == 0x41


@needs("S1P", "SSIDSIZE")
async def hit_with_the_wrong_context(rig: Rig) -> None:
    """RISC-V RTL, found by formal: the same address in two contexts of one stream."""
    await rig.start()
    array, pages = rig.pages.contiguous(CD_BYTES * 4, 4096), []
    for ssid in range(4):
        table = rig.stage1()
        pages.append(rig.page())
        table.map(IOVA, 3, pages[-1], S1)
        rig.put_cd(array + CD_BYTES * ssid, table, ASID=ssid + 1)
    rig.put_ste(1, STE.make(V=1, Config=SteConfig.S1, S1CDMax=2, S1ContextPtr=array))
    for _ in range(2):
        for ssid in (1, 2, 3):
            assert (await rig.access(1, IOVA + 8, ssid=ssid)).pa == pages[ssid] + 8


@needs("S1P", "S2P")
async def context_pointer_of_a_nested_stream_is_used_untranslated(rig: Rig) -> None:
    """RISC-V RTL: S1ContextPtr is an IPA; one that stage 2 does not map is a fault of class CD."""
    await rig.start()
    nested = rig.nested(1)
    page = rig.page()
    nested.s2.map(0x4000, 3, page, S2_LEAF)
    nested.s1.map(IOVA, 3, 0x4000, S1)
    assert (await rig.access(1, IOVA)).pa == page
    rig.put_ste(2, STE.make(V=1, Config=SteConfig.NESTED, S1ContextPtr=rig.page(),
                            **rig.fields2(nested.s2)))
    assert not (await rig.access(2, IOVA)).ok
    record = await rig.event()
    assert isinstance(record, F_TRANSLATION)
    assert (record.S2, record.CLASS) == (1, FaultClass.CD)


async def eight_bytes_at_the_end_of_a_page(rig: Rig) -> None:
    """RISC-V RTL refuses an 8-byte access at offset 0xff8 as crossing the page."""
    await rig.start()
    rig.put_ste(1, STE.make(V=1, Config=SteConfig.BYPASS))
    page = rig.page()
    assert (await rig.access(1, page + 0xFF8)).pa == page + 0xFF8
    assert (await rig.access(1, page + 0xFF8, write=True)).pa == page + 0xFF8
    assert not (await rig.read(r.GERROR)).value
