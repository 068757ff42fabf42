"""Transactions that wait: for their translation, or for an earlier one of their thread."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.onehot import any_of, decode, encode, first_one, index_shape, round_robin
from hdl.streams import Outcome
from hdl.tbu.layouts import Address, Step, Verdict


class Park(data.Struct):
    """A transaction on its way into a slot; with `known` its verdict is already there."""

    address: Address
    known: unsigned(1)
    verdict: Verdict


class Slots(wiring.Component):
    """`count` waiting transactions, kept in order per thread: a slot leaves only after the slots
    of the same thread that were there before it.

    Writes (`line`) also stand in line for the client's data, in the order in which they came. The
    first in line leaves, or steps aside if it cannot: then its data go to the side buffer, and
    when they are all there, it leaves as reads do.

    Members
    -------
    thread, chained, lined
        `thread` is the thread of what is parked; `chained`: a slot of it will still be there in
        the next cycle. `lined`: somebody stands in line.
    park, parked_index
        Stream into the free slot `parked_index`. A park with `known` must not come together with
        `answer`.
    asked
        The parked transaction's request is sent by the parker itself.
    ask_*
        The slot whose request is to be sent next; `ask_taken` when it was.
    answer, answer_index, answer_verdict, answer_stale, answer_address
        The verdict for a slot has come. `answer_address` (combinational) is what the slot holds;
        `answer_stale`: an invalidation came after the slot was parked or asked again. With RETRY
        the request is to be sent again.
    aside, stored, stored_slot
        The first in line steps aside; pulse: the data of a slot are in the side buffer.
    leave_*
        The slot that may leave now: `leave_valid`, `leave_address`, `leave_verdict`,
        `leave_thread`, `leave_index`, `leave_aside` (it has stepped aside); it leaves at once. An
        answer whose turn it is leaves in the same cycle. `room_issue`, `room_end`, `blocked`
        (combinational inputs) say what may leave: translated or terminated ones, and which
        threads must not.
    invalidated
        An invalidation is being taken.
    retry
        Ask again for every known translation whose turn has not come (before a sync completes);
        nothing may leave or be parked in this cycle.
    ahead
        Per thread: a slot with a known translation leaves as soon as there is room.
    """

    def __init__(self, *, count: int, threads: int, line: bool):
        self.count, self.threads, self.line = count, threads, line
        index = index_shape(count)
        super().__init__({
            "thread": In(index_shape(threads)), "chained": Out(1), "lined": Out(1),
            "park": In(stream.Signature(Park)), "parked_index": Out(index), "asked": In(1),
            "ask_valid": Out(1), "ask_taken": In(1), "ask_index": Out(index),
            "ask_address": Out(Address),
            "answer": In(1), "answer_index": In(index), "answer_verdict": In(Verdict),
            "answer_stale": Out(1), "answer_address": Out(Address),
            "leave_valid": Out(1), "leave_address": Out(Address),
            "leave_verdict": Out(Verdict), "leave_thread": Out(index_shape(threads)),
            "leave_index": Out(index), "leave_aside": Out(1),
            "aside": Out(stream.Signature(Step)), "stored": In(1), "stored_slot": In(index),
            "room_issue": In(1), "room_end": In(1), "blocked": In(threads),
            "invalidated": In(1), "retry": In(1), "ahead": Out(threads),
        })

    def elaborate(self, platform):
        m = Module()
        n = self.count
        self._again = Signal()  # the answer is to ask again
        # One bit per slot.
        valid, unsent, known, ends, behind, stale, tail = (
            Signal(n, name=name) for name in
            ("valid", "unsent", "known", "ends", "behind", "stale", "tail"))
        thread = [Signal(index_shape(self.threads), name=f"thread{i}") for i in range(n)]
        before = [Signal(index_shape(n), name=f"before{i}") for i in range(n)]  # when `behind`
        parked, left, asked, answered, answering = (
            Signal(n, name=name) for name in
            ("parked", "left", "asked_now", "answered", "answering"))

        addresses = m.submodules.addresses = memory.Memory(shape=Address, depth=n, init=[])
        verdicts = m.submodules.verdicts = memory.Memory(shape=Verdict, depth=n, init=[])
        turn = Signal(n)  # nothing but room keeps it from leaving, once it is known
        if self.line:
            self._line(m, turn, valid, known, behind, parked, left)
        else:
            m.d.comb += turn.eq(valid & ~behind)
        self._leave(m, addresses, verdicts, thread, turn, known, ends, left, answering)
        self._ask(m, addresses, unsent, asked)
        self._chain(m, thread, before, valid, tail, behind, parked, left)

        # Park into the lowest free slot.
        free = Signal(n)
        park_fire = self.park.valid & self.park.ready
        write = addresses.write_port()
        m.d.comb += [
            free.eq(first_one(~valid)),
            self.park.ready.eq(~valid.all()),
            self.parked_index.eq(encode(free)),
            parked.eq(Mux(park_fire, free, 0)),
            write.addr.eq(self.parked_index),
            write.data.eq(self.park.payload.address),
            write.en.eq(park_fire),
            answering.eq(decode(self.answer_index, n)),
            answered.eq(Mux(self.answer, answering, 0)),
            self.answer_stale.eq((stale & answering).any()),
        ]
        store = verdicts.write_port()
        m.d.comb += [
            store.en.eq(self.answer | (park_fire & self.park.payload.known)),
            store.addr.eq(Mux(self.answer, self.answer_index, self.parked_index)),
            store.data.eq(Mux(self.answer, self.answer_verdict.as_value(),
                              self.park.payload.verdict.as_value())),
        ]

        # State of each slot.
        self._states(m, valid, unsent, known, ends, turn, stale,
                     parked=parked, left=left, asked=asked, answered=answered)
        for i in range(n):
            with m.If(parked[i]):
                m.d.sync += thread[i].eq(self.thread)
        ahead = Signal(n)
        m.d.comb += [
            ahead.eq(turn & known & ~ends),
            self.ahead.eq(any_of(ahead[i] << thread[i] for i in range(n))),
        ]
        return m

    def _states(self, m, valid, unsent, known, ends, turn, stale,
                *, parked, left, asked, answered):
        park = self.park.payload
        arrives_known = Mux(park.known, parked, 0)
        arrives_unsent = Mux(park.known | self.asked, 0, parked)
        again = Signal(self.count)  # slots to be asked for again
        m.d.comb += again.eq(Mux(self.retry, valid & known & ~ends & ~turn, 0)
                             | Mux(self._again, answered, 0))
        kept = Mux(self._again, 0, answered)
        ended = (Mux(park.verdict.outcome != Outcome.TRANSLATED, arrives_known, 0)
                 | Mux(self.answer_verdict.outcome != Outcome.TRANSLATED, kept, 0))
        m.d.sync += [
            valid.eq((valid & ~left) | parked),
            unsent.eq((unsent & ~asked) | arrives_unsent | again),
            known.eq(((known | kept) & ~left & ~parked & ~again) | arrives_known),
            ends.eq((ends & ~parked) | ended),
            stale.eq((stale & ~parked & ~again) | Mux(self.invalidated, ~0, 0)),
        ]

    def _line(self, m, turn, valid, known, behind, parked, left):
        """Who is next to get the client's data; who has stepped aside, and has them all."""
        n = self.count
        m.submodules.line = line = fifo.SyncFIFO(width=Step.as_shape().size, depth=n)
        last, head = data.View(Step, line.w_data), data.View(Step, line.r_data)
        first, aside, stored = (Signal(n, name=name) for name in ("first", "aside", "stored"))
        steps = Signal()
        m.d.comb += [
            last.slot.eq(self.parked_index), last.len.eq(self.park.payload.address.len),
            line.w_en.eq(parked.any()),
            self.lined.eq(line.r_rdy), first.eq(Mux(line.r_rdy, decode(head.slot, n), 0)),
            turn.eq(valid & ~behind & (first | aside & stored)),
            self.aside.payload.eq(head),
            self.aside.valid.eq((first & ~left & (behind | ~known)).any()),
            steps.eq(self.aside.valid & self.aside.ready),
            line.r_en.eq(steps | (first & left).any()),
            self.leave_aside.eq((left & aside).any()),
        ]
        m.d.sync += [
            aside.eq((aside | Mux(steps, first, 0)) & ~left),
            stored.eq((stored | Mux(self.stored, decode(self.stored_slot, n), 0)) & ~left),
        ]

    def _chain(self, m, thread, before, valid, tail, behind, parked, left):
        """Each slot knows the one before it of its thread; the last one is the tail."""
        n = self.count
        last, last_index = Signal(n), Signal(index_shape(n))
        m.d.comb += last_index.eq(encode(last))
        for i in range(n):
            m.d.comb += last[i].eq(valid[i] & tail[i] & (thread[i] == self.thread) & ~left[i])
            m.d.sync += behind[i].eq(Mux(parked[i], self.chained,
                                         behind[i] & ~left.bit_select(before[i], 1)))
            with m.If(parked[i]):
                m.d.sync += before[i].eq(last_index)
        m.d.comb += self.chained.eq(last.any())
        m.d.sync += tail.eq((tail & ~Mux(parked.any(), last, 0)) | parked)

    def _ask(self, m, addresses, unsent, asked):
        """Requests not sent yet, round robin."""
        previous = Signal(self.count)
        chosen = Signal(self.count)
        read = addresses.read_port(domain="comb")
        m.d.comb += [
            chosen.eq(round_robin(unsent, previous)),
            self.ask_valid.eq(unsent.any()),
            self.ask_index.eq(encode(chosen)),
            read.addr.eq(self.ask_index),
            self.ask_address.eq(read.data),
            asked.eq(Mux(self.ask_taken, chosen, 0)),
        ]
        with m.If(self.ask_taken):
            m.d.sync += previous.eq(chosen)

    def _leave(self, m, addresses, verdicts, thread, turn, known, ends, left, answering):
        """The answered slot if it is its turn, else round robin over the known ones."""
        n = self.count
        free, ready, next_one, chosen, previous = (
            Signal(n, name=name) for name in
            ("unblocked", "ready", "next", "leaving", "leave_previous"))
        m.d.comb += self._again.eq(self.answer_verdict.outcome == Outcome.RETRY)
        for i in range(n):
            m.d.comb += free[i].eq(turn[i] & ~self.blocked.bit_select(thread[i], 1))
        kind = Mux(self.room_issue, ~ends, 0) | Mux(self.room_end, ends, 0)
        answer_ends = self.answer_verdict.outcome != Outcome.TRANSLATED
        answer_room = Mux(answer_ends, self.room_end, self.room_issue)
        index = Signal(index_shape(n))
        read = addresses.read_port(domain="comb")
        stored = verdicts.read_port(domain="comb")
        m.d.comb += [
            ready.eq(free & known & kind),
            next_one.eq(round_robin(ready, previous)),
            chosen.eq(Mux(self.answer, answering, next_one)),
            index.eq(Mux(self.answer, self.answer_index, encode(next_one))),
            self.leave_valid.eq(Mux(self.answer, (free & chosen).any() & answer_room & ~self._again,
                                    ready.any())),
            read.addr.eq(index),
            stored.addr.eq(index),
            self.answer_address.eq(read.data),
            self.leave_address.eq(read.data),
            self.leave_verdict.as_value().eq(Mux(self.answer, self.answer_verdict.as_value(),
                                                 stored.data.as_value())),
            self.leave_index.eq(index),
            self.leave_thread.eq(any_of(Mux(chosen[i], thread[i], 0) for i in range(n))),
            left.eq(Mux(self.leave_valid, chosen, 0)),
        ]
        with m.If(left.any()):
            m.d.sync += previous.eq(left)
