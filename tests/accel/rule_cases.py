"""Single rules of the queue manager, each with what happens at its edge; on the RTL and on the
golden model.
"""

from __future__ import annotations

from spec.qm import (
    ABNORMAL_INT_SOURCE,
    AEQC,
    CQC,
    CQC_VFT,
    CQE,
    CQE_BYTES,
    EQ_INT_SOURCE,
    EQC,
    EQE,
    MSI_ADDRESS,
    MSI_CONTROL,
    MSI_DATA,
    SQC,
    SQC_VFT,
    SQE_BYTES,
    AeqeType,
    DoorbellCommand,
    Mailbox,
    MailboxCommand,
    MailboxOp,
    MailboxStatus,
    VftType,
)
from spec.sec import ErrorType
from tests.accel.bench import CQ, SQ, Bench, Case
from tests.accel.qm_driver import AEQ, BUFFER, DATA, EQ, copy_bd

MESSAGE = 0x9000
GOOD = copy_bd(DATA, DATA + 64, 8)


async def _dump(b: Bench, command: int, kind, queue: int = 0):
    assert (await b.driver.mailbox(command, queue, BUFFER, MailboxOp.GET)).status == 0
    return kind.from_bytes(b.memory.read(BUFFER, kind.size()))


async def _word(b: Bench, address: int) -> int:
    return int.from_bytes(b.memory.read(address, 4), "little")


async def heads_of_the_eq(b: Bench) -> None:
    """A head beyond the depth is dropped; one that leaves entries raises source and interrupt
    again and passes no more queues than it names; entries change their phase with each lap."""
    d = b.driver
    await d.bring_up(eq_depth=4)
    for queue in range(2):
        await d.start(queue)
        await d.submit(queue, GOOD)
        await d.until(lambda queue=queue: _word(b, EQ + 4 * queue))
    for index in (4, 5, 0xFFFF):
        await d.ring_events(DoorbellCommand.EQ, index)
    await d.pause(2)
    assert await d.get(EQ_INT_SOURCE) == 1
    assert (await _dump(b, MailboxCommand.EQC, EQC)).head == 0
    assert b.irqs["eq"] == 1
    await d.ring_events(DoorbellCommand.EQ, 1)
    await d.pause(2)
    assert await d.get(EQ_INT_SOURCE) == 1
    assert b.irqs["eq"] == 2
    await d.ring(1, CQ, 0, c_flag=1)               # its first entry is still unread
    await d.pause()
    assert await _word(b, EQ + 8) == 0
    await d.ring_events(DoorbellCommand.EQ, 2)
    await d.until(lambda: _word(b, EQ + 8))
    for at in range(3, 6):                         # one after the other, over the end
        await d.ring_events(DoorbellCommand.EQ, at % 4)
        await d.pause(2)
        assert await d.get(EQ_INT_SOURCE) == 0
        await d.ring(1, CQ, 0, c_flag=1)
        await d.until(lambda: d.get(EQ_INT_SOURCE))
    assert b.memory.read(EQ, 16) == b"\1\0\0\0" b"\1\0\0\0" b"\1\0\1\0" b"\1\0\1\0"
    eqc = await _dump(b, MailboxCommand.EQC, EQC)
    assert (eqc.head, eqc.tail, eqc.phase) == (1, 2, 0)


async def contexts_of_the_second_lap(b: Bench) -> None:
    """Wrap bits and phase as in a dump (reference 3.1, 3.2)."""
    d = b.driver
    await d.bring_up()
    await d.start(0)
    for wrap, jobs in ((0, d.depth - 1), (1, 2), (0, d.depth)):
        for _ in range(jobs):
            await d.submit(0, GOOD)
            await d.complete(0)
        sqc = await _dump(b, MailboxCommand.SQC, SQC)
        cqc = await _dump(b, MailboxCommand.CQC, CQC)
        for context in (sqc, cqc):
            assert context.head == context.tail == d.head[0]
            assert (context.head_wrap, context.tail_wrap) == (wrap, wrap)
        assert cqc.phase == 1 - wrap


async def loads_wait_for_the_job(b: Bench) -> None:
    """A load is busy until the queue's job has ended, of which nothing shows."""
    d = b.driver
    await d.bring_up()
    for command in (MailboxCommand.SQC, MailboxCommand.CQC):
        await d.start(0, pasid=1)
        before = await _dump(b, command, SQC)
        b.hold(1, DATA >> 12)
        index = await d.submit(0, GOOD)
        await d.pause(5)
        b.memory.write(BUFFER, before.to_bytes())
        await d.mailbox(command, 0, BUFFER, wait=False)
        await d.pause(5)
        assert Mailbox(await b.bus.read(Mailbox.OFFSET)).busy
        b.release()
        assert (await d.mailbox_done()).status == MailboxStatus.OK
        await d.pause(3)
        assert d.peek(0) is None
        assert d.sqe(0, index).done == (command == MailboxCommand.CQC)
        assert await _dump(b, command, SQC) == before
    await d.start(0, pasid=1)
    b.hold(1, DATA >> 12)
    index = await d.submit(0, GOOD)
    await d.pause(5)
    await d.vft(VftType.SQC, 0)                    # forgotten: the same
    b.release()
    await d.pause(5)
    assert d.peek(0) is None
    assert d.sqe(0, index) == GOOD


async def a_load_that_is_overtaken(b: Bench) -> None:
    """While a load waits for its queue's job, all queues are taken from the function and given
    back, as after a mailbox that took too long: it ends in an error and opens nothing."""
    d = b.driver
    await d.bring_up()
    words = {VftType.SQC: SQC_VFT.pack(valid=1, number_minus_1=3),
             VftType.CQC: CQC_VFT.pack(valid=1)}
    for command, kind in ((MailboxCommand.SQC, VftType.SQC), (MailboxCommand.CQC, VftType.CQC)):
        await d.start(0, pasid=1)
        b.memory.write(BUFFER, (await _dump(b, command, SQC)).to_bytes())
        b.hold(1, DATA >> 12)
        await d.submit(0, GOOD)
        await d.pause(5)
        await d.mailbox(command, 0, BUFFER, wait=False)
        for word in (0, words[kind]):
            await d.vft(kind, word)
        b.release()
        assert (await d.mailbox_done()).status == MailboxStatus.BAD_QUEUE
        assert (await d.mailbox(command, 0, BUFFER, MailboxOp.GET)).status \
            == MailboxStatus.BAD_QUEUE


async def contexts_that_are_refused(b: Bench) -> None:
    """Indices outside the ring, sizes, alignment; no queue without both VFT entries."""
    d = b.driver
    await d.bring_up()
    sqc = SQC.make(base_l=d.sq(1), depth_minus_1=7, log2_size=7, cq_num=1)
    cqc = CQC.make(base_l=d.cq(1), depth_minus_1=7, log2_size=4)
    eqc = EQC.make(base_l=EQ, depth_minus_1=7)
    bad = [(command, context.replace(**change)) for command, context in (
        (MailboxCommand.SQC, sqc), (MailboxCommand.CQC, cqc), (MailboxCommand.EQC, eqc),
        (MailboxCommand.AEQC, AEQC(eqc.value)))
        for change in ({"tail": 8}, {"head": 8}, {"depth_minus_1": 0}, {"base_l": EQ + 2})]
    bad.append((MailboxCommand.CQC, cqc.replace(log2_size=5)))
    for command, context in bad:
        assert await d.load(command, context, 1) == MailboxStatus.BAD_CONTEXT, context
    b.memory.write(BUFFER, bytes(16) + sqc.to_bytes())
    for op in MailboxOp:
        reply = await d.mailbox(MailboxCommand.EQC, 0, BUFFER + 16, op)
        assert reply.status == MailboxStatus.BAD_CONTEXT
    assert (await d.mailbox(MailboxCommand.SQC, 1, BUFFER + 16)).status == MailboxStatus.BAD_CONTEXT
    assert await d.load(MailboxCommand.SQC, sqc, 1) == MailboxStatus.OK
    await d.vft(VftType.CQC, 0)
    assert await d.load(MailboxCommand.SQC, sqc, 1) == MailboxStatus.BAD_QUEUE


async def a_lost_cqe_closes_its_queue(b: Bench) -> None:
    d = b.driver
    await d.bring_up()
    await d.start(0)
    b.memory.poisoned = {d.cq(0) >> 12}
    await d.submit(0, GOOD)
    await d.until(lambda: _word(b, AEQ))
    b.memory.poisoned = set()
    log = len(b.log)
    await d.submit(0, GOOD)
    await d.pause()
    assert len(b.log) == log


async def arming_with_an_unread_cqe_does_not_arm(b: Bench) -> None:
    """It gives the event at once, and is used up (reference 2.8)."""
    d = b.driver
    await d.bring_up()
    await d.start(0, c_flag=0)
    await d.submit(0, GOOD)
    await d.until(lambda: _word(b, d.cq(0) + 12))
    await d.pause(3)
    await d.ring(0, CQ, 0, c_flag=1)
    await d.until(lambda: d.get(EQ_INT_SOURCE))
    assert await d.events() == [0]
    await d.submit(0, GOOD)
    await d.until(lambda: _word(b, d.cq(0) + CQE_BYTES + 12))
    await d.pause(5)
    assert await d.events() == []


async def a_new_eq_may_overflow_again(b: Bench) -> None:
    """Once per EQC; what waits is forgotten with the internal memories."""
    d = b.driver
    await d.bring_up(eq_depth=2)
    for queue in range(3):
        await d.start(queue)
        await d.submit(queue, GOOD)
        await d.until(lambda queue=queue: _word(b, d.cq(queue) + 12))
    await d.until(lambda: _word(b, AEQ))
    await d.pause(3)
    assert await _word(b, AEQ + 4) == 0
    b.memory.write(EQ, bytes(8))
    eqc = EQC.make(base_l=EQ, depth_minus_1=1, phase=1)
    assert await d.load(MailboxCommand.EQC, eqc) == 0
    await d.until(lambda: _word(b, AEQ + 4))
    assert d.async_event(1).type == AeqeType.EQ_OVERFLOW
    b.memory.write(EQ, bytes(8))
    await d.bring_up()
    await d.pause()
    assert b.memory.read(EQ, 8) == bytes(8)


async def more_vectors_given_than_there_are(b: Bench) -> None:
    d = b.driver
    await d.bring_up()
    await d.start(0)
    await d.set_config(MSI_ADDRESS, MESSAGE)
    await d.set_config(MSI_DATA, 0x123F)
    control = await d.get_config(MSI_CONTROL)
    await d.set_config(MSI_CONTROL, control | MSI_CONTROL.pack(ENABLE=1, GIVEN=5))
    await d.submit(0, GOOD)
    await d.until(lambda: _word(b, MESSAGE))
    assert await _word(b, MESSAGE) == 0x123C


async def fewer_queues_than_there_are(b: Bench) -> None:
    """A queue that the VFT does not give to the function is none."""
    d = b.driver
    await d.bring_up()
    await d.vft(VftType.SQC, SQC_VFT.pack(valid=1, number_minus_1=0))
    await d.start(0)
    for command in (MailboxCommand.SQC, MailboxCommand.CQC, MailboxCommand.STOP_QP):
        assert (await d.mailbox(command, 1, BUFFER)).status == MailboxStatus.BAD_QUEUE
    await d.ring(1, SQ, 1)
    await d.submit(0, GOOD)
    assert (await d.complete(0)).error_type == ErrorType.OK
    assert not any(d.sq(1) <= access.addr < d.sq(1) + SQE_BYTES * d.depth for access in b.log)


async def a_cq_has_numbers_of_its_own(b: Bench) -> None:
    """Depth and random value of a CQ are those of its CQC, whose PASID is not used (reference 2.6,
    3.10). Rings wrap at depths that are no powers of two, that of the EQ, too."""
    d = b.driver
    cqes, eqes = d.depth - 1, 3
    await d.bring_up(eq_depth=eqes)
    await d.start(0, pasid=5, random=0x11)
    cqc = CQC.make(base_l=d.cq(0), depth_minus_1=cqes - 1, log2_size=4, w8=0x22, phase=1, c_flag=1,
                   pasid=7, pasid_enable=1)
    assert await d.load(MailboxCommand.CQC, cqc, 0) == MailboxStatus.OK
    for turn in range(d.depth + cqes):
        index = await d.submit(0, GOOD, random=0x11)
        await d.until(lambda: d.get(EQ_INT_SOURCE))
        cqe = CQE.from_bytes(b.memory.read(d.cq(0) + CQE_BYTES * (turn % cqes), CQE_BYTES))
        assert (cqe.sq_head, cqe.phase) == (index, 1 - turn // cqes % 2)
        eqe = EQE.from_bytes(b.memory.read(EQ + EQE.size() * (turn % eqes), EQE.size()))
        assert (eqe.cq_num, eqe.phase) == (0, 1 - turn // eqes % 2)
        await d.ring_events(DoorbellCommand.EQ, (turn + 1) % eqes)
        head = (turn + 1) % cqes
        await d.ring(0, CQ, head, random=0x11, c_flag=1)
        assert ABNORMAL_INT_SOURCE(await d.get(ABNORMAL_INT_SOURCE)).db_random_invalid
        await d.set(ABNORMAL_INT_SOURCE, ABNORMAL_INT_SOURCE.db_random_invalid.mask)
        assert (await _dump(b, MailboxCommand.CQC, CQC)).head == turn % cqes
        await d.ring(0, CQ, head, random=0x22, c_flag=1)
    assert b.memory.read(d.cq(0) + CQE_BYTES * cqes, CQE_BYTES) == bytes(CQE_BYTES)
    assert b.memory.read(EQ + EQE.size() * eqes, EQE.size()) == bytes(EQE.size())
    ends = range(d.cq(0), d.cq(0) + CQE_BYTES * d.depth)
    assert {access.ssid for access in b.log if access.addr in ends} == {None}
    assert {access.ssid for access in b.log if access.addr >> 12 == DATA >> 12} == {5}


RULE_CASES: dict[Case, int] = {
    heads_of_the_eq: 8,
    contexts_of_the_second_lap: 4,
    loads_wait_for_the_job: 8,
    a_load_that_is_overtaken: 8,
    contexts_that_are_refused: 8,
    a_lost_cqe_closes_its_queue: 8,
    arming_with_an_unread_cqe_does_not_arm: 8,
    a_new_eq_may_overflow_again: 8,
    more_vectors_given_than_there_are: 8,
    fewer_queues_than_there_are: 8,
    a_cq_has_numbers_of_its_own: 6,
}
