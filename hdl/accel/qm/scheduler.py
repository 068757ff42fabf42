"""Chooses the next queue and fetches its next SQE."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import RoundRobin
from hdl.accel.jobs import job_layout
from hdl.accel.streams import BEAT_BYTES, ContextPort, ReadPort
from hdl.layouts import layout
from spec.qm import SQC, SQE_BYTES

BEATS = SQE_BYTES // BEAT_BYTES


class Scheduler(wiring.Component):
    """One SQE from each queue in turn; a queue has at most one job under way, so its completions
    come in order.

    Members
    -------
    eligible
        Queues that have a rung SQE and room for its completion.
    busy
        Queues whose job is somewhere between here and its completion.
    retire, retired
        Pulse: the job of queue `retired` has ended.
    context
        The SQC table.
    read
        The memory, function's own space.
    job
        What was fetched.
    bus_error
        Pulse: an SQE could not be read (its job says so too).
    """

    def __init__(self, *, queues: int):
        self.queues = queues
        super().__init__({
            "eligible": In(queues), "busy": Out(queues),
            "retire": In(1), "retired": In(range(queues)),
            "context": Out(ContextPort(layout(SQC), queues)), "read": Out(ReadPort()),
            "job": Out(stream.Signature(job_layout(queues))), "bus_error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.turn = turn = RoundRobin(self.queues)
        context, job, read = self.context, self.job, self.read
        started, ended = Signal(self.queues), Signal(self.queues)
        m.d.comb += [
            turn.asking.eq(self.eligible & ~self.busy),
            ended.bit_select(self.retired, 1).eq(self.retire),
            started.bit_select(turn.index, 1).eq(turn.take & turn.valid),
            context.queue.eq(job.payload.queue),
            read.req.payload.addr.eq(job.payload.sqe_addr),
            read.req.payload.len.eq(BEATS - 1),
        ]
        m.d.sync += self.busy.eq((self.busy & ~ended) | started)
        with m.FSM():
            with m.State("CHOOSE"):
                m.d.comb += turn.take.eq(1)
                with m.If(turn.valid):
                    m.d.sync += job.payload.queue.eq(turn.index)
                    m.next = "ADVANCE"
            with m.State("ADVANCE"):
                m.d.comb += context.req.eq(1)
                self.advance(m)
                with m.If(context.ready):
                    m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.comb += read.req.valid.eq(1)
                with m.If(read.req.ready):
                    m.next = "FETCH"
            with m.State("FETCH"), m.If(read.beat.valid & read.beat.payload.last):
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += job.valid.eq(1)
                with m.If(job.ready):
                    m.next = "CHOOSE"
        self.collect(m)
        return m

    def advance(self, m) -> None:
        """Take the SQE at the head: where it lies, whose addresses it holds, and the new head."""
        context, job = self.context, self.job.payload
        row, new = context.row, context.new_row
        at_end = row.head == row.depth_minus_1
        m.d.comb += [
            new.eq(row),
            new.head.eq(Mux(at_end, 0, row.head + 1)),
            new.head_wrap.eq(row.head_wrap ^ at_end),
            context.write.eq(context.ready),
        ]
        with m.If(context.ready):
            m.d.sync += [
                job.index.eq(row.head),
                job.sqe_addr.eq(Cat(row.base_l, row.base_h)
                                + Cat(Const(0, SQE_BYTES.bit_length() - 1), row.head)),
                job.space.ssv.eq(row.pasid_enable), job.space.ssid.eq(row.pasid),
                job.fetch_error.eq(0),
            ]

    def collect(self, m) -> None:
        """Put the beats of the SQE together."""
        beat, job = self.read.beat, self.job.payload
        number = Signal(range(BEATS))
        bits = job.bd.as_value()
        m.d.comb += beat.ready.eq(1)
        with m.If(beat.valid):
            m.d.sync += [
                bits.word_select(number, 8 * BEAT_BYTES).eq(beat.payload.data),
                number.eq(number + 1),
            ]
            with m.If(beat.payload.error):
                m.d.sync += job.fetch_error.eq(1)
        m.d.comb += self.bus_error.eq(beat.valid & beat.payload.error)
