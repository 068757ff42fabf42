"""Decoding one translation table descriptor of either stage (reference 4.6)."""

from amaranth import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import PA_BITS
from hdl.tcu.bits import below, bind, pick
from hdl.tcu.walk import geometry
from spec.vmsa import LAST_LEVEL, LeafOverlay, S1Leaf, block_levels

OUTPUT_TOP = S1Leaf.Address.hi + 1  # OA[51:48] lie elsewhere


class Descriptor(wiring.Component):
    """What a descriptor says about where to go.

    Members
    -------
    word, level, granule
        The descriptor (little-endian), its level and granule.
    limit
        Effective output size in bits.
    addr
        The address under translation.
    table, leaf
        It is a table, a block or page; neither: F_TRANSLATION.
    too_big
        Next table or output beyond `limit`: F_ADDR_SIZE.
    base, next
        Next table and the address of the descriptor in it, for tables.
    output, size
        Output address of `addr` and log2 of the page's bytes, for leaves.
    """

    word: In(64)
    level: In(2)
    granule: In(2)
    limit: In(6)
    addr: In(PA_BITS)
    table: Out(1)
    leaf: Out(1)
    too_big: Out(1)
    base: Out(PA_BITS)
    next: Out(PA_BITS)
    output: Out(PA_BITS)
    size: Out(6)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        valid, kind = self.word[0], self.word[1]
        last = self.level == LAST_LEVEL
        block_level = geometry.at(self.granule, self.level, lambda g, n: int(
            n in block_levels(g.bits, self.impl.oas_bits)))
        offset = bind(m, "offset", below(m, self.size, PA_BITS))
        page = geometry.shift(self.granule, Const(LAST_LEVEL, 2))
        output = self.word[:OUTPUT_TOP]
        if geometry.wide(self.impl):
            high = pick(self.word, LeafOverlay.OA_51_48)
            output = Cat(output, Mux(self.granule == geometry.BY_BITS[16].value, high, 0))
        base = self.base
        next_level = bind(m, "next_level", (self.level + 1)[:2])
        m.d.comb += [
            self.base.eq(output & ~Mux(self.table, below(m, page, PA_BITS), offset)),
            self.size.eq(geometry.shift(self.granule, self.level)),
            self.table.eq(valid & kind & ~last),
            self.leaf.eq(valid & Mux(last, kind, ~kind & block_level)),
            self.too_big.eq((base & ~below(m, self.limit, PA_BITS)).any()),
            self.next.eq(base | geometry.index_offset(self.addr, self.granule, next_level)),
            self.output.eq(base | (self.addr & offset)),
        ]
        return m
