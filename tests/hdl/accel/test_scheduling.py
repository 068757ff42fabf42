"""Turns of the queues, seen in the order of the SQE fetches."""

import itertools
from collections import Counter

import pytest

from hdl.accel.qm.places import STALL_CYCLES
from spec.qm import CQE_BYTES, MASTER_GLOBAL_CTRL, SQE_BYTES, MailboxCommand
from tests.accel.bench import SQ
from tests.accel.qm_driver import DATA, copy_bd
from tests.hdl.accel.bench import Bench

JOBS = 6


def fetches(b, start=0):
    """Queues in the order of their SQE reads."""
    d = b.driver
    rings = {d.sq(queue) + SQE_BYTES * n: queue for queue in range(b.queues)
             for n in range(d.depth)}
    return [rings[access.addr] for access in b.log[start:]
            if not access.write and access.addr in rings]


async def ring_all(b, queues, jobs=JOBS, length=40, **fields):
    """Everything is rung while the bus master is stopped; then it may go."""
    d = b.driver
    await d.set(MASTER_GLOBAL_CTRL, 1)
    for queue in queues:
        for n in range(jobs):
            d.place(queue, copy_bd(DATA + 0x2000 * queue, DATA + 0x40000 + 0x400 * n, length))
        await d.ring(queue, SQ, jobs, **fields.get(f"q{queue}", {}))
    await d.set(MASTER_GLOBAL_CTRL, 0)


async def all_done(b, queues, jobs=JOBS):
    for queue in queues:
        for _ in range(jobs):
            await b.driver.complete(queue)


def skips(b):
    """(queue that was passed over, whether a job of its own was under way) for every SQE fetched
    before another queue with an SQE has had its turn since the same queue's SQE before."""
    d = b.driver
    sqes = {d.sq(queue) + SQE_BYTES * n: queue for queue in range(b.queues) for n in range(d.depth)}
    cqes = {d.cq(queue) + CQE_BYTES * n: queue for queue in range(b.queues) for n in range(d.depth)}
    fetched, told, found = Counter(), Counter(), []
    last = {}  # per queue: what had been fetched and told when its SQE before was fetched
    for access in b.log:
        if access.write and access.addr in cqes:
            told[cqes[access.addr]] += 1
        elif not access.write and access.addr in sqes:
            queue = sqes[access.addr]
            before = last.get(queue, (fetched.copy(), told.copy()))
            found += [(other, before[0][other] > before[1][other]) for other in last
                      if other != queue and queue in last and fetched[other] < JOBS
                      and fetched[other] == before[0][other]]
            fetched[queue] += 1
            last[queue] = (fetched.copy(), told.copy())
            behind = [fetched[other] for other in last if fetched[other] < JOBS]
            assert not behind or max(behind) - min(behind) <= 2, fetched
    return found


@pytest.mark.parametrize("lanes", [1, 3])
def test_one_sqe_each_in_turn(lanes):
    """Between two SQEs of a queue every other queue that has one has a turn; only a queue with a
    job of its own under way may have to wait for the turn after."""
    queues = range(5)

    async def case(b):
        await b.driver.bring_up(queues=8)
        for queue in queues:
            await b.driver.start(queue)
        await ring_all(b, queues)
        await all_done(b, queues)

    b = Bench(depth=8, lanes=lanes, stall=0.1)
    b.run(case)
    assert len(fetches(b)) == JOBS * len(queues)
    assert all(own for _, own in skips(b)), fetches(b)


def test_a_queue_alone_has_two_jobs_under_way():
    """The next SQE is fetched before the job before it has been told."""
    async def case(b):
        d = b.driver
        await d.bring_up()
        await d.start(0, pasid=1)
        await d.start(1, pasid=2)
        b.hold(1, DATA >> 12)
        await ring_all(b, [0])
        await d.pause(20)
        assert fetches(b) == [0, 0]
        b.release()
        await all_done(b, [0])

    Bench(depth=8, stall=0.1).run(case)


@pytest.mark.parametrize(("level", "urgent"), [(0, False), (3, True)])
def test_urgent_queues_are_served_sooner(level, urgent):
    """A doorbell's priority counts only as far as the SQC allows it (reference 2.6, 3.1)."""
    queues = range(5)

    async def case(b):
        await b.driver.bring_up(queues=8)
        for queue in queues:
            await b.driver.start(queue, priority=level if queue == 4 else 0)
        await ring_all(b, queues, q4={"priority": 1}, q3={"priority": 1})
        await all_done(b, queues)

    b = Bench(depth=8, lanes=1, stall=0)
    b.run(case)
    order = fetches(b)
    last = len(order) - 1 - order[::-1].index(4)
    assert (last <= 4 * JOBS) == urgent, order       # else 5 * JOBS - 1
    assert all((4, 4) != pair for pair in itertools.pairwise(order))


def test_who_stalled_before_leaves_a_lane_to_the_others():
    """Two lanes, two queues whose jobs stall: once they are known, they have one lane together,
    and a third queue works all the time."""
    stalls = (0, 1)

    async def case(b):
        d = b.driver
        await d.bring_up()
        for queue in range(3):
            await d.start(queue, pasid=queue + 1)
        for queue in stalls:
            b.hold(queue + 1, DATA >> 12)
            await d.submit(queue, copy_bd(DATA, DATA + 0x4000, 40))
        for _ in range(STALL_CYCLES // 20 + 20):
            await b.bus.wait()
        b.release()
        for queue in stalls:
            await d.complete(queue)
            b.hold(queue + 1, DATA >> 12)
        for queue in stalls:
            await d.submit(queue, copy_bd(DATA, DATA + 0x4000, 40))
        await d.pause(10)
        for _ in range(5):
            await d.submit(2, copy_bd(DATA, DATA + 0x8000, 40))
            await d.complete(2)
        assert d.peek(0) is None
        assert d.peek(1) is None
        b.release()
        for queue in stalls:
            await d.complete(queue)
        assert (await d.mailbox(MailboxCommand.FLUSH_QM)).status == 0

    Bench(depth=8, lanes=2, stall=0).run(case)


def test_a_stalled_queue_waits_alone():
    """Its second job waits behind its first; everybody else's jobs pass."""
    async def case(b):
        d = b.driver
        await d.bring_up()
        for queue in range(4):
            await d.start(queue, pasid=queue + 1)
        b.hold(1, DATA >> 12)
        for _ in range(3):
            await d.submit(0, copy_bd(DATA, DATA + 0x4000, 40))
        for turn in range(4):
            for queue in (1, 2, 3):
                await d.submit(queue, copy_bd(DATA, DATA + 0x8000 + 64 * turn, 40))
        await all_done(b, (1, 2, 3), 4)
        assert d.peek(0) is None
        b.release()
        await all_done(b, (0,), 3)

    Bench(depth=8, stall=0.1).run(case)
