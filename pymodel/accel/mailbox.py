"""Mailbox commands (reference 2.4)."""

from __future__ import annotations

from collections.abc import Callable

from pymodel.accel.dma import AccessError, Dma, Task
from pymodel.accel.events import Abnormal, EventQueue
from pymodel.accel.queues import Queue, QueueManager
from spec.qm import (
    ABNORMAL_INT_SOURCE,
    CONTEXT_SLOT,
    CQC,
    CQE_BYTES,
    EQC,
    EQE,
    SQC,
    SQE_BYTES,
    Mailbox,
    MailboxCommand,
    MailboxOp,
    MailboxStatus,
)


class Refused(Exception):
    """A command that ends with the status `args[0]`."""


class MailboxUnit:
    """Executes one command as a task.

    Parameters
    ----------
    vft : callable
        The SQC VFT word.
    queue_count : callable
        Queues of the function now.
    kick : callable
        Called after a context was loaded.

    Members
    -------
    words
        The 16 bytes as written; with busy and status they are `value`.
    writing_back
        `write_back` is under way.
    """

    def __init__(self, dma: Dma, manager: QueueManager, eq: EventQueue, aeq: EventQueue,
                 abnormal: Abnormal, vft: Callable[[], int], queue_count: Callable[[], int],
                 kick: Callable[[], None]):
        self._dma, self._manager, self._abnormal = dma, manager, abnormal
        self._vft, self._queue_count, self._kick = vft, queue_count, kick
        self._events = {MailboxCommand.EQC: eq, MailboxCommand.AEQC: aeq}
        self._tables: dict[MailboxCommand, int | None] = {
            MailboxCommand.SQC_BT: None, MailboxCommand.CQC_BT: None}
        self._written = 0
        self.words, self.busy, self.status = Mailbox(0), False, 0
        self.writing_back = False

    @property
    def value(self) -> int:
        return self.words.replace(busy=self.busy, status=self.status).value

    def write_word(self, number: int, word: int) -> bool:
        """A write of one 32-bit word; whether a command is now to be executed."""
        if self.busy:
            return False
        keep = self.words.value & ~(0xFFFF_FFFF << 32 * number)
        self.words = Mailbox(keep | word << 32 * number)
        self._written |= 1 << number
        if self._written != 0xF or not self.words.busy:
            return False
        self._written, self.busy = 0, True
        return True

    def execute(self) -> Task[None]:
        try:
            data = yield from self._execute(self.words)
            self.status = MailboxStatus.OK
            if data is not None:
                self.words = self.words.replace(base_l=data & 0xFFFF_FFFF, base_h=data >> 32)
        except Refused as refused:
            self.status = refused.args[0]
        self.busy = False

    def _execute(self, box: Mailbox) -> Task[int | None]:
        command, gets = box.command, box.op == MailboxOp.GET
        if command in (MailboxCommand.SQC, MailboxCommand.CQC, *self._events):
            yield from self._dump(box) if gets else self._load(box)
            return None
        if command in self._tables:
            if gets:
                return self._tables[MailboxCommand(command)] or 0
            self._tables[MailboxCommand(command)] = box.base
            return None
        if command == MailboxCommand.SQC_VFT_V2 and gets:
            return self._vft()
        if command == MailboxCommand.STOP_QP and not gets:
            if self._queue(box).sqc is None:
                raise Refused(MailboxStatus.BAD_QUEUE)
            yield from self._drain([self._queue(box)])
            return None
        if command == MailboxCommand.FLUSH_QM and not gets:
            yield from self._drain(self._manager.queues)
            return None
        raise Refused(MailboxStatus.BAD_COMMAND)

    def write_back(self) -> Task[None]:
        """All loaded contexts to the tables that the device was told of (reference 2.1, 0x204)."""
        self.writing_back = True
        for command, table in self._tables.items():
            if table is None:
                continue
            for queue in self._manager.queues:
                context = queue.sqc if command == MailboxCommand.SQC_BT else queue.cqc
                if context is not None:
                    try:
                        yield from self._dma.write(
                            None, table + CONTEXT_SLOT * queue.number, context.to_bytes())
                    except AccessError:
                        self._abnormal.raise_(ABNORMAL_INT_SOURCE.axi_bresp.mask)
        self.writing_back = False

    def _queue(self, box: Mailbox) -> Queue:
        if box.queue >= self._queue_count():
            raise Refused(MailboxStatus.BAD_QUEUE)
        return self._manager.queues[box.queue]

    def _load(self, box: Mailbox) -> Task[None]:
        """A load closes the queue, waits for its job, and opens it with the new context, unless
        all contexts of the kind were forgotten meanwhile."""
        forgotten = self._manager.forgotten.copy()
        events = self._events.get(MailboxCommand(box.command))
        queue = None if events else self._queue(box)
        if box.base % CONTEXT_SLOT:
            raise Refused(MailboxStatus.BAD_CONTEXT)
        if queue:
            if box.command == MailboxCommand.SQC:
                queue.sqc, queue.sq_open, queue.overflowed = None, False, False
            else:
                queue.cqc, queue.cq_open, queue.overflowed = None, False, False
            yield lambda: not queue.busy
        try:
            slot = yield from self._dma.read(None, box.base, CONTEXT_SLOT)
        except AccessError:
            self._abnormal.raise_(ABNORMAL_INT_SOURCE.axi_rresp.mask)
            raise Refused(MailboxStatus.BUS_ERROR) from None
        if events:
            eqc = EQC.from_bytes(slot[:EQC.size()])
            _check_ring(eqc, EQE.size())
            events.load(eqc)
        elif box.command == MailboxCommand.SQC:
            assert queue is not None
            sqc = SQC.from_bytes(slot)
            _check_ring(sqc, SQE_BYTES)
            _require(sqc.log2_size == SQE_BYTES.bit_length() - 1 and sqc.cq_num == box.queue)
            _require(forgotten[SQC] == self._manager.forgotten[SQC], MailboxStatus.BAD_QUEUE)
            queue.sqc, queue.sq_open = sqc, True
        else:
            assert queue is not None
            cqc = CQC.from_bytes(slot)
            _check_ring(cqc, CQE_BYTES)
            _require(cqc.log2_size == CQE_BYTES.bit_length() - 1)
            _require(forgotten[CQC] == self._manager.forgotten[CQC], MailboxStatus.BAD_QUEUE)
            queue.cqc, queue.cq_open = cqc, True
        self._kick()

    def _dump(self, box: Mailbox) -> Task[None]:
        events = self._events.get(MailboxCommand(box.command))
        context: SQC | CQC | EQC | None
        if events:
            context = events.context or EQC(0)
        else:
            queue = self._queue(box)
            context = queue.sqc if box.command == MailboxCommand.SQC else queue.cqc
        if context is None:
            raise Refused(MailboxStatus.BAD_QUEUE)
        if box.base % CONTEXT_SLOT:
            raise Refused(MailboxStatus.BAD_CONTEXT)
        try:
            yield from self._dma.write(None, box.base, context.to_bytes())
        except AccessError:
            self._abnormal.raise_(ABNORMAL_INT_SOURCE.axi_bresp.mask)
            raise Refused(MailboxStatus.BUS_ERROR) from None

    def _drain(self, queues: list[Queue]) -> Task[None]:
        """Finish what was rung and has room for its CQE, take no more, then close."""
        numbers = {queue.number for queue in queues}
        self._manager.draining |= numbers
        yield lambda: not any(queue.busy or queue.can_start() for queue in queues)
        self._manager.draining -= numbers
        for queue in queues:
            queue.sq_open = queue.cq_open = False


def _require(condition: bool, status: MailboxStatus = MailboxStatus.BAD_CONTEXT) -> None:
    if not condition:
        raise Refused(status)


def _check_ring(context: SQC | CQC | EQC, entry_bytes: int) -> None:
    """A ring has two entries at least, its indices lie inside, it is aligned to its entries."""
    last = context.depth_minus_1
    _require(last > 0 and context.head <= last and context.tail <= last
             and context.base % entry_bytes == 0)
