"""Many faults at once: they hold up nobody else's translations (reference 4.8, 6.4, 7.3)."""

import pytest
from tcu_harness import Access, accept, request
from tcu_tables import machine, page, put_leaf, stage1

from hdl.streams import Outcome
from spec.events import EventType, decode

VA, PA, BAD = 0x10_0000, 0x70_0000, 0x40_0000
WALKS, FAULTS = 4, 12
GOOD = 100  # tag of the other stream's miss


def world(latency: int = 4, **cd: int):
    """Stream 1 faults, stream 2 does not. No caches: every request is a miss."""
    it = machine(walks=WALKS, latency=latency)
    stage1(it, **cd)
    put_leaf(it, stage1(it, sid=2, ASID=9), VA, page(PA))
    return it


def bad(n: int) -> Access:
    return Access(BAD + (n << 12))


async def responses(ctx, dut, count: int) -> list:
    found = []
    while len(found) < count:
        found.append(await accept(ctx, dut.resp))
    return found


@pytest.mark.parametrize("same_page", [False, True])
def test_a_flood_of_faults_does_not_delay_another_stream(same_page):
    """Not one record is accepted, and still the other stream's miss takes a walk's time."""
    it = world()
    if same_page:
        it.leaves = 16  # what waits for a walk to the same page, too

    async def drive(ctx, dut, events):
        async def miss() -> int:
            await request(ctx, dut, Access(VA, sid=2), GOOD)
            cycles = 0
            while True:
                *_, valid, response = await ctx.tick().sample(dut.resp.valid, dut.resp.payload)
                cycles += 1
                if valid:
                    assert (response.tag, response.pa) == (GOOD, PA)
                    return cycles

        alone = await miss()
        it.evtq_ready = False
        await ctx.tick()
        for n in range(FAULTS):
            await request(ctx, dut, bad(0 if same_page else n), n)
        assert await miss() <= 2 * alone
        assert not events
        it.evtq_ready = True
        ended = await responses(ctx, dut, FAULTS)
        assert {r.tag for r in ended} == set(range(FAULTS))
        assert {Outcome(r.outcome) for r in ended} == {Outcome.ABORT}
        assert len(events) == FAULTS

    it.simulate(drive)


def test_answers_follow_their_records_in_order():
    """Each answer comes after its own record, and the records are those of the answers."""
    it = world()

    async def drive(ctx, dut, events):
        it.evtq_ready = False
        await ctx.tick()
        for n in range(FAULTS):
            await request(ctx, dut, bad(n), n)
        it.evtq_ready = True
        for count in range(FAULTS):
            response = await accept(ctx, dut.resp)
            record = decode(events[count])
            assert record.TYPE == EventType.F_TRANSLATION
            assert (record.StreamID, record.InputAddr) == (1, bad(response.tag).addr)

    it.simulate(drive)


def test_answers_of_faults_do_not_hold_up_others():
    """Faults that are not recorded wait for nothing but their answers, and there are many."""
    it = world(R=0)

    async def drive(ctx, dut, events):
        ctx.set(dut.resp.ready, 0)
        for n in range(FAULTS):
            await request(ctx, dut, bad(n), n)
        await request(ctx, dut, Access(VA, sid=2), GOOD)
        await ctx.tick().repeat(200)
        ctx.set(dut.resp.ready, 1)
        tags = [r.tag for r in await responses(ctx, dut, FAULTS + 1)]
        assert sorted(tags) == [*range(FAULTS), GOOD]
        assert tags.index(GOOD) <= 2
        assert not events

    it.simulate(drive)


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_sync_waits_for_earlier_faults_only(ahead):
    """`ahead` faults wait for the Event queue and one more walks when Sync is requested; those
    that come later do not hold it up."""
    it = world(latency=10)

    async def drive(ctx, dut, events):
        it.evtq_ready = False
        await ctx.tick()
        for n in range(ahead):
            await request(ctx, dut, bad(n), n)
        await ctx.tick().repeat(200)
        await request(ctx, dut, bad(ahead), ahead)
        ctx.set(dut.sync.req, 1)
        await ctx.tick()
        for n in range(ahead + 1, ahead + 4):
            await request(ctx, dut, bad(n), n)
        await ctx.tick().repeat(200)
        assert not ctx.get(dut.sync.ack)
        it.evtq_ready = True
        answered = 0
        for _ in range(200):
            *_, valid, ack = await ctx.tick().sample(dut.resp.valid, dut.sync.ack)
            if ack:
                break
            answered += valid
        assert ack
        assert answered == ahead + 1
        assert len(events) >= ahead + 1
        ctx.set(dut.sync.req, 0)
        await responses(ctx, dut, 3 - valid)

    it.simulate(drive)


def test_sync_waits_for_the_answer_not_only_for_the_record():
    it = world()

    async def drive(ctx, dut, events):
        ctx.set(dut.resp.ready, 0)
        await request(ctx, dut, bad(0), 0)
        await ctx.tick().until(dut.resp.valid)
        ctx.set(dut.sync.req, 1)
        await ctx.tick().repeat(20)
        assert events
        assert not ctx.get(dut.sync.ack)
        ctx.set(dut.resp.ready, 1)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.sync.ack)

    it.simulate(drive)


def test_sync_does_not_wait_for_faults_of_later_requests():
    """An earlier walk ends after later ones have failed, whose records nobody accepts."""
    it = world(latency=10)

    async def drive(ctx, dut, events):
        it.evtq_ready = False
        await request(ctx, dut, Access(VA, sid=2), GOOD)
        ctx.set(dut.sync.req, 1)
        await ctx.tick()
        for n in range(WALKS - 1):
            await request(ctx, dut, bad(n), n)
        assert (await accept(ctx, dut.resp)).tag == GOOD
        await ctx.tick().repeat(3)
        assert ctx.get(dut.sync.ack)
        await ctx.tick().until(dut.event.valid)
        assert not events

    it.simulate(drive)
