"""Stage-1 table select and the address of the first descriptor (reference 4.4)."""

from amaranth import Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import ADDR_BITS, PA_BITS
from hdl.tcu.bits import bind, choose
from hdl.tcu.context import KeptCD
from hdl.tcu.walk import geometry
from spec.codes import TG0_SHIFT, TG1_SHIFT
from spec.stream_table import S2SL0Code
from spec.vmsa import S2_START_LEVEL


class TableSelect(wiring.Component):
    """Chooses TT0 or TT1 for an input address.

    Members
    -------
    addr, unpriv, cd, el2
        Input address, unprivileged access (after PRIVCFG), CD, EL2 world without E2H.
    fault
        F_TRANSLATION: out of range, walks disabled or E0PD.
    half, level, descriptor
        TT1 chosen, start level, address of the first descriptor (an IPA if stage 2 is on).
    """

    addr: In(ADDR_BITS)
    unpriv: In(1)
    cd: In(KeptCD.layout)
    el2: In(1)
    fault: Out(1)
    half: Out(1)
    level: Out(2)
    descriptor: Out(PA_BITS)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        cd, addr = self.cd, self.addr
        m.d.comb += self.half.eq(addr[55] & ~self.el2)

        def side(zero, one):
            return Mux(self.half, one, zero)

        granule = bind(m, "granule", stage1_granule(cd, self.half, self.impl))
        # The bits above the input size must all equal the half's bit; TBI exempts the top byte.
        low = bind(m, "low", geometry.input_mask(m, side(cd.T0SZ, cd.T1SZ), ADDR_BITS))
        compared = Mux(side(cd.TBI0, cd.TBI1), low | Const(0xFF << 56, ADDR_BITS), low)
        outside = ((addr ^ self.half.replicate(ADDR_BITS)) & ~compared).any()
        disabled = side(cd.EPD0, cd.EPD1) & ~self.el2
        fault = outside | disabled
        if self.impl.E0PD:
            fault |= side(cd.E0PD0, cd.E0PD1) & self.unpriv & ~self.el2
        base = geometry.table_base(
            side(KeptCD.address(cd, "TTB0"), KeptCD.address(cd, "TTB1")), cd.IPS, self.impl)
        offset = bind(m, "offset", addr & low)
        m.d.comb += [
            self.fault.eq(fault),
            self.level.eq(geometry.start_level(granule, low)),
            self.descriptor.eq(geometry.start_descriptor(base, offset, low, granule, self.level)),
        ]
        return m


class StageTwoStart(wiring.Component):
    """Range check and the address of the first stage-2 descriptor (reference 4.7).

    Members
    -------
    ipa, t0sz, sl0, tg, ps, ttb
        The address and the STE's fields; `ttb` in place.
    fault
        IPA beyond the input size: F_TRANSLATION.
    level, descriptor
        Start level and address of the first descriptor, concatenated tables included.
    """

    ipa: In(PA_BITS)
    t0sz: In(6)
    sl0: In(2)
    tg: In(2)
    ps: In(3)
    ttb: In(PA_BITS)
    fault: Out(1)
    level: Out(2)
    descriptor: Out(PA_BITS)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        low = bind(m, "low", geometry.input_mask(m, self.t0sz, PA_BITS))
        granule = bind(m, "granule", geometry.granule_of(self.tg, TG0_SHIFT, self.impl))
        offset = bind(m, "offset", self.ipa & low)
        m.d.comb += [
            self.fault.eq((self.ipa & ~low).any()),
            self.level.eq(stage2_level(granule, self.sl0)),
            self.descriptor.eq(geometry.start_descriptor(
                geometry.table_base(self.ttb, self.ps, self.impl), offset, low, granule,
                self.level)),
        ]
        return m


def stage1_granule(cd, half, impl):
    """The granule of TT0 or TT1."""
    return Mux(half, geometry.granule_of(cd.TG1, TG1_SHIFT, impl),
               geometry.granule_of(cd.TG0, TG0_SHIFT, impl))


def stage2_level(granule, sl0):
    """Start level of a legal S2SL0, 2 bits; L3 for 4K with code 3 (STT)."""
    lowest = choose(granule, {
        g.value: S2_START_LEVEL[g.bits][S2SL0Code.LOWEST] for g in geometry.GRANULES})
    return (lowest - sl0)[:2]
