"""Is a stream table entry ILLEGAL (reference 2.7)?"""

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.tcu.bits import below, bind, choose, pick
from hdl.tcu.context import MEMORY_BITS
from hdl.tcu.walk import geometry
from hdl.tcu.walk.geometry import BY_BITS, GRANULES
from hdl.tcu.walk.table_select import stage2_level
from spec.codes import TG0_SHIFT
from spec.registers import HTTU, TTENDIAN, StallModel
from spec.stream_table import STE, SteConfig, SteEATS, SteS1Fmt, SteSTRW
from spec.vmsa import S2_CONCAT_BITS, S2_START_OAS


class SteCheck(wiring.Component):
    """The checklist over a raw STE.

    Members
    -------
    ste
        The entry as read.
    bad
        C_BAD_STE.
    abort
        Valid with Config 0b0xx: abort without event.
    """

    ste: In(MEMORY_BITS)
    bad: Out(1)
    abort: Out(1)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        valid = self._get("V")
        config = self._get("Config")
        stage1 = Signal()
        stage2 = Signal()
        off = Signal()
        illegal = Signal()
        m.d.comb += [
            off.eq(~config[2]),
            stage1.eq(config[0]),
            stage2.eq(config[1]),
            # 2. a stage that is not implemented
            illegal.eq((stage1 & (not self.impl.S1P)) | (stage2 & (not self.impl.S2P))
                       | (stage1 & self._stage1(stage2)) | (stage2 & self._stage2(m))
                       | self._ats(config) | self._world(config) | self._vmid(config)),
            # 1. V, then Config[2]: nothing else counts while it is 0
            self.bad.eq(~valid | (~off & illegal)),
            self.abort.eq(valid & off),
        ]
        return m

    def _get(self, name: str) -> Value:
        return pick(self.ste, STE.FIELDS[name])

    def _ats(self, config: Value) -> Value:
        """3 and 4. EATS against the stages and S2S."""
        if not self.impl.ATS:
            return Const(0)
        eats, s2s = self._get("EATS"), self._get("S2S")
        split = (config != SteConfig.NESTED) | s2s | bool(self.impl.NS1ATS)
        return config[:2].any() & ((eats == SteEATS.SPLIT) & split
                                   | (eats == SteEATS.FULL) & config[1] & s2s)

    def _world(self, config: Value) -> Value:
        """6. STRW where it is used."""
        if not (self.impl.S1P and self.impl.HYP):
            return Const(0)
        strw = self._get("STRW")
        known = (strw == SteSTRW.NS_EL1) | (strw == SteSTRW.NS_EL2)
        return (config == SteConfig.S1) & ~known

    def _vmid(self, config: Value) -> Value:
        """19. eight VMID bits only"""
        if self.impl.VMID16 or not self.impl.S2P:
            return Const(0)
        el1 = Const(1)
        if self.impl.S1P and self.impl.HYP:
            el1 = ~((config == SteConfig.S1) & (self._get("STRW") != SteSTRW.NS_EL1))
        return config[:2].any() & el1 & self._get("S2VMID")[8:].any()

    def _stage1(self, stage2: Value) -> Value:
        impl = self.impl
        bad = Const(0)
        if impl.STALL_MODEL != StallModel.BOTH:  # 7
            bad |= self._get("S1STALLD")
        if impl.SSIDSIZE:
            s1cdmax, s1fmt = self._get("S1CDMax"), self._get("S1Fmt")
            bad |= s1cdmax > impl.SSIDSIZE  # 8
            if not impl.CD2L:  # 9
                two_level = (s1fmt == SteS1Fmt.L2_4K) | (s1fmt == SteS1Fmt.L2_64K)
                bad |= (s1cdmax != 0) & two_level
        # 10; nested, the untruncated IPA goes to stage 2 (11)
        return bad | (~stage2 & self._get("S1ContextPtr")[impl.oas_bits:].any())

    def _stage2(self, m: Module) -> Value:
        impl = self.impl
        bad = ~self._get("S2AA64")  # 13
        if impl.STALL_MODEL == StallModel.TERMINATE:  # 12
            bad |= self._get("S2S")
        elif impl.STALL_MODEL == StallModel.STALL:
            bad |= ~self._get("S2S")
        if impl.HTTU == HTTU.NONE:  # 14
            bad |= self._get("S2HA") | self._get("S2HD")
        elif impl.HTTU == HTTU.ACCESS:
            bad |= self._get("S2HD")
        if impl.TTENDIAN == TTENDIAN.LITTLE:  # 18
            bad |= self._get("S2ENDI")
        elif impl.TTENDIAN == TTENDIAN.BIG:
            bad |= ~self._get("S2ENDI")
        # 16. table base beyond the effective S2PS
        limit = geometry.output_bits(self._get("S2PS"), impl)
        ttb = self._get("S2TTB")
        bad |= (ttb & ~below(m, limit, len(ttb))).any()
        return bad | self._stage2_geometry(m)

    def _stage2_geometry(self, m: Module) -> Value:
        """15 and 17: granule, S2T0SZ, and S2SL0 against both (reference 4.5, 4.7)."""
        impl = self.impl
        tg, sl0, t0sz = self._get("S2TG"), self._get("S2SL0"), self._get("S2T0SZ")
        granule = bind(m, "granule", geometry.granule_of(tg, TG0_SHIFT, impl))
        level = bind(m, "level", stage2_level(granule, sl0))
        ia = bind(m, "ia", geometry.input_bits(t0sz))
        lowest = choose(granule, {g.value: impl.s2tsz_min(g.bits) for g in GRANULES})
        highest = choose(granule, {g.value: impl.tsz_max(g.bits) for g in GRANULES})
        start = bind(m, "start", Cat(level, granule))
        least = choose(start, {g.value * 4 + n: g.shift(n) + 1
                               for g in GRANULES for n in geometry.LEVELS})
        most = choose(start, {g.value * 4 + n: g.shift(n) + g.stride + S2_CONCAT_BITS
                              for g in GRANULES for n in geometry.LEVELS})
        reserved = sl0 == 3
        if impl.STT:  # L3 with 4K
            reserved &= granule != GRANULES[0].value
        beyond = choose(start, {
            BY_BITS[g].value * 4 + n: 1 for (g, n), oas in S2_START_OAS.items()
            if impl.oas_bits < oas})
        if geometry.wide(impl):  # 16
            beyond |= geometry.base_beyond(self._get("S2TTB"), granule)
        return (~geometry.granule_legal(tg, TG0_SHIFT, impl) | (t0sz < lowest) | (t0sz > highest)
                | reserved | (ia < least) | (ia > most) | beyond)
