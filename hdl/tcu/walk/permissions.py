"""What a page allows, per stage (reference 4.6)."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import Permissions
from hdl.tcu.bits import pick
from hdl.tcu.context import KeptCD, KeptSTE, Restriction
from spec.vmsa import S1Leaf, S2Leaf


def allows(perms, rnw: Value, pnu: Value, ind: Value) -> Value:
    """The access passes; `ind` is 0 for writes."""
    read = Mux(ind, Mux(pnu, perms.px, perms.ux), Mux(pnu, perms.pr, perms.ur))
    return Mux(rnw, read, Mux(pnu, perms.pw, perms.uw))


def both(one, other) -> data.View:
    """What both stages allow."""
    return data.View(Permissions, one.as_value() & other.as_value())


class StageOnePermissions(wiring.Component):
    """Rights of a stage-1 leaf.

    Members
    -------
    leaf, restriction, half, cd, el2
        The descriptor, the hierarchical bits (already 0 if HADn), TT1, CD, EL2 without E2H.
    perms
        Rights now.
    promoted
        Rights if a writable-clean page is made dirty first; equal without dirty updates.
    """

    leaf: In(64)
    restriction: In(Restriction)
    half: In(1)
    cd: In(KeptCD.layout)
    el2: In(1)
    perms: Out(Permissions)
    promoted: Out(Permissions)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        clean = Signal()
        dirty = self.cd.HD & self.cd.HA & pick(self.leaf, S1Leaf.DBM)
        ap = pick(self.leaf, S1Leaf.AP)
        read_only = ap[1] | self.restriction.ap[1]
        m.d.comb += clean.eq(dirty & ap[1] & ~self.restriction.ap[1])
        self._rights(m, self.promoted, read_only & ~clean)
        m.d.comb += [
            self.perms.eq(self.promoted),
            self.perms.pw.eq(self.promoted.pw & ~clean),
            self.perms.uw.eq(self.promoted.uw & ~clean),
        ]
        return m

    def _rights(self, m: Module, perms, read_only: Value) -> None:
        cd, leaf = self.cd, self.leaf
        user = pick(leaf, S1Leaf.AP)[0] & ~self.restriction.ap[0]
        write, user_write = ~read_only, ~read_only & user
        uxn = pick(leaf, S1Leaf.UXN) | self.restriction.uxn
        pxn = pick(leaf, S1Leaf.PXN) | self.restriction.pxn
        with m.If(self.el2):
            # Every access counts as privileged; the one XN is UXN.
            execute = ~uxn & ~(cd.WXN & write)
            m.d.comb += [
                perms.pr.eq(1), perms.pw.eq(write), perms.px.eq(execute),
                perms.ur.eq(1), perms.uw.eq(write), perms.ux.eq(execute),
            ]
        with m.Else():
            execute = ~uxn & ~(cd.WXN & user_write)
            never = cd.PAN & (user | cd.EPAN & execute) if self.impl.EPAN else cd.PAN & user
            e0pd = Mux(self.half, cd.E0PD1, cd.E0PD0) if self.impl.E0PD else 0
            m.d.comb += [
                perms.pr.eq(~never),
                perms.pw.eq(write & ~never),
                perms.px.eq(~pxn & ~user_write & ~(cd.WXN & write)),
                perms.ur.eq(user & ~e0pd),
                perms.uw.eq(user_write & ~e0pd),
                perms.ux.eq(execute & ~e0pd),
            ]


class StageTwoPermissions(wiring.Component):
    """Rights of a stage-2 leaf; members as in `StageOnePermissions`."""

    leaf: In(64)
    ste: In(KeptSTE.layout)
    perms: Out(Permissions)
    promoted: Out(Permissions)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        read, write = pick(self.leaf, S2Leaf.S2AP)
        clean = self.ste.S2HD & self.ste.S2HA & pick(self.leaf, S2Leaf.DBM) & ~write
        xn = pick(self.leaf, S2Leaf.XN)
        if self.impl.XNX:
            px, ux = xn[0] == xn[1], ~xn[1]
        else:
            px = ux = ~xn[1]
        m.d.comb += [
            self.promoted.eq(self.perms),
            self.promoted.pw.eq(write | clean), self.promoted.uw.eq(write | clean),
            self.perms.pr.eq(read), self.perms.pw.eq(write), self.perms.px.eq(px),
            self.perms.ur.eq(read), self.perms.uw.eq(write), self.perms.ux.eq(ux),
        ]
        return m
