"""An event queue (EQ or AEQ): entries in memory, an interrupt, a doorbell."""

from amaranth import Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import RoundRobin
from hdl.accel.dma.single import BeatWriter
from hdl.accel.streams import Live, WritePort
from hdl.layouts import layout
from hdl.onehot import any_of
from spec.fields import Field
from spec.qm import AEQE, EQC, EQE

ENTRY_BYTES = EQE.size()


class Unread(wiring.Component):
    """Which queues have an entry between head and tail, in the order of the entries.

    Members
    -------
    mark, queue
        Pulse: an entry for `queue` is being written.
    keep, drop
        Pulses: that entry counts; it does not.
    read
        Entries that a doorbell passes, in the cycle of the doorbell; worked off one a cycle.
    queues
        One bit each.
    """

    def __init__(self, *, queues: int):
        self.count = queues
        super().__init__({
            "mark": In(1), "queue": In(range(queues)), "keep": In(1), "drop": In(1),
            "read": In(16), "queues": Out(queues),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.order = order = fifo.SyncFIFOBuffered(
            width=len(self.queue), depth=self.count)
        writing, number = Signal(), Signal.like(self.queue)
        owed, entries = Signal(17), Signal(range(self.count + 2))
        pop = (owed != 0) & order.r_rdy
        with m.If(self.mark):
            m.d.sync += [writing.eq(1), number.eq(self.queue)]
        with m.Elif(self.keep | self.drop):
            m.d.sync += writing.eq(0)
        due = owed + self.read
        m.d.comb += [
            order.w_data.eq(number), order.w_en.eq(self.keep), order.r_en.eq(pop),
            entries.eq(order.level + writing),
        ]
        # A head that makes no sense passes no more entries than there are.
        m.d.sync += owed.eq(Mux(due > entries, entries, due) - pop)
        clear, set_bits = Signal(self.count), Signal(self.count)
        with m.If(self.mark):
            m.d.comb += set_bits.bit_select(self.queue, 1).eq(1)
        with m.If(self.drop):
            m.d.comb += clear.bit_select(number, 1).eq(1)
        with m.If(pop):
            m.d.comb += clear.bit_select(order.r_data, 1).eq(1)
        m.d.sync += self.queues.eq((self.queues & ~clear) | set_bits)
        return m


class EventQueue(wiring.Component):
    """Writes one entry per queue and kind that is wanted, as far as there is room (reference 2.7).

    What is wanted while the queue is full, or again before it was written, waits as one entry.
    Nothing is kept while no context is loaded. A context that is loaded while an entry is being
    written does not count that entry.

    Parameters
    ----------
    number : Field
        Where an entry names the queue.
    kinds : sequence of int
        AEQE.type of the entries, most urgent first.
    guarded : bool
        At most one entry per queue between tail and head: the next one waits until a doorbell has
        passed it. Owners of queues arm their CQs themselves, and a second entry overruns what the
        driver keeps per queue (reference 2.8).

    Members
    -------
    want
        Per kind pulses, one bit per queue.
    doorbell
        New head.
    context, load
        The context as a dump shows it; `load` replaces it by `new_context`.
    forget
        Pulse: no context.
    source, mask
        The registers; the interrupt `irq` is a pulse where a message would be sent: the source
        rises while unmasked, a doorbell leaves entries, or the mask is lifted.
    bus_error
        Pulse: an entry could not be written and is lost.
    overflow, overflow_queue
        Pulse, once per context: an entry for this queue waits for room.
    """

    def __init__(self, *, queues: int, number: Field, kinds=(0,), guarded: bool = False):
        self.queues, self.number, self.kinds, self.guarded = queues, number, kinds, guarded
        row = layout(EQC)
        super().__init__({
            "want": In(queues).array(len(kinds)), "doorbell": In(stream.Signature(16)),
            "context": Out(row), "new_context": In(row), "load": In(1), "forget": In(1),
            "source": In(Live()), "mask": In(Live()), "irq": Out(1), "bus_error": Out(1),
            "overflow": Out(1), "overflow_queue": Out(range(queues)), "write": Out(WritePort()),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.writer = writer = BeatWriter()
        wiring.connect(m, writer.write, wiring.flipped(self.write))
        context = self.context
        anew = self.load | self.forget
        self.blocked = Signal(self.queues)     # queues that get no entry now
        valid, full, overflowed = Signal(), Signal(), Signal()
        tail = Signal(16)
        m.d.comb += [
            tail.eq(Mux(context.tail == context.depth_minus_1, 0, context.tail + 1)),
            full.eq(tail == context.head),
            self.bus_error.eq(writer.done & writer.error),
        ]
        waiting, begun, idle = self.write_entries(m, writer, valid & ~full & ~anew, valid)
        replaced = Signal()                    # the context, since the write began
        written = Signal()
        m.d.comb += [
            written.eq(writer.done & ~writer.error & ~replaced & ~anew),
            self.overflow.eq(valid & full & waiting & idle & ~overflowed),
        ]
        with m.If(anew):
            m.d.sync += [replaced.eq(~idle & ~writer.done), overflowed.eq(0)]
        with m.Else():
            with m.If(writer.done):
                m.d.sync += replaced.eq(0)
            with m.If(self.overflow):
                m.d.sync += overflowed.eq(1)
        with m.If(written):
            m.d.sync += context.tail.eq(tail)
            with m.If(tail == 0):
                m.d.sync += context.phase.eq(~context.phase)
        rung, passed = self.take_doorbell(m, valid)
        if self.guarded:
            m.submodules.unread = unread = ResetInserter(anew)(Unread(queues=self.queues))
            m.d.comb += [
                unread.mark.eq(begun), unread.queue.eq(self.overflow_queue),
                unread.keep.eq(written), unread.drop.eq(writer.done & ~written & ~replaced),
                unread.read.eq(passed), self.blocked.eq(unread.queues),
            ]
        with m.If(self.load):
            m.d.sync += [context.eq(self.new_context), valid.eq(1)]
        with m.If(self.forget):
            m.d.sync += valid.eq(0)
        # Software may acknowledge an entry before its write is answered.
        head = Mux(rung, self.doorbell.payload, context.head)
        left = (head != Mux(written, tail, context.tail)) & ~(~idle & (head == tail))
        self.interrupt(m, written | rung, rung, left)
        return m

    def write_entries(self, m, writer, may_write, valid):
        """One entry after the other, in turn between queues; whether one waits, whether it is
        begun, and a signal that is 1 between them."""
        idle = Signal(init=1)
        context, request = self.context, writer.request
        addr, entry = Signal(64), Signal(8 * ENTRY_BYTES)
        chosen = Signal(len(self.kinds))
        turns: list[RoundRobin] = []
        kind, number = Signal(AEQE.type.width), Signal(range(self.queues))
        begin = Signal()
        for n, code in enumerate(self.kinds):
            m.submodules[f"turn{n}"] = turn = RoundRobin(self.queues)
            wanted = Signal(self.queues, name=f"wanted{n}")
            taken = Signal(self.queues, name=f"taken{n}")
            m.d.comb += [
                turn.asking.eq(wanted & ~self.blocked),
                chosen[n].eq(turn.valid & ~any_of(earlier.valid for earlier in turns)),
                turn.take.eq(begin & chosen[n]),
                taken.bit_select(turn.index, 1).eq(turn.take),
            ]
            with m.If(chosen[n]):
                m.d.comb += [kind.eq(code), number.eq(turn.index)]
            m.d.sync += wanted.eq(
                Mux(valid & ~self.forget, (wanted & ~taken) | self.want[n], 0))
            turns.append(turn)
        m.d.comb += [
            request.valid.eq(idle & chosen.any() & may_write),
            begin.eq(request.valid & request.ready),
            self.overflow_queue.eq(number),
            addr.eq(Cat(context.base_l, context.base_h) + (context.tail << 2)),
            entry.eq((kind << AEQE.type.lsb) | (number << self.number.lsb)
                     | (context.phase << EQE.phase.lsb)),
            request.payload.addr.eq(Cat(Const(0, 4), addr[4:])),
            request.payload.data.eq(entry.replicate(4)),
            request.payload.strb.eq(Const(2**ENTRY_BYTES - 1) << (addr[2:4] << 2)),
        ]
        with m.If(begin):
            m.d.sync += idle.eq(0)
        with m.If(writer.done):
            m.d.sync += idle.eq(1)
        return chosen.any(), begin, idle

    def take_doorbell(self, m, valid):
        """Move the head; 1 in the cycle of a doorbell that counts, and the entries it passes."""
        doorbell, context = self.doorbell, self.context
        rung, passed = Signal(), Signal(16)
        m.d.comb += [
            doorbell.ready.eq(1),
            rung.eq(doorbell.valid & valid & (doorbell.payload <= context.depth_minus_1)),
            passed.eq(doorbell.payload - context.head
                      + Mux(doorbell.payload < context.head, context.depth_minus_1 + 1, 0)),
        ]
        with m.If(rung):
            m.d.sync += context.head.eq(doorbell.payload)
        return rung, Mux(rung, passed, 0)

    def interrupt(self, m, moved, rung, left) -> None:
        """After head or tail `moved`, the source says whether entries are `left`."""
        source, mask = Signal(), Signal(init=1)
        lifted = self.mask.write & mask & ~self.mask.data[0]
        m.d.comb += [
            self.source.value.eq(source), self.mask.value.eq(mask),
            self.irq.eq(Mux(moved, left & (lifted | (~mask & (rung | ~source))),
                            lifted & source)),
        ]
        with m.If(moved):
            m.d.sync += source.eq(left)
        with m.Elif((self.source.write & self.source.data[0]) | self.forget):
            m.d.sync += source.eq(0)
        with m.If(self.mask.write):
            m.d.sync += mask.eq(self.mask.data[0])
