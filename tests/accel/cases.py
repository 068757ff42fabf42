"""What the accelerator must do, as cases that run on the RTL and on the golden model.

A case gets a `tests.accel.bench.Bench` and drives it as software would; it is done when it returns.
"""

from __future__ import annotations

import random

from spec.qm import (
    ABNORMAL_INT_MASK,
    ABNORMAL_INT_SOURCE,
    ARUSER_M_CFG_1,
    CACHE_WB_DONE,
    CQC,
    EQ_INT_SOURCE,
    EQC,
    FUN_CAP,
    IN_IDLE_ST,
    MASTER_GLOBAL_CTRL,
    QUE_NUM_CAP,
    RAS_NFE_ENABLE,
    SQC,
    SQC_VFT,
    TRANS_RETURN,
    AeqeType,
    Doorbell,
    DoorbellCommand,
    MailboxCommand,
    MailboxOp,
    MailboxStatus,
    VftType,
)
from spec.sec import SEC_MEM_INIT_DONE, SEC_MEM_START_INIT, DoneFlag, ErrorType
from tests.accel.bench import CQ, SQ, Bench, Case
from tests.accel.qm_driver import BUFFER, DATA, EQ, copy_bd


async def probe_and_registers(b: Bench) -> None:
    d = b.driver
    assert await d.get(FUN_CAP) == FUN_CAP.RESET
    assert b.queues == QUE_NUM_CAP(await d.get(QUE_NUM_CAP)).TOTAL
    assert await d.get(CACHE_WB_DONE) == 1
    await d.set(ARUSER_M_CFG_1, 0x4000_1070)
    assert await d.get(ARUSER_M_CFG_1) == 0x4000_1070
    assert await d.get(SEC_MEM_INIT_DONE) == 0
    await d.set(SEC_MEM_START_INIT, 1)
    assert await d.get(SEC_MEM_INIT_DONE) == 1
    for offset in (0x214, 0x10_4018, 0x30_1604, 0x3F_FFFC, 0x41_0000):   # RAZ/WI
        await b.bus.write(offset, 4, 0xFFFF_FFFF)
        assert await b.bus.read(offset) == 0
    await d.bring_up()
    assert await d.get(IN_IDLE_ST) == 1
    await d.set(MASTER_GLOBAL_CTRL, 1)
    assert await d.get(TRANS_RETURN) == 3


async def mailbox_commands_and_refusals(b: Bench) -> None:
    d = b.driver
    await d.bring_up(queues=3)
    assert (await d.mailbox(MailboxCommand.SQC_VFT_V2, op=MailboxOp.GET)).base == SQC_VFT.pack(
        valid=1, number_minus_1=2)
    assert (await d.mailbox(MailboxCommand.SQC_BT, op=MailboxOp.GET)).base == 0x8000
    await d.start(2, pasid=7)
    for command, context in ((MailboxCommand.SQC, SQC), (MailboxCommand.CQC, CQC),
                             (MailboxCommand.EQC, EQC)):
        b.memory.write(BUFFER, b"\xff" * 64)
        reply = await d.mailbox(command, 2, BUFFER, MailboxOp.GET)
        assert reply.status == MailboxStatus.OK
        dumped = b.memory.read(BUFFER, 64)
        assert dumped[context.size():] == b"\xff" * (64 - context.size())
        assert context.from_bytes(dumped[:context.size()]).base == {
            SQC: d.sq(2), CQC: d.cq(2), EQC: EQ}[context]
    for expected, command, queue, op in (
            (MailboxStatus.BAD_COMMAND, MailboxCommand.CLOSE_QM, 0, 0),
            (MailboxStatus.BAD_COMMAND, MailboxCommand.STOP_QP, 2, 1),
            (MailboxStatus.BAD_QUEUE, MailboxCommand.SQC, 3, 0),
            (MailboxStatus.BAD_QUEUE, MailboxCommand.CQC, 1, 1),
            (MailboxStatus.BAD_QUEUE, MailboxCommand.STOP_QP, 0, 0)):
        assert (await d.mailbox(command, queue, BUFFER, op)).status == expected
    for bad in ({"depth_minus_1": 0}, {"log2_size": 6}, {"cq_num": 0}, {"base_l": 0x10040},
                {"head": 8}):
        sqc = SQC.make(base_l=d.sq(1), depth_minus_1=7, log2_size=7, cq_num=1).replace(**bad)
        assert await d.load(MailboxCommand.SQC, sqc, 1) == MailboxStatus.BAD_CONTEXT
    b.memory.poisoned = {5}
    assert (await d.mailbox(MailboxCommand.SQC, 1, 0x5000)).status == MailboxStatus.BUS_ERROR
    assert ABNORMAL_INT_SOURCE(await d.get(ABNORMAL_INT_SOURCE)).axi_rresp


async def copies_on_several_queues(b: Bench) -> None:
    """Rings wrap, bytes are exact, only bytes 112..127 of an SQE change, spaces are right."""
    d, rng = b.driver, random.Random(3)
    pasids = {0: 5, 1: None, 2: 0xABC, 3: 9}
    await d.bring_up()
    for queue, pasid in pasids.items():
        await d.start(queue, pasid)
    for turn in range(6):
        jobs = {}
        for queue in pasids:
            length = rng.choice([1, 15, 100, 700])
            src, dst = (DATA + 0x10000 * queue + off + rng.randrange(64)
                        for off in (0xF80, 0x4F80))
            b.memory.write(src, rng.randbytes(length))
            before = b.memory.read(dst - 16, length + 32)
            index = await d.submit(queue, copy_bd(src, dst, length))
            assert index == turn % d.depth
            jobs[queue] = (src, dst, length, before)
        for queue, (src, dst, length, before) in jobs.items():
            sqe = await d.complete(queue)
            assert (sqe.done, sqe.flag, sqe.error_type) == (1, DoneFlag.CIPHER, ErrorType.OK)
            bd = copy_bd(src, dst, length)
            assert sqe.to_bytes()[:112] == bd.to_bytes()[:112]
            assert b.memory.read(dst - 16, length + 32) == (
                before[:16] + b.memory.read(src, length) + before[-16:])
    for access in b.log:
        assert access.sid == b.sid
        queue = (access.addr - DATA) // 0x10000
        assert access.ssid == (pasids[queue] if access.addr >= DATA else None)


async def events_are_one_shot(b: Bench) -> None:
    """A CQ gives one EQE per arming; the source follows the EQ doorbell (reference 2.7, 2.8)."""
    d = b.driver
    await d.bring_up()
    await d.start(0)
    bd = copy_bd(DATA, DATA + 0x1000, 8)
    for _ in range(3):
        await d.submit(0, bd)
    await d.until(lambda: d.get(EQ_INT_SOURCE))
    for _ in range(10):
        await b.bus.wait()
    assert b.irqs["eq"] == 1
    assert await d.events() == [0]
    assert await d.get(EQ_INT_SOURCE) == 0
    await d.complete(0)
    await d.complete(0)
    assert await d.events(ring=False) == []
    head = d.head[0]
    await d.ring(0, CQ, head, c_flag=1)      # one CQE is unread: an event at once
    await d.until(lambda: d.get(EQ_INT_SOURCE))
    assert b.irqs["eq"] == 2
    await d.complete(0, c_flag=1)            # arms
    await d.submit(0, bd)
    for _ in range(10):
        await b.bus.wait()
    assert b.irqs["eq"] == 2                 # still the source of before
    assert await d.events(ring=False) == [0]
    await d.ring_events(DoorbellCommand.EQ, d.eq_head)       # passed: the next one follows
    await d.until(lambda: d.get(EQ_INT_SOURCE))
    assert await d.events(ring=False) == [0]
    await b.bus.wait()
    assert b.irqs["eq"] == 3


async def doorbells_that_are_dropped(b: Bench) -> None:
    d = b.driver
    await d.bring_up()
    await d.start(0, random=0x5A)
    await d.start(1)
    d.place(0, copy_bd(DATA, DATA + 0x1000, 8))
    d.place(1, copy_bd(DATA, DATA + 0x1000, 8))
    await d.ring(0, SQ, 1, page=1, random=0x5A)        # through another queue's page
    await d.ring(1, SQ, 8)                             # beyond the depth
    await d.ring(2, SQ, 1)                             # never started
    await d.ring(1, DoorbellCommand.EQ, 5)             # not on this page
    await b.bus.write(Doorbell.OFFSET, 4, Doorbell.pack(queue=1, index=1))   # half of it
    await d.set(RAS_NFE_ENABLE, 0x7FFF)
    await d.set(ABNORMAL_INT_MASK, 0)
    await d.ring(0, SQ, 1, random=0x5B)                # wrong random value
    assert ABNORMAL_INT_SOURCE(await d.get(ABNORMAL_INT_SOURCE)).db_random_invalid
    await b.bus.wait()
    assert b.irqs["abnormal"] == 1
    await d.set(ABNORMAL_INT_SOURCE, 0x7FFF)
    assert await d.get(ABNORMAL_INT_SOURCE) == 0
    for _ in range(10):
        await b.bus.wait()
    assert d.peek(0) is None
    assert d.peek(1) is None
    await b.bus.write(Doorbell.OFFSET, 8,              # BAR2 serves every queue
                      Doorbell.pack(queue=0, index=1, random=0x5A))
    await d.ring(1, SQ, 1)
    await d.complete(1)
    await d.until(lambda: _there(d, 0))
    assert (await d.mailbox(MailboxCommand.STOP_QP, 1)).status == 0
    await d.submit(1, copy_bd(DATA, DATA + 0x1000, 8))
    await d.vft(VftType.SQC, 0)
    await d.submit(0, copy_bd(DATA, DATA + 0x1000, 8), random=0x5A)
    log = len(b.log)
    for _ in range(10):
        await b.bus.wait()
    assert len(b.log) == log


async def _there(driver, queue):
    return driver.peek(queue) is not None


async def bad_descriptors_and_failed_accesses(b: Bench) -> None:
    """Each gives its error type and a CQE; the neighbour and later jobs are not disturbed."""
    d = b.driver
    await d.bring_up()
    await d.start(0, 1)
    await d.start(1, 2)
    b.memory.write(DATA, bytes(range(256)))
    b.memory.poisoned = {(DATA + 0x8000) >> 12}
    good, poison = copy_bd(DATA, DATA + 0x1000, 256), DATA + 0x8000
    for expected, bd in (
            (ErrorType.BD_TYPE, good.replace(type=2)),
            (ErrorType.BD_TYPE, good.replace(invalid=1)),
            (ErrorType.SCENE, good.replace(scene=7)),
            (ErrorType.CIPHER, good.replace(cipher=0)),
            (ErrorType.LENGTH, good.replace(c_len=0)),
            (ErrorType.ADDRESS_TYPE, good.replace(src_addr_type=2)),
            (ErrorType.DATA_READ, copy_bd(poison - 700, DATA + 0x3000, 2000)),
            (ErrorType.DATA_WRITE, copy_bd(DATA, poison - 700, 2000)),
            (ErrorType.OK, good)):
        await d.submit(0, bd)
        await d.submit(1, good)
        sqe = await d.complete(0)
        assert (sqe.done, sqe.error_type) == (1, expected)
        assert (await d.complete(1)).error_type == ErrorType.OK
    assert b.memory.read(DATA + 0x1000, 256) == bytes(range(256))
    assert await d.get(ABNORMAL_INT_SOURCE) == 0   # a user's faults are his own


async def unreadable_ring_and_unwritable_cq(b: Bench) -> None:
    d = b.driver
    await d.bring_up()
    await d.start(0)
    await d.start(1)
    await d.start(2)
    good = copy_bd(DATA, DATA + 0x1000, 16)
    b.memory.poisoned = {d.sq(0) >> 12, d.cq(1) >> 12}
    d.tail[0] = 1
    await d.ring(0, SQ, 1)
    await d.submit(1, good)
    await d.submit(2, good)
    await d.complete(2)
    await d.until(lambda: _there(d, 0))
    await d.until(lambda: _aeqe(d))
    assert (d.async_event(0).queue, d.async_event(0).type) == (1, AeqeType.CQE_ERROR)
    assert b.irqs["aeq"] == 1
    source = ABNORMAL_INT_SOURCE(await d.get(ABNORMAL_INT_SOURCE))
    assert (source.axi_rresp, source.axi_bresp) == (1, 1)


async def _aeqe(driver):
    return driver.async_event(0).phase


async def a_waiting_queue_blocks_nobody_and_stop_waits_for_it(b: Bench) -> None:
    """Queue 0's source never answers (a stalled fault) until it is released."""
    d = b.driver
    await d.bring_up()
    for queue in range(3):
        await d.start(queue, pasid=queue + 1)
    b.memory.write(DATA, b"abc" * 1000)
    b.hold(1, DATA >> 12)
    await d.submit(0, copy_bd(DATA, DATA + 0x4000, 3000))
    for turn in range(3):
        for queue in (1, 2):
            await d.submit(queue, copy_bd(DATA, DATA + 0x8000 + turn, 50))
        for queue in (1, 2):
            assert (await d.complete(queue)).error_type == ErrorType.OK
    assert d.peek(0) is None
    await d.mailbox(MailboxCommand.STOP_QP, 0, wait=False)
    for _ in range(5):
        await b.bus.wait()
    await d.submit(0, copy_bd(DATA, DATA + 0x7000, 10))   # drains: takes no more
    b.release()
    assert (await d.mailbox_done()).status == MailboxStatus.OK
    assert d.peek(0) is not None
    assert b.memory.read(DATA + 0x4000, 3000) == b"abc" * 1000
    assert b.memory.read(DATA + 0x7000, 10) == bytes(10)
    assert (await d.mailbox(MailboxCommand.FLUSH_QM)).status == MailboxStatus.OK
    await d.submit(1, copy_bd(DATA, DATA + 0x7000, 10))
    for _ in range(5):
        await b.bus.wait()
    assert b.memory.read(DATA + 0x7000, 10) == bytes(10)
    await d.start(1)                                      # a reload opens it again
    await d.submit(1, copy_bd(DATA, DATA + 0x7000, 10))
    await d.complete(1)


async def full_completion_queue_holds_the_queue(b: Bench) -> None:
    d = b.driver
    await d.bring_up()
    await d.start(0)
    for _ in range(6):
        d.place(0, copy_bd(DATA, DATA + 0x1000, 16))
    await d.ring(0, SQ, 3)
    await d.until(lambda: _cqe(b, d, 2))
    await d.ring(0, SQ, 1)                # no room left for these
    for _ in range(10):
        await b.bus.wait()
    assert b.memory.read(d.cq(0) + 16 * 3, 16) == bytes(16)
    await d.complete(0)
    await d.until(lambda: _cqe(b, d, 3))
    first = b.memory.read(d.cq(0), 16)
    for _ in range(10):
        await b.bus.wait()
    assert b.memory.read(d.cq(0), 16) == first   # full again, at another place
    assert (await d.mailbox(MailboxCommand.STOP_QP, 0)).status == 0


async def _cqe(bench, driver, index):
    return any(bench.memory.read(driver.cq(0) + 16 * index, 16))


async def stopped_bus_master(b: Bench) -> None:
    """While the bus master is stopped, registers and doorbells still answer; then all goes on."""
    d = b.driver
    await d.bring_up()
    for queue in range(3):
        await d.start(queue)
        await d.submit(queue, copy_bd(DATA, DATA + 0x1000 * (queue + 1), 300))
    await d.complete(0, c_flag=1)
    await d.set(MASTER_GLOBAL_CTRL, 1)
    await d.until(lambda: d.get(TRANS_RETURN))
    for queue in range(3):
        await d.submit(queue, copy_bd(DATA, DATA + 0x1000 * (queue + 1), 300))
        await d.ring(queue, CQ, d.head[queue], c_flag=1)
        for _ in range(3):
            await b.bus.wait()
    await d.events()
    assert await d.get(IN_IDLE_ST) == 0
    log = len(b.log)
    for _ in range(5):
        await b.bus.wait()
    assert len(b.log) == log
    await d.set(MASTER_GLOBAL_CTRL, 0)
    for queue in (0, 1, 1, 2, 2):
        assert (await d.complete(queue)).error_type == ErrorType.OK


# Each case with the depth of its rings.
CASES: dict[Case, int] = {
    probe_and_registers: 8,
    mailbox_commands_and_refusals: 8,
    copies_on_several_queues: 4,
    events_are_one_shot: 8,
    doorbells_that_are_dropped: 8,
    bad_descriptors_and_failed_accesses: 8,
    unreadable_ring_and_unwritable_cq: 8,
    a_waiting_queue_blocks_nobody_and_stop_waits_for_it: 8,
    full_completion_queue_holds_the_queue: 4,
    stopped_bus_master: 8,
}
