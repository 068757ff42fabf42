"""Finding a context descriptor (reference 3.1)."""

from amaranth import Cat, Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import PA_BITS, SSID_BITS
from hdl.tcu.bits import below, choose, pick
from hdl.tcu.context import KeptSTE
from spec.context import CD_BYTES, CD_LEAF_BITS, L1CD, L1CD_BYTES
from spec.stream_table import SteS1Fmt

CD_SHIFT = CD_BYTES.bit_length() - 1
L1CD_SHIFT = L1CD_BYTES.bit_length() - 1


class CdTable(wiring.Component):
    """Addresses in both table formats; IPAs if stage 2 is on.

    Members
    -------
    ste, index
        The STE and the index of the CD (below 2^S1CDMax).
    two_level, addr
        `addr` is the L1CD (two-level) or the CD.
    l1cd, cd
        The L1 descriptor and, from it, the address of the CD.
    """

    ste: In(KeptSTE.layout)
    index: In(SSID_BITS)
    two_level: Out(1)
    addr: Out(PA_BITS)
    l1cd: In(64)
    cd: Out(PA_BITS)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        ste = self.ste
        base = KeptSTE.address(ste, "S1ContextPtr")
        if not self.impl.SSIDSIZE:
            m.d.comb += self.addr.eq(base)
            return m
        # Tables are aligned to their size, 64 bytes at least: lower bits count as 0.
        m.d.comb += self.addr.eq((base & ~below(m, ste.S1CDMax + CD_SHIFT, PA_BITS))
                                 | self._shifted(self.index, CD_SHIFT))
        if self.impl.CD2L:
            self._first_level(m, base)
            self._second_level(m)
        return m

    def _shifted(self, value: Value, by: int) -> Value:
        return Cat(Const(0, by), value)[:PA_BITS]

    def _first_level(self, m: Module, base: Value) -> None:
        ste = self.ste
        two_level = (ste.S1Fmt == SteS1Fmt.L2_4K) | (ste.S1Fmt == SteS1Fmt.L2_64K)
        m.d.comb += self.two_level.eq(two_level & (ste.S1CDMax != 0))
        with m.If(self.two_level):
            leaf = choose(ste.S1Fmt, CD_LEAF_BITS)[:4]
            entries = (ste.S1CDMax - leaf).as_unsigned()[:5]
            size = below(m, (ste.S1CDMax > leaf).replicate(5) & entries, PA_BITS - L1CD_SHIFT)
            index = choose(ste.S1Fmt, {f: self.index[n:] for f, n in CD_LEAF_BITS.items()})
            m.d.comb += self.addr.eq((base & ~self._shifted(size, L1CD_SHIFT))
                                     | self._shifted(index, L1CD_SHIFT))

    def _second_level(self, m: Module) -> None:
        pointer = pick(self.l1cd, L1CD.L2Ptr)
        m.d.comb += self.cd.eq(choose(self.ste.S1Fmt, {
            fmt: (pointer & ~Const((1 << (bits + CD_SHIFT)) - 1, PA_BITS))
            | self._shifted(self.index[:bits], CD_SHIFT) for fmt, bits in CD_LEAF_BITS.items()}))
