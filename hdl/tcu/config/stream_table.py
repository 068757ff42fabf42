"""Finding the stream table entry of a StreamID (reference 1.10, 2.1, 2.2)."""

from amaranth import Cat, Const, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import PA_BITS, SID_BITS
from hdl.tcu.bits import below, bind, choose, pick
from spec.stream_table import (
    L1STD,
    L1STD_BYTES,
    SPAN_MAX,
    SPLIT_RESERVED,
    SPLITS,
    STE_BYTES,
    StrtabFmt,
)

STE_SHIFT = STE_BYTES.bit_length() - 1
L1STD_SHIFT = L1STD_BYTES.bit_length() - 1


class StreamTable(wiring.Component):
    """Addresses and bounds of both table formats.

    Members
    -------
    sid, base, log2size, split, fmt
        StreamID and the registers as written; `base` in place.
    outside
        C_BAD_STREAMID: beyond LOG2SIZE or SIDSIZE.
    two_level, addr
        `addr` is the L1STD (two-level) or the STE (linear).
    l1std
        The L1 descriptor, for the two below.
    l1_outside, ste
        C_BAD_STREAMID under this descriptor; address of the STE.
    """

    sid: In(SID_BITS)
    base: In(PA_BITS)
    log2size: In(6)
    split: In(5)
    fmt: In(2)
    outside: Out(1)
    two_level: Out(1)
    addr: Out(PA_BITS)
    l1std: In(64)
    l1_outside: Out(1)
    ste: Out(PA_BITS)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        # Range: the effective LOG2SIZE is capped at SIDSIZE.
        mask = below(m, self.log2size, SID_BITS) & Const((1 << self.impl.SIDSIZE) - 1, SID_BITS)
        m.d.comb += self.outside.eq((self.sid & ~mask).any())
        # The base is aligned by the written LOG2SIZE; FMT is RES0 without ST_LEVEL.
        linear = (self.base & ~below(m, self.log2size + STE_SHIFT, PA_BITS)) | self._shifted(
            self.sid, STE_SHIFT)
        m.d.comb += self.addr.eq(linear)
        if self.impl.ST_LEVEL:
            self._first_level(m)
        self._second_level(m)
        return m

    def _shifted(self, value: Value, by: int) -> Value:
        return Cat(Const(0, by), value)[:PA_BITS]

    def _effective_split(self) -> Value:
        return choose(self.split, {s: s for s in SPLITS}, SPLIT_RESERVED)[:4]

    def _first_level(self, m: Module) -> None:
        split = bind(m, "split", self._effective_split())
        index = choose(split, {s: self.sid[s:] for s in SPLITS})
        # Table bytes: at least 64, so that the base keeps bits [51:6] then.
        size = Mux(self.log2size > split + L1STD_SHIFT, self.log2size - split, L1STD_SHIFT)
        base = self.base & ~below(m, (size + L1STD_SHIFT)[:6], PA_BITS)
        m.d.comb += self.two_level.eq(self.fmt == StrtabFmt.TWO_LEVEL)
        with m.If(self.two_level):
            m.d.comb += self.addr.eq(base | self._shifted(index, L1STD_SHIFT))

    def _second_level(self, m: Module) -> None:
        split = bind(m, "split2", self._effective_split())
        index = bind(m, "index", choose(split, {s: self.sid[:s] for s in SPLITS}))
        span = pick(self.l1std, L1STD.Span)
        entries = bind(m, "entries", (span - 1)[:4])  # log2
        invalid = (span == 0) | (span > SPAN_MAX) | (span > split + 1)
        m.d.comb += [
            self.l1_outside.eq(invalid | (index & ~below(m, entries, max(SPLITS))).any()),
            self.ste.eq((pick(self.l1std, L1STD.L2Ptr) & ~below(m, entries + STE_SHIFT, PA_BITS))
                        | self._shifted(index, STE_SHIFT)),
        ]
