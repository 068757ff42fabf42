"""A small driver for block tests of the accelerator; runs on the RTL and on the golden model."""

from __future__ import annotations

from typing import Protocol

from pymodel.memory import SparseMemory
from spec.qm import (
    AEQ_INT_MASK,
    AEQC,
    AEQE,
    CONFIG_BASE,
    CQC,
    CQC_VFT,
    CQE,
    EQ_INT_MASK,
    EQC,
    EQE,
    MEM_INIT_DONE,
    MEM_START_INIT,
    PCIE_DEVCTL,
    SQC,
    SQC_VFT,
    SQE_BYTES,
    VFT_CFG,
    VFT_CFG_DATA_H,
    VFT_CFG_DATA_L,
    VFT_CFG_OP_ENABLE,
    VFT_CFG_OP_WR,
    VFT_CFG_RDY,
    VFT_CFG_TYPE,
    Doorbell,
    DoorbellCommand,
    EventDoorbell,
    Mailbox,
    MailboxCommand,
    MailboxOp,
    VftType,
    doorbell_offset,
)
from spec.sec import BD3, Cipher

BUFFER, EQ, AEQ, RINGS, DATA = 0x1000, 0x2000, 0x3000, 0x10000, 0x100000
EVENTS = 32


class Bus(Protocol):
    """What the driver runs on."""

    async def read(self, offset: int, size: int = 4) -> int: ...
    async def write(self, offset: int, size: int, value: int) -> None: ...
    async def wait(self) -> None:
        """Let some time pass."""


class QmDriver:
    """Brings the device up and works its queues as reference 4.1 to 4.5 says.

    Rings of queue n lie at `sq(n)` and `cq(n)`; the first 16 KB of memory belong to the function.
    """

    def __init__(self, bus: Bus, memory: SparseMemory, depth: int = 8):
        self.bus, self.memory, self.depth = bus, memory, depth
        self.tail: dict[int, int] = {}
        self.head: dict[int, int] = {}
        self.phase: dict[int, int] = {}
        self.eq_head, self.eq_phase = 0, 1

    def sq(self, queue: int) -> int:
        return RINGS + queue * 0x4000

    def cq(self, queue: int) -> int:
        return self.sq(queue) + 0x2000

    async def set(self, register, value: int) -> None:
        await self.bus.write(register.OFFSET, 4, value)

    async def get(self, register) -> int:
        return await self.bus.read(register.OFFSET)

    async def set_config(self, register, value: int) -> None:
        await self.bus.write(CONFIG_BASE + register.OFFSET, 4, value)

    async def get_config(self, register) -> int:
        return await self.bus.read(CONFIG_BASE + register.OFFSET)

    async def reset_function(self) -> None:
        """Function level reset; the driver's own indices begin anew, too."""
        await self.set_config(PCIE_DEVCTL, PCIE_DEVCTL.pack(FLR=1))
        self.eq_head, self.eq_phase = 0, 1
        self.memory.write(EQ, bytes(4 * EVENTS))
        self.memory.write(AEQ, bytes(4 * EVENTS))

    async def pause(self, turns: int = 10) -> None:
        for _ in range(turns):
            await self.bus.wait()

    async def until(self, condition) -> None:
        for _ in range(300):
            if await condition():
                return
            await self.bus.wait()
        raise TimeoutError

    async def mailbox(self, command: int, queue: int = 0, base: int = 0,
                      op: int = MailboxOp.SET, wait: bool = True) -> Mailbox:
        words = Mailbox.to(command, queue, base, op).words()
        for n, word in enumerate(words):
            await self.bus.write(Mailbox.OFFSET + 8 * n, 8, word)
        return await self.mailbox_done() if wait else Mailbox(0)

    async def mailbox_done(self) -> Mailbox:
        async def idle():
            return not Mailbox(await self.bus.read(Mailbox.OFFSET)).busy
        await self.until(idle)
        return Mailbox.from_words([await self.bus.read(Mailbox.OFFSET + 8 * n, 8)
                                   for n in range(2)])

    async def load(self, command: int, context, queue: int = 0) -> int:
        self.memory.write(BUFFER, context.to_bytes())
        return (await self.mailbox(command, queue, BUFFER)).status

    async def vft(self, kind: int, word: int) -> None:
        await self.until(lambda: self.get(VFT_CFG_RDY))
        for register, value in ((VFT_CFG_OP_WR, 0), (VFT_CFG_TYPE, kind), (VFT_CFG, 0),
                                (VFT_CFG_DATA_L, word & 0xFFFF_FFFF), (VFT_CFG_DATA_H, word >> 32),
                                (VFT_CFG_RDY, 0), (VFT_CFG_OP_ENABLE, 1)):
            await self.set(register, value)
        await self.until(lambda: self.get(VFT_CFG_RDY))

    async def bring_up(self, queues: int = 4, *, eq_depth: int = EVENTS,
                       aeq_depth: int = EVENTS) -> None:
        await self.set(MEM_START_INIT, 1)
        await self.until(lambda: self.get(MEM_INIT_DONE))
        await self.vft(VftType.SQC, SQC_VFT.pack(valid=1, number_minus_1=queues - 1))
        await self.vft(VftType.CQC, CQC_VFT.pack(valid=1))
        for command, kind, base, depth in ((MailboxCommand.EQC, EQC, EQ, eq_depth),
                                           (MailboxCommand.AEQC, AEQC, AEQ, aeq_depth)):
            context = kind.make(base_l=base, depth_minus_1=depth - 1, phase=1)
            assert await self.load(command, context) == 0
        for command in (MailboxCommand.SQC_BT, MailboxCommand.CQC_BT):
            assert (await self.mailbox(command, 0, 0x8000)).status == 0
        for command in (DoorbellCommand.AEQ, DoorbellCommand.EQ):
            await self.ring_events(command, 0)
        await self.set(EQ_INT_MASK, 0)
        await self.set(AEQ_INT_MASK, 0)

    async def start(self, queue: int, pasid: int | None = None, *, c_flag: int = 1,
                    random: int = 0, **fields: int) -> None:
        """Create and start a queue (reference 4.3)."""
        self.memory.write(self.cq(queue), bytes(16 * self.depth))
        self.tail[queue] = self.head[queue] = 0
        self.phase[queue] = 1
        sqc = SQC.make(base_l=self.sq(queue), depth_minus_1=self.depth - 1, log2_size=7,
                       w8=random, cq_num=queue, pasid=pasid or 0,
                       pasid_enable=pasid is not None, **fields)
        cqc = CQC.make(base_l=self.cq(queue), depth_minus_1=self.depth - 1, log2_size=4,
                       w8=random, phase=1, c_flag=c_flag)
        assert await self.load(MailboxCommand.SQC, sqc, queue) == 0
        assert await self.load(MailboxCommand.CQC, cqc, queue) == 0

    async def ring(self, queue: int, command: int, index: int, *, page: int | None = None,
                   **fields: int) -> None:
        word = Doorbell.pack(queue=queue, command=command, index=index, **fields)
        await self.bus.write(doorbell_offset(queue if page is None else page), 8, word)

    async def ring_events(self, command: int, index: int) -> None:
        await self.bus.write(EventDoorbell.OFFSET, 8,
                             Doorbell.pack(command=command, index=index))

    def place(self, queue: int, bd: BD3) -> int:
        """Put an SQE at the tail without ringing; its index."""
        index = self.tail[queue]
        self.memory.write(self.sq(queue) + SQE_BYTES * index, bd.to_bytes())
        self.tail[queue] = (index + 1) % self.depth
        return index

    async def submit(self, queue: int, bd: BD3, **fields: int) -> int:
        index = self.place(queue, bd)
        await self.ring(queue, DoorbellCommand.SQ, self.tail[queue], **fields)
        return index

    def sqe(self, queue: int, index: int) -> BD3:
        return BD3.from_bytes(self.memory.read(self.sq(queue) + SQE_BYTES * index, SQE_BYTES))

    def peek(self, queue: int) -> CQE | None:
        """The next CQE, if it is there."""
        cqe = CQE.from_bytes(self.memory.read(self.cq(queue) + 16 * self.head[queue], 16))
        return cqe if cqe.phase == self.phase[queue] else None

    async def complete(self, queue: int, *, c_flag: int = 0) -> BD3:
        """Wait for the next CQE, acknowledge it; the finished SQE."""
        async def there():
            return self.peek(queue) is not None
        await self.until(there)
        cqe = self.peek(queue)
        assert cqe is not None
        assert cqe.sq_num == queue
        self.head[queue] = (self.head[queue] + 1) % self.depth
        self.phase[queue] ^= self.head[queue] == 0
        await self.ring(queue, DoorbellCommand.CQ, self.head[queue], c_flag=c_flag)
        return self.sqe(queue, cqe.sq_head)

    async def events(self, *, ring: bool = True) -> list[int]:
        """Queues named by the EQEs that wait; acknowledges them."""
        found = []
        while True:
            eqe = EQE.from_bytes(self.memory.read(EQ + 4 * self.eq_head, 4))
            if eqe.phase != self.eq_phase:
                break
            found.append(eqe.cq_num)
            self.eq_head = (self.eq_head + 1) % EVENTS
            self.eq_phase ^= self.eq_head == 0
        if ring:
            await self.ring_events(DoorbellCommand.EQ, self.eq_head)
        return found

    def async_event(self, index: int) -> AEQE:
        return AEQE.from_bytes(self.memory.read(AEQ + 4 * index, 4))


def copy_bd(src: int, dst: int | None, length: int, **fields: int) -> BD3:
    """A copy; `dst` None means in place."""
    target = {} if dst is None else {"de": 1, "data_dst_addr": dst}
    return BD3.make(type=3, cipher=Cipher.COPY, tag=0x1122_3344_5566_7788, data_src_addr=src,
                    c_len=length, **(target | fields))
