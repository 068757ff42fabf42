"""Submission and completion queues: what is rung gets fetched, done and completed, in order."""

from __future__ import annotations

from dataclasses import dataclass

from pymodel.accel.counters import Counters
from pymodel.accel.dma import AccessError, Dma, Task
from pymodel.accel.events import Abnormal, EventQueue
from pymodel.accel.lane import Ended, Lane
from spec.qm import (
    ABNORMAL_INT_SOURCE,
    ACC_FINISH_CNT,
    CQC,
    CQE,
    CQE_BYTES,
    CQE_CNT,
    CQE_ERR_CNT,
    SEND_SQE_TO_ACC_CNT,
    SQC,
    SQE_BYTES,
    SQE_CNT,
    WB_SQE_FROM_ACC_CNT,
    AeqeType,
    Doorbell,
    DoorbellCommand,
    OverflowType,
)
from spec.sec import BD3, STATUS_BYTES, STATUS_OFFSET, ErrorType


@dataclass
class Queue:
    """One queue pair.

    `sqc`, `cqc` are the contexts as a dump shows them, None until loaded; `sq_open`, `cq_open` say
    whether they work; `busy` that a job is under way, `overflowed` that the full CQ was reported.
    """

    number: int
    sqc: SQC | None = None
    cqc: CQC | None = None
    sq_open: bool = False
    cq_open: bool = False
    busy: bool = False
    overflowed: bool = False

    def can_start(self) -> bool:
        """An SQE was rung and there is room for its CQE (one place always stays free)."""
        return self._has_work() and not self._is_full()

    def overflows(self) -> bool:
        """An SQE was rung and there is no room for its CQE."""
        return self._has_work() and self._is_full()

    def _has_work(self) -> bool:
        return (self.sqc is not None and self.cqc is not None and self.sq_open and self.cq_open
                and self.sqc.head != self.sqc.tail)

    def _is_full(self) -> bool:
        return self.cqc is not None and _after(self.cqc.tail, self.cqc) == self.cqc.head


def _after(index: int, context: SQC | CQC) -> int:
    return 0 if index == context.depth_minus_1 else index + 1


class QueueManager:
    """All queues of the function (reference 2.6, 2.8, 4.4, 4.5).

    Members
    -------
    queues
        By number.
    draining
        Numbers that take no new SQEs.
    forgotten
        How often all SQCs, all CQCs were forgotten.
    """

    def __init__(self, dma: Dma, count: int, eq: EventQueue, aeq: EventQueue,
                 abnormal: Abnormal, counters: Counters):
        self._dma, self._eq, self._aeq, self._abnormal = dma, eq, aeq, abnormal
        self._counters = counters
        self.queues = [Queue(number) for number in range(count)]
        self.draining: set[int] = set()
        self.forgotten = {SQC: 0, CQC: 0}

    def doorbell(self, word: Doorbell) -> bool:
        """An SQ or CQ doorbell; whether something may have to start now."""
        if word.queue >= len(self.queues):
            return False
        queue = self.queues[word.queue]
        if word.command == DoorbellCommand.SQ:
            return self._ring_sq(queue, word)
        return self._ring_cq(queue, word)

    def _counts(self, context: SQC | CQC, word: Doorbell) -> bool:
        """Whether the random value and the index are right."""
        if word.random != context.w8:
            self._abnormal.raise_(ABNORMAL_INT_SOURCE.db_random_invalid.mask)
            return False
        return word.index <= context.depth_minus_1

    def _ring_sq(self, queue: Queue, word: Doorbell) -> bool:
        sqc = queue.sqc
        if sqc is None or not queue.sq_open or queue.number in self.draining:
            return False
        if not self._counts(sqc, word):
            return False
        queue.sqc = sqc.replace(tail=word.index,
                                tail_wrap=sqc.tail_wrap ^ (word.index < sqc.tail))
        return True

    def _ring_cq(self, queue: Queue, word: Doorbell) -> bool:
        cqc = queue.cqc
        if cqc is None or not queue.cq_open or not self._counts(cqc, word):
            return False
        unread = cqc.tail != word.index
        queue.cqc = cqc.replace(head=word.index, c_flag=word.c_flag and not unread,
                                head_wrap=cqc.head_wrap ^ (word.index < cqc.head))
        if word.c_flag and unread:
            self._eq.want(queue.number)
        return True

    def work(self, queue: Queue) -> Task[None]:
        """Do the queue's jobs one after the other as long as it can start one."""
        queue.busy = True
        while queue.can_start():
            yield from self._one_job(queue)
        queue.busy = False
        self.report_overflow(queue)

    def report_overflow(self, queue: Queue) -> None:
        """Tell software, once per load of a context, that jobs wait for room in their CQ."""
        if queue.overflows() and not queue.overflowed:
            queue.overflowed = True
            self._abnormal.overflowed(OverflowType.CQ, queue.number)
            self._aeq.want(queue.number, AeqeType.CQ_OVERFLOW)

    def _one_job(self, queue: Queue) -> Task[None]:
        sqc = queue.sqc
        assert sqc is not None
        # 1. Fetch the SQE at the head.
        index = sqc.head
        address = sqc.base + SQE_BYTES * index
        head = _after(index, sqc)
        queue.sqc = sqc.replace(head=head, head_wrap=sqc.head_wrap ^ (head == 0))
        ssid = sqc.pasid if sqc.pasid_enable else None
        self._counters.count(SQE_CNT, queue.number)
        self._counters.count(SEND_SQE_TO_ACC_CNT)
        # 2. Do it.
        try:
            bd = BD3.from_bytes((yield from self._dma.read(None, address, SQE_BYTES)))
        except AccessError:
            self._abnormal.raise_(ABNORMAL_INT_SOURCE.axi_rresp.mask)
            ended = Ended(ErrorType.BD_FETCH)
        else:
            ended = yield from Lane(self._dma, ssid, bd).run()
        self._counters.count(ACC_FINISH_CNT)
        # 3. Write the result into the SQE; only its last bytes.
        if not queue.sq_open:
            return
        words = BD3.status(ended.error, ended.result).to_bytes()
        yield from self._put(address + STATUS_OFFSET,
                             words[STATUS_OFFSET:STATUS_OFFSET + STATUS_BYTES])
        self._counters.count(WB_SQE_FROM_ACC_CNT)
        # 4. CQE, then the event if the CQ is armed.
        if queue.cq_open:
            yield from self._complete(queue, index)

    def _put(self, address: int, data: bytes) -> Task[bool]:
        """Write to a ring; whether that worked."""
        try:
            yield from self._dma.write(None, address, data)
        except AccessError:
            self._abnormal.raise_(ABNORMAL_INT_SOURCE.axi_bresp.mask)
            return False
        return True

    def _complete(self, queue: Queue, index: int) -> Task[None]:
        assert queue.cqc is not None
        cqe = CQE.make(sq_head=index, sq_num=queue.number, phase=queue.cqc.phase)
        written = yield from self._put(queue.cqc.base + CQE_BYTES * queue.cqc.tail,
                                       cqe.to_bytes())
        if not written:
            queue.sq_open = queue.cq_open = False
            self._counters.count(CQE_ERR_CNT)
            self._aeq.want(queue.number, AeqeType.CQE_ERROR)
            return
        self._counters.count(CQE_CNT, queue.number)
        cqc = queue.cqc
        if cqc is None:
            return
        tail = _after(cqc.tail, cqc)
        queue.cqc = cqc.replace(tail=tail, c_flag=0, tail_wrap=cqc.tail_wrap ^ (tail == 0),
                                phase=cqc.phase ^ (tail == 0))
        if cqc.c_flag:
            self._eq.want(queue.number)
