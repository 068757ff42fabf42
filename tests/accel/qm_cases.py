"""What the queue manager must do beyond `tests.accel.cases`: identity, commands, events, messages,
resets, counters; on the RTL and on the golden model.
"""

from __future__ import annotations

import random

from spec.qm import (
    ABNORMAL_INF00,
    ABNORMAL_INT_MASK,
    ABNORMAL_INT_SET,
    ABNORMAL_INT_SOURCE,
    ABNORMAL_INT_STATUS,
    ACC_FINISH_CNT,
    AEQ_INT_MASK,
    AEQ_IRQ_CAP,
    AEQC,
    BAR2_SIZE,
    CACHE_WB_DONE,
    CACHE_WB_START,
    CONFIG,
    CONFIG_BASE,
    CQE_CNT,
    CQE_CNT_VF_SQN,
    CQE_ERR_CNT,
    DB_CNT,
    DFX_CNT_CLR_CE,
    DOORBELL_PAGE,
    EQ_AEQ_DEPTH_CAP,
    EQ_INT_MASK,
    EQ_INT_SOURCE,
    EQ_IRQ_CAP,
    EQC,
    IN_IDLE_ST,
    MASTER_GLOBAL_CTRL,
    MB_CNT,
    MEM_INIT_DONE,
    MSI_ADDRESS,
    MSI_ADDRESS_HIGH,
    MSI_CONTROL,
    MSI_DATA,
    MSI_MASK,
    MSI_PENDING,
    PASID_CAP,
    PCI_BAR2,
    PCI_BAR3,
    PCI_BAR4,
    PCI_BAR5,
    PCI_CAPABILITIES,
    PCI_CLASS,
    PCI_COMMAND,
    PCI_ID,
    PCIE_CAP,
    PCIE_DEVCAP,
    PCIE_DEVCTL,
    RAS_NFE_ENABLE,
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
    AeqeType,
    DoorbellCommand,
    Mailbox,
    MailboxCommand,
    MailboxOp,
    MailboxStatus,
    OverflowType,
    VftType,
    event_depths,
)
from spec.sec import ErrorType
from tests.accel.cases import CQ, SQ, Bench, Case
from tests.accel.qm_driver import AEQ, BUFFER, DATA, EQ, copy_bd

MESSAGE = 0x9000    # where messages go
TABLES = 0xA000     # SQC and CQC table
KNOWN = {           # command: the ops it has
    MailboxCommand.SQC: {0, 1}, MailboxCommand.CQC: {0, 1}, MailboxCommand.EQC: {0, 1},
    MailboxCommand.AEQC: {0, 1}, MailboxCommand.SQC_BT: {0, 1}, MailboxCommand.CQC_BT: {0, 1},
    MailboxCommand.SQC_VFT_V2: {1}, MailboxCommand.STOP_QP: {0}, MailboxCommand.FLUSH_QM: {0},
}


async def identity(b: Bench) -> None:
    """The configuration space as a bus driver reads it: ids, BAR sizes, lists of capabilities."""
    d = b.driver
    ident = PCI_ID(await d.get_config(PCI_ID))
    assert (ident.VENDOR, ident.DEVICE) == (0x19E5, 0xA255)
    assert PCI_CLASS(await d.get_config(PCI_CLASS)).REVISION == 0x30
    for low, high, size in ((PCI_BAR2, PCI_BAR3, BAR2_SIZE),
                            (PCI_BAR4, PCI_BAR5, b.queues * DOORBELL_PAGE)):
        for register in (low, high):
            await d.set_config(register, 0xFFFF_FFFF)
        word = await d.get_config(low) | await d.get_config(high) << 32
        assert word & 0xF == 4
        assert 2**64 - (word & ~0xF) == size
    found, at = [], PCI_CAPABILITIES(await d.get_config(PCI_CAPABILITIES)).POINTER
    while at:
        header = PCIE_CAP(await b.bus.read(CONFIG_BASE + at))
        found.append((header.ID, at))
        at = header.NEXT
    assert found == [(0x10, PCIE_CAP.OFFSET), (0x05, MSI_CONTROL.OFFSET)]
    assert PCIE_DEVCAP(await d.get_config(PCIE_DEVCAP)).FLR
    assert PASID_CAP(await d.get_config(PASID_CAP)).ID == 0x1B
    control = MSI_CONTROL(await d.get_config(MSI_CONTROL))
    assert (control.ENABLE, control.ASKED, control.ADDR64, control.MASKING) == (0, 2, 1, 1)
    for register in CONFIG:                      # read-only bits keep their value
        before = await d.get_config(register)
        if register is not PCIE_DEVCTL:
            await d.set_config(register, 0)
            writable = 0 if register is PCI_BAR4 else register.WRITABLE
            assert (await d.get_config(register) ^ before) & ~(writable or 2**32 - 1) == 0
    for offset in (0x0C, 0x10, 0x3C, 0x94, 0x200, 0xFFC):
        await b.bus.write(CONFIG_BASE + offset, 4, 0xFFFF_FFFF)
        assert await b.bus.read(CONFIG_BASE + offset) == 0
    eq, aeq = event_depths(b.queues)
    depths = EQ_AEQ_DEPTH_CAP(await d.get(EQ_AEQ_DEPTH_CAP))
    assert (depths.EQ_DEPTH, depths.AEQ_DEPTH) == (eq, aeq)


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


async def one_event_per_queue(b: Bench) -> None:
    """An owner who arms his CQ again and again gets one EQE until the driver has passed it; others
    get theirs (reference 2.8)."""
    d = b.driver
    await d.bring_up()
    for queue in range(2):
        await d.start(queue)
    for _ in range(3):
        await d.submit(0, copy_bd(DATA, DATA + 64, 8))
    await d.until(lambda: d.get(EQ_INT_SOURCE))
    for _ in range(6):
        await d.ring(0, CQ, 0, c_flag=1)
        await d.pause(2)
    await d.submit(1, copy_bd(DATA, DATA + 64, 8))
    await d.until(lambda: _word(b, EQ + 4))
    await d.pause()
    assert [b.memory.read(EQ + 4 * n, 4) for n in range(3)] == [
        b"\0\0\1\0", b"\1\0\1\0", bytes(4)]
    await d.ring_events(DoorbellCommand.EQ, 1)         # one passed, one left, one more follows
    await d.until(lambda: _word(b, EQ + 8))
    assert await d.events() == [0, 1, 0]
    assert await d.get(EQ_INT_SOURCE) == 0


async def _reaches(driver, counter, value: int) -> bool:
    return await driver.get(counter) == value


async def _word(b: Bench, address: int) -> int:
    return int.from_bytes(b.memory.read(address, 4), "little")


async def overflow_of_a_cq(b: Bench) -> None:
    """Jobs that wait for room in their CQ: AEQE 0, once; nothing is lost, no device error."""
    d = b.driver
    await d.bring_up()
    for queue in range(2):
        await d.start(queue)
    for _ in range(d.depth + 3):
        d.place(0, copy_bd(DATA, DATA + 64, 8))
    await d.ring(0, SQ, d.depth - 1)
    await d.until(lambda: _word(b, d.cq(0) + 16 * (d.depth - 2) + 12))
    await d.ring(0, SQ, 2)
    await d.until(lambda: _word(b, AEQ))
    event = d.async_event(0)
    assert (event.queue, event.type, event.phase) == (0, AeqeType.CQ_OVERFLOW, 1)
    info = ABNORMAL_INF00(await d.get(ABNORMAL_INF00))
    assert (info.type, info.queue) == (OverflowType.CQ, 0)
    assert await d.get(ABNORMAL_INT_SOURCE) == 0
    await d.submit(1, copy_bd(DATA, DATA + 64, 8))
    await d.complete(1)
    for _ in range(d.depth + 2):
        assert (await d.complete(0)).error_type == ErrorType.OK
    await d.pause()
    assert b.memory.read(AEQ + 4, 4) == bytes(4)


async def overflow_of_the_eq(b: Bench) -> None:
    """An EQ too small for its queues: AEQE 1, INF00, an error bit; the event comes later."""
    d = b.driver
    await d.bring_up(eq_depth=2)
    await d.set(RAS_NFE_ENABLE, 0x7FFF)
    await d.set(ABNORMAL_INT_MASK, 0)
    for queue in range(2):
        await d.start(queue)
        await d.submit(queue, copy_bd(DATA, DATA + 64, 8))
        await d.until(lambda queue=queue: _word(b, d.cq(queue) + 12))
    await d.until(lambda: _word(b, AEQ))
    event = d.async_event(0)
    assert (event.queue, event.type) == (1, AeqeType.EQ_OVERFLOW)
    info = ABNORMAL_INF00(await d.get(ABNORMAL_INF00))
    assert (info.type, info.queue) == (OverflowType.EQ, 1)
    assert ABNORMAL_INT_STATUS(await d.get(ABNORMAL_INT_STATUS)).of_fifo_of
    assert b.irqs["abnormal"] == 1
    await d.ring_events(DoorbellCommand.EQ, 1)
    await d.until(lambda: _word(b, EQ + 4))
    assert b.memory.read(EQ, 8) == b"\0\0\1\0\1\0\1\0"


async def overflow_of_the_aeq(b: Bench) -> None:
    d = b.driver
    await d.bring_up(aeq_depth=2)
    b.memory.poisoned = {d.cq(0) >> 12, d.cq(1) >> 12}
    for queue in range(2):
        b.memory.poisoned = set()
        await d.start(queue)
        b.memory.poisoned = {d.cq(0) >> 12, d.cq(1) >> 12}
        await d.submit(queue, copy_bd(DATA, DATA + 64, 8))
        await d.until(lambda queue=queue: _reaches(d, CQE_ERR_CNT, queue + 1))
    await d.until(lambda: _word(b, AEQ))

    async def overflowed() -> int:
        return ABNORMAL_INT_SOURCE(await d.get(ABNORMAL_INT_SOURCE)).of_fifo_of

    await d.until(overflowed)
    info = ABNORMAL_INF00(await d.get(ABNORMAL_INF00))
    assert (info.type, info.queue) == (OverflowType.AEQ, 1)
    await d.ring_events(DoorbellCommand.AEQ, 1)
    await d.until(lambda: _word(b, AEQ + 4))
    assert (d.async_event(1).queue, d.async_event(1).type) == (1, AeqeType.CQE_ERROR)


async def messages(b: Bench) -> None:
    """MSI: address, data, mask with pending, both halves of the address; wires pulse as well."""
    d = b.driver
    await d.bring_up()
    await d.start(0)
    await d.set_config(MSI_ADDRESS, MESSAGE + 4)
    await d.set_config(MSI_ADDRESS_HIGH, 0)
    await d.set_config(MSI_DATA, 0x1234)

    async def job() -> None:
        await d.submit(0, copy_bd(DATA, DATA + 64, 8))
        await d.until(lambda: d.get(EQ_INT_SOURCE))
        await d.complete(0, c_flag=1)
        await d.events()

    async def message() -> int:
        await d.pause(3)
        word = await _word(b, MESSAGE + 4)
        b.memory.write(MESSAGE + 4, bytes(4))
        return word

    await job()
    assert await message() == 0                       # not enabled
    assert await d.get_config(MSI_PENDING) == 0
    control = await d.get_config(MSI_CONTROL)
    for given, aeq in ((0, 0x1234), (1, 0x1235), (2, 0x1235)):
        await d.set_config(MSI_CONTROL, control | MSI_CONTROL.pack(ENABLE=1, GIVEN=given))
        await job()
        assert await message() == 0x1234 | EQ_IRQ_CAP(EQ_IRQ_CAP.RESET).VECTOR
        b.memory.poisoned = {d.cq(1) >> 12}
        await d.start(2)
        b.memory.poisoned = {d.cq(2) >> 12}
        await d.submit(2, copy_bd(DATA, DATA + 64, 8))
        await d.until(lambda: _word(b, MESSAGE + 4))
        assert await message() == aeq
        b.memory.poisoned = set()
        await d.ring_events(DoorbellCommand.AEQ, b.irqs["aeq"])
    # A masked vector is held back, others are not.
    await d.set_config(MSI_MASK, 1 << EQ_IRQ_CAP(EQ_IRQ_CAP.RESET).VECTOR)
    await job()
    assert await message() == 0
    assert MSI_PENDING(await d.get_config(MSI_PENDING)).VECTORS == 1
    await d.set(RAS_NFE_ENABLE, 0x7FFF)
    await d.set(ABNORMAL_INT_SOURCE, 0x7FFF)
    await d.set(ABNORMAL_INT_MASK, 0)
    await d.set(ABNORMAL_INT_SET, ABNORMAL_INT_SET.pack(ecc_1bit=1))
    assert await message() == 0x1237
    await d.set_config(MSI_MASK, 0)
    assert await message() == 0x1234
    assert await d.get_config(MSI_PENDING) == 0
    # Disabled: nothing is kept.
    await d.set_config(MSI_MASK, 1)
    await job()
    await d.set_config(MSI_CONTROL, control)
    assert await d.get_config(MSI_PENDING) == 0
    await d.set_config(MSI_CONTROL, control | MSI_CONTROL.pack(ENABLE=1))
    await d.set_config(MSI_MASK, 0)
    assert await message() == 0
    # A message that nobody takes: an error of the device, and it goes on.
    await d.set(ABNORMAL_INT_SOURCE, 0x7FFF)
    b.memory.poisoned = {MESSAGE >> 12}
    await job()
    b.memory.poisoned = set()
    assert ABNORMAL_INT_SOURCE(await d.get(ABNORMAL_INT_SOURCE)).axi_bresp
    await job()
    assert {access.ssid for access in b.log if access.addr >> 4 == MESSAGE >> 4} == {None}


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


async def reset_registers(b: Bench) -> None:
    """A function level reset takes everything back: registers, contexts, VFT, counters, masks."""
    d = b.driver
    await d.bring_up()
    await d.start(0)
    await d.submit(0, copy_bd(DATA, DATA + 64, 8))
    await d.complete(0)
    await d.set_config(MSI_CONTROL, 0x1_0000)
    await d.set(MASTER_GLOBAL_CTRL, 1)
    await d.reset_function()
    assert await d.get_config(PCIE_DEVCTL) & 0xFFFF == 0
    for register in (MEM_INIT_DONE, MASTER_GLOBAL_CTRL, ABNORMAL_INT_SOURCE, SQE_CNT, MB_CNT,
                     EQ_INT_SOURCE):
        assert await d.get(register) == 0, register
    for register in (EQ_INT_MASK, AEQ_INT_MASK, VFT_CFG_RDY, IN_IDLE_ST):
        assert await d.get(register) == 1, register
    assert MSI_CONTROL(await d.get_config(MSI_CONTROL)).ENABLE == 0
    await d.ring(0, SQ, 2)
    log = len(b.log)
    await d.pause(3)
    assert len(b.log) == log
    assert (await d.mailbox(MailboxCommand.SQC, 0, BUFFER, 1)).status == MailboxStatus.BAD_QUEUE
    assert (await d.mailbox(MailboxCommand.EQC, 0, BUFFER, 1)).status == 0
    assert b.memory.read(BUFFER, EQC.size()) == bytes(AEQC.size())


async def resets_in_mid_job(b: Bench) -> None:
    """At any moment: what is under way ends unseen, nothing more is begun, nothing of it shows in
    the next life, which begins at once, even while old accesses still wait."""
    d, rng = b.driver, random.Random(11)
    for life in range(8):
        await d.bring_up()
        held = life % 3 == 1
        for queue in range(3):
            await d.start(queue, pasid=queue + 1)
            b.memory.write(DATA + 0x10000 * queue, bytes([life + 1]) * 2000)
        if held:
            b.hold(2, DATA + 0x10000 >> 12)
        for _ in range(3):
            for queue in range(3):
                at = DATA + 0x10000 * queue
                await d.submit(queue, copy_bd(at, at + 0x4000, 2000))
        await d.pause(rng.randrange(6))
        await d.reset_function()
        await d.pause(8)          # what was under way comes to its end
        rings = [b.memory.read(d.sq(queue), 0x3000) for queue in range(3)]
        log = len(b.log)
        await d.pause(3)
        assert len(b.log) == log
        assert b.irqs["abnormal"] == 0
        # The next life works while the old one may still be waiting.
        await d.bring_up()
        await d.start(3, pasid=7)
        b.memory.write(DATA + 0x30000, b"new" * 300)
        await d.submit(3, copy_bd(DATA + 0x30000, DATA + 0x34000, 900))
        assert (await d.complete(3)).error_type == ErrorType.OK
        assert b.memory.read(DATA + 0x34000, 900) == b"new" * 300
        b.release()
        await d.pause(5)
        assert [b.memory.read(d.sq(queue), 0x3000) for queue in range(3)] == rings
        await d.reset_function()


async def two_resets_while_an_access_waits(b: Bench) -> None:
    """The access of the life before last must end first; registers answer all the time."""
    d = b.driver
    await d.bring_up()
    await d.start(0, pasid=1)
    b.hold(1, DATA >> 12)
    await d.submit(0, copy_bd(DATA, DATA + 0x4000, 500))
    await d.pause(5)
    await d.reset_function()
    await d.reset_function()
    assert await d.get(VFT_CFG_RDY) == 1
    b.release()
    await d.bring_up()
    await d.start(0, pasid=2)
    b.memory.write(DATA, b"x" * 500)
    await d.submit(0, copy_bd(DATA, DATA + 0x4000, 500))
    assert (await d.complete(0)).error_type == ErrorType.OK
    assert b.memory.read(DATA + 0x4000, 500) == b"x" * 500


async def bus_master_off(b: Bench) -> None:
    """PCI_COMMAND.MASTER=0 holds every access back."""
    d = b.driver
    await d.bring_up()
    await d.start(0)
    await d.set_config(PCI_COMMAND, 0)
    log = len(b.log)
    await d.submit(0, copy_bd(DATA, DATA + 64, 8))
    await d.pause(5)
    assert len(b.log) == log
    await d.set_config(PCI_COMMAND, PCI_COMMAND.pack(MASTER=1))
    assert (await d.complete(0)).error_type == ErrorType.OK


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


async def injected_errors(b: Bench) -> None:
    """ABNORMAL_INT_SET raises bits that exist; W1C clears them; STATUS is what is not masked."""
    d = b.driver
    await d.set(ABNORMAL_INT_SET, 0xFFFF_FFFF)
    assert await d.get(ABNORMAL_INT_SOURCE) == 0x7FFF
    assert await d.get(ABNORMAL_INT_STATUS) == 0
    assert b.irqs["abnormal"] == 0
    await d.set(ABNORMAL_INT_SOURCE, 0x7FF0)
    await d.set(ABNORMAL_INT_MASK, 0x7FF0)
    assert await d.get(ABNORMAL_INT_STATUS) == 0xF
    assert b.irqs["abnormal"] == 0                    # neither CE nor NFE
    await d.set(RAS_NFE_ENABLE, 1)
    await d.pause(1)
    assert b.irqs["abnormal"] == 1
    assert AEQ_IRQ_CAP(await d.get(AEQ_IRQ_CAP)).TYPE == 1


QM_CASES: dict[Case, int] = {
    identity: 8,
    unknown_commands: 8,
    mailbox_window: 8,
    vft_operations: 8,
    flush_with_work_in_flight: 8,
    stop_one_of_two: 8,
    one_event_per_queue: 8,
    overflow_of_a_cq: 4,
    overflow_of_the_eq: 8,
    overflow_of_the_aeq: 8,
    messages: 8,
    contexts_written_back: 8,
    reset_registers: 8,
    resets_in_mid_job: 8,
    two_resets_while_an_access_waits: 8,
    bus_master_off: 8,
    counters: 8,
    injected_errors: 8,
}
