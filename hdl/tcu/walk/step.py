"""The table walk steps of a translation (reference 4.2, steps 10 to 12)."""

from amaranth import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import PA_BITS, Outcome
from hdl.tcu import attributes
from hdl.tcu.bits import below, bind, byte_swap, choose, pick
from hdl.tcu.config.step import el2_without_e2h
from hdl.tcu.context import (
    PHASE_OF,
    STRUCTURE_SHIFT,
    Action,
    KeptLeaf,
    KeptSTE,
    Phase,
    Step,
    Target,
)
from hdl.tcu.walk import geometry, update
from hdl.tcu.walk.cache import Known, Table, Want
from hdl.tcu.walk.descriptor import Descriptor
from hdl.tcu.walk.geometry import DESCRIPTOR_SHIFT
from hdl.tcu.walk.permissions import (
    StageOnePermissions,
    StageTwoPermissions,
    allows,
    both,
)
from hdl.tcu.walk.table_select import StageTwoStart, TableSelect
from hdl.tcu.walk.tags import Tags
from spec.codes import TG0_SHIFT
from spec.events import EventType, FaultClass
from spec.vmsa import AP_RO, S2AP_WRITE, S1Leaf, S1Table, S2Leaf


class WalkStep(wiring.Component):
    """Step function of the phases SELECT to S2.

    Members (besides those of `Step`)
    -------
    e2h
        CR2.E2H.
    want1, want2
        What the translations of both stages are found by.
    table1, leaf1, table2, leaf2
        What the caches have for the address, and what this step learns for them.
    """

    def __init__(self, impl):
        self.impl = impl
        super().__init__({
            "step": Out(Step()), "e2h": In(1),
            "want1": Out(Want), "want2": Out(Want),
            "table1": Out(Known(Table)), "leaf1": Out(Known(KeptLeaf)),
            "table2": Out(Known(Table)), "leaf2": Out(Known(KeptLeaf)),
        })

    def elaborate(self, platform):
        m = Module()
        step, ste = self.step, self.step.ste
        self._pnu, self._ind, self._el2 = Signal(), Signal(), Signal()
        m.d.comb += [
            step.next.eq(step.walk),
            self._pnu.eq(step.req.pnu),
            self._ind.eq(step.req.ind & step.req.rnw),
            self._el2.eq(el2_without_e2h(ste, self.e2h, self.impl)),
        ]
        if self.impl.ATTR_PERMS_OVR:
            m.d.comb += [
                self._pnu.eq(attributes.override_pnu(step.req.pnu, ste.PRIVCFG)),
                self._ind.eq(attributes.override_ind(step.req.ind, step.req.rnw, ste.INSTCFG)),
            ]
        self._tags(m)
        self._descriptor(m)
        with m.Switch(step.walk.phase):
            if self.impl.S1P:
                with m.Case(Phase.SELECT):
                    self._select(m)
                with m.Case(Phase.S1):
                    self._stage1(m)
            if self.impl.HTTU:
                with m.Case(Phase.LOCK):
                    update.read_locked(m, step)
                with m.Case(Phase.WROTE):
                    update.written(
                        m, step, lambda: self._fault(m, EventType.F_WALK_EABT, FaultClass.TT),
                        lambda: self._fault2(m, EventType.F_WALK_EABT))
            if self.impl.S2P:
                with m.Case(Phase.S2START):
                    self._stage2_start(m)
                with m.Case(Phase.S2):
                    self._stage2(m)
        return m

    def _descriptor(self, m: Module) -> None:
        """One decoder for both stages."""
        step, walk, ste, cd = self.step, self.step.walk, self.step.ste, self.step.cd
        m.submodules.descriptor = self._entry = entry = Descriptor()
        second = walk.phase == Phase.S2
        word = step.data[:64]
        self._big = bind(m, "big", Mux(second, ste.S2ENDI, cd.ENDI))
        kept = Mux(second, self.leaf2.found.word, self.leaf1.found.word)
        m.d.comb += [
            entry.word.eq(Mux(walk.kept, kept, Mux(self._big, byte_swap(word), word))),
            entry.level.eq(Mux(second, walk.level2, walk.level)),
            entry.granule.eq(Mux(second, self.want2.granule, self.want1.granule)),
            entry.limit.eq(geometry.output_bits(Mux(second, ste.S2PS, cd.IPS), self.impl)),
            entry.addr.eq(Mux(second, walk.ipa, step.req.addr)),
        ]

    def _tags(self, m: Module) -> None:
        m.submodules.tags = tags = Tags(self.impl)
        step, want2 = self.step, self.want2
        m.d.comb += [
            tags.ste.eq(step.ste), tags.cd.eq(step.cd), tags.addr.eq(step.req.addr),
            tags.e2h.eq(self.e2h), self.want1.eq(tags.want),
            want2.granule.eq(geometry.granule_of(step.ste.S2TG, TG0_SHIFT, self.impl)),
            want2.space.vmid.eq(step.ste.S2VMID), want2.space.root2.eq(self.want1.space.root2),
            want2.addr.eq(step.walk.ipa),
        ]

    def _keep_leaf(self, m: Module, known, restriction: Value) -> None:
        m.d.comb += [
            known.accept.eq(pick(self._entry.word, S1Leaf.AF) & ~self.step.walk.kept),
            known.content.word.eq(self._entry.word), known.content.restriction.eq(restriction),
        ]

    def _again(self, m: Module, phase: int) -> None:
        """Memory must say whether the leaf still forbids the access, or what it is (the kept one
        of stage 2 has gone)."""
        m.d.comb += [self.step.next.phase.eq(phase), self.step.next.kept.eq(0),
                     self.step.next.fresh.eq(1), self.step.action.eq(Action.AGAIN)]

    # ---- results ----

    def _fault(self, m: Module, event: int, cls: int | Value = FaultClass.IN,
               s2: int = 0) -> None:
        fault = self.step.next.fault
        m.d.comb += [
            self.step.action.eq(Action.FAULT), fault.type.eq(event), fault.cls.eq(cls),
            fault.s2.eq(s2), fault.always.eq(0),
            fault.ttrnw.eq((cls == FaultClass.TT) & ~self.step.walk.update)]

    def _read(self, m: Module, address: Value, phase: int | Value) -> None:
        m.d.comb += [self.step.next.fetch.eq(address), self.step.next.phase.eq(phase),
                     self.step.action.eq(Action.READ), self.step.size.eq(DESCRIPTOR_SHIFT)]

    def _translate(self, m: Module, ipa: Value, target: int) -> None:
        """Stage 2 for `ipa`."""
        m.d.comb += [self.step.next.ipa.eq(ipa), self.step.next.target.eq(target),
                     self.step.next.phase.eq(Phase.S2START), self.step.action.eq(Action.AGAIN)]

    def _read_stage1(self, m: Module, address: Value) -> None:
        self._read(m, address, Phase.S1)
        m.d.comb += self.step.next.update.eq(0)
        if self.impl.S2P:
            with m.If(self.step.ste.Config[1]):
                self._translate(m, address, Target.S1)

    def _respond(self, m: Module, output: Value, size: Value, perms, mair: Value,
                 sh: Value) -> None:
        ste, reply = self.step.ste, self.step.reply
        m.d.comb += [
            self.step.action.eq(Action.RESPOND), reply.outcome.eq(Outcome.TRANSLATED),
            reply.cacheable.eq(1), reply.pa.eq(output & ~below(size, PA_BITS)), reply.size.eq(size),
            reply.perms.eq(perms), reply.attrs.mair.eq(mair), reply.attrs.sh.eq(sh),
        ]
        if self.impl.ATTR_PERMS_OVR:
            m.d.comb += [
                reply.perms.eq(attributes.override_perms(perms, ste.PRIVCFG, ste.INSTCFG)),
                reply.attrs.privcfg.eq(ste.PRIVCFG), reply.attrs.instcfg.eq(ste.INSTCFG),
            ]

    # ---- stage 1 ----

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
        with m.Elif(step.ste.Config[1] & bool(self.impl.S2P)):
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

    def _as_stored(self, word: Value) -> Value:
        return Mux(self._big, byte_swap(word[:64]), word)[:64]

    # ---- stage 2 ----

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
            start.tg.eq(ste.S2TG), start.ttb.eq(KeptSTE.address(ste, "S2TTB")),
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
                step.walk.ipa, self.want2.granule, below_hit), Phase.S2)
        with m.Else():
            self._read(m, start.descriptor, Phase.S2)

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
            self._read(m, entry.next, Phase.S2)
        with m.Else():
            self._stage2_leaf(m)

    def _stage2_leaf(self, m: Module) -> None:
        step, entry, walk, ste = self.step, self._entry, self.step.walk, self.step.ste
        m.submodules.permissions2 = rights = StageTwoPermissions(self.impl)
        m.submodules.combine = combine = attributes.CombineAttributes()
        m.d.comb += [
            rights.leaf.eq(entry.word), rights.ste.eq(ste),
            combine.mair.eq(walk.leaf.mair), combine.sh.eq(walk.leaf.sh),
            combine.memattr.eq(pick(entry.word, S2Leaf.MemAttr)),
            combine.sh2.eq(pick(entry.word, S2Leaf.SH)),
        ]
        if self.impl.FWB:
            m.d.comb += combine.fwb.eq(ste.S2FWB)
        input_ = walk.target == Target.IN
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
            self._resume(m, entry.output)

    def _resume(self, m: Module, address: Value) -> None:
        """Read the structure whose address stage 2 has translated."""
        self._read(m, address, choose(self.step.walk.target, PHASE_OF)[:4])
        with m.If(self.step.walk.target == Target.CD):
            m.d.comb += self.step.size.eq(Const(STRUCTURE_SHIFT, 3))
        if self.impl.HTTU:
            with m.If(self.step.walk.update):
                update.request_lock(m, self.step, 0)
