"""What the queue manager must do beyond `tests.accel.cases`: identity, bring-up, every command,
stop and flush, write-back, counters; on the RTL and on the golden model.
"""

from __future__ import annotations

from spec.qm import (
    ABNORMAL_INT_MASK,
    ABNORMAL_INT_SOURCE,
    ABNORMAL_INT_STATUS,
    ABNORMAL_IRQ_CAP,
    ACC_FINISH_CNT,
    AEQ_IRQ_CAP,
    ARUSER_M_CFG_1,
    ARUSER_M_CFG_ENABLE,
    AWUSER_M_CFG_1,
    AWUSER_M_CFG_ENABLE,
    AXI_M_CFG,
    AXI_M_CFG_ENABLE,
    BAR2_SIZE,
    CACHE_CTL,
    CACHE_WB_DONE,
    CACHE_WB_START,
    CFG_SINGLE_PORT_MAX_TRANS,
    CONFIG,
    CONFIG_BASE,
    CQE_CNT,
    CQE_CNT_VF_SQN,
    CQE_ERR_CNT,
    DB_CNT,
    DB_TIMEOUT_CFG,
    DFX_CNT_CLR_CE,
    DOORBELL_PAGE,
    EQ_AEQ_DEPTH_CAP,
    EQ_IRQ_CAP,
    FUN_CAP,
    IN_IDLE_ST,
    MB_CNT,
    MEM_INIT_DONE,
    MEM_START_INIT,
    MSI_CONTROL,
    OOO_SHUTDOWN_SEL,
    PASID_CAP,
    PCI_BAR2,
    PCI_BAR3,
    PCI_BAR4,
    PCI_BAR5,
    PCI_CAPABILITIES,
    PCI_CLASS,
    PCI_ID,
    PCIE_CAP,
    PCIE_DEVCAP,
    PCIE_DEVCTL,
    PEH_AXUSER_CFG,
    PEH_AXUSER_CFG_ENABLE,
    PEH_DFX_INFO0,
    PEH_DFX_INFO1,
    PF2VF_IRQ_CAP,
    PM_CTRL,
    QUE_ISO_CFG,
    RAS_CE_ENABLE,
    RAS_CE_THRESHOLD,
    RAS_FE_ENABLE,
    RAS_NFE_ENABLE,
    SEND_SQE_TO_ACC_CNT,
    SQC,
    SQC_VFT,
    SQE_CNT,
    SQE_CNT_VF_SQN,
    SUB_VERSION_ID,
    VECTOR_NUM_CAP,
    VFT_CFG,
    VFT_CFG_DATA_H,
    VFT_CFG_DATA_L,
    VFT_CFG_OP_ENABLE,
    VFT_CFG_OP_WR,
    VFT_CFG_RDY,
    VFT_CFG_TYPE,
    WB_SQE_FROM_ACC_CNT,
    WUSER_M_CFG_ENABLE,
    Mailbox,
    MailboxCommand,
    MailboxOp,
    MailboxStatus,
    VftType,
    event_depths,
)
from spec.sec import (
    CORE_EN_CAP,
    QM_CE_MASK_CAP,
    QM_NFE_MASK_CAP,
    QM_RESET_MASK_CAP,
    SEC_CE_MASK_CAP,
    SEC_CONTROL,
    SEC_CORE_AUTO_GATE,
    SEC_CORE_INT_SOURCE,
    SEC_CORE_INT_STATUS,
    SEC_DYNAMIC_GATE,
    SEC_INTERFACE_USER_CTRL0_V3,
    SEC_INTERFACE_USER_CTRL1_V3,
    SEC_MEM_INIT_DONE,
    SEC_MEM_START_INIT,
    SEC_NFE_MASK_CAP,
    SEC_RESET_MASK_CAP,
    SEC_SAA_EN,
    ErrorType,
)
from tests.accel.cases import CQ, SQ, Bench, Case
from tests.accel.qm_driver import BUFFER, DATA, copy_bd

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


async def mainline_bring_up(b: Bench) -> None:
    """Every access of a probe, in its order, with its values (reference 4.1, 4.2, 6.1): polls end,
    what is read again has what was written, no error is pending; then a queue works."""
    d = b.driver

    async def rmw(register, clear: int, put: int) -> None:
        word = await d.get(register) & ~clear & 0xFFFF_FFFF | put
        await d.set(register, word)
        assert await d.get(register) == word

    assert await d.get(SUB_VERSION_ID) == 0
    assert QUE_ISO_CFG(await d.get(QUE_ISO_CFG)).ISOLATED
    caps = FUN_CAP(await d.get(FUN_CAP))
    assert (caps.VERSION, caps.STOP_QP, caps.STOP_FUNC, caps.RPM_PF, caps.MB_COMMAND) == (
        1, 1, 1, 0, 0)
    vectors = {}
    for name, register in (("eq", EQ_IRQ_CAP), ("aeq", AEQ_IRQ_CAP),
                           ("abnormal", ABNORMAL_IRQ_CAP)):
        cap = register(await d.get(register))
        assert cap.TYPE
        vectors[name] = cap.VECTOR
    assert len(set(vectors.values())) == 3
    assert max(vectors.values()) < VECTOR_NUM_CAP(await d.get(VECTOR_NUM_CAP)).PF
    assert await d.get(PF2VF_IRQ_CAP) == 0
    for register in (QM_CE_MASK_CAP, QM_NFE_MASK_CAP, QM_RESET_MASK_CAP, SEC_CE_MASK_CAP,
                     SEC_NFE_MASK_CAP, SEC_RESET_MASK_CAP):
        assert await d.get(register) == 0
    await d.set(DB_TIMEOUT_CFG, 0x1FFFFF)
    await rmw(PM_CTRL, 0, 1 << 9)
    await d.set(MEM_START_INIT, 1)
    await d.until(lambda: d.get(MEM_INIT_DONE))
    for register, value in (
            (ARUSER_M_CFG_1, 0x4000_1070), (ARUSER_M_CFG_ENABLE, 0xFFFF_FFFE),
            (AWUSER_M_CFG_1, 0x4000_1070), (AWUSER_M_CFG_ENABLE, 0xFFFF_FFFE),
            (WUSER_M_CFG_ENABLE, 0xFFFF_FFFF), (AXI_M_CFG, 0xFFFF),
            (AXI_M_CFG_ENABLE, 0xFFFF_FFFF), (PEH_AXUSER_CFG, 0x40_1001),
            (PEH_AXUSER_CFG_ENABLE, 0xFFFF_FFFF), (CACHE_CTL, 0x1833)):
        await d.set(register, value)
        assert await d.get(register) == value
    await rmw(SEC_CONTROL, 1 << 3, 0)
    await d.set(SEC_MEM_START_INIT, 1)
    await d.until(lambda: d.get(SEC_MEM_INIT_DONE))
    await rmw(SEC_CONTROL, 0, 1 << 8)
    await rmw(SEC_INTERFACE_USER_CTRL0_V3, 0, 0x80_8000)
    await rmw(SEC_INTERFACE_USER_CTRL1_V3, ~0xFF79_E79E, 0x82_0820)
    await d.set(CFG_SINGLE_PORT_MAX_TRANS, 0x2060)
    await d.set(SEC_SAA_EN, await d.get(CORE_EN_CAP))
    await rmw(SEC_CONTROL, 3, 1 << 3)
    await rmw(SEC_DYNAMIC_GATE, 0, 0x7FFF)
    await rmw(SEC_CORE_AUTO_GATE, 0, 0xF)
    for register, value in ((ABNORMAL_INT_SOURCE, 0x7FFF), (RAS_CE_ENABLE, 0),
                            (RAS_CE_THRESHOLD, 1), (RAS_NFE_ENABLE, 0), (RAS_FE_ENABLE, 0),
                            (OOO_SHUTDOWN_SEL, 0), (ABNORMAL_INT_MASK, 0xFFFF_FFFF)):
        await d.set(register, value)
    for register in (ABNORMAL_INT_SOURCE, ABNORMAL_INT_STATUS, SEC_CORE_INT_STATUS,
                     SEC_CORE_INT_SOURCE, PEH_DFX_INFO0, PEH_DFX_INFO1):
        assert await d.get(register) == 0
    await rmw(SEC_CONTROL, 0, 1 << 12)
    await d.set(DFX_CNT_CLR_CE, 1)
    for register in (SQE_CNT, CQE_CNT, MB_CNT, DB_CNT, ACC_FINISH_CNT, CQE_ERR_CNT):
        await d.get(register)
    await d.set(DFX_CNT_CLR_CE, 0)
    await d.bring_up()                       # 4.2
    for first, last in ((0, 0x308), (0x10_0000, 0x10_0164), (0x10_4000, 0x10_4108)):
        for offset in range(first, last + 1, 16):     # 2.9: dumps disturb nothing
            await b.bus.read(offset)
    await d.start(0, pasid=3)
    await d.submit(0, copy_bd(DATA, DATA + 64, 8))
    assert (await d.complete(0)).error_type == ErrorType.OK
    assert await d.get(ABNORMAL_INT_SOURCE) == 0


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
    identity: 8,
    mainline_bring_up: 8,
    unknown_commands: 8,
    mailbox_window: 8,
    vft_operations: 8,
    flush_with_work_in_flight: 8,
    stop_one_of_two: 8,
    contexts_written_back: 8,
    counters: 8,
}
