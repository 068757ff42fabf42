"""Which queues the function has (VFT), and forgetting them."""

from __future__ import annotations

from pymodel.accel.events import EventQueue
from pymodel.accel.queues import QueueManager
from spec.fields import Register
from spec.qm import (
    CQC,
    CQC_VFT,
    SQC,
    SQC_VFT,
    VFT_CFG,
    VFT_CFG_DATA_H,
    VFT_CFG_DATA_L,
    VFT_CFG_OP_WR,
    VFT_CFG_RDY,
    VFT_CFG_TYPE,
    VftType,
)


class FunctionState:
    """VFT of function 0, the only one with queues (reference 2.5)."""

    def __init__(self, manager: QueueManager, eq: EventQueue, aeq: EventQueue):
        self._manager, self._event_queues = manager, (eq, aeq)
        self._entries = dict.fromkeys(VftType, 0)

    @property
    def sqc_vft(self) -> int:
        return self._entries[VftType.SQC]

    @property
    def queue_count(self) -> int:
        """Queues of the function; 0 without a valid SQC and CQC entry."""
        sqc, cqc = SQC_VFT(self.sqc_vft), CQC_VFT(self._entries[VftType.CQC])
        if not (sqc.valid and cqc.valid):
            return 0
        return min(sqc.number_minus_1 + 1, len(self._manager.queues))

    def operate(self, stored: dict[type[Register], int]) -> None:
        """Run the operation that the VFT registers describe."""
        kind = VFT_CFG_TYPE(stored[VFT_CFG_TYPE]).TYPE
        exists = VFT_CFG(stored[VFT_CFG]).FUNCTION == 0 and kind in self._entries
        if VFT_CFG_OP_WR(stored[VFT_CFG_OP_WR]).READ:
            word = self._entries[VftType(kind)] if exists else 0
            stored[VFT_CFG_DATA_L], stored[VFT_CFG_DATA_H] = word & 0xFFFF_FFFF, word >> 32
        elif exists:
            self._entries[VftType(kind)] = stored[VFT_CFG_DATA_L] | stored[VFT_CFG_DATA_H] << 32
            self._forget(sq=kind == VftType.SQC, cq=kind == VftType.CQC)
        stored[VFT_CFG_RDY] = 1

    def initialise(self) -> None:
        """Clear all internal memories (reference 2.3, MEM_START_INIT)."""
        self._entries = dict.fromkeys(VftType, 0)
        self._forget(sq=True, cq=True)
        for events in self._event_queues:
            events.forget()

    def _forget(self, *, sq: bool, cq: bool) -> None:
        self._manager.forgotten[SQC] += sq
        self._manager.forgotten[CQC] += cq
        for queue in self._manager.queues:
            if sq:
                queue.sqc, queue.sq_open = None, False
            if cq:
                queue.cqc, queue.cq_open = None, False
