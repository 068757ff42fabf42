"""The stall buffer: between the translator and both the Event queue and the TBUs."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.layouts import view
from hdl.mem.merge import StreamMerge
from hdl.streams import (
    EventRecord,
    Outcome,
    StallAction,
    StallCommand,
    StallVerdict,
    TranslationResponse,
)
from hdl.tcu.stalls.tags import Stalled, StallTags
from spec.events import F_TRANSLATION

TAGS_MOST = 64  # STAGs in use at once, if IDR5.STALL_MAX promises more


class StallBuffer(wiring.Component):
    """Keeps transactions from the fault that stalls them until they are answered (reference 4.9).

    The transaction itself waits in its TBU, and no context of the translator waits with it. A
    stall is recorded under a STAG, or held, when there is none or the Event queue is not writable.
    Held ones are tried again from the start, one after the other in the order in which they came,
    as soon as there is a STAG and the queue is writable; until then no newer stall takes a STAG.
    STALL_TERM and the fall of SMMUEN end held ones too. There is a place for every transaction
    that the TBUs can ask about, so that nothing here ever waits for software.

    Members
    -------
    event, response
        From the translator. A stalled attempt answers with Outcome.RETRY, after its record has
        been accepted.
    record, answer
        Towards the Event queue and the TBUs. An answer RETRY lets the TBU ask again.
    verdict, writable
        Of the Event queue.
    command
        Stall commands. Accepted when every stall that they name is marked.
    enable
        SMMUEN. Nothing stalls while it is 0, and what has stalled then ends with an abort.
    """

    def __init__(self, config):
        self.tags = min(config.impl.STALL_MAX, TAGS_MOST)
        self.places = config.requests
        events, answers = stream.Signature(EventRecord), stream.Signature(TranslationResponse)
        super().__init__({
            "event": In(events), "response": In(answers),
            "record": Out(events), "answer": Out(answers),
            "verdict": In(StallVerdict), "writable": In(1),
            "command": In(stream.Signature(StallCommand)), "enable": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.tags = self._tags = StallTags(self.tags)
        # One more place than transactions: while the oldest moves to the end both are in use.
        m.submodules.held = self._held = fifo.SyncFIFO(width=Stalled.as_shape().size,
                                                       depth=self.places + 1)
        self._head = data.View(Stalled, self._held.r_data)
        self._own = stream.Signature(TranslationResponse).create(path=("own",))
        self._retrying, self._retried = Signal(), Signal(Stalled)  # a held one, being tried again
        self._closing = Signal()   # stalls of before the fall of SMMUEN are still there
        self._sweep = Signal(range(self.places + 2))  # held ones that STALL_TERM has to look at
        self._moved = Signal()     # the oldest held one goes to the end
        m.d.comb += self._tags.verdict.eq(self.verdict)
        self._close(m)
        arrived = self._events(m)
        self._commands(m)
        self._answers(m)
        self._responses(m)
        self._hold(m, arrived)
        return m

    def _close(self, m: Module) -> None:
        """Stalls from before the fall of SMMUEN end even if it rises again soon."""
        ending = Signal()
        m.d.comb += [self._closing.eq(~self.enable | ending), self._tags.close.eq(self._closing)]
        m.d.sync += ending.eq(~self.enable | ending & (self._held.r_rdy | ~self._tags.empty))

    def _events(self, m: Module) -> Signal:
        """Records on their way. A stall record gets a STAG, unless it is held: the result."""
        event, record, tags = self.event, self.record, self._tags
        again, admit, arrived = Signal(), Signal(), Signal()
        stag = Signal.like(tags.free)
        who = tags.who
        m.d.comb += [
            record.payload.eq(event.payload),
            who.tbu.eq(event.payload.tbu), who.tag.eq(event.payload.tag),
            who.sid.eq(view(F_TRANSLATION, event.payload.record).StreamID),
            tags.take_stag.eq(stag),
            again.eq(self._retrying & same(who, self._retried)),
            admit.eq(tags.room & (again | ~self._retrying & ~self._held.r_rdy)),
        ]
        with m.FSM(name="record"):
            with m.State("PASS"):
                m.d.sync += stag.eq(tags.free)
                with m.If(~event.payload.stall):
                    m.d.comb += [record.valid.eq(event.valid), event.ready.eq(record.ready)]
                with m.Elif(event.valid & ~self._closing & admit):
                    m.next = "STALL"
                with m.Elif(event.valid & (~self._closing | ~self.enable)):
                    m.d.comb += [
                        arrived.eq(~tags.refused & ~self._moved & ~self._sweep.any()),
                        event.ready.eq(arrived),
                    ]
            with m.State("STALL"):
                m.d.comb += [
                    record.valid.eq(1), event.ready.eq(record.ready), tags.take.eq(record.ready),
                    view(F_TRANSLATION, record.payload.record).STAG.eq(stag),
                ]
                with m.If(record.ready):
                    m.next = "PASS"
        with m.If(event.valid & event.ready & event.payload.stall & again):
            m.d.sync += self._retrying.eq(0)
        return arrived

    def _commands(self, m: Module) -> None:
        """RESUME takes one cycle; STALL_TERM also looks through what is held."""
        command, tags = self.command, self._tags
        m.d.comb += tags.command.eq(command.payload)
        with m.FSM(name="command"):
            with m.State("MARK"), m.If(command.valid):
                m.d.comb += tags.mark.eq(1)
                with m.If((command.payload.action == StallAction.TERM) & self._held.r_rdy):
                    m.d.sync += self._sweep.eq(self._held.level - self._held.r_en)
                    m.next = "SWEEP"
                with m.Else():
                    m.d.comb += command.ready.eq(1)
            with m.State("SWEEP"), m.If(~self._sweep.any()):
                m.d.comb += command.ready.eq(1)
                m.next = "MARK"

    def _answers(self, m: Module) -> None:
        """The buffer's own answers: to stalls that have ended, to held ones that end or may try
        again."""
        tags, held, own, head = self._tags, self._held, self._own, self._head
        out = own.payload
        with m.If(own.ready):
            m.d.sync += own.valid.eq(0)
        with m.If(~own.valid | own.ready):
            m.d.sync += [out.tbu.eq(head.tbu), out.tag.eq(head.tag)]
            with m.If(tags.due):
                m.d.comb += tags.answered.eq(1)
                m.d.sync += [
                    own.valid.eq(1), out.outcome.eq(tags.outcome),
                    out.tbu.eq(tags.answer_who.tbu), out.tag.eq(tags.answer_who.tag),
                ]
            with m.Elif(self._closing | self._sweep.any()):
                ends = self._closing | (head.sid == self.command.payload.sid)
                m.d.comb += [held.r_en.eq(held.r_rdy & (ends | ~tags.refused)),
                             self._moved.eq(held.r_en & ~ends)]
                m.d.sync += [own.valid.eq(held.r_en & ends), out.outcome.eq(Outcome.ABORT)]
                with m.If(held.r_en & self._sweep.any()):
                    m.d.sync += self._sweep.eq(self._sweep - 1)
            with m.Elif(held.r_rdy & tags.room & self.writable & ~self._retrying):
                m.d.comb += held.r_en.eq(1)
                m.d.sync += [own.valid.eq(1), out.outcome.eq(Outcome.RETRY),
                             self._retrying.eq(1), self._retried.eq(head)]

    def _responses(self, m: Module) -> None:
        """The translator's answers, of which those of stalled attempts end here, and the own."""
        m.submodules.answers = answers = StreamMerge(TranslationResponse, count=2)
        theirs, response = answers.source[0], self.response
        stalled = response.payload.outcome == Outcome.RETRY
        m.d.comb += [
            theirs.payload.eq(response.payload), theirs.valid.eq(response.valid & ~stalled),
            response.ready.eq(stalled | theirs.ready),
        ]
        connect(m, self._own, answers.source[1])
        connect(m, answers.sink, flipped(self.answer))
        with m.If(theirs.valid & theirs.ready & self._retrying
                  & same(response.payload, self._retried)):
            m.d.sync += self._retrying.eq(0)

    def _hold(self, m: Module, arrived: Signal) -> None:
        """What enters the waiting room: what the Event queue refused, the oldest that stays, or
        what has just stalled."""
        held, tags = self._held, self._tags
        m.d.comb += [
            held.w_en.eq(tags.refused | self._moved | arrived),
            held.w_data.eq(Mux(tags.refused, tags.refused_who.as_value(),
                               Mux(self._moved, held.r_data, tags.who.as_value()))),
        ]


def same(a, b):
    """Whether two payloads are about the same transaction."""
    return (a.tbu == b.tbu) & (a.tag == b.tag)
