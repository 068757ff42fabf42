"""Turns the place of a job's data, flat or a scatter-gather list, into segments."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.streams import (
    BEAT_BYTES,
    DATA_BITS,
    LENGTH_BITS,
    SKIP_BITS,
    Failure,
    Place,
    ReadPort,
    Segment,
)
from hdl.layouts import view
from hdl.streams import ADDR_BITS
from spec.qm import SGE, SGL, SGL_ALIGN
from spec.sec import ErrorType

LOG2_SGE = (SGE.BITS // 8).bit_length() - 1
BEATS = SGE.BITS // DATA_BITS            # of an entry
LOG2_BLOCK = 8                           # entries are read up to the next 256-byte boundary
BLOCK_ENTRIES = 1 << LOG2_BLOCK - LOG2_SGE
AHEAD = 4                                # segments found before they are wanted
SUM_BITS = SGL.entry_sum_in_sgl.width


class ListWalker(wiring.Component):
    """Gives the segments of a place, in order and exactly `place.length` bytes (reference 3.7).

    Lists are read ahead of the segments, one burst at a time, and only if its first entry is
    needed, so that no page is touched that the job could do without. Reset between jobs.

    Parameters
    ----------
    error_type : ErrorType
        `Segment.error_type`.

    Members
    -------
    go, place
        Work; `place` is stable meanwhile.
    segment, read
        What was found, and the memory of the lists.
    hold
        Ask for nothing. May withdraw a request.
    error, failure
        The list is not what it must be, or could not be read; stays until reset. Segments before
        that may still be offered.
    """

    def __init__(self, error_type: ErrorType):
        self.error_type = error_type
        super().__init__({
            "go": In(1), "place": In(Place), "segment": Out(stream.Signature(Segment)),
            "read": Out(ReadPort()), "hold": In(1), "error": Out(1), "failure": Out(Failure),
        })

    def elaborate(self, platform):
        m = Module()
        self.at = Signal(ADDR_BITS)              # of the list's head, or of its next entry
        self.next_list = Signal(ADDR_BITS)
        self.count = Signal(SUM_BITS)            # entries of this list not cut yet
        self.skip, self.left = Signal(SKIP_BITS), Signal(LENGTH_BITS)
        m.submodules.beats = self.beats = fifo.SyncFIFOBuffered(
            width=DATA_BITS + 1, depth=BEATS * BLOCK_ENTRIES)
        m.submodules.found = found = fifo.SyncFIFOBuffered(
            width=Segment.as_shape().size, depth=AHEAD)
        read, place = self.read, self.place
        segment = self.next = stream.Signature(Segment).create()
        m.d.comb += [
            found.w_data.eq(segment.payload), found.w_en.eq(segment.valid),
            segment.ready.eq(found.w_rdy), self.segment.payload.eq(found.r_data),
            self.segment.valid.eq(found.r_rdy), found.r_en.eq(self.segment.ready),
            read.beat.ready.eq(1), read.req.payload.addr.eq(self.at),
            read.req.payload.space.eq(place.space),
            segment.payload.space.eq(place.space),
            segment.payload.error_type.eq(self.error_type),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [self.at.eq(place.addr), self.skip.eq(place.skip),
                             self.left.eq(place.length)]
                with m.If(self.go):
                    m.next = "FLAT"
                    with m.If(place.scattered):
                        m.next = "ASK HEAD"
            with m.State("FLAT"):
                m.d.comb += [
                    segment.payload.addr.eq(place.addr + place.skip),
                    segment.payload.length.eq(place.length), segment.payload.last.eq(1),
                    segment.valid.eq(1),
                ]
                with m.If(segment.ready):
                    m.next = "END"
            with m.State("ASK HEAD"):
                aligned = (self.at % SGL_ALIGN == 0) & (self.at != 0)
                m.d.comb += read.req.valid.eq(aligned & ~self.hold)
                with m.If(~aligned):
                    self.fail(m, ErrorType.SGL)
                with m.Elif(read.req.valid & read.req.ready):
                    m.next = "HEAD"
            with m.State("HEAD"):
                self.take_head(m)
            with m.State("ASK ENTRIES"):
                self.ask_entries(m)
            with m.State("CUT"):
                self.cut(m)
            with m.State("END"):
                pass
        return m

    def fail(self, m, error_type, addr=0) -> None:
        m.d.sync += [
            self.error.eq(1), self.failure.error_type.eq(error_type),
            self.failure.addr.eq(addr),
        ]
        m.next = "END"

    def take_head(self, m) -> None:
        """The first beat of a list says how many entries follow its 64 bytes, and what then."""
        beat = self.read.beat
        head = view(SGL, Cat(beat.payload.data, Const(0, SGL.BITS - DATA_BITS)))
        m.d.sync += [
            self.next_list.eq(head.next_dma), self.count.eq(head.entry_sum_in_sgl),
        ]
        with m.If(beat.valid):
            m.d.sync += self.at.eq(self.at + SGL.BITS // 8)
            m.next = "ASK ENTRIES"
            with m.If(beat.payload.error):
                self.fail(m, ErrorType.SGL_READ, self.at)
            with m.Elif(head.entry_sum_in_sgl == 0):
                self.fail(m, ErrorType.SGL)

    def ask_entries(self, m) -> None:
        req = self.read.req
        room = Signal(range(BLOCK_ENTRIES + 1))          # entries up to the boundary
        entries = Signal(range(BLOCK_ENTRIES + 1))
        m.d.comb += [
            room.eq(BLOCK_ENTRIES - self.at[LOG2_SGE:LOG2_BLOCK]),
            entries.eq(Mux(self.count < room, self.count, room)),
            req.payload.len.eq(BEATS * entries - 1),
            req.valid.eq(~self.hold),
        ]
        with m.If(req.valid & req.ready):
            m.next = "CUT"

    def cut(self, m) -> None:
        """Make a segment of each entry, as far as it is not skipped and still needed."""
        beats, segment = self.beats, self.next
        beat = self.read.beat
        m.d.comb += [
            beats.w_data.eq(Cat(beat.payload.data, beat.payload.error)),
            beats.w_en.eq(beat.valid),
        ]
        first = Signal(DATA_BITS)                        # beat of the entry
        second = Signal()                                # it is there, the next one is wanted
        bad = beats.r_data[DATA_BITS]
        entry = view(SGE, Cat(first, beats.r_data[:DATA_BITS]))
        rest = Signal(SGE.length.width)                  # bytes behind what is skipped
        skipped, malformed, done = Signal(), Signal(), Signal()
        m.d.comb += [
            skipped.eq(entry.length <= self.skip), rest.eq(entry.length - self.skip),
            malformed.eq((entry.buffer == 0) | (entry.length == 0)),
            segment.payload.addr.eq(entry.buffer + self.skip),
            segment.payload.last.eq(rest >= self.left),
            segment.payload.length.eq(Mux(segment.payload.last, self.left, rest)),
        ]
        with m.If(beats.r_rdy & bad):
            self.fail(m, ErrorType.SGL_READ, self.at + Mux(second, BEAT_BYTES, 0))
        with m.Elif(beats.r_rdy & ~second):
            m.d.comb += beats.r_en.eq(1)
            m.d.sync += [first.eq(beats.r_data), second.eq(1)]
        with m.Elif(beats.r_rdy & malformed):
            self.fail(m, ErrorType.SGL)
        with m.Elif(beats.r_rdy):
            m.d.comb += [
                segment.valid.eq(~skipped), done.eq(skipped | segment.ready), beats.r_en.eq(done),
            ]
        with m.If(done):
            m.d.sync += [
                second.eq(0), self.at.eq(self.at + SGE.BITS // 8), self.count.eq(self.count - 1),
                self.skip.eq(Mux(skipped, self.skip - entry.length, 0)),
            ]
            with m.If(~skipped):
                m.d.sync += self.left.eq(self.left - segment.payload.length)
            with m.If(~skipped & segment.payload.last):
                m.next = "END"
            with m.Elif(self.count == 1):
                m.d.sync += self.at.eq(self.next_list)
                m.next = "ASK HEAD"
            with m.Elif(self.at[LOG2_SGE:LOG2_BLOCK].all()):
                m.next = "ASK ENTRIES"
