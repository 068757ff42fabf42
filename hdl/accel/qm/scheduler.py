"""Chooses the next queue and fetches its next SQE."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import RoundRobin
from hdl.accel.jobs import job_layout
from hdl.accel.streams import BEAT_BYTES, ContextPort, ReadPort, Space
from hdl.layouts import layout
from hdl.streams import ADDR_BITS
from spec.qm import SQC, SQE_BYTES

BEATS = SQE_BYTES // BEAT_BYTES
AHEAD_MAX = 8


class Scheduler(wiring.Component):
    """One SQE from each queue in turn, a few ahead of the lanes that will take them.

    An urgent queue whose job before has ended has the next turn, but never two turns in a row go to
    urgent queues while others wait: nobody is delayed by more than as many turns again.

    Members
    -------
    normal, urgent
        Queues whose next SQE can be taken.
    start, queue, follows, lane
        Pulse: it is taken from `queue`; where it goes (see Places).
    context
        The SQC table.
    read
        The memory, function's own space.
    job, job_follows, job_lane
        What was fetched, in the order of the turns, and where it goes.
    bus_error
        Pulse: an SQE could not be read (its job says so too).
    """

    def __init__(self, *, queues: int, lanes: int):
        self.queues, self.lanes = queues, lanes
        self.most_ahead = min(lanes + 1, AHEAD_MAX)      # jobs on their way to a lane
        super().__init__({
            "normal": In(queues), "urgent": In(queues),
            "start": Out(1), "queue": Out(range(queues)), "follows": In(1),
            "lane": In(range(lanes)),
            "context": Out(ContextPort(layout(SQC), queues)), "read": Out(ReadPort()),
            "job": Out(stream.Signature(job_layout(queues))), "job_follows": Out(1),
            "job_lane": Out(range(lanes)), "bus_error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        ticket = data.StructLayout({
            "follows": 1, "lane": range(self.lanes), "queue": range(self.queues), "index": 16,
            "sqe_addr": ADDR_BITS, "space": Space})
        m.submodules.tickets = tickets = fifo.SyncFIFOBuffered(
            width=ticket.size, depth=self.most_ahead)
        context, read, taken = self.context, self.read, Signal(ticket)
        choice, any_ready = self.choose(m)
        ahead = Signal(range(self.most_ahead + 1))
        m.d.sync += ahead.eq(ahead + self.start - (self.job.valid & self.job.ready))
        m.d.comb += [
            context.queue.eq(taken.queue), self.queue.eq(choice),
            read.req.payload.addr.eq(taken.sqe_addr), read.req.payload.len.eq(BEATS - 1),
            tickets.w_data.eq(taken),
        ]
        with m.FSM():
            with m.State("CHOOSE"):
                m.d.comb += self.start.eq(any_ready & (ahead != self.most_ahead))
                m.d.sync += [
                    taken.queue.eq(choice), taken.follows.eq(self.follows),
                    taken.lane.eq(self.lane),
                ]
                with m.If(self.start):
                    m.next = "ADVANCE"
            with m.State("ADVANCE"):
                m.d.comb += context.req.eq(1)
                self.advance(m, taken)
                with m.If(context.ready):
                    m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.comb += read.req.valid.eq(tickets.w_rdy)
                with m.If(read.req.valid & read.req.ready):
                    m.d.comb += tickets.w_en.eq(1)
                    m.next = "CHOOSE"
        self.collect(m, tickets, data.View(ticket, tickets.r_data))
        return m

    def choose(self, m):
        """The queue whose turn it is, and whether there is one."""
        m.submodules.normal_turn = normal = RoundRobin(self.queues)
        m.submodules.urgent_turn = urgent = RoundRobin(self.queues)
        was_urgent, take_urgent = Signal(), Signal()
        m.d.comb += [
            normal.asking.eq(self.normal), urgent.asking.eq(self.urgent),
            take_urgent.eq(urgent.valid & ~(was_urgent & normal.valid)),
            normal.take.eq(self.start & ~take_urgent), urgent.take.eq(self.start & take_urgent),
        ]
        with m.If(self.start):
            m.d.sync += was_urgent.eq(take_urgent)
        return Mux(take_urgent, urgent.index, normal.index), normal.valid | urgent.valid

    def advance(self, m, taken) -> None:
        """Take the SQE at the head: where it lies, whose addresses it holds, and the new head."""
        row, new = self.context.row, self.context.new_row
        at_end = row.head == row.depth_minus_1
        m.d.comb += [
            new.eq(row),
            new.head.eq(Mux(at_end, 0, row.head + 1)),
            new.head_wrap.eq(row.head_wrap ^ at_end),
            self.context.write.eq(self.context.ready),
        ]
        with m.If(self.context.ready):
            m.d.sync += [
                taken.index.eq(row.head),
                taken.sqe_addr.eq(Cat(row.base_l, row.base_h)
                                  + Cat(Const(0, SQE_BYTES.bit_length() - 1), row.head)),
                taken.space.ssv.eq(row.pasid_enable), taken.space.ssid.eq(row.pasid),
            ]

    def collect(self, m, tickets, ticket) -> None:
        """Put the beats of each SQE together; there is room for all that are on their way."""
        beat, job = self.read.beat, self.job
        entry = data.StructLayout({
            "follows": 1, "lane": range(self.lanes), "job": job_layout(self.queues)})
        m.submodules.jobs = jobs = fifo.SyncFIFOBuffered(width=entry.size, depth=self.most_ahead)
        number, failed = Signal(range(BEATS)), Signal()
        words = Signal(data.ArrayLayout(8 * BEAT_BYTES, BEATS - 1))
        last = beat.payload.last
        new, head = data.View(entry, jobs.w_data), data.View(entry, jobs.r_data)
        m.d.comb += [
            beat.ready.eq(1), tickets.r_en.eq(beat.valid & last),
            self.bus_error.eq(beat.valid & beat.payload.error),
            jobs.w_en.eq(beat.valid & last),
            new.follows.eq(ticket.follows), new.lane.eq(ticket.lane),
            new.job.queue.eq(ticket.queue), new.job.index.eq(ticket.index),
            new.job.sqe_addr.eq(ticket.sqe_addr), new.job.space.eq(ticket.space),
            new.job.bd.eq(Cat(words, beat.payload.data)),
            new.job.fetch_error.eq(failed | beat.payload.error),
            job.valid.eq(jobs.r_rdy), job.payload.eq(head.job),
            self.job_follows.eq(head.follows), self.job_lane.eq(head.lane),
            jobs.r_en.eq(job.valid & job.ready),
        ]
        with m.If(beat.valid):
            m.d.sync += [
                number.eq(Mux(last, 0, number + 1)),
                failed.eq((failed | beat.payload.error) & ~last),
            ]
            for n in range(BEATS - 1):
                with m.If(number == n):
                    m.d.sync += words[n].eq(beat.payload.data)
