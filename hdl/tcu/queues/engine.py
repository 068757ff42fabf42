"""Command queue, event queue and interrupts, wired together."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.streams import (
    EventRecord,
    Interrupts,
    Invalidation,
    MemRead,
    MemWrite,
    QueueRegisters,
    StallCommand,
    StallVerdict,
    Sync,
)
from hdl.tcu.queues.cmdq import CommandQueue
from hdl.tcu.queues.evtq import EventQueue
from hdl.tcu.queues.fetch import LOG2BURST
from hdl.tcu.queues.irq import InterruptUnit
from hdl.tcu.queues.merge import WriteMerge
from hdl.tcu.queues.sync import SyncUnit

LOG2DEPTH_MAX = 5


class QueueEngine(wiring.Component):
    """All queues of the SMMU, between the registers and the blocks that translate.

    Parameters
    ----------
    config
        `config.impl` says which commands exist; commands are read as far ahead as
        `config.memory_reads` reads reach, at most 32.
    consumers
        Number of blocks that take part in CMD_SYNC: every one that takes Invalidations or holds
        transactions.

    Members
    -------
    regs
        Connect to `RegisterFile.queues`.
    read, write
        Memory ports. Read ids are below 32; the write id is 0 for records, 1 for MSIs.
    inv
        One stream for all consumers: whoever fans it out answers `ready` when each has accepted.
    syncs
        One per consumer.
    event, verdict, writable
        Event records, and what the stall buffer needs to know about its own (see EventQueue).
    stall_cmd
        RESUME and STALL_TERM to the stall buffer; never valid when nothing stalls (STALL_MODEL 1).
    irq, sev
        Wired interrupts; wake-up event.
    """

    def __init__(self, config, *, consumers: int):
        self.impl = config.impl
        reach = config.memory_reads << LOG2BURST
        self.log2depth = min(reach.bit_length() - 1, LOG2DEPTH_MAX)
        self.consumers = consumers
        super().__init__({
            "regs": In(QueueRegisters()), "read": Out(MemRead()), "write": Out(MemWrite()),
            "inv": Out(stream.Signature(Invalidation)), "syncs": Out(Sync()).array(consumers),
            "event": In(stream.Signature(EventRecord)),
            "verdict": Out(StallVerdict), "writable": Out(1),
            "stall_cmd": Out(stream.Signature(StallCommand)),
            "irq": Out(Interrupts()), "sev": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.cmdq = cmdq = CommandQueue(
            self.impl, log2depth=self.log2depth)
        m.submodules.evtq = evtq = EventQueue()
        m.submodules.irq = irq = InterruptUnit()
        m.submodules.sync = sync = SyncUnit(consumers=self.consumers)
        m.submodules.merge = merge = WriteMerge(writers=2)

        connect(m, flipped(self.regs.cmdq), cmdq.regs)
        connect(m, flipped(self.regs.evtq), evtq.regs)
        connect(m, flipped(self.regs.irq), irq.regs)
        connect(m, flipped(self.regs.drain), sync.drain)

        connect(m, cmdq.read, flipped(self.read))
        connect(m, cmdq.inv, flipped(self.inv))
        connect(m, cmdq.stall_cmd, flipped(self.stall_cmd))
        connect(m, cmdq.sync, sync.command)
        for consumer, port in zip(sync.consumers, self.syncs, strict=True):
            connect(m, consumer, flipped(port))

        connect(m, flipped(self.event), evtq.event)
        m.d.comb += self.verdict.eq(evtq.verdict)
        connect(m, sync.events, evtq.sync)

        connect(m, evtq.write, merge.writers[0])
        connect(m, irq.write, merge.writers[1])
        connect(m, merge.write, flipped(self.write))
        m.d.comb += [
            self.writable.eq(evtq.writable),
            irq.evtq.eq(evtq.interrupt),
            irq.sync_valid.eq(cmdq.signal_valid), irq.sync.eq(cmdq.signal),
            cmdq.signal_busy.eq(irq.sync_busy),
            self.sev.eq(cmdq.sev),
        ]
        connect(m, irq.irq, flipped(self.irq))
        return m
