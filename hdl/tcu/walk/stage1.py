"""Stage 1 of a walk (reference 4.2, step 10; 4.4 to 4.6)."""

from amaranth import Const, Module, Mux, Value

from hdl.tcu import attributes, own
from hdl.tcu.bits import bind, choose, pick
from hdl.tcu.context import Action, Phase, Target
from hdl.tcu.walk import geometry, update
from hdl.tcu.walk.common import Walk
from hdl.tcu.walk.permissions import StageOnePermissions, allows
from hdl.tcu.walk.table_select import TableSelect
from spec.events import EventType, FaultClass
from spec.vmsa import AP_RO, S1Leaf, S1Table


class StageOne(Walk):
    """The phases SELECT and S1."""

    def _select(self, m: Module) -> None:
        step = self.step
        m.submodules.table_select = select = TableSelect(self.impl)
        m.d.comb += [
            select.addr.eq(step.req.addr), select.unpriv.eq(~self._pnu), select.cd.eq(step.cd),
            select.el2.eq(self._el2), step.next.half.eq(select.half),
            step.next.level.eq(select.level), step.next.restriction.eq(0),
        ]
        with m.If(select.fault):
            self._fault(m, EventType.F_TRANSLATION)
        with m.Elif(self.leaf1.hit & ~step.walk.fresh):
            m.d.comb += [
                step.next.kept.eq(1), step.next.level.eq(self.leaf1.level),
                step.next.restriction.eq(self.leaf1.found.restriction),
                step.next.phase.eq(Phase.S1), step.action.eq(Action.AGAIN),
            ]
        with m.Elif(self.table1.hit):
            below_hit = bind(m, "below_hit", (self.table1.level + 1)[:2])
            m.d.comb += [step.next.level.eq(below_hit),
                         step.next.restriction.eq(self.table1.found.restriction)]
            self._read_stage1(m, self.table1.found.base | geometry.index_offset(
                step.req.addr, self.want1.granule, below_hit))
        with m.Else():
            self._read_stage1(m, select.descriptor)

    def _read_stage1(self, m: Module, address: Value) -> None:
        self._read(m, address, Phase.S1, own.by_cd(self.step.cd, self.step.next.half))
        m.d.comb += self.step.next.update.eq(0)
        if self.impl.S2P:
            with m.If(self.step.ste.Config[1]):
                self._translate(m, address, Target.S1)

    def _stage1(self, m: Module) -> None:
        """The order of reference 4.6: abort, invalid, size, then at the leaf flag, permission."""
        step, entry = self.step, self._entry
        m.d.comb += [step.next.locked.eq(0), step.next.kept.eq(0)]
        with m.If(step.error & ~step.walk.kept):
            self._fault(m, EventType.F_WALK_EABT, FaultClass.TT)
        with m.Elif(~entry.table & ~entry.leaf):
            self._fault(m, EventType.F_TRANSLATION)
        with m.Elif(entry.too_big):
            self._fault(m, EventType.F_ADDR_SIZE)
        with m.Elif(entry.table):
            self._restrict(m)
            m.d.comb += [
                step.next.level.eq(step.walk.level + 1), self.table1.accept.eq(1),
                self.table1.content.base.eq(entry.base),
                self.table1.content.restriction.eq(step.next.restriction),
            ]
            self._read_stage1(m, entry.next)
        with m.Else():
            self._stage1_leaf(m)

    def _restrict(self, m: Module) -> None:
        """Hierarchical bits; those for the unprivileged do not exist in the EL2 world."""
        walk, new, word = self.step.walk, self.step.next.restriction, self._entry.word
        ignored = Mux(walk.half, self.step.cd.HAD1, self.step.cd.HAD0) if self.impl.HAD else 0
        aptable = pick(word, S1Table.APTable) & Mux(self._el2, 2, 3)
        with m.If(~Value.cast(ignored).any()):
            m.d.comb += [
                new.ap.eq(walk.restriction.ap | aptable),
                new.uxn.eq(walk.restriction.uxn | pick(word, S1Table.UXNTable)),
                new.pxn.eq(walk.restriction.pxn | pick(word, S1Table.PXNTable)),
            ]

    def _stage1_leaf(self, m: Module) -> None:
        step, entry, cd, leaf = self.step, self._entry, self.step.cd, self.step.next.leaf
        m.submodules.permissions1 = rights = StageOnePermissions(self.impl)
        table = [cd.MAIR0[n:n + 8] for n in range(0, 32, 8)]
        table += [cd.MAIR1[n:n + 8] for n in range(0, 32, 8)]
        byte = bind(m, "mair", choose(pick(entry.word, S1Leaf.AttrIndx),
                                      dict(enumerate(table)))[:8])
        mair, sh = attributes.stage1(m, byte, pick(entry.word, S1Leaf.SH), step.ste.ALLOCCFG,
                                     self.impl)
        m.d.comb += [
            rights.leaf.eq(entry.word), rights.restriction.eq(step.walk.restriction),
            rights.half.eq(step.walk.half), rights.cd.eq(cd), rights.el2.eq(self._el2),
            leaf.size.eq(entry.size), leaf.perms.eq(rights.perms), leaf.mair.eq(mair),
            leaf.sh.eq(sh),
        ]
        unaccessed = ~pick(entry.word, S1Leaf.AF)
        access = (step.req.rnw, self._pnu, self._ind)
        dirty = ~allows(rights.perms, *access)
        now = bind(m, "dirty_now", dirty & (~step.ste.Config[1] | step.walk.commit))
        self._keep_leaf(m, self.leaf1, step.walk.restriction)
        m.d.comb += step.next.owed.eq(dirty & ~now)
        with m.If(step.walk.kept & dirty):
            self._again(m, Phase.SELECT)
        with m.Elif(unaccessed & ~cd.AFFD & ~cd.HA):
            self._fault(m, EventType.F_ACCESS)
        with m.Elif(~allows(rights.promoted, *access)):
            self._fault(m, EventType.F_PERMISSION)
        if self.impl.HTTU:
            with m.Elif((unaccessed & cd.HA) | now):
                self._update1(m, now)
            with m.Elif(dirty & ~step.walk.update):
                # Owed, but stage 2 must allow that write before it is asked for the output.
                m.d.comb += step.next.update.eq(1)
                self._translate(m, step.walk.ipa, Target.S1)
        with m.Elif(step.ste.Config[1] & bool(self.impl.S2P)):
            m.d.comb += step.next.update.eq(0)
            self._translate(m, entry.output, Target.IN)
        with m.Else():
            self._respond(m, entry.output, entry.size, rights.perms, mair, sh)

    def _update1(self, m: Module, dirty: Value) -> None:
        """Set the access flag, and make the page dirty. Stage 2 must allow the write first."""
        step, word = self.step, self._entry.word
        read_only = Const(S1Leaf.AP.put(AP_RO), len(word))
        new = Mux(dirty, word & ~read_only, word) | S1Leaf.AF.mask
        with m.If(step.ste.Config[1] & ~step.walk.update):
            m.d.comb += step.next.update.eq(1)
            self._translate(m, step.walk.ipa, Target.S1)
        with m.Else():
            update.change(m, step, self._as_stored(new), 0)
