"""Interrupts of the SMMU: wired pulses and MSI writes (reference 7.5)."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import InterruptControl, Interrupts, MemWrite, MsiTarget
from hdl.tcu.queues.decode import SyncSignal

MSI_LOG2BYTES = 2


class InterruptUnit(wiring.Component):
    """Gives an enabled source its wired pulse, and sends its MSI if it has an address.

    The pulse comes in the cycle after the cause, in which the registers show what it announces.
    One MSI write is outstanding at a time; causes of one source that arrive before its MSI is sent
    are merged. An aborted MSI is reported and not repeated.

    Members
    -------
    regs
        Enables, targets, the GERROR cause, and what comes back: pending work and aborts.
    evtq
        Pulse: the event queue has become non-empty.
    sync_valid, sync
        Pulse: completion signal of a CMD_SYNC; not while `sync_busy`.
    sync_busy
        The MSI of the last CMD_SYNC has not been answered.
    irq
        Wired interrupts.
    write
        Memory port.
    """

    def __init__(self):
        super().__init__({
            "regs": In(InterruptControl()), "evtq": In(1),
            "sync_valid": In(1), "sync": In(SyncSignal), "sync_busy": Out(1),
            "irq": Out(Interrupts()), "write": Out(MemWrite()),
        })

    def elaborate(self, platform):
        m = Module()
        regs, write = self.regs, self.write
        sync_target = Signal(MsiTarget)
        targets = (regs.gerror_msi, regs.evtq_msi, sync_target)
        gerror, evtq = regs.gerror & regs.gerror_enable, self.evtq & regs.evtq_enable
        raised = Cat(gerror & regs.gerror_msi.addr.any(), evtq & regs.evtq_msi.addr.any(),
                     self.sync_valid & self.sync.msi)
        pending, sending, sent = (Signal(3, name=name) for name in ("pending", "sending", "sent"))
        m.d.sync += [
            self.irq.gerror.eq(gerror), self.irq.evtq.eq(evtq),
            self.irq.cmdq_sync.eq(self.sync_valid & self.sync.irq),
            pending.eq((pending | raised) & ~sent),
        ]
        with m.If(self.sync_valid):
            m.d.sync += [sync_target.addr.eq(self.sync.addr), sync_target.data.eq(self.sync.data),
                         sync_target.mair.eq(self.sync.mair)]
        m.d.comb += [
            Cat(regs.gerror_busy, regs.evtq_busy, self.sync_busy).eq(pending | raised | sending),
            write.req.payload.size.eq(MSI_LOG2BYTES),
        ]

        with m.FSM():
            with m.State("CHOOSE"):
                for n in reversed(range(len(targets))):
                    with m.If(pending[n]):
                        m.d.sync += [
                            sending.eq(1 << n),
                            write.req.payload.addr.eq(targets[n].addr),
                            write.req.payload.data.eq(targets[n].data),
                            write.req.payload.mair.eq(targets[n].mair),
                        ]
                        m.d.comb += sent.eq(1 << n)
                        m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += write.req.valid.eq(1)
                with m.If(write.req.ready):
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.comb += write.resp.ready.eq(1)
                with m.If(write.resp.valid):
                    m.d.sync += sending.eq(0)
                    m.d.comb += Cat(regs.gerror_abort, regs.evtq_abort, regs.sync_abort).eq(
                        sending & write.resp.payload.error.replicate(3))
                    m.next = "CHOOSE"
        return m
