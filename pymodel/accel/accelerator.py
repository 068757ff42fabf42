"""The accelerator as software sees it: BAR2, doorbell pages, interrupts."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from pymodel.accel.config_space import ConfigSpace
from pymodel.accel.counters import Counters
from pymodel.accel.dma import Dma, Tasks, Waiting
from pymodel.accel.events import Abnormal, EventQueue
from pymodel.accel.function import FunctionState
from pymodel.accel.mailbox import MailboxUnit
from pymodel.accel.queues import QueueManager
from pymodel.memory import Memory
from pymodel.smmu import Smmu
from spec import qm
from spec.fields import Access, Register
from spec.sec import BAR2, SEC_MEM_INIT_DONE, SEC_MEM_START_INIT

WORD = 4


class Accelerator:
    """One function with its queues. Synchronous: what a write sets off has happened when it
    returns, except for what waits for a stalled access.

    Parameters
    ----------
    memory
        Physical memory.
    smmu
        What all accesses go through.
    sid
        StreamID of the accelerator.
    queues
        How many queues there are.
    irq
        Called with "eq", "aeq" or "abnormal" where a message would be sent.
    depth
        Of the rings, as advertised.
    """

    def __init__(self, memory: Memory, smmu: Smmu, sid: int, queues: int,
                 irq: Callable[[str], None] | None = None, *,
                 depth: int = qm.SQ_CQ_DEPTH_CAP(qm.SQ_CQ_DEPTH_CAP.RESET).SQ_DEPTH):
        self._memory, self._smmu, self._sid, self._count = memory, smmu, sid, queues
        self._depth = depth
        self._wire = irq or (lambda name: None)
        self._tasks, self._waiting = Tasks(), Waiting()
        smmu.observers.append(self._waiting)
        self._begin()

    def _begin(self) -> None:
        """Everything as at reset; what was under way in an earlier life ends unseen."""
        smmu, queues = self._smmu, self._count
        if self._tasks in smmu.observers:
            smmu.observers.remove(self._tasks)
        self._tasks = Tasks()
        smmu.observers.append(self._tasks)
        self._dma = dma = Dma(self._memory, smmu, self._sid, self._waiting)
        self._stored = {register: register.RESET for register in BAR2}
        eq, aeq = qm.event_depths(queues)
        self._stored[qm.QUE_NUM_CAP] = qm.QUE_NUM_CAP.pack(TOTAL=queues, FUNCTION=queues)
        self._stored[qm.EQ_AEQ_DEPTH_CAP] = qm.EQ_AEQ_DEPTH_CAP.pack(EQ_DEPTH=eq, AEQ_DEPTH=aeq)
        self._stored[qm.SQ_CQ_DEPTH_CAP] = qm.SQ_CQ_DEPTH_CAP.pack(
            SQ_DEPTH=self._depth, CQ_DEPTH=self._depth)
        self._counters = Counters(self._stored)
        self._abnormal = abnormal = Abnormal(lambda: self._interrupt("abnormal"))

        def write_error() -> None:
            abnormal.raise_(qm.ABNORMAL_INT_SOURCE.axi_bresp.mask)

        self._config = ConfigSpace(dma, self._tasks, queues, write_error, self._begin,
                                   lambda: bool(self._waiting.transactions))
        self._aeq = EventQueue(
            dma, self._tasks,
            lambda queue, kind, phase: qm.AEQE.make(queue=queue, phase=phase, type=kind),
            lambda: self._interrupt("aeq"), write_error,
            lambda queue: abnormal.overflowed(qm.OverflowType.AEQ, queue))
        self._eq = EventQueue(
            dma, self._tasks, lambda queue, _, phase: qm.EQE.make(cq_num=queue, phase=phase),
            lambda: self._interrupt("eq"), write_error, self._eq_overflow, guarded=True)
        self._manager = QueueManager(dma, queues, self._eq, self._aeq, abnormal, self._counters)
        self._function = FunctionState(self._manager, self._eq, self._aeq)
        self._mailbox = MailboxUnit(
            dma, self._manager, self._eq, self._aeq, abnormal, lambda: self._function.sqc_vft,
            lambda: self._function.queue_count, self._kick)

    def _interrupt(self, name: str) -> None:
        self._wire(name)
        self._config.interrupt(name)

    def _eq_overflow(self, queue: int) -> None:
        self._abnormal.overflowed(qm.OverflowType.EQ, queue)
        self._aeq.want(queue, qm.AeqeType.EQ_OVERFLOW)

    # Registers

    def read(self, offset: int, size: int) -> int:
        """4 or 8 aligned bytes; nothing there reads 0. No side effects but those of counters."""
        if size not in (4, 8) or offset % size:
            return 0
        value = sum(self._read_word(offset + at) << 8 * at for at in range(0, size, WORD))
        self._counters.read(offset)
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        """4 or 8 aligned bytes; other writes are ignored. Doorbells want 8."""
        if size not in (4, 8) or offset % size:
            return
        if size == 8 and self._is_doorbell(offset):
            self._doorbell(offset, qm.Doorbell(value))
        else:
            for at in range(0, size, WORD):
                self._write_word(offset + at, value >> 8 * at & 0xFFFF_FFFF)
        self._tasks.poll()

    def _read_word(self, offset: int) -> int:
        if offset >= qm.CONFIG_BASE:
            return self._config.read(offset - qm.CONFIG_BASE)
        register = BAR2.find(offset)
        if register is None:
            return 0
        live = self._live(register)
        value = self._stored[register] if live is None else live
        return value >> 8 * (offset - register.OFFSET) & 0xFFFF_FFFF

    def _live(self, register: type[Register]) -> int | None:
        """Value of a register that shows state kept elsewhere."""
        abnormal, stopped = self._abnormal, self._stored[qm.MASTER_GLOBAL_CTRL]
        waiting = {transaction.write for transaction in self._waiting.transactions}
        values: dict[type[Register], int] = {
            qm.EQ_INT_SOURCE: self._eq.source, qm.EQ_INT_MASK: self._eq.mask,
            qm.AEQ_INT_SOURCE: self._aeq.source, qm.AEQ_INT_MASK: self._aeq.mask,
            qm.ABNORMAL_INT_SOURCE: abnormal.source, qm.ABNORMAL_INT_MASK: abnormal.mask,
            qm.ABNORMAL_INT_STATUS: abnormal.status, qm.ABNORMAL_INF00: abnormal.overflow,
            qm.Mailbox: self._mailbox.value,
            qm.IN_IDLE_ST: int(not any(queue.busy for queue in self._manager.queues)),
            qm.TRANS_RETURN: qm.TRANS_RETURN.pack(READS=stopped and False not in waiting,
                                                  WRITES=stopped and True not in waiting),
            qm.CACHE_WB_DONE: int(not self._mailbox.writing_back),
        }
        return values.get(register)

    def _write_word(self, offset: int, word: int) -> None:
        if offset >= qm.CONFIG_BASE:
            self._config.write(offset - qm.CONFIG_BASE, word)
            self._dma.stopped = self._stopped()
            return
        register = BAR2.find(offset)
        if register is None:
            return
        if register is qm.Mailbox:
            if self._mailbox.write_word((offset - register.OFFSET) // WORD, word):
                self._counters.count(qm.MB_CNT)
                self._tasks.start(self._mailbox.execute())
            return
        if register.ACCESS is Access.RW:
            self._stored[register] = word
        self._effect(register, word)

    def _effect(self, register: type[Register], word: int) -> None:
        """What a write sets off."""
        abnormal = self._abnormal
        for source, mask, events in ((qm.EQ_INT_SOURCE, qm.EQ_INT_MASK, self._eq),
                                     (qm.AEQ_INT_SOURCE, qm.AEQ_INT_MASK, self._aeq)):
            if register is source and word & 1:
                events.source = 0
            elif register is mask:
                events.set_mask(word & 1)
        if register is qm.ABNORMAL_INT_SOURCE:
            abnormal.source &= ~word
        elif register is qm.ABNORMAL_INT_SET:
            abnormal.source |= word & sum(
                field.mask for field in qm.ABNORMAL_INT_SET.FIELDS.values())
        elif register is qm.ABNORMAL_INT_MASK:
            abnormal.mask = word
        elif register is qm.MASTER_GLOBAL_CTRL:
            self._stored[register] = word & 1
            self._dma.stopped = self._stopped()
        elif register is SEC_MEM_START_INIT and word & 1:
            self._stored[SEC_MEM_INIT_DONE] = 1
        elif (register is qm.CACHE_WB_START and word & 1
              and not self._mailbox.writing_back):
            self._tasks.start(self._mailbox.write_back())
        elif register is qm.MEM_START_INIT and word & 1:
            self._function.initialise()
            self._stored[qm.MEM_INIT_DONE] = 1
        elif register is qm.VFT_CFG_OP_ENABLE and word & 1:
            self._function.operate(self._stored)
        abnormal.enabled = self._stored[qm.RAS_CE_ENABLE] | self._stored[qm.RAS_NFE_ENABLE]
        abnormal.update()

    def _stopped(self) -> bool:
        shutdown = qm.MASTER_GLOBAL_CTRL(self._stored[qm.MASTER_GLOBAL_CTRL]).SHUTDOWN
        return bool(shutdown) or not self._config.master

    # Doorbells

    def _is_doorbell(self, offset: int) -> bool:
        own = (qm.BAR4_BASE <= offset < qm.CONFIG_BASE
               and offset % qm.DOORBELL_PAGE == qm.DOORBELL_OFFSET)
        return own or offset in (qm.Doorbell.OFFSET, qm.EventDoorbell.OFFSET)

    def _doorbell(self, offset: int, word: qm.Doorbell) -> None:
        """Each address takes only its own commands; a page only its own queue (reference 2.6)."""
        self._counters.count(qm.DB_CNT)
        event_queues = {qm.DoorbellCommand.EQ: self._eq, qm.DoorbellCommand.AEQ: self._aeq}
        if offset == qm.EventDoorbell.OFFSET:
            events = event_queues.get(cast(qm.DoorbellCommand, word.command))
            if events:
                events.doorbell(word.index)
            return
        if word.command not in (qm.DoorbellCommand.SQ, qm.DoorbellCommand.CQ):
            return
        page = (offset - qm.BAR4_BASE) // qm.DOORBELL_PAGE
        if offset >= qm.BAR4_BASE and page != word.queue:
            return
        if self._manager.doorbell(word):
            self._kick()

    def _kick(self) -> None:
        """Start every queue that can work and does not."""
        for queue in self._manager.queues:
            if not queue.busy:
                self._tasks.start(self._manager.work(queue))
