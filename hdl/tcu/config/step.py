"""The configuration steps of a translation: stream table, STE, substream, CD (reference 4.2, steps
1 to 9)."""

from amaranth import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import SSID_BITS, Outcome, SmmuState
from hdl.tcu import attributes, own
from hdl.tcu.bits import pick
from hdl.tcu.config.cd_check import CdCheck
from hdl.tcu.config.cd_table import L1CD_SHIFT, CdTable
from hdl.tcu.config.ste_check import SteCheck
from hdl.tcu.config.stream_table import L1STD_SHIFT, StreamTable
from hdl.tcu.config.substream import Substream
from hdl.tcu.context import (
    MEMORY_BITS,
    PHASE_OF,
    STRUCTURE_SHIFT,
    Action,
    Phase,
    Step,
    Target,
)
from spec.context import L1CD
from spec.events import EventType, FaultClass
from spec.registers import GBPA
from spec.stream_table import SteConfig, SteSTRW


def el2(ste, impl) -> Value:
    """The StreamWorld is NS-EL2 or NS-EL2-E2H (reference 4.3)."""
    if not (impl.S1P and impl.HYP):
        return Value.cast(0)[0]
    return (ste.Config == SteConfig.S1) & (ste.STRW == SteSTRW.NS_EL2)


def el2_without_e2h(ste, e2h: Value, impl) -> Value:
    """The StreamWorld is NS-EL2 (reference 4.3)."""
    return el2(ste, impl) & ~e2h


class ConfigStep(wiring.Component):
    """Step function of the phases START to CD.

    Members (besides those of `Step`)
    -------
    state
        Register values.
    index
        Index of the CD, by `step.ste`.
    ste_accept, cd_accept
        The STE (CD) in `step.data` passed its checks: the context keeps it.
    """

    def __init__(self, impl):
        self.impl = impl
        super().__init__({"step": Out(Step()), "state": In(SmmuState()), "index": Out(SSID_BITS),
                          "ste_accept": Out(1), "cd_accept": Out(1)})

    def elaborate(self, platform):
        m = Module()
        step = self.step
        self._read = Signal(MEMORY_BITS)
        m.d.comb += [self._read.eq(step.data), step.next.eq(step.walk),
                     step.reply.outcome.eq(Outcome.ABORT)]
        self._tables(m)
        with m.Switch(step.walk.phase):
            with m.Case(Phase.START):
                self._start(m)
            with m.Case(Phase.L1STD):
                self._l1std(m)
            with m.Case(Phase.STE):
                self._ste(m)
            with m.Case(Phase.SUBSTREAM):
                self._substream(m)
            with m.Case(Phase.L1CD):
                self._l1cd(m)
            with m.Case(Phase.CD):
                self._cd(m)
        return m

    def _tables(self, m: Module) -> None:
        step, state = self.step, self.state
        m.submodules.stream_table = self.stream_table = StreamTable(self.impl)
        m.submodules.substream = self.substream = Substream(self.impl)
        m.submodules.cd_table = self.cd_table = CdTable(self.impl)
        m.d.comb += [
            self.stream_table.sid.eq(step.req.sid),
            self.stream_table.base.eq(state.strtab_base),
            self.stream_table.log2size.eq(state.strtab_log2size),
            self.stream_table.split.eq(state.strtab_split),
            self.stream_table.fmt.eq(state.strtab_fmt),
            self.stream_table.l1std.eq(self._read),
            self.substream.ssv.eq(step.req.ssv),
            self.substream.ssid.eq(step.req.ssid),
            self.substream.ste.eq(step.ste),
            self.cd_table.ste.eq(step.ste),
            self.cd_table.index.eq(self.substream.index),
            self.cd_table.l1cd.eq(self._read),
            self.index.eq(self.substream.index),
        ]

    # ---- results ----

    def _fault(self, m: Module, event: int, *, always: bool = False) -> None:
        fault = self.step.next.fault
        m.d.comb += [self.step.action.eq(Action.FAULT), fault.type.eq(event), fault.s2.eq(0),
                     fault.cls.eq(FaultClass.IN), fault.always.eq(always)]

    def _pass(self, m: Module, privcfg: Value, instcfg: Value) -> None:
        """The transaction goes on untranslated; one answer for all addresses below 2^OAS. Nothing
        invalidates that of GBPA, so it is not cacheable."""
        reply, leaf = self.step.reply, self.step.next.leaf
        m.d.comb += [
            self.step.action.eq(Action.RESPOND), reply.outcome.eq(Outcome.TRANSLATED),
            reply.bypass.eq(1), reply.cacheable.eq(self.state.smmuen),
            reply.size.eq(self.impl.oas_bits), reply.perms.eq(~0),
            reply.attrs.mair.eq(leaf.mair), reply.attrs.sh.eq(leaf.sh),
        ]
        if self.impl.ATTR_PERMS_OVR:
            m.d.comb += [reply.attrs.privcfg.eq(privcfg), reply.attrs.instcfg.eq(instcfg)]

    def _beyond(self, address: Value, bits: int) -> Value:
        return address[bits:].any()

    def _fetch_ste(self, m: Module, address: Value, phase: int, size: int) -> None:
        """Read an L1STD or STE; an address above OAS is F_STE_FETCH."""
        m.d.comb += [self.step.next.fetch.eq(address), self.step.next.phase.eq(phase),
                     self.step.action.eq(Action.READ), self.step.size.eq(size),
                     self.step.next.mair.eq(own.by_register(
                         self.state.table_oc, self.state.strtab_ra, write=False))]
        with m.If(self._beyond(address, self.impl.oas_bits)):
            self._fault(m, EventType.F_STE_FETCH)

    def _fetch_cd(self, m: Module, address: Value, target: int, size: int) -> None:
        """Read an L1CD or CD, through stage 2 if it is on."""
        m.d.comb += [self.step.next.fetch.eq(address), self.step.next.phase.eq(PHASE_OF[target]),
                     self.step.action.eq(Action.READ), self.step.size.eq(size),
                     self.step.next.mair.eq(own.by_ste(self.step.ste.S1COR))]
        if self.impl.S2P:
            with m.If(self.step.ste.Config[1]):
                m.d.comb += [self.step.next.ipa.eq(address), self.step.next.target.eq(target),
                             self.step.next.phase.eq(Phase.S2START),
                             self.step.action.eq(Action.AGAIN)]

    # ---- the steps, in the order of reference 4.2 ----

    def _start(self, m: Module) -> None:
        """1. SMMUEN=0: GBPA.  2. Stream lookup."""
        step, gbpa, table = self.step, self.state.gbpa, self.stream_table
        mair, sh = attributes.incoming(
            m, pick(gbpa, GBPA.MemAttr), pick(gbpa, GBPA.MTCFG), pick(gbpa, GBPA.SHCFG),
            pick(gbpa, GBPA.ALLOCCFG), self.impl)
        with m.If(~self.state.smmuen):
            m.d.comb += [step.next.leaf.mair.eq(mair), step.next.leaf.sh.eq(sh)]
            self._pass(m, pick(gbpa, GBPA.PRIVCFG), pick(gbpa, GBPA.INSTCFG))
            with m.If(pick(gbpa, GBPA.ABORT)
                      | self._beyond(step.req.addr, self.impl.oas_bits)):
                m.d.comb += step.reply.outcome.eq(Outcome.ABORT)
        with m.Elif(table.outside):
            self._fault(m, EventType.C_BAD_STREAMID)
        with m.Elif(table.two_level):
            self._fetch_ste(m, table.addr, Phase.L1STD, L1STD_SHIFT)
        with m.Else():
            self._fetch_ste(m, table.addr, Phase.STE, STRUCTURE_SHIFT)

    def _l1std(self, m: Module) -> None:
        table = self.stream_table
        with m.If(self.step.error):
            self._fault(m, EventType.F_STE_FETCH)
        with m.Elif(table.l1_outside):
            self._fault(m, EventType.C_BAD_STREAMID)
        with m.Else():
            self._fetch_ste(m, table.ste, Phase.STE, STRUCTURE_SHIFT)

    def _ste(self, m: Module) -> None:
        """3. STE check."""
        step = self.step
        m.submodules.ste_check = check = SteCheck(self.impl)
        m.d.comb += check.ste.eq(self._read)
        with m.If(step.error):
            self._fault(m, EventType.F_STE_FETCH)
        with m.Elif(check.bad):
            self._fault(m, EventType.C_BAD_STE)
        with m.Elif(check.abort):
            m.d.comb += step.action.eq(Action.RESPOND)
        with m.Else():
            m.d.comb += [self.ste_accept.eq(1), step.next.phase.eq(Phase.SUBSTREAM),
                         step.action.eq(Action.AGAIN)]

    def _substream(self, m: Module) -> None:
        """5. Bypass.  6. Substream decision.  7. Stage 2 only.  8. Where the CD is."""
        step, choice, table = self.step, self.substream, self.cd_table
        ste, addr = step.ste, step.req.addr
        mair, sh = attributes.incoming(
            m, ste.MemAttr, ste.MTCFG, ste.SHCFG, ste.ALLOCCFG, self.impl)
        leaf = step.next.leaf
        m.d.comb += [
            step.next.stage1.eq(choice.stage1),
            leaf.size.eq(self.impl.oas_bits), leaf.perms.eq(~0), leaf.mair.eq(mair),
            leaf.sh.eq(sh),
        ]
        with m.If(choice.bad):
            self._fault(m, EventType.C_BAD_SUBSTREAMID)
        with m.Elif(choice.disabled):
            self._fault(m, EventType.F_STREAM_DISABLED)
        with m.Elif(choice.stage1):
            with m.If(table.two_level):
                self._fetch_cd(m, table.addr, Target.L1CD, L1CD_SHIFT)
            with m.Else():
                self._fetch_cd(m, table.addr, Target.CD, STRUCTURE_SHIFT)
        with m.Elif(ste.Config[1]):
            m.d.comb += [step.next.ipa.eq(addr), step.next.target.eq(Target.IN),
                         step.next.phase.eq(Phase.S2START), step.action.eq(Action.AGAIN)]
            with m.If(self._beyond(addr, self.impl.ias_bits)):
                self._fault(m, EventType.F_ADDR_SIZE, always=True)
        with m.Else():
            self._pass(m, ste.PRIVCFG, ste.INSTCFG)
            with m.If(self._beyond(addr, self.impl.oas_bits)):
                self._fault(m, EventType.F_ADDR_SIZE, always=True)

    def _l1cd(self, m: Module) -> None:
        step = self.step
        pointer = pick(self._read, L1CD.L2Ptr)
        unreachable = ~step.ste.Config[1] & self._beyond(pointer, self.impl.oas_bits)
        with m.If(step.error):
            self._fault(m, EventType.F_CD_FETCH)
        with m.Elif(~pick(self._read, L1CD.V) | unreachable):
            self._fault(m, EventType.C_BAD_SUBSTREAMID)
        with m.Else():
            self._fetch_cd(m, self.cd_table.cd, Target.CD, STRUCTURE_SHIFT)

    def _cd(self, m: Module) -> None:
        """9. CD check."""
        step = self.step
        m.submodules.cd_check = check = CdCheck(self.impl)
        m.d.comb += [check.cd.eq(self._read), check.ste.eq(step.ste),
                     check.el2.eq(el2_without_e2h(step.ste, self.state.cr2_e2h, self.impl))]
        with m.If(step.error):
            self._fault(m, EventType.F_CD_FETCH)
        with m.Elif(check.bad):
            self._fault(m, EventType.C_BAD_CD)
        with m.Else():
            m.d.comb += [self.cd_accept.eq(1), step.next.phase.eq(Phase.SELECT),
                         step.action.eq(Action.AGAIN)]
