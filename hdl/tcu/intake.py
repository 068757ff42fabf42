"""The way of a request into the walker: a pipeline that finds what the caches have.

    accept -> STE cache -> CD cache, main TLB asked -> first step of the walker

A context whose page another one is already being walked for waits here until that one has been
answered, and then takes the way again: it finds the leaf in the main TLB, and is judged by its own
rights. What a cache does not have, the walker reads.
"""

from amaranth import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.onehot import PAGE_BITS, decode, encode, first_one
from hdl.streams import TranslationRequest
from hdl.tcu.bits import bind
from hdl.tcu.config.cache import CdLookup, SteLookup
from hdl.tcu.config.substream import Substream
from hdl.tcu.context import KeptSTE, Phase
from hdl.tcu.contexts import Ends, index_bits

MARK_BITS = 10  # of the hash by which contexts of one page find each other


class Entry(data.Struct):
    """First step of a context: its phase, and whether stage 1 translates (known from SELECT on)."""

    phase: Phase
    stage1: unsigned(1)


class Intake(wiring.Component):
    """Two stages of lookups and one for the result; each lets the next context in when its own
    has gone on. Contexts that have waited go before new requests, and do not wait again.

    Parameters
    ----------
    impl
        What is implemented.
    walks
        Number of contexts.
    merge
        Contexts of one page wait for each other.

    Members
    -------
    req, room, free_index, begin
        Requests; a context is taken for each (`begin`) while there is `room`.
    ends
        Contexts that end.
    first, first_req, ste, ste_write, ste_busy
        First stage: its context, whose request comes back in the same cycle. An STE found is
        written into the context, but not while the walker writes one (`ste_busy`).
    peer, peer_req
        Second stage: the context that its own may wait for, and the request of that one.
    second, second_req, second_ste, cd, cd_write, cd_busy
        Second stage: its context. A CD found is written into the context, and the main TLB asked
        with it, but not while the walker does so (`cd_busy`).
    entry_valid, entry_index, entry, entry_take
        Third stage: the context whose first step is due; strobe that takes it.
    merged
        Strobe: a context begins to wait for another one.
    """

    def __init__(self, impl, walks: int, *, merge: bool):
        self.impl, self.walks, self.merge = impl, walks, merge
        bits = index_bits(walks)
        super().__init__({
            "req": In(stream.Signature(TranslationRequest)),
            "room": In(1), "free_index": In(bits), "begin": Out(1),
            "ends": In(Ends(walks)),
            "first": Out(bits), "first_req": In(TranslationRequest),
            "ste": Out(SteLookup()), "ste_write": Out(1), "ste_busy": In(1),
            "peer": Out(bits), "peer_req": In(TranslationRequest),
            "second": Out(bits), "second_req": Out(TranslationRequest),
            "second_ste": Out(KeptSTE.layout),
            "cd": Out(CdLookup()), "cd_write": Out(1), "cd_busy": In(1),
            "entry_valid": Out(1), "entry_index": Out(bits), "entry": Out(Entry),
            "entry_take": In(1), "merged": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        self._ended = Signal(self.walks, name="ended")
        self._leading = Signal(self.walks, name="leading")  # others may wait for it
        self._woken = Signal(self.walks, name="woken")      # takes the way again
        self._first_leads, self._second_leads = (
            Signal(self.walks, name=f"{n}_leads") for n in ("first", "second"))
        self._first_valid, self._second_valid = (
            Signal(name=f"{n}_valid") for n in ("first", "second"))
        self._first_woken, self._second_woken = (
            Signal(name=f"{n}_woken") for n in ("first", "second"))
        self._first_goes, self._second_goes = (
            Signal(name=f"{n}_goes") for n in ("first", "second"))
        self._known = Signal(name="known")          # second stage: the STE was found
        self._candidate = Signal(name="candidate")  # second stage: `peer` may have the same page
        m.d.comb += self._ended.eq(
            Mux(self.ends.answered, decode(self.ends.answered_index, self.walks), 0)
            | Mux(self.ends.faulted, decode(self.ends.faulted_index, self.walks), 0))
        self._accept(m)
        self._first_stage(m)
        self._second_stage(m)
        m.d.sync += self._leading.eq(
            (self._leading | self._first_leads | self._second_leads) & ~self._ended)
        return m

    def _accept(self, m: Module) -> None:
        free, wake = Signal(), Signal(self.walks)
        m.d.comb += [
            free.eq(~self._first_valid | self._first_goes),
            wake.eq(first_one(self._woken)),
            self.req.ready.eq(free & self.room & ~wake.any()),
            self.begin.eq(self.req.valid & self.req.ready),
        ]
        with m.If(free):
            m.d.sync += [
                self._first_valid.eq(self.begin | wake.any()), self._first_woken.eq(wake.any()),
                self.first.eq(Mux(wake.any(), encode(wake), self.free_index)),
            ]
            m.d.sync += self._woken.eq(self._woken & ~wake)

    def _first_stage(self, m: Module) -> None:
        """The STE, and who has the same page perhaps."""
        req, free = self.first_req, Signal()
        m.d.comb += [
            self.ste.sid.eq(req.sid),
            free.eq(~self._second_valid | self._second_goes),
            self._first_goes.eq(self._first_valid & free & ~(self.ste.hit & self.ste_busy)),
            self.ste_write.eq(self._first_goes & self.ste.hit),
        ]
        with m.If(free):
            m.d.sync += self._second_valid.eq(self._first_goes)
        with m.If(self._first_goes):
            m.d.sync += [
                self.second.eq(self.first), self.second_req.eq(req),
                self.second_ste.eq(self.ste.found), self._known.eq(self.ste.hit),
                self._second_woken.eq(self._first_woken),
            ]
        if self.merge:
            self._find_peer(m, req)

    def _find_peer(self, m: Module, req: data.View) -> None:
        mark = bind(m, "mark", _hash(req))
        marks = [Signal(MARK_BITS, name=f"mark{n}") for n in range(self.walks)]
        alike = Signal(self.walks)
        m.d.comb += alike.eq(Cat(self._leading[n] & (marks[n] == mark)
                                 for n in range(self.walks)))
        with m.If(self._first_goes):
            m.d.sync += [self._candidate.eq(alike.any() & ~self._first_woken),
                         self.peer.eq(encode(first_one(alike)))]
            with m.If(~alike.any() | self._first_woken):
                m.d.comb += self._first_leads.eq(decode(self.first, self.walks))
        for n in range(self.walks):
            with m.If(self._first_goes & (self.first == n)):
                m.d.sync += marks[n].eq(mark)

    def _second_stage(self, m: Module) -> None:
        """The CD; or the wait for the peer."""
        m.submodules.substream = substream = Substream(self.impl)
        req, ste, entry = self.second_req, self.second_ste, self.entry
        found, waits, free = Signal(), Signal(), Signal()
        m.d.comb += [
            substream.ssv.eq(req.ssv), substream.ssid.eq(req.ssid), substream.ste.eq(ste),
            self.cd.key.sid.eq(req.sid), self.cd.key.index.eq(substream.index),
            self.cd.key.nested.eq(ste.Config[1]),
            found.eq(self._known & substream.stage1 & ~substream.bad & ~substream.disabled
                     & self.cd.hit),
            free.eq(~self.entry_valid | self.entry_take),
            self._second_goes.eq(self._second_valid & (
                waits | (free & ~(found & self.cd_busy)))),
            self.cd_write.eq(self._second_goes & ~waits & found),
        ]
        with m.If(free):
            m.d.sync += self.entry_valid.eq(self._second_goes & ~waits)
        with m.If(self._second_goes & ~waits):
            m.d.sync += [
                self.entry_index.eq(self.second), entry.stage1.eq(found),
                entry.phase.eq(Mux(found, Phase.SELECT,
                                   Mux(self._known, Phase.SUBSTREAM, Phase.START))),
            ]
        if self.merge:
            m.d.comb += [
                waits.eq(self._candidate & _same_page(req, self.peer_req)
                         & (self._leading & ~self._ended).bit_select(self.peer, 1)),
                self.merged.eq(self._second_valid & waits),
            ]
            with m.If(self._second_goes & self._candidate & ~waits):
                m.d.comb += self._second_leads.eq(decode(self.second, self.walks))
            self._wait(m)

    def _wait(self, m: Module) -> None:
        """Contexts that wait, and what wakes them."""
        ends = self.ends
        for n in range(self.walks):
            waiting = Signal(name=f"waiting{n}")
            behind = Signal.like(self.peer, name=f"behind{n}")
            with m.If(self.merged & (self.second == n)):
                m.d.sync += [waiting.eq(1), behind.eq(self.peer)]
            with m.Elif(waiting & (ends.answered & (ends.answered_index == behind)
                                   | ends.faulted & (ends.faulted_index == behind))):
                m.d.sync += [waiting.eq(0), self._woken[n].eq(1)]


def _hash(req: data.View) -> Value:
    """Of stream, substream and page, so that those of one page meet and few others do."""
    page, low = req.addr[PAGE_BITS:], slice(0, MARK_BITS)
    return (page[low] ^ page[MARK_BITS:2 * MARK_BITS] ^ req.sid[low] ^ req.ssid[low])[low]


def _same_page(a: data.View, b: data.View) -> Value:
    return ((a.sid == b.sid) & (a.ssv == b.ssv) & (a.ssid == b.ssid)
            & (a.addr[PAGE_BITS:] == b.addr[PAGE_BITS:]))
