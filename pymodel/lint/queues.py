"""Rules for the indices of the queues and the slots of the Command queue (reference 7)."""

from __future__ import annotations

from pymodel.lint.findings import Findings
from pymodel.observer import RegisterWrite
from pymodel.smmu import Smmu
from spec import registers as r


class QueueRules:
    """Checks writes to CMDQ_PROD, EVENTQ_CONS and CR0, and memory writes into the Command queue."""

    def __init__(self, smmu: Smmu, findings: Findings) -> None:
        self.smmu, self.findings = smmu, findings
        self._overflow_seen = False  # a CONS write has left this overflow unacknowledged

    def on_write(self, write: RegisterWrite) -> None:
        if write.register is r.CMDQ_PROD:
            self._producer(write)
        elif write.register is r.EVENTQ_CONS:
            self._consumer(write)
        elif write.register is r.CR0:
            self._enabled(write)

    def _enabled(self, write: RegisterWrite) -> None:
        on, registers = write.new & ~write.old, self.smmu.registers
        if on & r.CR0.CMDQEN.mask:
            ring = registers.cmdq()
            prod, cons = registers[r.CMDQ_PROD].WR, registers[r.CMDQ_CONS].RD
            if not ring.consistent(prod, cons):
                self.findings.report("cmdq.overrun", f"enabled with PROD {prod:#x} and CONS "
                                     f"{cons:#x} of {1 << ring.log2size} slots", "CMDQ_PROD")
        if on & r.CR0.EVENTQEN.mask:
            ring = registers.eventq()
            prod, cons = registers[r.EVENTQ_PROD].WR, registers[r.EVENTQ_CONS].RD
            if not ring.consistent(prod, cons):
                self.findings.report("evtq.cons", f"enabled with PROD {prod:#x} and CONS "
                                     f"{cons:#x} of {1 << ring.log2size} slots", "EVENTQ_CONS")

    def _running(self, enable: int) -> bool:
        return bool(self.smmu.registers.acknowledged(r.CR0) & enable)

    def _producer(self, write: RegisterWrite) -> None:
        if not self._running(r.CR0.CMDQEN.mask):
            return
        registers = self.smmu.registers
        ring, cons = registers.cmdq(), registers[r.CMDQ_CONS].RD
        old, new = r.CMDQ_PROD.WR.get(write.old), r.CMDQ_PROD.WR.get(write.new)
        used = ring.used(new, cons)
        back, forward = ring.used(old, new), ring.used(new, old)
        stopped = self.smmu.interrupts.active(r.GERROR.CMDQ_ERR)
        if 0 < back < forward:
            # While an error stops the queue PROD may move back, as far as CONS (reference 6.5).
            if not stopped or back > ring.used(old, cons):
                self.findings.report("cmdq.backwards", f"PROD moved back from {old:#x} to {new:#x}"
                                     f" ({1 << ring.log2size} slots): wrap bit lost?", "CMDQ_PROD")
        elif used > 1 << ring.log2size:
            self.findings.report("cmdq.overrun", f"PROD {new:#x} is {used} commands ahead of CONS "
                                 f"{cons:#x}; the queue has {1 << ring.log2size}", "CMDQ_PROD")

    def _consumer(self, write: RegisterWrite) -> None:
        if not self._running(r.CR0.EVENTQEN.mask):
            return
        registers = self.smmu.registers
        ring, prod = registers.eventq(), registers[r.EVENTQ_PROD]
        old, new = r.EVENTQ_CONS(write.old), r.EVENTQ_CONS(write.new)
        if ring.used(new.RD, old.RD) > ring.used(prod.WR, old.RD):
            self.findings.report("evtq.cons", f"CONS moved from {old.RD:#x} to {new.RD:#x} with "
                                 f"PROD {prod.WR:#x} ({1 << ring.log2size} slots)", "EVENTQ_CONS")
        was, now = prod.OVFLG != old.OVACKFLG, prod.OVFLG != new.OVACKFLG
        if now and not was:
            self.findings.report("evtq.overflow", "OVACKFLG toggled without an overflow",
                                 "EVENTQ_CONS")
        # The first write may have missed an overflow that came after PROD was read.
        if now and was and self._overflow_seen:
            self.findings.report("evtq.overflow", "an overflow is not acknowledged: OVACKFLG must "
                                 "follow OVFLG", "EVENTQ_CONS")
        self._overflow_seen = now

    def on_memory(self, address: int, size: int) -> None:
        """Software has written [address, +size)."""
        registers = self.smmu.registers
        ring, prod, cons = (registers.cmdq(), registers[r.CMDQ_PROD].WR,
                            registers[r.CMDQ_CONS].RD)
        length = ring.entry << ring.log2size
        if (address >= ring.base + length or address + size <= ring.base
                or ring.empty(prod, cons) or not ring.consistent(prod, cons)
                or not self._running(r.CR0.CMDQEN.mask)
                or self.smmu.interrupts.active(r.GERROR.CMDQ_ERR)):
            return
        first = max(0, (address - ring.base) // ring.entry)
        last = min((address + size - 1 - ring.base) // ring.entry, (1 << ring.log2size) - 1)
        for slot in range(first, last + 1):
            if (slot - cons) & (ring.mask >> 1) < ring.used(prod, cons):
                self.findings.report("cmdq.overwrite", f"slot {slot:#x} written, PROD {prod:#x}, "
                                     f"CONS {cons:#x}", f"Command queue {address:#x}")
