"""What the queue manager must do beyond `tests.accel.cases`: every command, stop and flush,
write-back, counters; on the RTL and on the golden model.
"""

from __future__ import annotations

from spec.qm import (
    ABNORMAL_INT_SOURCE,
    ACC_FINISH_CNT,
    CACHE_WB_DONE,
    CACHE_WB_START,
    CQE_CNT,
    CQE_CNT_VF_SQN,
    CQE_ERR_CNT,
    DB_CNT,
    DFX_CNT_CLR_CE,
    IN_IDLE_ST,
    MB_CNT,
    SEND_SQE_TO_ACC_CNT,
    SQC,
    SQC_VFT,
    SQE_CNT,
    SQE_CNT_VF_SQN,
    VFT_CFG,
    VFT_CFG_DATA_H,
    VFT_CFG_DATA_L,
    VFT_CFG_OP_ENABLE,
    VFT_CFG_OP_WR,
    VFT_CFG_RDY,
    VFT_CFG_TYPE,
    WB_SQE_FROM_ACC_CNT,
    Mailbox,
    MailboxCommand,
    MailboxOp,
    MailboxStatus,
    VftType,
)
from spec.sec import (
    ErrorType,
)
from tests.accel.bench import CQ, SQ, Bench, Case
from tests.accel.qm_driver import BUFFER, DATA, copy_bd

TABLES = 0xA000     # SQC and CQC table
KNOWN = {           # command: the ops it has
    MailboxCommand.SQC: {0, 1}, MailboxCommand.CQC: {0, 1}, MailboxCommand.EQC: {0, 1},
    MailboxCommand.AEQC: {0, 1}, MailboxCommand.SQC_BT: {0, 1}, MailboxCommand.CQC_BT: {0, 1},
    MailboxCommand.SQC_VFT_V2: {1}, MailboxCommand.STOP_QP: {0}, MailboxCommand.FLUSH_QM: {0},
}


async def unknown_commands(b: Bench) -> None:
    """Every command and op that does not exist: a status, and nothing else happens."""
    d = b.driver
    await d.bring_up()
    await d.start(1, pasid=9)
    await d.mailbox(MailboxCommand.SQC, 1, BUFFER, MailboxOp.GET)
    context = b.memory.read(BUFFER, 32)
    log = len(b.log)
    for command in (*range(0x12), 0x40, 0x80, 0xFF):
        for op in range(2):
            if op not in KNOWN.get(MailboxCommand(command) if command in iter(MailboxCommand)
                                   else MailboxCommand.CLOSE_QM, set()):
                reply = await d.mailbox(command, 1, DATA, op)
                assert reply.status == MailboxStatus.BAD_COMMAND, (command, op)
                assert (reply.command, reply.queue, reply.base) == (command, 1, DATA)
    for command, queue in ((MailboxCommand.SQC, 4), (MailboxCommand.CQC, 0xFFFF),
                           (MailboxCommand.STOP_QP, 4), (MailboxCommand.SQC, b.queues)):
        assert (await d.mailbox(command, queue, DATA)).status == MailboxStatus.BAD_QUEUE
    assert len(b.log) == log
    await d.mailbox(MailboxCommand.SQC, 1, BUFFER, MailboxOp.GET)
    assert b.memory.read(BUFFER, 32) == context
    await d.submit(1, copy_bd(DATA, DATA + 64, 8))
    assert (await d.complete(1)).error_type == ErrorType.OK


async def mailbox_window(b: Bench) -> None:
    """Any split and order of the 16 bytes; while busy writes are ignored and reads see it."""
    d = b.driver
    await d.bring_up(queues=3)
    words = [word >> shift & 0xFFFF_FFFF for word in Mailbox.to(
        MailboxCommand.SQC_BT, 0, 0xABCD_0123_4567_8000).words() for shift in (0, 32)]
    for order in ((3, 1, 2, 0), (0, 1, 2, 3), (2, 3, 0, 1)):
        for n in order:
            await b.bus.write(Mailbox.OFFSET + 4 * n, 4, words[n])
        assert (await d.mailbox_done()).status == 0
        reply = await d.mailbox(MailboxCommand.SQC_BT, op=MailboxOp.GET)
        assert reply.base == 0xABCD_0123_4567_8000
        await d.mailbox(MailboxCommand.SQC_BT, 0, 0)
    b.hold(None, BUFFER >> 12)
    await d.mailbox(MailboxCommand.SQC, 1, BUFFER, wait=False)
    await d.pause(3)
    for n in range(2):                       # a command that would be another's
        await b.bus.write(Mailbox.OFFSET + 8 * n, 8, 0x2000 if n == 0 else 0)
    busy = Mailbox(await b.bus.read(Mailbox.OFFSET) | await b.bus.read(Mailbox.OFFSET + 4) << 32)
    assert (busy.busy, busy.command, busy.queue) == (1, MailboxCommand.SQC, 1)
    assert busy.base_l == BUFFER
    b.release()
    assert (await d.mailbox_done()).status == MailboxStatus.BAD_CONTEXT


async def vft_operations(b: Bench) -> None:
    """Writes and reads of all types; other functions have nothing; 0 queues means none."""
    d = b.driver

    async def read(kind: int, function: int = 0) -> int:
        for register, value in ((VFT_CFG_OP_WR, 1), (VFT_CFG_TYPE, kind), (VFT_CFG, function),
                                (VFT_CFG_RDY, 0), (VFT_CFG_OP_ENABLE, 1)):
            await d.set(register, value)
        await d.until(lambda: d.get(VFT_CFG_RDY))
        return await d.get(VFT_CFG_DATA_L) | await d.get(VFT_CFG_DATA_H) << 32

    await d.bring_up(queues=2)
    word = SQC_VFT.pack(valid=1, number_minus_1=1)
    assert await read(VftType.SQC) == word
    await d.vft(VftType.SHAPER, 0x12345)
    assert await read(VftType.SHAPER) == 0x12345
    assert await read(VftType.SQC, function=3) == 0
    await d.start(1)
    await d.vft(VftType.SQC, 0)
    assert (await d.mailbox(MailboxCommand.SQC, 1, BUFFER)).status == MailboxStatus.BAD_QUEUE
    await d.ring(1, SQ, 1)
    log = len(b.log)
    await d.pause()
    assert len(b.log) == log


async def flush_with_work_in_flight(b: Bench) -> None:
    """FLUSH_QM lets everything rung end, takes no more, closes all queues; then they can be
    loaded again."""
    d = b.driver
    await d.bring_up()
    for queue in range(3):
        await d.start(queue, pasid=queue + 1)
    b.memory.write(DATA, b"0123456789" * 100)
    b.hold(2, DATA >> 12)
    for turn in range(3):
        for queue in range(3):
            await d.submit(queue, copy_bd(DATA, DATA + 0x4000 * (queue + 1) + 0x400 * turn, 1000))
    await d.mailbox(MailboxCommand.FLUSH_QM, wait=False)
    await d.pause(5)
    for queue in range(3):
        await d.submit(queue, copy_bd(DATA, DATA + 0x3F00, 16))
    assert Mailbox(await b.bus.read(Mailbox.OFFSET)).busy
    b.release()
    assert (await d.mailbox_done()).status == MailboxStatus.OK
    for queue in range(3):
        for turn in range(3):
            assert b.memory.read(d.cq(queue) + 16 * turn, 16) != bytes(16)
            at = DATA + 0x4000 * (queue + 1) + 0x400 * turn
            assert b.memory.read(at, 1000) == b"0123456789" * 100
        assert b.memory.read(d.cq(queue) + 16 * 3, 16) == bytes(16)
    assert b.memory.read(DATA + 0x3F00, 16) == bytes(16)
    for queue in range(3):
        await d.ring(queue, SQ, 5)
        await d.ring(queue, CQ, 3, c_flag=1)         # late acknowledges are dropped silently
    await d.pause(3)
    assert await d.get(ABNORMAL_INT_SOURCE) == 0
    for queue in range(3):
        await d.start(queue)
        await d.submit(queue, copy_bd(DATA, DATA + 0x3F00, 16))
        assert (await d.complete(queue)).error_type == ErrorType.OK


async def stop_one_of_two(b: Bench) -> None:
    """STOP_QP waits for its queue alone; a neighbour's work goes on meanwhile and after."""
    d = b.driver
    await d.bring_up()
    for queue in range(2):
        await d.start(queue, pasid=queue + 1)
    b.hold(1, DATA >> 12)
    for _ in range(4):
        await d.submit(0, copy_bd(DATA, DATA + 0x4000, 500))
    await d.mailbox(MailboxCommand.STOP_QP, 0, wait=False)
    for _ in range(5):
        await d.submit(1, copy_bd(DATA, DATA + 0x8000, 40))
        assert (await d.complete(1)).error_type == ErrorType.OK
    assert Mailbox(await b.bus.read(Mailbox.OFFSET)).busy
    b.release()
    assert (await d.mailbox_done()).status == MailboxStatus.OK
    for _ in range(4):
        cqe = d.peek(0)
        assert cqe is not None
        d.head[0] += 1
    await d.mailbox(MailboxCommand.SQC, 0, BUFFER, MailboxOp.GET)
    await d.mailbox(MailboxCommand.CQC, 0, BUFFER + 32, MailboxOp.GET)
    sqc, cqc = (SQC.from_bytes(b.memory.read(BUFFER + at, 32)) for at in (0, 32))
    assert sqc.head == sqc.tail == cqc.tail == 4       # "empty" for a driver without STOP_QP


async def contexts_written_back(b: Bench) -> None:
    """0x204 writes the live contexts of loaded queues to their places in both tables."""
    d = b.driver
    await d.bring_up()
    for command, base in ((MailboxCommand.SQC_BT, TABLES), (MailboxCommand.CQC_BT, TABLES + 0x800)):
        assert (await d.mailbox(command, 0, base)).status == 0
    b.memory.write(TABLES, b"\xee" * 0x1000)
    for queue in (1, 2):
        await d.start(queue, pasid=queue)
    await d.submit(2, copy_bd(DATA, DATA + 64, 8))
    await d.complete(2)
    await d.until(lambda: d.get(IN_IDLE_ST))
    await d.set(CACHE_WB_START, 1)
    await d.until(lambda: d.get(CACHE_WB_DONE))
    for command, base in ((MailboxCommand.SQC, TABLES), (MailboxCommand.CQC, TABLES + 0x800)):
        for queue in range(4):
            expected = b"\xee" * 32
            if queue in (1, 2):
                await d.mailbox(command, queue, BUFFER, MailboxOp.GET)
                expected = b.memory.read(BUFFER, 32)
            assert b.memory.read(base + 32 * queue, 32) == expected
    assert SQC.from_bytes(b.memory.read(TABLES + 64, 32)).tail == 1
    b.memory.poisoned = {TABLES >> 12}
    await d.set(CACHE_WB_START, 1)
    await d.until(lambda: d.get(CACHE_WB_DONE))
    assert ABNORMAL_INT_SOURCE(await d.get(ABNORMAL_INT_SOURCE)).axi_bresp


async def counters(b: Bench) -> None:
    d = b.driver
    await d.bring_up()
    for queue in range(2):
        await d.start(queue)
    before = {c: await d.get(c) for c in (MB_CNT, DB_CNT)}
    await d.set(SQE_CNT_VF_SQN, 1 << 16)
    await d.set(CQE_CNT_VF_SQN, 1 << 16)
    for queue, jobs in ((0, 2), (1, 3)):
        for _ in range(jobs):
            await d.submit(queue, copy_bd(DATA, DATA + 64, 8))
            await d.complete(queue)
    await d.until(lambda: d.get(IN_IDLE_ST))
    for register, count in ((SQE_CNT, 3), (CQE_CNT, 3), (SEND_SQE_TO_ACC_CNT, 5),
                            (ACC_FINISH_CNT, 5), (WB_SQE_FROM_ACC_CNT, 5), (CQE_ERR_CNT, 0),
                            (MB_CNT, before[MB_CNT]), (DB_CNT, before[DB_CNT] + 10)):
        assert await d.get(register) == count, register
        assert await d.get(register) == count, register
    await d.set(DFX_CNT_CLR_CE, 1)
    assert await d.get(SQE_CNT) == 3
    assert await d.get(SQE_CNT) == 0
    assert await d.get(ACC_FINISH_CNT) == 5
    await d.set(DFX_CNT_CLR_CE, 0)
    await d.set(SQE_CNT_VF_SQN, 1 << 16 | 2)          # of another function: nothing counts
    await d.submit(1, copy_bd(DATA, DATA + 64, 8))
    await d.complete(1)
    assert await d.get(SQE_CNT) == 0


QM_CASES: dict[Case, int] = {
    unknown_commands: 8,
    mailbox_window: 8,
    vft_operations: 8,
    flush_with_work_in_flight: 8,
    stop_one_of_two: 8,
    contexts_written_back: 8,
    counters: 8,
}
