"""What the walk steps of both stages have in common: their ports, the descriptor, results."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import PA_BITS, Outcome
from hdl.tcu import attributes
from hdl.tcu.bits import below, bind, byte_swap, pick
from hdl.tcu.config.step import el2_without_e2h
from hdl.tcu.context import Action, KeptLeaf, Phase, Step
from hdl.tcu.walk import geometry
from hdl.tcu.walk.cache import Known, Table, Want
from hdl.tcu.walk.descriptor import Descriptor
from hdl.tcu.walk.geometry import DESCRIPTOR_SHIFT
from hdl.tcu.walk.tags import Tags
from spec.codes import TG0_SHIFT
from spec.events import FaultClass
from spec.vmsa import S1Leaf


class Walk(wiring.Component):
    """Base of the step function of the phases SELECT to S2.

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

    def _inputs(self, m: Module) -> None:
        """What the steps of both stages see."""
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
        self._output = Signal(PA_BITS)
        m.d.comb += step.reply.pa.eq(self._output & ~below(m, step.reply.size, PA_BITS))
        self._tags(m)
        self._descriptor(m)

    def _descriptor(self, m: Module) -> None:
        """One decoder for both stages."""
        step, walk, ste, cd = self.step, self.step.walk, self.step.ste, self.step.cd
        m.submodules.descriptor = self._entry = entry = Descriptor(self.impl)
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

    def _read(self, m: Module, address: Value, phase: int | Value, mair: Value) -> None:
        m.d.comb += [self.step.next.fetch.eq(address), self.step.next.phase.eq(phase),
                     self.step.next.mair.eq(mair),
                     self.step.action.eq(Action.READ), self.step.size.eq(DESCRIPTOR_SHIFT)]

    def _translate(self, m: Module, ipa: Value, target: int) -> None:
        """Stage 2 for `ipa`."""
        m.d.comb += [self.step.next.ipa.eq(ipa), self.step.next.target.eq(target),
                     self.step.next.phase.eq(Phase.S2START), self.step.action.eq(Action.AGAIN)]

    def _respond(self, m: Module, output: Value, size: Value, perms, mair: Value,
                 sh: Value) -> None:
        ste, reply = self.step.ste, self.step.reply
        m.d.comb += [
            self.step.action.eq(Action.RESPOND), reply.outcome.eq(Outcome.TRANSLATED),
            reply.cacheable.eq(1), self._output.eq(output), reply.size.eq(size),
            reply.perms.eq(perms), reply.attrs.mair.eq(mair), reply.attrs.sh.eq(sh),
        ]
        if self.impl.ATTR_PERMS_OVR:
            m.d.comb += [
                reply.perms.eq(attributes.override_perms(perms, ste.PRIVCFG, ste.INSTCFG)),
                reply.attrs.privcfg.eq(ste.PRIVCFG), reply.attrs.instcfg.eq(ste.INSTCFG),
            ]

    def _as_stored(self, word: Value) -> Value:
        return Mux(self._big, byte_swap(word[:64]), word)[:64]
