"""Reads scattered bytes of memory into a packed stream."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.dma.probe import PageProbe
from hdl.accel.streams import (
    BEAT_BYTES,
    BURST_BEATS,
    DATA_BITS,
    LENGTH_BITS,
    Chunk,
    Failure,
    ReadPort,
    Segment,
)
from hdl.streams import ADDR_BITS
from spec.sec import ErrorType

BUFFER_BEATS = 128   # read ahead: covers about that many cycles of memory latency


class _Span(data.Struct):
    """What the packer must know of a segment whose beats are on their way."""

    addr: unsigned(ADDR_BITS)
    length: unsigned(LENGTH_BITS)
    last: unsigned(1)
    error_type: ErrorType


class _Beat(data.Struct):
    data: unsigned(DATA_BITS)
    error: unsigned(1)


class Gather(wiring.Component):
    """Turns segments of any alignment and length into packed chunks, one chunk per cycle.

    Transfers may follow each other. Reads run ahead of the chunks by up to `BUFFER_BEATS` beats;
    their answers are always taken at once. Reset drops what was left of a failed transfer.

    Parameters
    ----------
    probes : int
        Bursts that may be under way to pages that have not answered yet (see PageProbe).

    Members
    -------
    segment, chunk, read
        Where from, what, and the memory.
    halt
        Ask for nothing more. May withdraw a request.
    waiting
        The page that was asked last has not answered yet.
    known_only
        Ask only pages that have answered.
    error, failure
        All chunks up to a beat that was answered with an error were given; stays until reset.
    idle
        No read is under way.
    """

    def __init__(self, probes: int = BUFFER_BEATS // BURST_BEATS):
        self.probes = probes
        super().__init__({
            "segment": In(stream.Signature(Segment)), "chunk": Out(stream.Signature(Chunk)),
            "read": Out(ReadPort()), "halt": In(1), "waiting": Out(1), "known_only": In(1),
            "error": Out(1), "failure": Out(Failure), "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.beats = beats = fifo.SyncFIFOBuffered(
            width=_Beat.as_shape().size, depth=BUFFER_BEATS)
        m.submodules.spans = spans = fifo.SyncFIFOBuffered(width=_Span.as_shape().size, depth=4)
        failed = Signal()                        # a beat on its way to the packer is bad
        self.request(m, beats, spans, failed)
        self.receive(m, beats, failed)
        self.pack(m, beats, spans)
        return m

    def request(self, m, beats, spans, failed) -> None:
        """Ask for a segment's beats, burst by burst, as far as the buffer has room for them."""
        req, segment = self.read.req, self.segment
        m.submodules.probe = probe = PageProbe(probes=self.probes, most=BUFFER_BEATS)
        left = Signal(LENGTH_BITS - 3)           # beats of this segment still to ask for
        reserved = Signal(range(BUFFER_BEATS + 1))
        count = Signal(range(BURST_BEATS + 1))
        to_boundary = Signal(range(BURST_BEATS + 1))
        asked, offset = Signal(), segment.payload.addr[:4]
        m.d.comb += [
            to_boundary.eq(BURST_BEATS - req.payload.addr[4:8]),
            count.eq(Mux(left < to_boundary, left, to_boundary)),
            req.payload.len.eq(count - 1),
            req.valid.eq((left != 0) & (reserved <= BUFFER_BEATS - BURST_BEATS) & ~self.halt
                         & ~failed & probe.may_ask),
            asked.eq(req.valid & req.ready),
            segment.ready.eq((left == 0) & spans.w_rdy),
            spans.w_en.eq(segment.valid & segment.ready),
            spans.w_data.eq(Cat(segment.payload.addr, segment.payload.length,
                                segment.payload.last, segment.payload.error_type)),
            probe.addr.eq(req.payload.addr), probe.asked.eq(asked), probe.answers.eq(count),
            probe.answer.eq(self.read.beat.valid), probe.known_only.eq(self.known_only),
            self.waiting.eq(probe.waiting), self.idle.eq(probe.under_way == 0),
        ]
        with m.If(spans.w_en):
            m.d.sync += [
                req.payload.addr.eq(segment.payload.addr & ~(BEAT_BYTES - 1)),
                req.payload.space.eq(segment.payload.space),
                left.eq((segment.payload.length + offset + (BEAT_BYTES - 1)) >> 4),
            ]
        with m.Elif(asked):
            m.d.sync += [
                req.payload.addr.eq(req.payload.addr + (count << 4)), left.eq(left - count),
            ]
        grant = Mux(asked, count, 0)
        m.d.sync += reserved.eq(reserved + grant - (beats.r_en & beats.r_rdy))

    def receive(self, m, beats, failed) -> None:
        """Keep the beats up to the first bad one."""
        beat = self.read.beat
        m.d.comb += [
            beat.ready.eq(1), beats.w_data.eq(Cat(beat.payload.data, beat.payload.error)),
            beats.w_en.eq(beat.valid & ~failed),
        ]
        with m.If(beat.valid & beat.payload.error):
            m.d.sync += failed.eq(1)

    def pack(self, m, beats, spans) -> None:
        """Append each beat's bytes to what is left of earlier ones; give away whole chunks."""
        span, beat = data.View(_Span, spans.r_data), data.View(_Beat, beats.r_data)
        first = Signal(init=1)
        remaining, next_at = Signal(LENGTH_BITS), Signal(ADDR_BITS - 4)
        held, fill = Signal(DATA_BITS - 8), Signal(4)     # bytes waiting for a whole chunk
        flush = Signal()                                  # nothing follows the held bytes
        low, left = Signal(4), Signal(LENGTH_BITS)
        count, total = Signal(5), Signal(6)
        wide = Signal(2 * DATA_BITS - 8)
        ends, go, take, give = Signal(), Signal(), Signal(), Signal()
        free = ~self.chunk.valid | self.chunk.ready
        at = Mux(first, span.addr[4:], next_at)         # number of the beat in memory
        m.d.comb += [
            low.eq(Mux(first, span.addr[:4], 0)),
            left.eq(Mux(first, span.length, remaining)),
            count.eq(Mux(left < BEAT_BYTES - low, left, BEAT_BYTES - low)),
            total.eq(fill + count),
            wide.eq(held | (_bytes(beat.data >> (low << 3), count) << (fill << 3))),
            ends.eq(left == count),
            go.eq(beats.r_rdy & spans.r_rdy & free & ~flush),
            take.eq(go & ~beat.error),
            give.eq(total[4:].any() | (ends & span.last)),
            beats.r_en.eq(take),
            spans.r_en.eq(take & ends),
        ]
        with m.If(self.chunk.ready):
            m.d.sync += self.chunk.valid.eq(0)
        with m.If(take):
            m.d.sync += [
                first.eq(ends), remaining.eq(left - count), next_at.eq(at + 1),
                fill.eq(Mux(ends & span.last, 0, total)),
            ]
            with m.If(give):
                m.d.sync += [
                    self.chunk.valid.eq(1), self.chunk.payload.data.eq(wide),
                    self.chunk.payload.last.eq(ends & span.last & (total <= BEAT_BYTES)),
                    held.eq(wide >> DATA_BITS), flush.eq(ends & span.last & (total > BEAT_BYTES)),
                ]
            with m.Else():
                m.d.sync += held.eq(wide)
        with m.Elif(flush & free):
            m.d.sync += [
                self.chunk.valid.eq(1), self.chunk.payload.data.eq(held),
                self.chunk.payload.last.eq(1), flush.eq(0), held.eq(0),
            ]
        with m.If(go & beat.error):
            m.d.sync += [
                self.error.eq(1), self.failure.error_type.eq(span.error_type),
                self.failure.addr.eq(Cat(Const(0, 4), at)),
            ]


def _bytes(value, count):
    """The first `count` (0..16) bytes of a 16-byte value."""
    return value & Cat((n < count).replicate(8) for n in range(BEAT_BYTES))
