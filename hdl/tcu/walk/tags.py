"""What the translations of a transaction are found by (reference 4.3)."""

from amaranth import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import ADDR_BITS
from hdl.tcu.bits import bind
from hdl.tcu.config.step import el2, el2_without_e2h
from hdl.tcu.context import KeptCD, KeptSTE
from hdl.tcu.walk.cache import SIGN, Want
from hdl.tcu.walk.table_select import stage1_granule


class Tags(wiring.Component):
    """Combinational. Entries of EL2 without E2H have no ASID.

    Members
    -------
    ste, cd, addr, e2h
        The transaction's configuration and address, CR2.E2H.
    want
        Of its stage-1 translation.
    """

    ste: In(KeptSTE.layout)
    cd: In(KeptCD.layout)
    addr: In(ADDR_BITS)
    e2h: In(1)
    want: Out(Want)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        ste, cd, want, space = self.ste, self.cd, self.want, self.want.space
        plain = bind(m, "plain", el2_without_e2h(ste, self.e2h, self.impl))
        world = bind(m, "world", el2(ste, self.impl))
        half = bind(m, "half", self.addr[SIGN] & ~plain)
        m.d.comb += [
            want.addr.eq(self.addr), want.half.eq(half),
            want.granule.eq(stage1_granule(cd, half, self.impl)),
            space.el2.eq(world), space.nested.eq(ste.Config[1]),
            space.asid.eq(Mux(plain, 0, cd.ASID)),
            space.root.eq(Mux(half, KeptCD.address(cd, "TTB1"), KeptCD.address(cd, "TTB0"))),
        ]
        if self.impl.S2P:
            m.d.comb += [
                space.vmid.eq(Mux(world, 0, ste.S2VMID)),
                space.root2.eq(Mux(ste.Config[1], KeptSTE.address(ste, "S2TTB"), 0)),
            ]
        return m
