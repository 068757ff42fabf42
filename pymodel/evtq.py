"""The Event queue as the SMMU writes it (reference 7.3)."""

from __future__ import annotations

from collections.abc import Callable

from pymodel.irq import Interrupts, Source
from pymodel.memory import BusError
from pymodel.own import OwnMemory, by_queue
from pymodel.registers import Registers
from pymodel.ring import Ring
from spec import registers as r


class EventQueue:
    """Appends records; what cannot be written is lost, held back, or an overflow.

    Parameters
    ----------
    on_event
        Called with each record and whether it was written.
    """

    def __init__(self, registers: Registers, memory: OwnMemory, interrupts: Interrupts,
                 on_event: Callable[[bytes, bool], None]) -> None:
        self.registers, self.memory, self.interrupts = registers, memory, interrupts
        self.on_event = on_event

    def writable(self) -> bool:
        """Enabled, no unacknowledged abort, consistent indices, not full."""
        ring, prod, cons = self._state()
        return self._running() and ring.used(prod, cons) < 1 << ring.log2size

    def record(self, data: bytes) -> bool:
        """Write one record without a stall, or lose it; whether it was written."""
        if self.writable():
            return self.append(data)
        ring, prod, cons = self._state()
        if self._running() and ring.full(prod, cons):
            self._overflow()
        self.on_event(data, False)
        return False

    def append(self, data: bytes) -> bool:
        """Write a record while the queue is writable; False if the write aborted."""
        ring, prod, cons = self._state()
        # The record is visible before PROD shows it, and PROD before the interrupt.
        try:
            self.memory.write(ring.address(prod), data, by_queue(
                self.registers.get(r.CR1), self.registers[r.EVENTQ_BASE].WA, write=True))
        except BusError:
            self.on_event(data, False)
            self.interrupts.raise_error(r.GERROR.EVENTQ_ABT_ERR)
            return False
        register = self.registers[r.EVENTQ_PROD]
        self.registers.set(r.EVENTQ_PROD, register.replace(WR=ring.next(prod)).value)
        self.on_event(data, True)
        if ring.empty(prod, cons):
            self.interrupts.signal(Source.EVENTQ)
        return True

    def _running(self) -> bool:
        enabled = self.registers.acknowledged(r.CR0) & r.CR0.EVENTQEN.mask
        return bool(enabled) and not self.interrupts.active(r.GERROR.EVENTQ_ABT_ERR)

    def _state(self) -> tuple[Ring, int, int]:
        return (self.registers.eventq(), self.registers[r.EVENTQ_PROD].WR,
                self.registers[r.EVENTQ_CONS].RD)

    def _overflow(self) -> None:
        """Toggle OVFLG unless an overflow is still unacknowledged."""
        prod, cons = self.registers[r.EVENTQ_PROD], self.registers[r.EVENTQ_CONS]
        if prod.OVFLG == cons.OVACKFLG:
            self.registers.set(r.EVENTQ_PROD, prod.replace(OVFLG=prod.OVFLG ^ 1).value)
