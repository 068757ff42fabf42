"""What was read before an Invalidation never enters a cache after it (reference 6.3): every read of
a walk, every cycle around the end of one."""

import pytest
from tcu_harness import Access, accept, finish, invalidate, request
from tcu_tables import Nested, machine, page, page2, put_leaf, put_ste, stage1

from hdl.streams import InvOp
from hdl.tcu.translate import Translator
from spec.stream_table import STE, SteConfig

VA, OLD, NEW = 0x40_0000_1000, 0x70_0000, 0x90_0000
COLD = 6  # STE, CD, four descriptors


def copy(it, start: int, size: int) -> list[tuple[int, int]]:
    return [(at, it.memory.get(at)) for at in range(start, start + size, 8)]


def scenario():
    """A world whose stream can be given another STE, CD and tables; what must be put where for it,
    in the order of the reads of a walk."""
    it = machine(walks=2, latency=20)
    it.caches = it.leaves = 4
    ttb, other = stage1(it), stage1(it, sid=2)
    cd = it.memory.top - 64
    put_leaf(it, ttb, VA, page(OLD))
    put_leaf(it, other, VA, page(NEW))
    changes = [[(it.strtab_base + 64 + n, it.memory.get(it.strtab_base + 128 + n))
                for n in range(0, 64, 8)]]
    own = STE(sum(word << 8 * (at - it.strtab_base - 64)
                  for at, word in copy(it, it.strtab_base + 64, 64))).S1ContextPtr
    changes.append([(own + n, it.memory.get(cd + n)) for n in range(0, 64, 8)])
    table = [ttb, other]
    for level in range(4):
        shift = 39 - 9 * level
        at = [t + 8 * (VA >> shift & 511) for t in table]
        changes.append([(at[0], it.memory.get(at[1]))])
        table = [it.memory.get(a) & 0xFFFF_FFFF_F000 for a in at]
    return it, changes


async def drop(ctx, dut, number: int) -> None:
    """What software must invalidate after a change of what read `number` reads."""
    if number < 2:
        await invalidate(ctx, dut, (InvOp.CFGI_STE, InvOp.CFGI_CD)[number], sid=1)
    await invalidate(ctx, dut)


def answers_after_change(number: int) -> tuple[int, int]:
    """A walk whose read `number` is on its way when what it reads changes and is invalidated: its
    own answer, and that of the next access."""
    it, changes = scenario()
    found = []

    async def drive(ctx, dut, events):
        await request(ctx, dut, Access(VA), 0)
        await ctx.tick().until(dut.mem.req.valid)
        while len(it.reads) <= number:
            await ctx.tick()
        for at, word in changes[number]:
            it.memory.put(at, word)
        await drop(ctx, dut, number)
        for n in range(2):
            if n:
                await request(ctx, dut, Access(VA), n)
            access = Access(VA)
            finish(access, await accept(ctx, dut.resp), events)
            found.append(access.pa)

    it.simulate(drive)
    return found[0], found[1]


@pytest.mark.parametrize("number", range(COLD))
def test_no_read_of_a_walk_outlives_an_invalidation(number):
    first, second = answers_after_change(number)
    assert first in (OLD, NEW)
    assert second == NEW


@pytest.mark.parametrize("number", [0, 1, COLD - 1])
def test_without_the_guard_every_such_read_would(number, monkeypatch):
    """The check above sees the STE, the CD and the leaf that a fill without its guard keeps."""
    monkeypatch.setattr(Translator, "_taint",
                        lambda self, m: m.d.comb.__iadd__(self._caches.fill.eq(self._commit)))
    assert answers_after_change(number)[1] == OLD


def test_an_invalidation_in_any_cycle_of_a_walk():
    """Change and invalidation at every distance from the request, those of the fills' own cycles
    among them."""
    it = machine(walks=2, latency=3)
    it.caches = it.leaves = 4
    ttb = stage1(it)
    put_leaf(it, ttb, VA, page(OLD))
    put_leaf(it, ttb, VA + 0x1000, page(OLD))
    entry = next(at for at, word in it.memory.words.items() if word == page(OLD))

    async def drive(ctx, dut, events):
        await request(ctx, dut, Access(VA + 0x1000), 0)
        await accept(ctx, dut.resp)
        for delay in range(16):
            it.memory.put(entry, page(OLD))
            await invalidate(ctx, dut, InvOp.TLBI_VAA, addr=VA, leaf=1)
            await request(ctx, dut, Access(VA), 0)
            early = False
            for _ in range(delay):
                *_, valid = await ctx.tick().sample(dut.resp.valid)
                early |= bool(valid)
            it.memory.put(entry, page(NEW))
            await invalidate(ctx, dut, InvOp.TLBI_VAA, addr=VA, leaf=1)
            if not early:
                await ctx.tick().repeat(20)
            access = Access(VA)
            await request(ctx, dut, access, 1)
            while (response := await accept(ctx, dut.resp)).tag != 1:
                pass
            assert response.pa == NEW, delay
            assert delay < 14 or early, "the walk has not ended within the sweep"

    it.simulate(drive)


def test_the_ipa_cache_too():
    """A stage-2 leaf on its way when it changes."""
    nested = Nested()
    it = nested.it
    it.latency, it.caches, it.leaves = 20, 4, 4
    ipa = 0x10_0000_0000
    nested.map1(VA, page(ipa))
    nested.map2(ipa, page2(OLD))
    place, _ = nested.leaf2(ipa)
    found = []

    async def drive(ctx, dut, events):
        await request(ctx, dut, Access(VA), 0)
        while place not in it.reads:
            await ctx.tick()
        it.memory.put(place, page2(NEW))
        await invalidate(ctx, dut, InvOp.TLBI_S2_IPA, addr=ipa, leaf=1)
        await invalidate(ctx, dut, InvOp.TLBI_VMALL)
        for n in range(2):
            if n:
                await request(ctx, dut, Access(VA), n)
            found.append((await accept(ctx, dut.resp)).pa)

    it.simulate(drive)
    assert found == [OLD, NEW]


def test_the_configuration_of_a_bypassing_stream_too():
    it = machine(walks=2, latency=20)
    it.caches = 4
    put_ste(it, 1, Config=SteConfig.BYPASS)
    found = []

    async def drive(ctx, dut, events):
        await request(ctx, dut, Access(VA), 0)
        while not it.reads:
            await ctx.tick()
        put_ste(it, 1, Config=SteConfig.ABORT)
        await invalidate(ctx, dut, InvOp.CFGI_STE, sid=1)
        for n in range(2):
            if n:
                await request(ctx, dut, Access(VA), n)
            found.append(int((await accept(ctx, dut.resp)).outcome.value))

    it.simulate(drive)
    assert found[1] == 1
