"""Events, overflows, messages, errors and resets of the queue manager, on the RTL and on the golden
model.
"""

from __future__ import annotations

import random

from spec.qm import (
    ABNORMAL_INF00,
    ABNORMAL_INT_MASK,
    ABNORMAL_INT_SET,
    ABNORMAL_INT_SOURCE,
    ABNORMAL_INT_STATUS,
    AEQ_INT_MASK,
    AEQ_IRQ_CAP,
    AEQC,
    CQE_ERR_CNT,
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
    PCI_COMMAND,
    PCIE_DEVCTL,
    RAS_NFE_ENABLE,
    SQE_CNT,
    VFT_CFG_RDY,
    AeqeType,
    DoorbellCommand,
    MailboxCommand,
    MailboxStatus,
    OverflowType,
)
from spec.sec import (
    ErrorType,
)
from tests.accel.bench import CQ, SQ, Bench, Case
from tests.accel.qm_driver import AEQ, BUFFER, DATA, EQ, copy_bd

MESSAGE = 0x9000    # where messages go


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


EVENT_CASES: dict[Case, int] = {
    one_event_per_queue: 8,
    overflow_of_a_cq: 4,
    overflow_of_the_eq: 8,
    overflow_of_the_aeq: 8,
    messages: 8,
    reset_registers: 8,
    resets_in_mid_job: 8,
    two_resets_while_an_access_waits: 8,
    bus_master_off: 8,
    injected_errors: 8,
}
