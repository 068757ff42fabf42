"""Micro TLB: fully associative, mixed page sizes, flip-flops."""

from amaranth import Cat, Module, Mux, Shape, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from hdl.onehot import BLOCK_BITS, PAGE_BITS, any_of, first_one, page_mask, select
from hdl.streams import Invalidation, InvOp, TranslationResponse
from hdl.tbu.layouts import Lookup, PageKey, Translation


class Entry(data.Struct):
    """One stored translation."""

    key: PageKey
    translation: Translation


def same_stream(a, b):
    """Do two `PageKey`s name the same stream and substream?"""
    return (a.sid == b.sid) & (a.ssv == b.ssv) & (a.ssid == b.ssid)


def same_page(a, b, mask):
    """Do two page numbers agree outside the bits of `mask`?"""
    top = BLOCK_BITS - PAGE_BITS
    return (((a[:top] ^ b[:top]) & ~mask) == 0) & (a[top:] == b[top:])


class MicroTlb(wiring.Component):
    """Lookups every cycle on every port, one fill and one invalidation per cycle.

    A fill replaces every entry that overlaps it, so that at most one entry matches an address.
    Replacement: an empty entry, else one not used since all others were (not-recently-used).
    An invalidation takes effect at the clock edge and wins over a fill of the same cycle.
    CFGI_* drop the streams they name, TLBI_* drop everything.

    Members
    -------
    lookup
        Lookup ports, answered combinationally.
    fill, fill_key, fill_response
        Store the translation of `fill_response` for the page of `fill_key`.
    drop, invalidation
        Apply `invalidation`.
    flush
        Drop everything.
    """

    def __init__(self, *, entries: int, ports: int):
        self.entries = entries
        super().__init__({
            "lookup": In(Lookup()).array(ports),
            "fill": In(1), "fill_key": In(PageKey), "fill_response": In(TranslationResponse),
            "drop": In(1), "invalidation": In(Invalidation), "flush": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        n = self.entries
        raw = [Signal(Shape.cast(Entry).width, name=f"entry{i}") for i in range(n)]
        table = [Entry(r) for r in raw]
        valid = Signal(n)
        used = Signal(n)

        touched = []
        for p, port in enumerate(self.lookup):
            match = Signal(n, name=f"match{p}")
            for i, e in enumerate(table):
                m.d.comb += match[i].eq(
                    valid[i] & same_stream(e.key, port.key)
                    & same_page(e.key.page, port.key.page, e.translation.mask))
            m.d.comb += [
                port.hit.eq(match.any()),
                port.translation.as_value().eq(
                    select(match, [e.translation.as_value() for e in table])),
            ]
            touched.append(Mux(port.used, match, 0))

        # Replacement.
        victim = Signal(n)
        m.d.comb += victim.eq(Mux(valid.all(), first_one(~used), first_one(~valid)))
        touch = Signal(n)
        m.d.comb += touch.eq(any_of(touched) | Mux(self.fill, victim, 0))
        with m.If(touch.any()):
            m.d.sync += used.eq(Mux((used | touch).all(), touch, used | touch))

        # Fill: what overlaps goes.
        new = Signal(Entry)
        response = self.fill_response
        m.d.comb += [
            new.key.eq(self.fill_key),
            new.translation.bypass.eq(response.bypass),
            new.translation.pa.eq(response.pa[PAGE_BITS:]),
            new.translation.mask.eq(page_mask(response.size)),
            new.translation.perms.eq(response.perms),
            new.translation.attrs.eq(response.attrs),
        ]
        overlap = Signal(n)
        kept = Signal(n)
        m.d.comb += kept.eq(valid)
        for i, e in enumerate(table):
            m.d.comb += overlap[i].eq(
                same_stream(e.key, new.key)
                & same_page(e.key.page, new.key.page, e.translation.mask | new.translation.mask))
            with m.If(self.fill & victim[i]):
                m.d.sync += raw[i].eq(new.as_value())
        with m.If(self.fill):
            m.d.comb += kept.eq((valid & ~overlap) | victim)
        m.d.sync += valid.eq(kept & ~self._dropped(m, table))
        return m

    def _dropped(self, m, table):
        """One bit per entry: goes in this cycle. The entry being filled is judged by the caller,
        who does not fill while dropping."""
        inv = self.invalidation
        configuration = Signal()
        m.d.comb += configuration.eq((inv.op == InvOp.CFGI_STE) | (inv.op == InvOp.CFGI_CD)
                                     | (inv.op == InvOp.CFGI_CD_ALL))
        differ = Signal(32)  # StreamID bits that must agree
        m.d.comb += differ.eq(Mux(inv.op == InvOp.CFGI_STE,
                                  Cat(inv.mask <= b for b in range(32)), ~0))
        hits = Cat(((e.key.sid ^ inv.sid) & differ) == 0 for e in table)
        return (Mux(self.drop, Mux(configuration, hits, ~0), 0)
                | Mux(self.flush, ~0, 0))[:self.entries]
