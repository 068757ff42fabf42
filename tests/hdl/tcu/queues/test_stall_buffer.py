"""Stalls between fault and answer (reference 4.9, 6.3, 7.3)."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.sim import Simulator
from queue_bench import EVTQ
from stall_bench import StallBench, resume

from hdl.config import Config
from hdl.streams import Outcome, StallAction
from hdl.tcu.stalls.buffer import StallBuffer
from spec import commands as c
from spec import registers as r


@pytest.mark.parametrize(("bits", "end"), [
    ({"Ac": 1}, Outcome.TRANSLATED), ({"Ac": 1, "Ab": 1}, Outcome.TRANSLATED),
    ({"Ab": 1}, Outcome.ABORT), ({}, Outcome.RAZWI)])
def test_resume(bits, end):
    async def script(bench):
        await bench.start()
        txn = bench.ask(5, sid=3)
        record, = await bench.stalled()
        assert (record.sid, record.number, record.stag) == (3, 5, 0)
        # Neither another stream's stall nor another tag is meant.
        await bench.issue(resume(record, StreamID=2, **bits), resume(record, STAG=1, **bits),
                          resume(record, STAG=0x100, **bits), c.STALL_TERM.make(StreamID=2),
                          c.SYNC.make())
        assert txn.end is None
        await bench.issue(resume(record, **bits))
        await bench.ended(txn)
        assert txn.end == end
        assert txn.attempts == (2 if end == Outcome.TRANSLATED else 1)
        await bench.issue(resume(record, **bits))  # no such stall any more

    StallBench().run(script)


def test_a_retry_stalls_again_under_a_tag_of_its_own():
    async def script(bench):
        await bench.start()
        txn = bench.ask(0, faults=3)
        for n in range(3):
            record, = await bench.stalled()
            assert txn.attempts == n + 1
            await bench.issue(resume(record, Ac=1))
        await bench.ended(txn)
        assert txn.end == Outcome.TRANSLATED

    StallBench().run(script)


def test_more_stalls_than_tags_wait_in_order():
    async def script(bench):
        await bench.start()
        txns = [bench.ask(n, sid=n, faults=9) for n in range(6)]
        records = await bench.stalled(2)
        await bench.issue(c.SYNC.make())
        passing = bench.ask(6, faults=0)        # others go on
        await bench.ended(passing)
        assert not await bench.records()
        for n in range(6):
            assert records[0].number == n
            await bench.issue(resume(records.pop(0), Ab=1))
            await bench.ended(txns[n])
            if n < 4:
                records += await bench.stalled()
        assert [txn.attempts for txn in txns] == [1, 1, 2, 2, 2, 2]

    StallBench().run(script)


def test_a_held_one_that_succeeds_leaves_no_record():
    async def script(bench):
        await bench.start()
        txns = [bench.ask(n) for n in range(4)]
        records = await bench.stalled(2)
        await bench.idle()
        txns[2].faults = 0
        txns[3].bad = True
        txns[3].faults = 0
        await bench.issue(resume(records[0], Ac=1))
        await bench.ended(txns[0], txns[2], txns[3])
        assert [txn.end for txn in txns] == [Outcome.TRANSLATED, None, Outcome.TRANSLATED,
                                             Outcome.ABORT]
        assert not await bench.records()

    StallBench().run(script)


@pytest.mark.parametrize("why", ["full", "disabled", "aborted"])
def test_a_queue_that_is_not_writable_holds_stalls(why):
    """And nothing else: CMD_SYNC, other transactions and their answers go on."""
    async def script(bench):
        await bench.start(evtq=why != "disabled")
        if why == "full":
            for n in range(4):
                bench.ask(100 + n, faults=0, bad=True)
            await bench.ended(*bench.seen.values())
        if why == "aborted":
            bench.memory.broken = {EVTQ}
            bench.ask(100, faults=0, bad=True)
            await bench.bus.poll(r.GERROR, EVENTQ_ABT_ERR=1)
            bench.memory.broken = set()
        txns = [bench.ask(n, sid=n, faults=2) for n in range(5)]
        await bench.idle()
        other = bench.ask(20, faults=0, bad=True)
        await bench.issue(c.SYNC.make(), resume_of(0), c.SYNC.make())
        await bench.ended(other)
        assert not any(txn.end for txn in txns)
        assert (await bench.bus.load(r.EVENTQ_PROD)).WR == (4 if why == "full" else 0)
        txns[1].faults = 0                      # mapped in the meantime
        if why == "full":
            await bench.records()
        elif why == "disabled":
            await bench.enable(CMDQEN=1, EVENTQEN=1, SMMUEN=1)
        else:
            await bench.bus.store(r.GERRORN, EVENTQ_ABT_ERR=1)
        records = await bench.stalled(2)
        assert [record.number for record in records] == [0, 2]
        await bench.ended(txns[1])
        await bench.issue(*(resume(record, Ac=1) for record in records))
        records = await bench.stalled(2)
        assert [record.number for record in records] == [3, 4]
        await bench.issue(*(resume(record) for record in records))
        await bench.ended(*txns)
        assert [txn.end for txn in txns] == [Outcome.TRANSLATED] * 3 + [Outcome.RAZWI] * 2

    StallBench().run(script)


def resume_of(stag: int) -> c.RESUME:
    return c.RESUME.make(StreamID=0, STAG=stag, Ac=1)


def test_a_lost_record_leaves_a_stall_that_only_termination_ends():
    async def script(bench):
        await bench.start()
        bench.memory.broken = {EVTQ}
        lost = bench.ask(0, sid=7)
        await bench.bus.poll(r.GERROR, EVENTQ_ABT_ERR=1)
        bench.memory.broken = set()
        await bench.bus.store(r.GERRORN, EVENTQ_ABT_ERR=1)
        other = bench.ask(1, sid=7)
        record, = await bench.stalled()
        assert record.stag == 1
        await bench.issue(resume(record, STAG=0, Ab=1), c.SYNC.make())
        await bench.idle()
        assert lost.end is None
        await bench.issue(c.STALL_TERM.make(StreamID=7))
        await bench.ended(lost, other)
        assert lost.end == other.end == Outcome.ABORT
        bench.ask(2)
        assert (await bench.stalled())[0].stag == 0

    StallBench().run(script)


def test_stall_term_ends_what_is_recorded_and_what_is_held():
    async def script(bench):
        await bench.start()
        txns = [bench.ask(n, sid=n % 2, faults=9) for n in range(8)]
        records = await bench.stalled(2)
        await bench.idle()
        await bench.issue(c.STALL_TERM.make(StreamID=0))
        await bench.ended(*txns[::2])
        assert {txn.end for txn in txns[::2]} == {Outcome.ABORT}
        records = [records[1], *await bench.stalled()]
        for n in (1, 3, 5, 7):                  # the others in their order
            assert records[0].number == n
            await bench.issue(resume(records.pop(0)))
            await bench.ended(txns[n])
            if n < 5:
                records += await bench.stalled()
        assert {txn.end for txn in txns[1::2]} == {Outcome.RAZWI}

    StallBench().run(script)


@pytest.mark.parametrize("busy", [0.0, 0.97])
def test_smmuen_ends_everything_and_frees_every_tag(busy):
    """Also if it rises again before the TBUs have taken all answers."""
    async def script(bench):
        await bench.start()
        txns = [bench.ask(n, sid=n % 3) for n in range(8)]
        records = await bench.stalled(2)
        await bench.idle()
        await bench.enable(CMDQEN=1, EVENTQEN=1)
        await bench.enable(CMDQEN=1, EVENTQEN=1, SMMUEN=1)
        again = [bench.ask(n, sid=9) for n in (20, 21)]
        await bench.ended(*txns)
        assert {txn.end for txn in txns} == {Outcome.ABORT}
        assert {record.stag for record in await bench.stalled(2)} == {0, 1}
        await bench.issue(*(resume(record) for record in records))   # of long ago
        await bench.idle()
        assert not any(txn.end for txn in again)

    StallBench(busy=busy).run(script)


def test_nothing_stalls_while_the_smmu_is_off():
    async def script(bench):
        await bench.start()
        await bench.enable(CMDQEN=1, EVENTQEN=1)
        txn = bench.ask(0)                      # began before
        await bench.ended(txn)
        assert txn.end == Outcome.ABORT
        assert not await bench.records()

    StallBench().run(script)


@pytest.mark.parametrize("seed", range(6))
def test_everything_ends(seed):
    """Random answers and terminations, a small queue, back-pressure everywhere."""
    rng = Random(seed)

    async def script(bench):
        await bench.start()
        live, waiting = {}, list(range(16))
        for step in range(160):
            if waiting and rng.random() < 0.4:
                bench.ask(waiting.pop(), sid=rng.randrange(3), faults=rng.choice((0, 1, 1, 2)),
                          bad=rng.random() < 0.2)
            if rng.random() < 0.5:
                for record in await bench.records():
                    assert record.stag not in live
                    assert len(live) < 3
                    live[record.stag] = record
            if live and rng.random() < 0.5:
                record = live.pop(rng.choice(list(live)))
                await bench.issue(resume(record, Ac=rng.random() < 0.6, Ab=rng.randrange(2)))
            if rng.random() < 0.1:
                await bench.issue(c.SYNC.make())
            if rng.random() < 0.3:
                sid = rng.randrange(3)
                live = {stag: record for stag, record in live.items() if record.sid != sid}
                await bench.issue(c.STALL_TERM.make(StreamID=sid), c.SYNC.make())
                # Dead or alive, they are gone then.
                for record in await bench.records():
                    live[record.stag] = record
                    await bench.issue(resume(record))
                    del live[record.stag]
            if rng.random() < 0.1:
                on = rng.randrange(2) or step > 150
                await bench.enable(CMDQEN=1, EVENTQEN=on, SMMUEN=1)
        await bench.enable(CMDQEN=1, EVENTQEN=1, SMMUEN=1)
        for _ in range(200):
            for record in [*live.values(), *await bench.records()]:
                await bench.issue(resume(record, Ac=1))
            live.clear()
            if not waiting and all(txn.end for txn in bench.seen.values()):
                break
            if waiting:
                bench.ask(waiting.pop())
        await bench.ended(*bench.seen.values())

    StallBench(stalls=3, busy=0.4, seed=seed, log2evtq=1).run(script)


@pytest.mark.parametrize("between", range(2))
def test_stall_term_while_a_held_one_is_let_go(between):
    """RESUME frees a tag, so that a held one leaves about when STALL_TERM looks at them."""
    async def script(bench):
        await bench.start()
        number = 0
        for _ in range(8):
            txns = [bench.ask(number + n, faults=9) for n in range(6)]
            number += len(txns)
            record, _ = await bench.stalled(2)
            await bench.idle()
            await bench.issue(resume(record), *[c.PREFETCH_CONFIG.make()] * between,
                              c.STALL_TERM.make(StreamID=1))
            for _ in range(20):  # what was let go may have stalled later
                await bench.records()
                await bench.issue(c.STALL_TERM.make(StreamID=1), c.SYNC.make())
            await bench.ended(*txns)

    StallBench(busy=0.3, seed=between, slots=16).run(script)


def test_newer_stalls_do_not_overtake_held_ones():
    """Even if they come when a tag is free and the held one is still trying again."""
    newer = iter(range(10, 40))

    async def script(bench):
        await bench.start()
        for n in range(4):
            bench.ask(n, faults=9)
        records = await bench.stalled(2)
        await bench.idle()
        bench.on_retry = lambda: bench.ask(next(newer), faults=9)
        for n in (2, 3, 10, 11, 12):
            await bench.issue(resume(records.pop(0), Ab=1))
            records += await bench.stalled()
            assert records[-1].number == n

    StallBench(slots=32).run(script)


@pytest.mark.parametrize("gap", range(4))
def test_a_refused_stall_and_one_that_arrives_are_both_kept(gap):
    """The Event queue refuses the record of the only tag when the next stall comes: at every
    distance both try again in the end."""
    impl = replace(Config.preset("base").impl, STALL_MAX=1)
    dut = StallBuffer(Config.preset("base").with_(impl=impl))
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    retried = []

    async def events(ctx):
        ctx.set(dut.enable, 1)
        await ctx.tick().repeat(2)
        for tag in range(2):
            ctx.set(dut.event.payload, {"tbu": 0, "tag": tag, "stall": 1, "record": 0})
            ctx.set(dut.event.valid, 1)
            await ctx.tick().until(dut.event.ready)
            ctx.set(dut.event.valid, 0)
            for _ in range(gap):
                await ctx.tick()

    async def queue(ctx):
        ctx.set(dut.record.ready, 1)
        await ctx.tick().until(dut.record.valid)
        ctx.set(dut.verdict.valid, 1)    # not recorded
        await ctx.tick()
        ctx.set(dut.verdict.valid, 0)
        await ctx.tick().repeat(20)
        ctx.set(dut.writable, 1)

    async def tbu(ctx):
        ctx.set(dut.answer.ready, 1)
        while len(retried) < 2:
            answer, = await ctx.tick().sample(dut.answer.payload).until(dut.answer.valid)
            assert answer.outcome == Outcome.RETRY
            retried.append(answer.tag)
            ctx.set(dut.response.payload, {"tbu": 0, "tag": answer.tag,
                                           "outcome": Outcome.TRANSLATED})
            ctx.set(dut.response.valid, 1)
            await ctx.tick().until(dut.response.ready)
            ctx.set(dut.response.valid, 0)

    for testbench in (events, queue, tbu):
        sim.add_testbench(testbench)
    sim.run_until(300e-6)
    assert sorted(retried) == [0, 1]


def test_an_answer_to_the_last_one_tried_again_does_not_count_for_the_next_one():
    """The Event queue becomes writable in the cycle of a late answer to a transaction that was held
    before: the next held one is tried again, and alone."""
    impl = replace(Config.preset("base").impl, STALL_MAX=1)
    dut = StallBuffer(Config.preset("base").with_(impl=impl))
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    answers = []

    async def stall(ctx, tag):
        ctx.set(dut.event.payload, {"tbu": 0, "tag": tag, "stall": 1, "record": 0})
        ctx.set(dut.event.valid, 1)
        await ctx.tick().until(dut.event.ready)
        ctx.set(dut.event.valid, 0)

    async def decide(ctx, action):
        """The only stall of a STAG is recorded, and then answered."""
        ctx.set(dut.verdict, {"valid": 1, "stag": 0, "recorded": 1, "lost": 0})
        await ctx.tick()
        ctx.set(dut.verdict.valid, 0)
        ctx.set(dut.command.payload, {"action": action, "sid": 0, "stag": 0})
        ctx.set(dut.command.valid, 1)
        await ctx.tick().until(dut.command.ready)
        ctx.set(dut.command.valid, 0)
        await ctx.tick().repeat(5)

    async def script(ctx):
        for ready in (dut.enable, dut.writable, dut.record.ready, dut.answer.ready):
            ctx.set(ready, 1)
        await ctx.tick().repeat(2)
        for tag in range(4):                 # the first one has the only STAG
            await stall(ctx, tag)
        await decide(ctx, StallAction.ABORT)
        await stall(ctx, 1)
        ctx.set(dut.writable, 0)
        await decide(ctx, StallAction.RETRY)
        assert answers == [(0, Outcome.ABORT), (1, Outcome.RETRY), (1, Outcome.RETRY)]
        ctx.set(dut.writable, 1)
        ctx.set(dut.response.payload, {"tbu": 0, "tag": 1, "outcome": Outcome.TRANSLATED})
        ctx.set(dut.response.valid, 1)
        await ctx.tick().until(dut.response.ready)
        ctx.set(dut.response.valid, 0)
        await ctx.tick().repeat(10)
        assert answers[3:] == [(1, Outcome.TRANSLATED), (2, Outcome.RETRY)]

    async def tbu(ctx):
        async for *_, valid, answer in ctx.tick().sample(dut.answer.valid, dut.answer.payload):
            if valid:
                answers.append((answer.tag, answer.outcome))

    sim.add_testbench(script)
    sim.add_testbench(tbu, background=True)
    sim.run()
