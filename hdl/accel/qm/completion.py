"""Tells software that a job has ended: result in the SQE, CQE, and the wish for an event."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.dma.single import BeatWriter
from hdl.accel.jobs import done_layout
from hdl.accel.streams import BEAT_BYTES, DATA_BITS, ContextPort, WritePort
from hdl.layouts import layout
from hdl.streams import ADDR_BITS
from spec.qm import CQC, CQE, CQE_BYTES
from spec.sec import BD3, STATUS_OFFSET, DoneFlag, ErrorType

LOG2_CQE = CQE_BYTES.bit_length() - 1


RESULT = data.FlexibleLayout(DATA_BITS, {   # the result fields, inside the beat written back
    name: data.Field(BD3.FIELDS[name].width, BD3.FIELDS[name].lsb - 8 * STATUS_OFFSET)
    for name in ("done", "flag", "error_type", "mac_i", "checksum")})


class Completion(wiring.Component):
    """One finished job after the other; each write is visible before the next (reference 2.7).

    The CQC is not kept while the CQE is written, so that a write that waits never holds up a
    doorbell. A queue that was reloaded or forgotten in the meantime gets nothing.

    Members
    -------
    done
        Finished jobs.
    sq_open, cq_open
        Queues that may be written to.
    context, write
        The CQC table and the memory (function's own space).
    want_event
        Pulse for `number`: the CQ was armed.
    lost
        Pulse for `number`: its CQE could not be written; the queue must be closed.
    writing
        The queue whose CQE may be visible, but is not in the tail yet.
    written_back, completed
        Pulses: the result is in the SQE; the CQE is visible.
    retire, number
        Pulse: the job of queue `number` has ended.
    bus_error
        Pulse: a write was answered with an error.
    """

    def __init__(self, *, queues: int):
        self.queues = queues
        super().__init__({
            "done": In(stream.Signature(done_layout(queues))),
            "sq_open": In(queues), "cq_open": In(queues),
            "context": Out(ContextPort(layout(CQC), queues)), "write": Out(WritePort()),
            "want_event": Out(1), "lost": Out(1), "writing": Out(queues),
            "written_back": Out(1), "completed": Out(1), "retire": Out(1),
            "number": Out(range(queues)), "bus_error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.writer = writer = BeatWriter()
        wiring.connect(m, writer.write, wiring.flipped(self.write))
        done, context = self.done, self.context
        sq_open = self.sq_open.bit_select(self.number, 1)
        cq_open = self.cq_open.bit_select(self.number, 1)
        writing, phase, cqe_addr = Signal(), Signal(), Signal(ADDR_BITS)
        row = context.row
        m.d.comb += [
            self.writing.bit_select(self.number, 1).eq(writing),
            self.number.eq(done.payload.queue), context.queue.eq(self.number),
            self.bus_error.eq(writer.done & writer.error),
        ]
        with m.FSM():
            with m.State("IDLE"), m.If(done.valid):
                m.next = "RESULT"
            with m.State("RESULT"):
                self.put(m, writer, sq_open, done.payload.sqe_addr + STATUS_OFFSET, self.result(m))
                with m.If(~sq_open):
                    m.next = "RETIRE"
                with m.Elif(writer.request.ready):
                    m.next = "RESULT WAIT"
            with m.State("RESULT WAIT"), m.If(writer.done):
                m.d.comb += self.written_back.eq(1)
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += context.req.eq(cq_open)
                m.d.sync += [
                    cqe_addr.eq(Cat(row.base_l, row.base_h) + Cat(Const(0, LOG2_CQE), row.tail)),
                    phase.eq(row.phase),
                ]
                with m.If(~cq_open):
                    m.next = "RETIRE"
                with m.Elif(context.ready):
                    m.next = "CQE"
            with m.State("CQE"):
                m.d.comb += writing.eq(1)
                self.put(m, writer, 1, cqe_addr, self.cqe(m, phase))
                with m.If(writer.request.ready):
                    m.next = "CQE WAIT"
            with m.State("CQE WAIT"):
                m.d.comb += [
                    writing.eq(1), self.lost.eq(writer.done & writer.error),
                    self.completed.eq(writer.done & ~writer.error),
                ]
                with m.If(writer.done):
                    m.next = "COUNT"
                    with m.If(writer.error):
                        m.next = "RETIRE"
            with m.State("COUNT"):
                m.d.comb += [writing.eq(1), context.req.eq(cq_open)]
                with m.If(~cq_open):
                    m.next = "RETIRE"
                with m.Elif(context.ready):
                    self.advance(m)
                    m.next = "RETIRE"
            with m.State("RETIRE"):
                m.d.comb += [self.retire.eq(1), done.ready.eq(1)]
                m.next = "IDLE"
        return m

    def put(self, m, writer, valid, addr, value) -> None:
        m.d.comb += [
            writer.request.valid.eq(valid), writer.request.payload.addr.eq(addr),
            writer.request.payload.data.eq(value),
            writer.request.payload.strb.eq(Const(1, 1).replicate(BEAT_BYTES)),
        ]

    def result(self, m):
        """Bytes 112..127 of the SQE (reference 3.8)."""
        error_type = self.done.payload.error_type
        word = Signal(RESULT)
        m.d.comb += [
            word.done.eq(1), word.error_type.eq(error_type),
            word.flag.eq(Mux(error_type == ErrorType.OK, DoneFlag.CIPHER, 0)),
            Cat(word.mac_i, word.checksum).eq(self.done.payload.result),
        ]
        return word

    def cqe(self, m, phase):
        """The CQE at the CQ's tail."""
        word = Signal(layout(CQE))
        m.d.comb += [
            word.sq_head.eq(self.done.payload.index), word.sq_num.eq(self.number),
            word.phase.eq(phase),
        ]
        return word

    def advance(self, m) -> None:
        """The CQE is visible: count it, and ask for an event if the CQ was armed (one-shot).

        Software that was quick enough to acknowledge it already needs no event.
        """
        row, new = self.context.row, self.context.new_row
        at_end = row.tail == row.depth_minus_1
        unread = row.head != new.tail
        m.d.comb += [
            new.eq(row),
            new.tail.eq(Mux(at_end, 0, row.tail + 1)),
            new.tail_wrap.eq(row.tail_wrap ^ at_end), new.phase.eq(row.phase ^ at_end),
            new.c_flag.eq(row.c_flag & ~unread),
            self.context.write.eq(1), self.want_event.eq(row.c_flag & unread),
        ]
