"""The stalls that software knows of: STAGs (reference 4.9, 6.3)."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.onehot import decode, encode, first_one, index_shape
from hdl.streams import SID_BITS, Outcome, StallAction, StallCommand, StallVerdict


class Stalled(data.Struct):
    """A transaction that stalls: where it waits, and its stream."""

    tbu: unsigned(4)
    tag: unsigned(8)
    sid: unsigned(SID_BITS)


OUTCOMES = {StallAction.RETRY: Outcome.RETRY, StallAction.RAZWI: Outcome.RAZWI,
            StallAction.ABORT: Outcome.ABORT, StallAction.TERM: Outcome.ABORT}


class StallTags(wiring.Component):
    """A table of `count` STAGs.

    A tag is taken when its record goes to the Event queue. Once the record is visible, a stall
    command ends the stall; the tag is free again when the answer has been taken.

    Members
    -------
    room, free
        A tag is free, the lowest one.
    take, take_stag, who
        Strobe: `who` stalls under `take_stag`, which is free.
    verdict
        Of the Event queue.
    refused, refused_who
        The record that `verdict` is about was not written, and nothing has ended the stall: its
        tag is free, the transaction is handed back in this cycle.
    mark, command
        Strobe: the command takes effect.
    close
        Every stall ends with an abort.
    due, answer_who, outcome, answered
        An answer to a stall, taken by the strobe `answered`.
    empty
        No tag is in use.
    """

    def __init__(self, count: int):
        self.count = count
        index = index_shape(count)
        super().__init__({
            "room": Out(1), "free": Out(index),
            "take": In(1), "take_stag": In(index), "who": In(Stalled),
            "verdict": In(StallVerdict), "refused": Out(1), "refused_who": Out(Stalled),
            "mark": In(1), "command": In(StallCommand), "close": In(1),
            "due": Out(1), "answer_who": Out(Stalled), "outcome": Out(Outcome), "answered": In(1),
            "empty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        n = self.count
        # One bit per tag: in use; the record is visible or lost; lost; an answer is known.
        used, decided, lost, ended = (
            Signal(n, name=name) for name in ("used", "decided", "lost", "ended"))
        outcomes = [Signal(Outcome, name=f"outcome{i}") for i in range(n)]
        taken, judged, marked, left = (
            Signal(n, name=name) for name in ("taken", "judged", "marked", "left"))
        ready = Signal(n)
        chosen = Signal(n)
        stored = m.submodules.stored = memory.Memory(shape=Stalled, depth=n, init=[])
        write = stored.write_port()
        handed, answer = (stored.read_port(domain="comb") for _ in range(2))
        self._mark(m, used & decided & ~lost, used, marked)
        refused = self.verdict.valid & ~self.verdict.recorded
        m.d.comb += [
            self.room.eq(~used.all()), self.free.eq(encode(first_one(~used))),
            self.empty.eq(~used.any()),
            taken.eq(Mux(self.take, decode(self.take_stag, n), 0)),
            write.en.eq(self.take), write.addr.eq(self.take_stag), write.data.eq(self.who),
            judged.eq(Mux(self.verdict.valid, decode(self.verdict.stag, n), 0)),
            handed.addr.eq(self.verdict.stag),
            self.refused.eq(refused & ~(judged & (ended | marked)).any()),
            self.refused_who.eq(handed.data),
            ready.eq(used & decided & ended), chosen.eq(first_one(ready)),
            self.due.eq(ready.any()), answer.addr.eq(encode(chosen)),
            self.answer_who.eq(answer.data),
            left.eq(Mux(self.answered, chosen, 0) | Mux(self.refused, judged, 0)),
        ]
        for i in range(n):
            with m.If(chosen[i]):
                m.d.comb += self.outcome.eq(outcomes[i])
            with m.If(marked[i] & ~ended[i]):
                m.d.sync += outcomes[i].eq(Outcome.ABORT)
                with m.If(~self.close), m.Switch(self.command.action):
                    for action, outcome in OUTCOMES.items():
                        with m.Case(action):
                            m.d.sync += outcomes[i].eq(outcome)
        m.d.sync += [
            used.eq((used | taken) & ~left),
            decided.eq((decided | judged) & ~taken),
            lost.eq((lost | Mux(self.verdict.lost, judged, 0)) & ~taken),
            ended.eq((ended | marked) & ~left & ~taken),
        ]
        return m

    def _mark(self, m: Module, visible, used, marked) -> None:
        """The stalls that end now. STALL_TERM and `close` also end those whose record is on its
        way or lost."""
        n, command = self.count, self.command
        sids = [Signal(SID_BITS, name=f"sid{i}") for i in range(n)]
        mine, named = Signal(n), Signal(n)
        for i in range(n):
            m.d.comb += mine[i].eq(of_stream(command, sids[i]))
            with m.If(self.take & (self.take_stag == i)):
                m.d.sync += sids[i].eq(self.who.sid)
        m.d.comb += named.eq(Mux(command.action == StallAction.TERM, used,
                                 visible & decode(command.stag, n)) & mine)
        m.d.comb += marked.eq(Mux(self.close, used, Mux(self.mark, named, 0)))


def of_stream(command, sid):
    """Whether a stall command is about stalls of the stream."""
    return command.sid == sid
