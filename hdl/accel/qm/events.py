"""An event queue (EQ or AEQ): entries in memory, an interrupt, a doorbell."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import RoundRobin
from hdl.accel.dma.single import BeatWriter
from hdl.accel.streams import Live, WritePort
from hdl.layouts import layout
from spec.fields import Field
from spec.qm import EQC, EQE

ENTRY_BYTES = EQE.size()


class EventQueue(wiring.Component):
    """Writes one entry per queue that wants one, as far as there is room (reference 2.7).

    What is wanted while the queue is full, or again before it was written, waits as one entry.
    Nothing is kept while no context is loaded. A context that is loaded while an entry is being
    written does not count that entry.

    Parameters
    ----------
    number : Field
        Where an entry names the queue.
    fixed : int
        The other bits of every entry (phase excepted).

    Members
    -------
    want
        Pulses, one bit per queue.
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
    """

    def __init__(self, *, queues: int, number: Field, fixed: int = 0):
        self.queues, self.number, self.fixed = queues, number, fixed
        row = layout(EQC)
        super().__init__({
            "want": In(queues), "doorbell": In(stream.Signature(16)),
            "context": Out(row), "new_context": In(row), "load": In(1), "forget": In(1),
            "source": In(Live()), "mask": In(Live()), "irq": Out(1), "bus_error": Out(1),
            "write": Out(WritePort()),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.writer = writer = BeatWriter()
        wiring.connect(m, writer.write, wiring.flipped(self.write))
        context = self.context
        valid, full = Signal(), Signal()
        tail = Signal(16)
        m.d.comb += [
            tail.eq(Mux(context.tail == context.depth_minus_1, 0, context.tail + 1)),
            full.eq(tail == context.head),
            self.bus_error.eq(writer.done & writer.error),
        ]
        idle = self.write_entries(m, writer, valid & ~full, valid)
        replaced = Signal()                    # the context, since the write began
        written = writer.done & ~writer.error & ~replaced
        with m.If(self.load | self.forget):
            m.d.sync += replaced.eq(~idle)
        with m.Elif(writer.done):
            m.d.sync += replaced.eq(0)
        with m.If(written):
            m.d.sync += context.tail.eq(tail)
            with m.If(tail == 0):
                m.d.sync += context.phase.eq(~context.phase)
        rung = self.take_doorbell(m, valid)
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
        """One entry after the other, in turn between queues; a signal that is 1 between them."""
        m.submodules.turn = turn = RoundRobin(self.queues)
        wanted, chosen = Signal(self.queues), Signal(self.queues)
        idle = Signal(init=1)
        context, request = self.context, writer.request
        addr, entry = Signal(64), Signal(8 * ENTRY_BYTES)
        m.d.comb += [
            turn.asking.eq(wanted),
            request.valid.eq(idle & turn.valid & may_write),
            turn.take.eq(request.valid & request.ready),
            chosen.bit_select(turn.index, 1).eq(turn.take),
            addr.eq(Cat(context.base_l, context.base_h) + (context.tail << 2)),
            entry.eq(Const(self.fixed, 8 * ENTRY_BYTES) | (turn.index << self.number.lsb)
                     | (context.phase << EQE.phase.lsb)),
            request.payload.addr.eq(Cat(Const(0, 4), addr[4:])),
            request.payload.data.eq(entry.replicate(4)),
            request.payload.strb.eq(Const(2**ENTRY_BYTES - 1) << (addr[2:4] << 2)),
        ]
        m.d.sync += wanted.eq(Mux(valid & ~self.forget, (wanted & ~chosen) | self.want, 0))
        with m.If(turn.take):
            m.d.sync += idle.eq(0)
        with m.If(writer.done):
            m.d.sync += idle.eq(1)
        return idle

    def take_doorbell(self, m, valid):
        """Move the head; 1 in the cycle of a doorbell that counts."""
        doorbell, context = self.doorbell, self.context
        rung = Signal()
        m.d.comb += [
            doorbell.ready.eq(1),
            rung.eq(doorbell.valid & valid & (doorbell.payload <= context.depth_minus_1)),
        ]
        with m.If(rung):
            m.d.sync += context.head.eq(doorbell.payload)
        return rung

    def interrupt(self, m, moved, rung, left) -> None:
        """After head or tail `moved`, the source says whether entries are `left`."""
        source, mask = Signal(), Signal(init=1)
        lifted = self.mask.write & mask & ~self.mask.data[0]
        m.d.comb += [
            self.source.value.eq(source), self.mask.value.eq(mask),
            self.irq.eq((moved & left & ~mask & (rung | ~source)) | (lifted & source)),
        ]
        with m.If(moved):
            m.d.sync += source.eq(left)
        with m.Elif((self.source.write & self.source.data[0]) | self.forget):
            m.d.sync += source.eq(0)
        with m.If(self.mask.write):
            m.d.sync += mask.eq(self.mask.data[0])
