"""Writes a packed stream to scattered bytes of memory."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.dma.probe import PageProbe
from hdl.accel.streams import (
    BEAT_BYTES,
    BURST_BEATS,
    DATA_BITS,
    LENGTH_BITS,
    BurstRequest,
    Chunk,
    Failure,
    Segment,
    WriteBeat,
    WritePort,
)
from hdl.streams import ADDR_BITS
from spec.sec import ErrorType

BUFFER_BEATS = 64    # bursts wait here until all their beats are there
BURSTS = 16
UNDER_WAY = 8        # bursts begun and not answered; if they stall, the TBU has to keep them all


class Scatter(wiring.Component):
    """Puts packed chunks into segments of any alignment and length, one beat per cycle.

    Only bytes inside the segments are written (strobes). A burst is requested when all its beats
    are buffered, so that a source that waits never holds the write channel. Reset between
    transfers.

    Parameters
    ----------
    probes : int
        Bursts that may be under way to pages that have not answered yet (see PageProbe).

    Members
    -------
    segment, chunk, write
        Where to, what, and the memory.
    halt
        Begin no more bursts. May withdraw a request.
    error, failure
        A burst was answered with an error, the first one at this address; stays until reset.
    idle
        No burst that was begun is without its answer.
    finished
        All bytes up to the end of the `last` segment are visible; stays until reset.
    """

    def __init__(self, probes: int = BURSTS):
        self.probes = probes
        super().__init__({
            "segment": In(stream.Signature(Segment)), "chunk": In(stream.Signature(Chunk)),
            "write": Out(WritePort()), "halt": In(1), "error": Out(1), "failure": Out(Failure),
            "idle": Out(1), "finished": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.beats = beats = fifo.SyncFIFOBuffered(
            width=WriteBeat.as_shape().size, depth=BUFFER_BEATS)
        m.submodules.bursts = bursts = fifo.SyncFIFOBuffered(
            width=BurstRequest.as_shape().size, depth=BURSTS)
        self.align(m, beats, bursts)
        self.issue(m, beats, bursts)
        return m

    def align(self, m, beats, bursts) -> None:
        """Cut the packed bytes into beats of the destination, and the beats into bursts."""
        segment, chunk = self.segment, self.chunk
        first = Signal(init=1)                            # of its segment
        addr, remaining = Signal.like(segment.payload.addr), Signal(LENGTH_BITS)
        at, left = Signal.like(segment.payload.addr), Signal(LENGTH_BITS)
        held, fill = Signal(DATA_BITS - 8), Signal(4)     # bytes not written yet
        wide = Signal(2 * DATA_BITS - 8)
        low, count = Signal(4), Signal(5)
        ends, ends_burst, enough, go = Signal(), Signal(), Signal(), Signal()
        beat, burst = Signal(WriteBeat), Signal(BurstRequest)
        beat_number = Signal(range(BURST_BEATS))
        m.d.comb += [
            at.eq(Mux(first, segment.payload.addr, addr)),
            left.eq(Mux(first, segment.payload.length, remaining)),
            low.eq(at[:4]),
            count.eq(Mux(left < BEAT_BYTES - low, left, BEAT_BYTES - low)),
            enough.eq(fill >= count),
            wide.eq(held | Mux(enough, 0, chunk.payload.data << (fill << 3))),
            ends.eq(left == count),
            ends_burst.eq(ends | at[4:8].all()),
            go.eq(segment.valid & beats.w_rdy & bursts.w_rdy & (enough | chunk.valid)),
            chunk.ready.eq(go & ~enough),
            segment.ready.eq(go & ends),
            beat.data.eq(wide << (low << 3)),
            beat.strb.eq(Cat((n < count) for n in range(BEAT_BYTES)) << low),
            beat.last.eq(ends_burst),
            beats.w_data.eq(beat), beats.w_en.eq(go),
            burst.addr.eq(Cat(Const(0, 4), at[4:]) - (beat_number << 4)),
            burst.len.eq(beat_number), burst.space.eq(segment.payload.space),
            bursts.w_data.eq(burst), bursts.w_en.eq(go & ends_burst),
        ]
        with m.If(go):
            m.d.sync += [
                first.eq(ends), addr.eq(Cat(Const(0, 4), at[4:] + 1)), remaining.eq(left - count),
                held.eq(wide >> (count << 3)), fill.eq(fill - count),
                beat_number.eq(Mux(ends_burst, 0, beat_number + 1)),
            ]

    def issue(self, m, beats, bursts) -> None:
        """Begin bursts in order and wait for all their answers."""
        write = self.write
        m.submodules.begun = begun = fifo.SyncFIFOBuffered(width=ADDR_BITS, depth=UNDER_WAY)
        m.submodules.probe = probe = PageProbe(probes=self.probes, most=UNDER_WAY)
        due = Signal(range(2 * BURSTS + UNDER_WAY))
        all_cut = Signal()
        begin = write.req.valid & write.req.ready
        m.d.comb += [
            write.req.payload.eq(bursts.r_data),
            write.req.valid.eq(bursts.r_rdy & begun.w_rdy & ~self.halt & probe.may_ask),
            probe.addr.eq(write.req.payload.addr), probe.asked.eq(begin), probe.answers.eq(1),
            probe.answer.eq(write.done),
            bursts.r_en.eq(begin), begun.w_en.eq(begin), begun.w_data.eq(write.req.payload.addr),
            begun.r_en.eq(write.done),
            write.beat.payload.eq(beats.r_data), write.beat.valid.eq(beats.r_rdy),
            beats.r_en.eq(write.beat.ready & beats.r_rdy),
            self.idle.eq(begun.level == 0), self.finished.eq(all_cut & (due == 0)),
        ]
        m.d.sync += due.eq(due + bursts.w_en - write.done)
        with m.If(self.segment.valid & self.segment.ready & self.segment.payload.last):
            m.d.sync += all_cut.eq(1)
        with m.If(write.done & write.error & ~self.error):
            m.d.sync += [
                self.error.eq(1), self.failure.error_type.eq(ErrorType.DATA_WRITE),
                self.failure.addr.eq(begun.r_data),
            ]
