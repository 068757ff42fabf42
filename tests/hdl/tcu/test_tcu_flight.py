"""Several translations in flight: invalidations, Sync, back-pressure (reference 6.3, 6.4)."""

from tcu_harness import Access, accept, invalidate, request
from tcu_tables import machine, page, put_leaf, stage1

from hdl.streams import Outcome


def world(**parameters):
    it = machine(walks=4, **parameters)
    ttb = stage1(it)
    for n in range(8):
        put_leaf(it, ttb, 0x10_0000 + (n << 12), page(0x70_0000 + (n << 12)))
    return it


def test_many_in_flight_each_with_its_own_answer():
    it, answers = world(latency=12), {}

    async def drive(ctx, dut, events):
        for n in range(4):
            await request(ctx, dut, Access(0x10_0000 + (n << 12)), n)
        cycles = 0
        while len(answers) < 4:
            *_, valid, response = await ctx.tick().sample(dut.resp.valid, dut.resp.payload)
            cycles += 1
            if valid:
                answers[response.tag] = response.pa
        assert cycles < 2 * 6 * 16  # six reads each: they overlap
        assert not events

    it.simulate(drive)
    assert answers == {n: 0x70_0000 + (n << 12) for n in range(4)}


def test_an_invalidation_makes_walks_in_flight_uncacheable():
    it = world(latency=10)
    cacheable = []

    async def drive(ctx, dut, events):
        await request(ctx, dut, Access(0x10_0000), 0)
        await ctx.tick().repeat(20)
        await invalidate(ctx, dut)
        await request(ctx, dut, Access(0x10_1000), 1)
        for _ in range(2):
            response = await accept(ctx, dut.resp)
            assert response.outcome == Outcome.TRANSLATED
            cacheable.append((response.tag, response.cacheable))

    it.simulate(drive)
    assert sorted(cacheable) == [(0, 0), (1, 1)]


def test_sync_waits_for_earlier_requests_only():
    it = world(latency=10)

    async def drive(ctx, dut, events):
        await request(ctx, dut, Access(0x10_0000), 0)
        ctx.set(dut.sync.req, 1)
        await ctx.tick().repeat(2)
        await request(ctx, dut, Access(0x10_1000), 1)
        order = []
        acked = False
        while len(order) < 3:
            *_, valid, tag, ack = await ctx.tick().sample(
                dut.resp.valid, dut.resp.payload.tag, dut.sync.ack)
            if valid:
                order.append(tag)
            if ack and not acked:
                acked = True
                order.append("ack")
        assert order == [0, "ack", 1]
        ctx.set(dut.sync.req, 0)
        await ctx.tick()
        assert not ctx.get(dut.sync.ack)

    it.simulate(drive)


def test_the_answer_waits_for_the_event_and_for_the_tbu():
    it = world()

    async def drive(ctx, dut, events):
        it.evtq_ready = False
        await ctx.tick()
        await request(ctx, dut, Access(0x10_9000), 9)
        await ctx.tick().until(dut.event.valid)
        await request(ctx, dut, Access(0x10_2000), 2)  # goes past the fault
        response = await accept(ctx, dut.resp)
        assert response.tag == 2
        record = ctx.get(dut.event.payload.record)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.event.payload.record) == record
        assert not ctx.get(dut.resp.valid)
        ctx.set(dut.resp.ready, 0)
        it.evtq_ready = True
        await ctx.tick().until(dut.resp.valid)
        assert events == [record]
        await invalidate_refused(ctx, dut)
        ctx.set(dut.resp.ready, 1)
        response = await accept(ctx, dut.resp)
        assert (response.tag, response.outcome) == (9, Outcome.ABORT)

    it.simulate(drive)


async def invalidate_refused(ctx, dut) -> None:
    """An Invalidation waits while an answer is offered."""
    ctx.set(dut.inv.valid, 1)
    await ctx.tick()
    assert not ctx.get(dut.inv.ready)
    ctx.set(dut.inv.valid, 0)
