"""Event queue: writes event records to memory (reference 5.3, 7.3)."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import view
from hdl.streams import EventQueueControl, EventRecord, MemWrite, StallVerdict, Sync
from hdl.tcu.queues.index import aligned, distance, entries, position
from spec.events import EVENT_BYTES, F_TRANSLATION

LOG2BYTES = EVENT_BYTES.bit_length() - 1


class EventQueue(wiring.Component):
    """Writes one record at a time: record visible, then PROD, then the interrupt.

    A record is accepted when its fate is decided and the one before it is visible. It is

    * written if the queue is writable: enabled, not full, EVENTQ_ABT_ERR inactive, and PROD and
      CONS not further apart than the queue is long;
    * otherwise, if it is a stall record, refused: `verdict` returns it, and the stall buffer, which
      still has the transaction, tries again when `writable` rises;
    * otherwise discarded, as an overflow if the queue is enabled and full.

    No input waits for software, so a full queue never holds up translations or CMD_SYNC.

    Members
    -------
    regs
        The queue's registers.
    event
        Records.
    verdict
        Answers to stall records.
    writable
        A record that arrived now would be written.
    write
        Memory port.
    sync
        Acknowledged when every record accepted before the request is visible or discarded.
    interrupt
        Pulse, after PROD: a record made the empty queue non-empty.
    """

    def __init__(self):
        super().__init__({
            "regs": In(EventQueueControl()), "event": In(stream.Signature(EventRecord)),
            "verdict": Out(StallVerdict), "writable": Out(1),
            "write": Out(MemWrite()), "sync": In(Sync()), "interrupt": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        regs, event, verdict = self.regs, self.event, self.verdict
        record = Signal(EventRecord)
        used = Signal(20)
        full = Signal()
        m.d.comb += [
            used.eq(distance(regs.prod, regs.cons, regs.log2size)),
            full.eq(used == entries(regs.log2size)),
            self.writable.eq(regs.run & (used < entries(regs.log2size))),
            self.write.req.payload.addr.eq(
                aligned(regs.base, regs.log2size, LOG2BYTES)
                | (position(regs.prod, regs.log2size) << LOG2BYTES)),
            self.write.req.payload.size.eq(LOG2BYTES),
            self.write.req.payload.data.eq(record.record),
            self.write.req.payload.mair.eq(regs.mair),
        ]
        m.d.sync += [self.interrupt.eq(0), verdict.valid.eq(0)]

        idle = Signal()
        m.d.comb += regs.busy.eq(~idle)
        with m.FSM():
            with m.State("ACCEPT"):
                m.d.comb += [idle.eq(1), event.ready.eq(1)]
                m.d.sync += [
                    record.eq(event.payload),
                    verdict.stag.eq(view(F_TRANSLATION, event.payload.record).STAG),
                    verdict.recorded.eq(0), verdict.lost.eq(0),
                ]
                with m.If(event.valid & self.writable):
                    m.next = "WRITE"
                with m.Elif(event.valid & event.payload.stall):
                    m.d.sync += verdict.valid.eq(1)
                with m.Elif(event.valid):
                    m.d.comb += regs.overflowed.eq(regs.run & full & ~regs.overflow)
            with m.State("WRITE"):
                m.d.comb += self.write.req.valid.eq(1)
                with m.If(self.write.req.ready):
                    m.next = "VISIBLE"
            with m.State("VISIBLE"):
                m.d.comb += self.write.resp.ready.eq(1)
                m.d.sync += verdict.recorded.eq(1)
                with m.If(self.write.resp.valid):
                    m.d.comb += [
                        regs.advance.eq(~self.write.resp.payload.error),
                        regs.abort.eq(self.write.resp.payload.error),
                    ]
                    m.d.sync += [
                        verdict.valid.eq(record.stall), verdict.lost.eq(regs.abort),
                        self.interrupt.eq(regs.advance & (used == 0)),
                    ]
                    m.next = "ACCEPT"

        # What was accepted before the request is decided when the writer is idle again.
        decided = Signal()
        m.d.comb += self.sync.ack.eq(self.sync.req & (idle | decided))
        m.d.sync += decided.eq(self.sync.ack)
        return m
