"""Stage 2 of a walk (reference 4.2, steps 11 and 12; 4.6, 4.7)."""

from amaranth import Const, Module, Mux, Value

from hdl.tcu import attributes, own
from hdl.tcu.bits import bind, choose, pick
from hdl.tcu.context import PHASE_OF, STRUCTURE_SHIFT, Action, KeptSTE, Phase, Target
from hdl.tcu.walk import geometry, update
from hdl.tcu.walk.common import Walk
from hdl.tcu.walk.permissions import StageTwoPermissions, allows, both
from hdl.tcu.walk.table_select import StageTwoStart
from spec.events import EventType, FaultClass
from spec.vmsa import S2AP_WRITE, Mair, S2Leaf


class StageTwo(Walk):
    """The phases S2START and S2."""

    def _class(self) -> Value:
        """CLASS of a stage-2 fault: what was being translated."""
        return choose(self.step.walk.target, {
            Target.IN: FaultClass.IN, Target.S1: FaultClass.TT}, FaultClass.CD)[:2]

    def _fault2(self, m: Module, event: int) -> None:
        self._fault(m, event, self._class(), s2=1)

    def _stage2_start(self, m: Module) -> None:
        step, ste = self.step, self.step.ste
        m.submodules.stage2_start = start = StageTwoStart(self.impl)
        m.d.comb += [
            start.ipa.eq(step.walk.ipa), start.t0sz.eq(ste.S2T0SZ), start.sl0.eq(ste.S2SL0),
            start.tg.eq(ste.S2TG), start.ps.eq(ste.S2PS),
            start.ttb.eq(KeptSTE.address(ste, "S2TTB")),
            step.next.level2.eq(start.level),
        ]
        with m.If(start.fault):
            self._fault2(m, EventType.F_TRANSLATION)
        with m.Elif(self.leaf2.hit & ~step.walk.fresh):
            m.d.comb += [step.next.kept.eq(1), step.next.level2.eq(self.leaf2.level),
                         step.next.phase.eq(Phase.S2), step.action.eq(Action.AGAIN)]
        with m.Elif(self.table2.hit):
            below_hit = bind(m, "below_hit2", (self.table2.level + 1)[:2])
            m.d.comb += step.next.level2.eq(below_hit)
            self._read(m, self.table2.found.base | geometry.index_offset(
                step.walk.ipa, self.want2.granule, below_hit), Phase.S2, own.by_walk(ste.S2OR0))
        with m.Else():
            self._read(m, start.descriptor, Phase.S2, own.by_walk(ste.S2OR0))

    def _stage2(self, m: Module) -> None:
        step, entry = self.step, self._entry
        m.d.comb += [step.next.locked.eq(0), step.next.kept.eq(0)]
        with m.If(step.walk.kept & ~(self.leaf2.hit & (self.leaf2.level == step.walk.level2))):
            self._again(m, Phase.S2START)
        with m.Elif(step.error & ~step.walk.kept):
            self._fault2(m, EventType.F_WALK_EABT)
        with m.Elif(~entry.table & ~entry.leaf):
            self._fault2(m, EventType.F_TRANSLATION)
        with m.Elif(entry.too_big):
            self._fault2(m, EventType.F_ADDR_SIZE)
        with m.Elif(entry.table):
            m.d.comb += [step.next.level2.eq(step.walk.level2 + 1), self.table2.accept.eq(1),
                         self.table2.content.base.eq(entry.base)]
            self._read(m, entry.next, Phase.S2, own.by_walk(step.ste.S2OR0))
        with m.Else():
            self._stage2_leaf(m)

    def _stage2_leaf(self, m: Module) -> None:
        step, entry, walk, ste = self.step, self._entry, self.step.walk, self.step.ste
        m.submodules.permissions2 = rights = StageTwoPermissions(self.impl)
        m.submodules.combine = combine = attributes.CombineAttributes()
        input_ = walk.target == Target.IN
        table = Mux(walk.target == Target.S1, own.by_cd(step.cd, walk.half), own.by_ste(ste.S1COR))
        m.d.comb += [
            rights.leaf.eq(entry.word), rights.ste.eq(ste),
            combine.mair.eq(Mux(input_, walk.leaf.mair, table)), combine.sh.eq(walk.leaf.sh),
            combine.memattr.eq(pick(entry.word, S2Leaf.MemAttr)),
            combine.sh2.eq(pick(entry.word, S2Leaf.SH)),
        ]
        if self.impl.FWB:
            m.d.comb += combine.fwb.eq(ste.S2FWB)
        access = (step.req.rnw, self._pnu, self._ind)
        # Tables and CDs are read, and stage-1 descriptors updated, as privileged data.
        structure = Mux(walk.update, rights.promoted.pw, rights.perms.pr)
        allowed = Mux(input_, allows(rights.promoted, *access),
                      structure & ~(ste.S2PTW & combine.device2))
        unaccessed = ~pick(entry.word, S2Leaf.AF)
        self._keep_leaf(m, self.leaf2, Const(0))
        # With what the leaf is now, not what it could become.
        enough = Mux(input_, allows(rights.perms, *access) & ~walk.owed,
                     Mux(walk.update, rights.perms.pw, 1))
        with m.If(walk.kept & ~(allowed & enough)):
            self._again(m, Phase.S2START)
        with m.Elif(unaccessed & ~ste.S2AFFD & ~ste.S2HA):
            self._fault2(m, EventType.F_ACCESS)
        with m.Elif(~allowed):
            self._fault2(m, EventType.F_PERMISSION)
        if self.impl.HTTU:
            dirty = Mux(input_, ~allows(rights.perms, *access) & ~walk.owed,
                        walk.update & ~rights.perms.pw)
            new = entry.word | S2Leaf.AF.mask | Mux(dirty, S2Leaf.S2AP.put(S2AP_WRITE), 0)
            with m.Elif((unaccessed & ste.S2HA) | dirty):
                update.change(m, step, self._as_stored(new), 1)
            with m.Elif(input_ & walk.owed):
                # Everything allows the write: walk again, and make the stage-1 page dirty.
                m.d.comb += [step.next.phase.eq(Phase.SELECT), step.next.commit.eq(1),
                             step.action.eq(Action.AGAIN)]
        with m.Elif(input_):
            size = Mux(walk.leaf.size < entry.size, walk.leaf.size, entry.size)
            self._respond(m, entry.output, size, both(walk.leaf.perms, rights.perms),
                          combine.out_mair, combine.out_sh)
        with m.Else():
            self._resume(m, entry.output, combine)

    def _resume(self, m: Module, address: Value, combine) -> None:
        """Read the structure whose address stage 2 has translated."""
        mair = combine.out_mair
        if self.impl.PTWNNC:
            mair = Mux(combine.device2, Mair.NC, mair)[:8]
        self._read(m, address, choose(self.step.walk.target, PHASE_OF)[:4], mair)
        with m.If(self.step.walk.target == Target.CD):
            m.d.comb += self.step.size.eq(Const(STRUCTURE_SHIFT, 3))
        if self.impl.HTTU:
            with m.If(self.step.walk.update):
                update.request_lock(m, self.step, 0)
