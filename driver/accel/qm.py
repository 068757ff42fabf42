"""Queue manager: probe, mailbox, event queue (qm.md 2 and 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from driver.accel.queue import Queue
from driver.bus import Bus, DriverError, Region
from driver.iommu.domain import Domain, Iommu, Stream
from driver.iommu.ids import IdAllocator
from driver.iommu.pagetable import Prot
from driver.iommu.process import Binding
from pymodel.memory import PAGE
from spec.fields import Register, Structure
from spec.qm import (
    AEQ_INT_MASK,
    AEQC,
    AEQE,
    CONTEXT_SLOT,
    CQC_VFT,
    EQ_AEQ_DEPTH_CAP,
    EQ_INT_MASK,
    EQC,
    EQE,
    FUN_CAP,
    MEM_INIT_DONE,
    MEM_START_INIT,
    QUE_ISO_CFG,
    QUE_NUM_CAP,
    SQ_CQ_DEPTH_CAP,
    SQC_VFT,
    VFT_CFG,
    VFT_CFG_DATA_H,
    VFT_CFG_DATA_L,
    VFT_CFG_OP_ENABLE,
    VFT_CFG_OP_WR,
    VFT_CFG_RDY,
    VFT_CFG_TYPE,
    DoorbellCommand,
    EventDoorbell,
    Mailbox,
    MailboxCommand,
    MailboxStatus,
    VftType,
)

KERNEL_IOVA = 0x1000_0000  # where the driver's own rings lie in the function's own address space


class QmDriver:
    """Owns the queue manager's structures, which live in the function's own address space (PASID
    0: traffic without SubstreamID); users' data lives in their domains.

    Members
    -------
    stream
        The device's StreamID and its PASIDs.
    queue_count, depth
        As the capability registers say.
    """

    def __init__(self, bus: Bus, iommu: Iommu, stream: Stream, queue_count: int,
                 depth: int) -> None:
        self.bus, self.iommu, self.stream = bus, iommu, stream
        self.queue_count, self.depth = queue_count, depth
        self.kernel = iommu.domain()
        self.queues: dict[int, Queue] = {}
        self._ids = IdAllocator("queue", 0, queue_count)
        self._bound: dict[int, tuple[Binding, Callable[[], Awaitable[None]]]] = {}
        self._next_iova = KERNEL_IOVA
        self._event_head, self._event_phase = 0, 1
        self._eq = self._eq_depth = 0  # physical address and depth of the event queue
        self._context = 0, 0  # (IOVA, physical) of the buffer that the mailbox reads

    @classmethod
    async def probe(cls, bus: Bus, iommu: Iommu, stream: Stream) -> QmDriver:
        """Bring the queue manager up in the order of qm.md 4.1 and 4.2."""
        async def read(register: type[Register]) -> int:
            return await bus.read(Region.ACCEL, register.OFFSET)

        if not QUE_ISO_CFG(await read(QUE_ISO_CFG)).ISOLATED:
            raise DriverError("the doorbells are not isolated per queue")
        if not FUN_CAP(await read(FUN_CAP)).VERSION:
            raise DriverError("no capability registers")
        count = QUE_NUM_CAP(await read(QUE_NUM_CAP))
        qm = cls(bus, iommu, stream, min(count.TOTAL, count.FUNCTION),
                 SQ_CQ_DEPTH_CAP(await read(SQ_CQ_DEPTH_CAP)).SQ_DEPTH)
        await stream.attach(qm.kernel, 0)
        await qm._write(MEM_START_INIT, MEM_START_INIT.pack(START=1))
        await qm._until(MEM_INIT_DONE, MEM_INIT_DONE.DONE.mask)
        await qm._vft(VftType.SQC, SQC_VFT.make(first=0, valid=1,
                                                number_minus_1=qm.queue_count - 1))
        await qm._vft(VftType.CQC, CQC_VFT.make(valid=1))
        await qm._start()
        return qm

    def allocate(self, size: int) -> tuple[int, int]:
        """Zeroed memory for the device's structures: (IOVA, physical address), contiguous."""
        size = -(-size // PAGE) * PAGE
        physical, iova = self.bus.pages.contiguous(size), self._next_iova
        self.kernel.map(iova, physical, size, Prot.READ | Prot.WRITE)
        self._next_iova += size
        return iova, physical

    async def release(self, iova: int, size: int) -> None:
        """Give back what `allocate` returned; the device must not use it any more."""
        size = -(-size // PAGE) * PAGE
        found = self.kernel.table.lookup(iova)
        assert found is not None
        await self.kernel.unmap(iova, size)
        self.bus.pages.give_back(found[1], size)

    async def open(self, owner: Domain | Binding | None) -> Queue:
        """A started queue for the owner of a domain, under a PASID of its own; for a process that
        is bound, under the binding's; None: a queue in the function's own space.

        The owner never learns the PASID. LookupError: no queue or no PASID is left.
        """
        number = self._ids.take()
        try:
            pasid = await self._reach(owner)
        except LookupError:
            self._ids.give(number)
            raise
        queue = Queue(self, number, pasid)
        self.queues[number] = queue
        await queue.start()
        if isinstance(owner, Binding):
            self._bound[number] = owner, partial(self._drop, queue)
            owner.on_exit(self._bound[number][1])
        return queue

    async def close(self, queue: Queue) -> None:
        """Finish its jobs and stop a queue; its PASID reaches nothing any more."""
        if queue.number in self._bound:
            binding, drop = self._bound[queue.number]
            binding.forget(drop)
            await drop()
            return
        await self._stop(queue)
        if queue.pasid:
            await self.stream.detach(queue.pasid)

    async def abandon(self, queue: Queue) -> None:
        """As `close`, without waiting for its jobs: they are aborted."""
        if queue.pasid and queue.number not in self._bound:
            await self.stream.silence(queue.pasid)
        await self.close(queue)

    async def restart(self, queue: Queue) -> None:
        """Abort the jobs of a queue with a PASID of its own, and begin anew with empty rings."""
        await self.stream.silence(queue.pasid)
        await self.mailbox(MailboxCommand.STOP_QP, queue.number, 0)
        queue.rewind()
        await self.stream.restore(queue.pasid)
        await queue.start()

    async def _reach(self, owner: Domain | Binding | None) -> int:
        if isinstance(owner, Binding):
            return owner.pasid
        return 0 if owner is None else await self.stream.attach(owner)

    async def _drop(self, queue: Queue) -> None:
        """Stop a queue under somebody else's PASID."""
        del self._bound[queue.number]
        await self._stop(queue)

    async def _stop(self, queue: Queue) -> None:
        await self.mailbox(MailboxCommand.STOP_QP, queue.number, 0)
        await queue.free()
        del self.queues[queue.number]
        self._ids.give(queue.number)

    async def load_context(self, command: MailboxCommand, queue: int, context: Structure) -> None:
        """Hand `context` to the device through the mailbox."""
        iova, physical = self._context
        self.bus.memory.write(physical, context.to_bytes())
        await self.mailbox(command, queue, iova)

    async def mailbox(self, command: MailboxCommand, queue: int, base: int) -> None:
        """Run one mailbox command to its end (qm.md 2.4). DriverError names a bad status."""
        await self._until(Mailbox, 0, Mailbox.busy.mask)
        value = Mailbox.pack(command=command, busy=1, queue=queue, base_l=base & 0xFFFF_FFFF,
                             base_h=base >> 32)
        half = (1 << 64) - 1
        await self.bus.write(Region.ACCEL, Mailbox.OFFSET, value & half, 8)
        await self.bus.write(Region.ACCEL, Mailbox.OFFSET + 8, value >> 64, 8)
        await self._until(Mailbox, 0, Mailbox.busy.mask)
        status = Mailbox(await self._read(Mailbox)).status
        if status:
            raise DriverError(f"mailbox {command.name} of queue {queue}: "
                              f"{MailboxStatus(status).name}")

    async def service(self) -> list[int]:
        """Take all entries of the event queue; the queues that have completions."""
        ready = []
        while True:
            slot = self._eq + EQE.size() * self._event_head
            entry = EQE.from_bytes(self.bus.memory.read(slot, EQE.size()))
            if entry.phase != self._event_phase:
                break
            ready.append(entry.cq_num)
            self._event_head += 1
            if self._event_head == self._eq_depth:
                self._event_head, self._event_phase = 0, 1 - self._event_phase
        await self._event_doorbell(DoorbellCommand.EQ, self._event_head)
        return ready

    async def _start(self) -> None:
        """Event queues, context tables, interrupts."""
        depth = EQ_AEQ_DEPTH_CAP(await self._read(EQ_AEQ_DEPTH_CAP))
        self._eq_depth = depth.EQ_DEPTH
        self._context = self.allocate(CONTEXT_SLOT)
        eq, self._eq = self.allocate(EQE.size() * depth.EQ_DEPTH)
        aeq, _ = self.allocate(AEQE.size() * depth.AEQ_DEPTH)
        low = (1 << 32) - 1
        await self.load_context(MailboxCommand.EQC, 0, EQC.make(
            base_l=eq & low, base_h=eq >> 32, depth_minus_1=depth.EQ_DEPTH - 1, phase=1))
        await self.load_context(MailboxCommand.AEQC, 0, AEQC.make(
            base_l=aeq & low, base_h=aeq >> 32, depth_minus_1=depth.AEQ_DEPTH - 1, phase=1))
        for command in (MailboxCommand.SQC_BT, MailboxCommand.CQC_BT):
            await self.mailbox(command, 0, self.allocate(CONTEXT_SLOT * self.queue_count)[0])
        await self._event_doorbell(DoorbellCommand.AEQ, 0)
        await self._event_doorbell(DoorbellCommand.EQ, 0)
        await self._write(EQ_INT_MASK, 0)
        await self._write(AEQ_INT_MASK, 0)

    async def _vft(self, kind: VftType, word: Structure) -> None:
        """One VFT write (qm.md 2.5)."""
        await self._until(VFT_CFG_RDY, VFT_CFG_RDY.READY.mask)
        for register, value in (
                (VFT_CFG_OP_WR, 0), (VFT_CFG_TYPE, kind), (VFT_CFG, 0),
                (VFT_CFG_DATA_L, word.value & 0xFFFF_FFFF), (VFT_CFG_DATA_H, word.value >> 32),
                (VFT_CFG_RDY, 0), (VFT_CFG_OP_ENABLE, VFT_CFG_OP_ENABLE.pack(ENABLE=1))):
            await self._write(register, value)
        await self._until(VFT_CFG_RDY, VFT_CFG_RDY.READY.mask)

    async def _event_doorbell(self, command: DoorbellCommand, index: int) -> None:
        await self.bus.write(Region.ACCEL, EventDoorbell.OFFSET,
                             EventDoorbell.pack(command=command, index=index), 8)

    async def _read(self, register: type[Register]) -> int:
        return await self.bus.read(Region.ACCEL, register.OFFSET)

    async def _write(self, register: type[Register], value: int) -> None:
        await self.bus.write(Region.ACCEL, register.OFFSET, value)

    async def _until(self, register: type[Register], value: int, mask: int | None = None) -> None:
        """Wait until the register's `mask` bits (default: those of `value`) equal `value`."""
        bits = value if mask is None else mask

        async def done() -> bool:
            return await self._read(register) & bits == value

        await self.bus.poll(done, f"{register.__name__} to read {value:#x}")
