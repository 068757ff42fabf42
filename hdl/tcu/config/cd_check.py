"""Is a context descriptor ILLEGAL (reference 3.3)?"""

from amaranth import Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.tcu.bits import below, bind, choose, pick
from hdl.tcu.context import MEMORY_BITS, KeptSTE
from hdl.tcu.walk import geometry
from hdl.tcu.walk.geometry import GRANULES
from spec.codes import TG0_SHIFT, TG1_SHIFT
from spec.context import CD
from spec.registers import HTTU, TTENDIAN, StallModel


class CdCheck(wiring.Component):
    """The checklist over a raw CD.

    Members
    -------
    cd, ste, el2
        The CD as read, the STE, EL2 world without E2H.
    bad
        C_BAD_CD.
    """

    cd: In(MEMORY_BITS)
    ste: In(KeptSTE.layout)
    el2: In(1)
    bad: Out(1)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        # Without E2H the EL2 world has TT0 only and EPD0 counts as 0.
        epd0 = self._get("EPD0") & ~self.el2
        epd1 = self._get("EPD1") | self.el2
        bad = ~self._get("V")  # 1
        bad |= self._termination()
        bad |= self._format(epd0 & epd1)
        # 11 to 13: both halves, whatever address arrives
        bad |= ~epd0 & self._half(m, "T0SZ", "TG0", "TTB0", TG0_SHIFT)
        bad |= ~epd1 & self._half(m, "T1SZ", "TG1", "TTB1", TG1_SHIFT)
        m.d.comb += self.bad.eq(bad)
        return m

    def _get(self, name: str) -> Value:
        return pick(self.cd, CD.FIELDS[name])

    def _termination(self) -> Value:
        """2 to 5: S and A against STALL_MODEL, TERM_MODEL and S1STALLD."""
        s = self._get("S")
        bad = s & self.ste.S1STALLD
        if self.impl.TERM_MODEL:
            bad |= ~self._get("A")
        if self.impl.STALL_MODEL == StallModel.TERMINATE:
            bad |= s
        elif self.impl.STALL_MODEL == StallModel.STALL:
            bad |= ~s
        return bad

    def _format(self, disabled: Value) -> Value:
        """6 to 10: endianness, table format, hardware update, ASID."""
        impl = self.impl
        bad = ~self._get("AA64")
        if impl.TTENDIAN == TTENDIAN.LITTLE:
            bad |= self._get("ENDI") & ~disabled
        elif impl.TTENDIAN == TTENDIAN.BIG:
            bad |= ~self._get("ENDI") & ~disabled
        if impl.S2P:
            bad |= self.ste.Config[1] & ~self.ste.S2AA64
        if impl.HTTU == HTTU.NONE:
            bad |= self._get("HA") | self._get("HD")
        elif impl.HTTU == HTTU.ACCESS:
            bad |= self._get("HD")
        if not impl.ASID16:
            bad |= self._get("ASID")[8:].any() & ~self.el2
        return bad

    def _half(self, m: Module, tnsz: str, tg: str, ttb: str, shifts: dict[int, int]) -> Value:
        impl = self.impl
        code, size, base = self._get(tg), self._get(tnsz), self._get(ttb)
        granule = bind(m, f"granule_{tg}", geometry.granule_of(code, shifts, impl))
        lowest = choose(granule, {g.value: impl.tsz_min(g.bits) for g in GRANULES})
        highest = choose(granule, {g.value: impl.tsz_max(g.bits) for g in GRANULES})
        limit = geometry.output_bits(self._get("IPS"), impl)
        return ((size < lowest) | (size > highest)
                | ~geometry.granule_legal(code, shifts, impl)
                | (base & ~below(m, limit, len(base))).any()
                | (geometry.base_beyond(base, granule) if geometry.wide(impl) else Const(0)))
