"""Takes doorbells: which count, which are dropped, and what they change."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.streams import ContextPort
from hdl.layouts import layout
from spec.qm import CQC, SQC, Doorbell, DoorbellCommand

QUEUE_BITS = Doorbell.queue.width


class Ring(data.Struct):
    """A doorbell write.

    Members
    -------
    word
        What was written.
    own, page
        It came through the page of queue `page`, which reaches no other queue.
    event
        It came through the doorbell of EQ and AEQ.
    """

    word: layout(Doorbell)
    own: unsigned(1)
    page: unsigned(QUEUE_BITS)
    event: unsigned(1)


class DoorbellUnit(wiring.Component):
    """One doorbell at a time (reference 2.6).

    Dropped silently: another queue than that of the page, a command that does not belong to the
    address, a queue that is not open, an index beyond the depth, an SQ doorbell while the queue
    drains. Dropped with `random_invalid`: the random value is not that of the context.

    Members
    -------
    ring
        Doorbells; `ready` when the one before has had its effect.
    sq, cq, sq_open, cq_open
        Tables, and the queues that listen.
    draining
        Queues that take no more SQEs.
    writing
        Queues whose next CQE may be visible already.
    eq, aeq
        New heads for the event queues.
    want_event
        Pulse for `number`: CQEs wait and the doorbell asked for an event.
    random_invalid
        Pulse.
    submitted, urgent
        Pulse for `number`: new SQEs; whether they are urgent: the doorbell has a priority and the
        SQC, which its owner cannot change, one too.
    """

    def __init__(self, *, queues: int):
        self.queues = queues
        super().__init__({
            "ring": In(stream.Signature(Ring)),
            "sq": Out(ContextPort(layout(SQC), queues)),
            "cq": Out(ContextPort(layout(CQC), queues)),
            "sq_open": In(queues), "cq_open": In(queues), "draining": In(queues),
            "writing": In(queues),
            "eq": Out(stream.Signature(16)), "aeq": Out(stream.Signature(16)),
            "want_event": Out(1), "number": Out(range(queues)), "random_invalid": Out(1),
            "submitted": Out(1), "urgent": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        ring = Signal(Ring)
        word = ring.word
        listens_sq = (self.sq_open & ~self.draining).bit_select(self.number, 1)
        listens_cq = self.cq_open.bit_select(self.number, 1)
        m.d.comb += [
            self.number.eq(word.queue), self.sq.queue.eq(self.number),
            self.cq.queue.eq(self.number),
            self.eq.payload.eq(word.index), self.aeq.payload.eq(word.index),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.ring.ready.eq(1)
                m.d.sync += ring.eq(self.ring.payload)
                with m.If(self.ring.valid):
                    m.next = "DECODE"
            with m.State("DECODE"):
                m.next = "IDLE"
                reachable = ~ring.event & (word.queue < self.queues) & (
                    ~ring.own | (ring.page == word.queue))
                with m.Switch(word.command):
                    with m.Case(DoorbellCommand.SQ), m.If(reachable & listens_sq):
                        m.next = "SQ"
                    with m.Case(DoorbellCommand.CQ), m.If(reachable & listens_cq):
                        m.next = "CQ"
                    with m.Case(DoorbellCommand.EQ), m.If(ring.event):
                        m.next = "EQ"
                    with m.Case(DoorbellCommand.AEQ), m.If(ring.event):
                        m.next = "AEQ"
            with m.State("SQ"):
                self.submit(m, word)
            with m.State("CQ"):
                self.consume(m, word)
            for name, port in (("EQ", self.eq), ("AEQ", self.aeq)):
                with m.State(name):
                    m.d.comb += port.valid.eq(1)
                    with m.If(port.ready):
                        m.next = "IDLE"
        return m

    def accept(self, m, table, word):
        """Wait for the row; 1 in the cycle in which it is there and the doorbell counts."""
        row = table.row
        accepted, same = Signal(), Signal()
        m.d.comb += [
            same.eq(word.random == row.w8), table.req.eq(1), table.new_row.eq(row),
            accepted.eq(table.ready & same & (word.index <= row.depth_minus_1)),
            table.write.eq(accepted),
        ]
        with m.If(table.ready):
            m.d.comb += self.random_invalid.eq(~same)
            m.next = "IDLE"
        return accepted

    def submit(self, m, word) -> None:
        """SQ: index is the new tail."""
        accepted = self.accept(m, self.sq, word)
        row, new = self.sq.row, self.sq.new_row
        m.d.comb += [
            self.submitted.eq(accepted),
            self.urgent.eq(Cat(word.c_flag, word.priority).any() & row.priority.any()),
            new.tail.eq(word.index), new.tail_wrap.eq(row.tail_wrap ^ (word.index < row.tail)),
        ]

    def consume(self, m, word) -> None:
        """CQ: index is the new head; c_flag asks for one event, now or at the next CQE."""
        accepted = self.accept(m, self.cq, word)
        row, new = self.cq.row, self.cq.new_row
        after = Mux(row.tail == row.depth_minus_1, 0, row.tail + 1)
        waiting = (row.tail != word.index) & ~(
            self.writing.bit_select(self.number, 1) & (word.index == after))
        m.d.comb += [
            new.head.eq(word.index), new.head_wrap.eq(row.head_wrap ^ (word.index < row.head)),
            new.c_flag.eq(word.c_flag & ~waiting),
            self.want_event.eq(accepted & word.c_flag & waiting),
        ]
