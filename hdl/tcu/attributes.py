"""Memory attributes on their way through the stages (reference 2.6, 4.10)."""

from amaranth import Cat, Const, Module, Mux, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import Permissions
from hdl.tcu.bits import bind, choose
from spec.codes import (
    InstructionOverride,
    PrivilegeOverride,
    Shareability,
    ShareabilityOverride,
)
from spec.vmsa import MEMATTR_MAIR, NORMAL_NC_NIBBLE, FwbMemAttr, Mair

# What a client drives that cannot say otherwise (reference 4.1).
INCOMING_MAIR = Mair.WB
INCOMING_SH = Shareability.NON

TRANSIENT_RW = 3  # MAIR nibble 0b00RW and 0b01RW (not 0b0100) are transient
_NC, _WT, _WB = 1, 2, 3  # cacheability, weakest first


def is_device(mair: Value) -> Value:
    """An effective MAIR byte is of Device type."""
    return mair[4:8] == 0


def effective_sh(mair: Value, sh: Value) -> Value:
    """Device and Normal iNC-oNC are outer shareable; code 1 behaves as NON."""
    nc = NORMAL_NC_NIBBLE << 4 | NORMAL_NC_NIBBLE
    known = Mux(sh == 1, Shareability.NON, sh)
    return Mux(is_device(mair) | (mair == nc), Shareability.OUTER, known)[:2]


def effective_mair(byte: Value) -> Value:
    """A byte of CD.MAIRn with the reserved codes replaced (reference 3.2)."""
    inner, outer = byte[:4], byte[4:8]
    device = Cat(Const(0, 2), inner[2:4])
    normal = Cat(Mux(inner == 0, 3, inner)[:4], outer)
    return Mux(outer == 0, device, normal)[:8]


def _cacheability(nibble: Value) -> Value:
    """Normal memory nibble to _NC, _WT, _WB."""
    return Mux(nibble == NORMAL_NC_NIBBLE, _NC, Mux(nibble[2], _WB, _WT))[:2]


def _nibble(cacheability: Value, transient: Value, rw: Value) -> Value:
    """The nibble of a cacheability with allocation hints; transient needs a hint to exist."""
    lasting = ~transient | (rw == 0)
    return Mux(cacheability == _NC, NORMAL_NC_NIBBLE,
               Cat(rw, cacheability == _WB, lasting))[:4]


def with_hints(mair: Value, alloccfg: Value) -> Value:
    """ALLOCCFG on a type: 0b0xxx leaves the hints, 0b1RWT replaces them where cacheable."""
    transient, rw = alloccfg[0], Cat(alloccfg[1], alloccfg[2])

    def one(nibble: Value) -> Value:
        return _nibble(_cacheability(nibble), transient, rw)
    new = Cat(one(mair[:4]), one(mair[4:8]))
    return Mux(alloccfg[3] & ~is_device(mair), new, mair)[:8]


def incoming(m: Module, memattr: Value, mtcfg: Value, shcfg: Value, alloccfg: Value, impl) -> tuple:
    """(MAIR byte, SH) of a bypassed transaction after the overrides of GBPA or the STE."""
    mair, sh = Const(INCOMING_MAIR, 8), Const(INCOMING_SH, 2)
    if impl.ATTR_TYPES_OVR:
        table = choose(memattr, dict(enumerate(MEMATTR_MAIR)))
        chosen = bind(m, "incoming_mair", Mux(mtcfg, table, mair)[:8])
        mair = bind(m, "hinted_mair", with_hints(chosen, alloccfg))
        sh = Mux(shcfg == ShareabilityOverride.INCOMING, sh, shcfg)[:2]
    return mair, effective_sh(mair, sh)


def stage1(m: Module, mair: Value, sh: Value, alloccfg: Value, impl) -> tuple:
    """(MAIR byte, SH) of a stage-1 leaf. Incoming hints allocate; ALLOCCFG may say less:
    no-allocate beats allocate, transient beats non-transient."""
    byte = bind(m, "leaf_mair", effective_mair(mair))
    if impl.ATTR_TYPES_OVR:
        byte = bind(m, "weaker_mair", _weaker_hints(byte, alloccfg))
    return byte, effective_sh(byte, sh)


def _weaker_hints(mair: Value, alloccfg: Value) -> Value:
    def one(nibble: Value) -> Value:
        rw = nibble[:2] & Cat(alloccfg[1], alloccfg[2])
        return _nibble(_cacheability(nibble), ~nibble[3] | alloccfg[0], rw)
    return Mux(alloccfg[3] & ~is_device(mair), Cat(one(mair[:4]), one(mair[4:8])), mair)[:8]


def _forced_back(nibble: Value) -> Value:
    """The nibble as write-back with its hints; one without hints allocates."""
    return Mux(_cacheability(nibble) == _NC, Mair.WB & 0xF, nibble | 0b0100)[:4]


class CombineAttributes(wiring.Component):
    """Stage-1 (or bypass) attributes with those of a stage-2 leaf.

    Members
    -------
    mair, sh
        Effective stage-1 result.
    memattr, sh2, fwb
        Fields of the stage-2 leaf, STE.S2FWB, which makes the top bit of `memattr` RES0. Reserved
        codes are Device-nGnRnE.
    out_mair, out_sh
        The result.
    device2
        Stage 2 maps as Device.
    """

    mair: In(8)
    sh: In(2)
    memattr: In(4)
    sh2: In(2)
    fwb: In(1)
    out_mair: Out(8)
    out_sh: Out(2)
    device2: Out(1)

    def elaborate(self, platform):
        m = Module()
        device1 = is_device(self.mair)
        m.d.comb += [
            self.device2.eq((self.memattr[:2] == 0) | Mux(
                self.fwb, ~self.memattr[2], self.memattr[2:4] == 0)),
            self.out_mair.eq(Cat(self._normal(0), self._normal(4))),
            self.out_sh.eq(effective_sh(self.out_mair, self._shareability())),
        ]
        with m.If(device1 | self.device2):
            # The stricter Device type; Normal is weaker than any.
            mine = Mux(device1, self.mair[2:4], 3)
            other = Mux(self.device2, self.memattr[:2], 3)
            m.d.comb += self.out_mair.eq(Cat(Const(0, 2), Mux(mine < other, mine, other)[:2]))
        with m.If(self.fwb), m.Switch(self.memattr[:3]):
            with m.Case(FwbMemAttr.NORMAL_WB):
                m.d.comb += self.out_mair.eq(Mux(
                    device1, Mair.WB, Cat(_forced_back(self.mair[:4]),
                                          _forced_back(self.mair[4:]))))
            with m.Case(FwbMemAttr.NORMAL_NC):
                m.d.comb += self.out_mair.eq(Mux(device1, self.mair, Mair.NC))
            with m.Case(FwbMemAttr.STAGE1):
                m.d.comb += self.out_mair.eq(self.mair)
        return m

    def _normal(self, lsb: int) -> Value:
        """Weaker cacheability of the inner (0) or outer (4) half, with the hints of stage 1."""
        nibble = self.mair[lsb:lsb + 4]
        first = _cacheability(nibble)
        pair = self.memattr[lsb // 2:lsb // 2 + 2]
        second = Mux(pair == 0, _NC, pair)
        rw = Mux(first == _NC, 3, nibble[:2])[:2]
        return _nibble(Mux(first < second, first, second)[:2],
                       ~nibble[3] & (first != _NC), rw)

    def _shareability(self) -> Value:
        """Outer beats inner beats non-shareable."""
        either = (self.sh == Shareability.OUTER) | (self.sh2 == Shareability.OUTER)
        inner = (self.sh == Shareability.INNER) | (self.sh2 == Shareability.INNER)
        return Mux(either, Shareability.OUTER, Mux(inner, Shareability.INNER, Shareability.NON))


def override_pnu(pnu: Value, privcfg: Value) -> Value:
    """PnU after PRIVCFG."""
    return choose(privcfg, {PrivilegeOverride.UNPRIVILEGED: 0, PrivilegeOverride.PRIVILEGED: 1},
                  pnu)[0]


def override_ind(ind: Value, rnw: Value, instcfg: Value) -> Value:
    """InD after INSTCFG; writes are always data."""
    return rnw & choose(
        instcfg, {InstructionOverride.DATA: 0, InstructionOverride.INSTRUCTION: 1}, ind)[0]


def override_perms(perms, privcfg: Value, instcfg: Value) -> data.View:
    """Rights by the access as the client drives it: what it may do once overridden."""
    view = data.View(Permissions, Value.cast(perms))

    def read(data_right: Value, code_right: Value) -> tuple[Value, Value]:
        return (Mux(instcfg == InstructionOverride.INSTRUCTION, code_right, data_right),
                Mux(instcfg == InstructionOverride.DATA, data_right, code_right))
    (pr, px), (ur, ux) = read(view.pr, view.px), read(view.ur, view.ux)
    priv, unpriv = Cat(pr, view.pw, px), Cat(ur, view.uw, ux)
    return data.View(Permissions, Cat(
        Mux(privcfg == PrivilegeOverride.UNPRIVILEGED, unpriv, priv),
        Mux(privcfg == PrivilegeOverride.PRIVILEGED, priv, unpriv)))
