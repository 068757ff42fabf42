"""Misses to one page share a walk; each is judged by its own rights (reference 4.3)."""

import pytest
from tcu_harness import Access, invalidate, request
from tcu_tables import machine, page, put_leaf, stage1

from hdl.streams import Outcome
from spec import vmsa

VA, PA = 0x40_0000_1000, 0x70_0000
WALKS = 8
COLD = 6  # reads of a cold walk


def world(latency: int = 20, **leaf: int):
    it = machine(walks=WALKS, latency=latency)
    it.caches, it.leaves = 4, 16
    ttb = stage1(it)
    for n in range(4):
        put_leaf(it, ttb, VA + (n << 12), page(PA + (n << 12), **leaf))
    other = stage1(it, sid=2, ASID=9)
    put_leaf(it, other, VA, page(0x90_0000))
    return it


async def answers(ctx, dut, count: int) -> dict:
    found = {}
    while len(found) < count:
        *_, valid, response = await ctx.tick().sample(dut.resp.valid, dut.resp.payload)
        if valid:
            assert response.tag not in found
            found[response.tag] = response
    return found


def play(it, accesses: list[Access]) -> dict:
    """All at once; their answers by number."""
    found = {}

    async def drive(ctx, dut, events):
        for n, access in enumerate(accesses):
            await request(ctx, dut, access, n)
        found.update(await answers(ctx, dut, len(accesses)))

    it.simulate(drive)
    return found


def test_one_walk_answers_all():
    it = world()
    found = play(it, [Access(VA + 64 * n) for n in range(WALKS)])
    assert {r.pa for r in found.values()} == {PA}
    assert all(r.cacheable for r in found.values())
    assert len(it.reads) == COLD


def test_each_has_its_own_rights():
    it = world(AP=vmsa.AP.PRIV_RO)
    accesses = [Access(VA, pnu=bool(n % 2), write=n % 4 == 3) for n in range(WALKS)]
    found = play(it, accesses)
    assert [found[n].outcome for n in range(WALKS)] == [
        Outcome.TRANSLATED if a.pnu and not a.write else Outcome.ABORT for a in accesses]


def test_other_pages_and_streams_do_not_wait():
    it = world()
    accesses = [Access(VA), Access(VA + 0x1000), Access(VA, sid=2), Access(VA)]
    found = play(it, accesses)
    assert [found[n].pa for n in range(4)] == [PA, PA + 0x1000, 0x90_0000, PA]
    assert len(it.reads) == 3 * COLD


@pytest.mark.parametrize("latency", [1, 4])
def test_nobody_waits_for_one_that_has_gone(latency):
    """The second access comes at every distance behind the first."""
    it = world(latency)

    async def drive(ctx, dut, events):
        for gap in range(COLD * (latency + 5)):
            await invalidate(ctx, dut)
            await request(ctx, dut, Access(VA), 0)
            early = {}
            for _ in range(gap):
                *_, valid, response = await ctx.tick().sample(dut.resp.valid, dut.resp.payload)
                if valid:
                    early[response.tag] = response
            await request_and_watch(ctx, dut, Access(VA), early)
            early |= await answers(ctx, dut, 2 - len(early)) if len(early) < 2 else {}
            assert {r.pa for r in early.values()} == {PA}, gap

    it.simulate(drive)


async def request_and_watch(ctx, dut, access: Access, seen: dict) -> None:
    """`request`, without missing an answer of that cycle."""
    ctx.set(dut.req.payload, {"tbu": 3, "tag": 1, "sid": access.sid, "ssv": 0, "ssid": 0,
                              "addr": access.addr, "rnw": 1, "pnu": 0, "ind": 0})
    ctx.set(dut.req.valid, 1)
    ready = False
    while not ready:
        *_, ready, valid, response = await ctx.tick().sample(
            dut.req.ready, dut.resp.valid, dut.resp.payload)
        if valid:
            seen[response.tag] = response
    ctx.set(dut.req.valid, 0)


def test_an_invalidation_reaches_those_that_wait():
    """Those that waited when it came may use the old leaf, but not keep it; the next may not."""
    it = world()
    entry = next(at for at, word in it.memory.words.items() if word == page(PA))

    async def drive(ctx, dut, events):
        for n in range(4):
            await request(ctx, dut, Access(VA), n)
        while entry not in it.reads:
            await ctx.tick()
        it.memory.put(entry, page(0xA0_0000))
        await invalidate(ctx, dut)
        await request(ctx, dut, Access(VA), 4)
        found = await answers(ctx, dut, 5)
        assert {found[n].pa for n in range(4)} <= {PA, 0xA0_0000}
        assert not any(found[n].cacheable for n in range(4))
        assert found[4].pa == 0xA0_0000
        await request(ctx, dut, Access(VA), 5)
        assert (await answers(ctx, dut, 1))[5].pa == 0xA0_0000

    it.simulate(drive)


def test_a_fault_is_recorded_for_each():
    it = world()
    events = []

    async def drive(ctx, dut, seen):
        for n in range(4):
            await request(ctx, dut, Access(VA + 0x10_0000), n)
        await answers(ctx, dut, 4)
        events.extend(seen)

    it.simulate(drive)
    assert len(events) == 4
