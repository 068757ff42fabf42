"""Bugs of commands and invalidation."""

from __future__ import annotations

from spec.commands import (
    CFGI_CD,
    CFGI_STE,
    CFGI_STE_RANGE,
    PREFETCH_CONFIG,
    SYNC,
    TLBI_NH_ALL,
    TLBI_NH_VA,
    TLBI_S2_IPA,
    CommandError,
    Opcode,
)
from spec.stream_table import STE, SteConfig
from tests.field.needs import needs
from tests.field.rig import LOG2_STREAMS, S1, S2, Rig

IOVA, PAGE, BLOCK = 0x4000_0000, 0x1000, 0x20_0000


async def unsupported_commands_are_accepted(rig: Rig) -> None:
    """QEMU: an opcode without its feature, of the Secure queue, or unknown is CERROR_ILL."""
    await rig.start()
    impl = rig.impl
    opcodes = [op for op in range(256) if not impl.legal(op) and not 0x80 <= op < 0x90]
    chosen = [op for op in opcodes if op in set(Opcode)] + [0x00, 0x08, 0x47, 0x7F, 0xFF]
    assert Opcode.ATC_INV in chosen
    for opcode in chosen:
        assert await rig.command_error(int(opcode)) == CommandError.CERROR_ILL, hex(opcode)


async def sync_with_reserved_signal_is_accepted(rig: Rig) -> None:
    """OpenVMM: CMD_SYNC with CS=0b11 is CERROR_ILL; CS=2 without SEV is not."""
    await rig.start()
    assert await rig.command_error(SYNC.make(CS=3)) == CommandError.CERROR_ILL
    await rig.issue(SYNC.make(CS=2))


async def secure_bit_is_accepted(rig: Rig) -> None:
    """SSec=1 on this queue is CERROR_ILL, also without Secure state."""
    await rig.start()
    assert await rig.command_error(CFGI_STE.make(StreamID=1, SSec=1)) == CommandError.CERROR_ILL


async def prefetch_config_breaks_the_stream(rig: Rig) -> None:
    """HiSilicon 161010701: the command is legal, and harmless for streams of any kind."""
    await rig.start()
    rig.put_ste(1, STE.make(V=1, Config=SteConfig.BYPASS))
    await rig.issue(PREFETCH_CONFIG.make(StreamID=1), PREFETCH_CONFIG.make(StreamID=2),
                    PREFETCH_CONFIG.make(StreamID=1, SSV=1, SubstreamID=5))
    assert (await rig.access(1, rig.page())).ok
    await rig.issue()
    assert await rig.events() == []


async def range_of_stream_table_entries(rig: Rig) -> None:
    """QEMU: CFGI_STE_RANGE covers 2^(Range+1) StreamIDs from an aligned one on; Range 31 all."""
    for name, sid, ranges in (("8 of them", 13, 2), ("all", 0, 31), ("two", 9, 0)):
        await rig.start()
        named = range(8, 16) if ranges == 2 else range(8, 10) if ranges == 0 \
            else range(1, 1 << LOG2_STREAMS, 37)
        for n in named:
            rig.put_ste(n, STE.make(V=1, Config=SteConfig.BYPASS))
            assert (await rig.access(n, rig.page())).ok, name
        for n in named:
            rig.put_ste(n, STE.make(V=1, Config=SteConfig.ABORT))
        await rig.issue(CFGI_STE_RANGE.make(StreamID=sid, Range=ranges))
        for n in named:
            assert not (await rig.access(n, rig.page())).ok, (name, n)
        await rig.enable()


async def _pages(rig: Rig, count: int, start: int = IOVA):
    """A stream with `count` pages mapped and used from `start` on."""
    table = rig.stage1()
    frames = [rig.page() for _ in range(count)]
    for n, frame in enumerate(frames):
        assert table.map(start + PAGE * n, 3, frame, S1)
    rig.stream1(1, table)
    for n, frame in enumerate(frames):
        assert (await rig.access(1, start + PAGE * n)).pa == frame
    return table, frames


def _unmap(table, pages) -> None:
    for n in pages:
        table.put(table.leaves[n].slot, 0)


@needs("S1P", "RIL")
async def range_invalidation_takes_tg_for_an_index(rig: Rig) -> None:
    """QEMU: the granule of TG is 2^(2 TG + 10) bytes; entries of another granule may stay, those
    of this one go."""
    await rig.start()
    table, _ = await _pages(rig, 4)
    _unmap(table, range(4))
    await rig.issue(TLBI_NH_VA.make(ASID=1, VA=IOVA, TG=1, NUM=3, TTL=3, Leaf=1))
    for n in range(4):
        assert not (await rig.access(1, IOVA + PAGE * n)).ok, n


@needs("S1P", "RIL")
async def range_invalidation_is_rounded_to_powers_of_two(rig: Rig) -> None:
    """QEMU: NUM need not be a power of two less one, nor the start aligned to the range."""
    await rig.start()
    table, frames = await _pages(rig, 12)
    _unmap(table, range(3, 10))
    await rig.issue(TLBI_NH_VA.make(ASID=1, VA=IOVA + 3 * PAGE, TG=1, NUM=6))
    for n in range(12):
        assert (await rig.access(1, IOVA + PAGE * n)).ok == (not 3 <= n < 10), n
    # NUM and SCALE: 5 x 2 pages.
    _unmap(table, (0, 1, 2))
    await rig.issue(TLBI_NH_VA.make(ASID=1, VA=IOVA - 7 * PAGE, TG=1, NUM=4, SCALE=1))
    for n in (0, 1, 2):
        assert not (await rig.access(1, IOVA + PAGE * n)).ok, n
    assert (await rig.access(1, IOVA + 11 * PAGE)).pa == frames[11]


@needs("S1P", "RIL")
async def range_invalidation_ignores_the_level(rig: Rig) -> None:
    """QEMU: TTL 2 means blocks of 2 MB; TTL 0 leaves of any level."""
    await rig.start()
    for ttl in (2, 0):
        table = rig.stage1()
        block = rig.pages.contiguous(BLOCK, BLOCK)
        assert table.map(IOVA, 2, block, S1)
        rig.stream1(1, table)
        await rig.issue(CFGI_STE.make(StreamID=1), CFGI_CD.make(StreamID=1), TLBI_NH_ALL.make())
        assert (await rig.access(1, IOVA + BLOCK - PAGE)).pa == block + BLOCK - PAGE
        _unmap(table, [0])
        await rig.issue(TLBI_NH_VA.make(ASID=1, VA=IOVA, TG=1, NUM=0, SCALE=9, TTL=ttl, Leaf=1))
        assert not (await rig.access(1, IOVA + BLOCK - PAGE)).ok, ttl


@needs("S1P", "RIL")
async def range_of_zero_length_is_accepted(rig: Rig) -> None:
    """Linux never sends TG != 0 with NUM=SCALE=TTL=0: it is CERROR_ILL."""
    await rig.start()
    for tg in (1, 2, 3):
        assert await rig.command_error(
            TLBI_NH_VA.make(ASID=1, VA=IOVA, TG=tg)) == CommandError.CERROR_ILL
    await rig.issue(TLBI_NH_VA.make(ASID=1, VA=IOVA, TG=1, TTL=3),
                    TLBI_NH_VA.make(ASID=1, VA=IOVA))


@needs("S1P")
async def every_command_needs_its_own_sync(rig: Rig) -> None:
    """MMU-700 2812531: one CMD_SYNC after any number of invalidations."""
    await rig.start()
    table, _ = await _pages(rig, 12)
    _unmap(table, range(12))
    await rig.issue(*[TLBI_NH_VA.make(ASID=1, VA=IOVA + PAGE * n, Leaf=1) for n in range(12)])
    for n in range(12):
        assert not (await rig.access(1, IOVA + PAGE * n)).ok, n


@needs("S1P")
async def leaf_and_asid_forms_are_swapped(rig: Rig) -> None:
    """gem5: VA with Leaf=0 drops the tables above too; another ASID's entries may stay."""
    await rig.start()
    table, _ = await _pages(rig, 2)
    link = table.slot(IOVA, 2)
    other = rig.stage1()
    frame = rig.page()
    other.map(IOVA, 3, frame, S1)
    table.put(link, other.get(other.slot(IOVA, 2)))
    await rig.issue(TLBI_NH_VA.make(ASID=1, VA=IOVA, Leaf=0))
    assert (await rig.access(1, IOVA)).pa == frame


async def _nested_block(rig: Rig):
    """A nested stream: a 2 MB stage-1 block over 4 KB stage-2 pages, both used."""
    nested = rig.nested(1)
    frames = [rig.page(), rig.page()]
    for n, frame in enumerate(frames):
        assert nested.s2.map(BLOCK + PAGE * n, 3, frame, S2)
    assert nested.s1.map(IOVA, 2, BLOCK, S1)
    for _ in range(2):
        for n, frame in enumerate(frames):
            assert (await rig.access(1, IOVA + PAGE * n + 8)).pa == frame + 8
    return nested


@needs("S1P", "S2P")
async def nested_walk_caches_the_ipa_of_a_block(rig: Rig) -> None:
    """QEMU, gem5: a stage-1 block hit gives an IPA, which stage 2 still translates."""
    await rig.start()
    await _nested_block(rig)


@needs("S1P", "S2P")
async def stage_1_block_over_stage_2_pages_survives(rig: Rig) -> None:
    """RISC-V model, MMU-600 1209401, MMU-700 2268618: invalidating one address of a stage-1 block
    drops all that was made of it; an invalidation of stage 2 by VMID too."""
    await rig.start()
    nested = await _nested_block(rig)
    nested.s1.put(nested.s1.leaves[0].slot, 0)
    await rig.issue(TLBI_NH_VA.make(VMID=1, ASID=1, VA=IOVA + 5 * PAGE, Leaf=1))
    for n in range(2):
        assert not (await rig.access(1, IOVA + PAGE * n)).ok, n
    nested.s1.put(nested.s1.leaves[0].slot, nested.s1.leaves[0].value)
    moved = rig.page()
    assert (await rig.access(1, IOVA + PAGE)).ok
    leaf = next(leaf for leaf in nested.s2.leaves if leaf.iova == BLOCK + PAGE)
    nested.s2.put(leaf.slot, S2.value | moved | 3)
    await rig.issue(TLBI_S2_IPA.make(VMID=1, IPA=BLOCK + PAGE, Leaf=1))
    await rig.issue(TLBI_NH_ALL.make(VMID=1))
    assert (await rig.access(1, IOVA + PAGE)).pa == moved
