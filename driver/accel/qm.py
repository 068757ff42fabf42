"""Queue manager: probe, mailbox, event queue (qm.md 2 and 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from driver.accel.events import EventRing
from driver.accel.pci import PciFunction
from driver.accel.queue import Queue
from driver.bus import Bus, DriverError, Region
from driver.iommu.domain import Domain, Iommu, Stream
from driver.iommu.ids import IdAllocator
from driver.iommu.pagetable import Prot
from driver.iommu.process import Binding
from pymodel.memory import PAGE
from spec.fields import Register, Structure
from spec.qm import (
    ABNORMAL_INT_SOURCE,
    AEQ_INT_MASK,
    AEQE,
    CONTEXT_SLOT,
    CQC_VFT,
    EQ_AEQ_DEPTH_CAP,
    EQ_INT_MASK,
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
    eq, aeq
        The event rings.
    function
        Its PCI side: messages, reset.
    """

    eq: EventRing
    aeq: EventRing

    def __init__(self, bus: Bus, iommu: Iommu, stream: Stream, queue_count: int,
                 depth: int) -> None:
        self.bus, self.iommu, self.stream = bus, iommu, stream
        self.queue_count, self.depth = queue_count, depth
        self.kernel = iommu.domain()
        self.function = PciFunction(bus)
        self.queues: dict[int, Queue] = {}
        self._ids = IdAllocator("queue", 0, queue_count)
        self._bound: dict[int, tuple[Binding, Callable[[], Awaitable[None]]]] = {}
        self._next_iova = KERNEL_IOVA
        self._context = 0, 0  # (IOVA, physical) of the buffer that the mailbox reads
        self._tables: list[int] = []  # IOVAs of the SQC and CQC tables

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
        await qm._make_rings()
        await qm._start()
        return qm

    async def reset(self) -> None:
        """Reset the function, bring it up again, and start every queue with empty rings (qm.md
        4.8). Jobs that were sent and not received are lost: how they ended is not known."""
        await self.function.reset()
        await self._start()
        for queue in self.queues.values():
            queue.rewind()
            await queue.start()

    async def _start(self) -> None:
        """From a function without state to one that takes queues (qm.md 4.1 steps 8 to 18)."""
        await self._write(MEM_START_INIT, MEM_START_INIT.pack(START=1))
        await self._until(MEM_INIT_DONE, MEM_INIT_DONE.DONE.mask)
        await self._vft(VftType.SQC, SQC_VFT.make(first=0, valid=1,
                                                  number_minus_1=self.queue_count - 1))
        await self._vft(VftType.CQC, CQC_VFT.make(valid=1))
        for command, ring in ((MailboxCommand.EQC, self.eq), (MailboxCommand.AEQC, self.aeq)):
            ring.rewind()
            await self.load_context(command, 0, ring.context())
        for command, table in zip((MailboxCommand.SQC_BT, MailboxCommand.CQC_BT), self._tables,
                                  strict=True):
            await self.mailbox(command, 0, table)
        await self._event_doorbell(DoorbellCommand.AEQ, 0)
        await self._event_doorbell(DoorbellCommand.EQ, 0)
        await self._write(EQ_INT_MASK, 0)
        await self._write(AEQ_INT_MASK, 0)

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
        await self.bus.poll(self._executed, f"mailbox {command.name} of queue {queue}")
        status = Mailbox(await self._read(Mailbox)).status
        if status:
            raise DriverError(f"mailbox {command.name} of queue {queue}: "
                              f"{MailboxStatus(status).name}")

    async def _executed(self) -> bool:
        """Whether the mailbox is done. A queue that is being stopped may have jobs that wait for
        memory: meanwhile faults are handled."""
        if not await self._read(Mailbox) & Mailbox.busy.mask:
            return True
        await self.iommu.faults.service()
        return False

    async def service(self) -> list[int]:
        """Take all entries of the event queue; the queues that have completions."""
        ready = [entry.cq_num for entry in self.eq.take() if isinstance(entry, EQE)]
        await self._event_doorbell(DoorbellCommand.EQ, self.eq.head)
        return ready

    async def service_async(self) -> list[AEQE]:
        """Take all entries of the asynchronous event queue: what went wrong, and with which queue.
        After CQ_OVERFLOW and CQE_ERROR that queue does not work until it is restarted, after
        EQ_OVERFLOW the function wants `reset` (qm.md 5.3)."""
        found = [entry for entry in self.aeq.take() if isinstance(entry, AEQE)]
        await self._event_doorbell(DoorbellCommand.AEQ, self.aeq.head)
        return found

    async def take_errors(self) -> ABNORMAL_INT_SOURCE:
        """What went wrong with the device as a whole since the last call (qm.md 5.1)."""
        source = await self._read(ABNORMAL_INT_SOURCE)
        await self._write(ABNORMAL_INT_SOURCE, source)
        return ABNORMAL_INT_SOURCE(source)

    async def _make_rings(self) -> None:
        """Memory for the event rings, the mailbox and the context tables."""
        depth = EQ_AEQ_DEPTH_CAP(await self._read(EQ_AEQ_DEPTH_CAP))
        self._context = self.allocate(CONTEXT_SLOT)
        self.eq, self.aeq = (
            EventRing(self.bus, entry, *self.allocate(entry.size() * entries), entries)
            for entry, entries in ((EQE, depth.EQ_DEPTH), (AEQE, depth.AEQ_DEPTH)))
        self._tables = [self.allocate(CONTEXT_SLOT * self.queue_count)[0] for _ in range(2)]

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
