"""Writes the contexts of all queues back to the tables in memory."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.dma.single import BeatWriter
from hdl.accel.streams import BEAT_BYTES, DATA_BITS, ContextPort, Live, WritePort
from hdl.layouts import layout
from spec.qm import CACHE_WB_DONE, CACHE_WB_START, CONTEXT_SLOT, CQC, SQC

REGISTERS = [CACHE_WB_START, CACHE_WB_DONE]


class WriteBack(wiring.Component):
    """Every loaded SQC, then every loaded CQC, to its place in the table that the mailbox was told
    of (reference 2.1, 0x204). A table that the device was not told of is left out.

    Members
    -------
    registers
        One `Live` per name of `REGISTERS`.
    sq, cq, sq_loaded, cq_loaded
        The contexts, and which there are.
    sq_table, cq_table, has_sq_table, has_cq_table
        Where the tables begin.
    write
        The memory, function's own space.
    bus_error
        Pulse: a context could not be written.
    """

    def __init__(self, *, queues: int):
        self.queues = queues
        super().__init__({
            "registers": Out(wiring.Signature({r.__name__: In(Live()) for r in REGISTERS})),
            "sq": Out(ContextPort(layout(SQC), queues)),
            "cq": Out(ContextPort(layout(CQC), queues)),
            "sq_loaded": In(queues), "cq_loaded": In(queues),
            "sq_table": In(64), "cq_table": In(64), "has_sq_table": In(1), "has_cq_table": In(1),
            "write": Out(WritePort()), "bus_error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.writer = writer = BeatWriter()
        wiring.connect(m, writer.write, wiring.flipped(self.write))
        start = self.registers.CACHE_WB_START
        of_cq, number = Signal(), Signal(range(self.queues))
        slot, second, there = Signal(8 * CONTEXT_SLOT), Signal(), Signal()
        last = number == self.queues - 1
        m.d.comb += [
            self.sq.queue.eq(number), self.cq.queue.eq(number),
            self.bus_error.eq(writer.done & writer.error),
            there.eq(Mux(of_cq, self.has_cq_table & self.cq_loaded.bit_select(number, 1),
                         self.has_sq_table & self.sq_loaded.bit_select(number, 1))),
            writer.request.payload.addr.eq(
                Mux(of_cq, self.cq_table, self.sq_table) + number * CONTEXT_SLOT
                + second * BEAT_BYTES),
            writer.request.payload.data.eq(slot.word_select(second, DATA_BITS)),
            writer.request.payload.strb.eq(2**BEAT_BYTES - 1),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.registers.CACHE_WB_DONE.value.eq(1)
                m.d.sync += [of_cq.eq(0), number.eq(0)]
                with m.If(start.write & start.data[0]):
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += second.eq(0)
                m.next = "NEXT"
                with m.If(there):
                    m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += [self.sq.req.eq(~of_cq), self.cq.req.eq(of_cq)]
                m.d.sync += slot.eq(Mux(of_cq, self.cq.row, self.sq.row))
                with m.If(self.sq.ready | self.cq.ready):
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += writer.request.valid.eq(1)
                with m.If(writer.request.ready):
                    m.next = "WAIT"
            with m.State("WAIT"), m.If(writer.done):
                m.d.sync += second.eq(1)
                m.next = "WRITE"
                with m.If(second):
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += number.eq(Mux(last, 0, number + 1))
                m.next = "LOOK"
                with m.If(last):
                    m.d.sync += of_cq.eq(1)
                    with m.If(of_cq):
                        m.next = "IDLE"
        return m
