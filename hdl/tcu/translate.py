"""The translation part of the TCU: requests in, answers out, any number in flight.

A context (hdl/tcu/context.py) exists for every accepted request. One context is served per cycle:
its next step is computed (hdl/tcu/config for stream table to CD, hdl/tcu/walk for the tables) and
its new state, and a memory read, another step, the answer or a fault report, follow. In order of
preference a step is owed to: a structure that was read, a context that needs no memory, a fault, a
new request that has come through the intake (hdl/tcu/intake.py), which has found what the caches
have. A step never waits for the read port, nor a context for the Event queue: a fault leaves its
context for the reporter (hdl/tcu/faults.py), which has a place for every request there can be.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import (
    EventRecord,
    Invalidation,
    MemRead,
    MemWrite,
    SmmuState,
    Sync,
    TcuActivity,
    TranslationRequest,
    TranslationResponse,
)
from hdl.tcu.caches import Caches
from hdl.tcu.collect import Collector
from hdl.tcu.config.step import ConfigStep
from hdl.tcu.context import Action, Phase, Step
from hdl.tcu.contexts import Contexts, Ends, Lifetimes, index_bits
from hdl.tcu.faults import FaultReport, FaultReporter
from hdl.tcu.intake import Intake
from hdl.tcu.output import Output
from hdl.tcu.updates import Updates
from hdl.tcu.walk.step import WalkStep
from hdl.tcu.walk.tags import Tags

CONFIG_PHASES = (Phase.START, Phase.L1STD, Phase.STE, Phase.SUBSTREAM, Phase.L1CD, Phase.CD)
WALK_PHASES = (Phase.SELECT, Phase.S1, Phase.S2START, Phase.S2, Phase.LOCK, Phase.WROTE)


class Translator(wiring.Component):
    """Translates by the algorithm of reference 4.2, with `config.walks` contexts.

    Members
    -------
    req, resp
        Answers come in any order. A terminated transaction is answered after the Event queue has
        accepted its record.
    mem, write
        Reads of tables and structures, hardware updates of descriptors; one outstanding per
        context, and one locked pair at a time.
    event
        Event records.
    inv
        Answers of requests accepted before an Invalidation are not cacheable.
    sync
        Acknowledged when every request accepted before has been answered.
    state
        Register values. SMMUEN is sampled once per request.
    activity
        For counters.
    """

    def __init__(self, config):
        self.config, self.impl, self.walks = config, config.impl, config.walks
        # One more than requests: one that stalls may be tried again before the first attempt's
        # answer has been accepted.
        self.faults = config.requests + 1
        super().__init__({
            "req": In(stream.Signature(TranslationRequest)),
            "resp": Out(stream.Signature(TranslationResponse)),
            "mem": Out(MemRead()), "write": Out(MemWrite()),
            "event": Out(stream.Signature(EventRecord)),
            "inv": In(stream.Signature(Invalidation)), "sync": In(Sync()),
            "state": In(SmmuState()), "activity": Out(TcuActivity()),
        })

    def elaborate(self, platform):
        m = Module()
        bits = index_bits(self.walks)
        m.submodules.contexts = self._contexts = Contexts(self.walks)
        m.submodules.lifetimes = self._lifetimes = Lifetimes(
            self.walks, self.faults + 1)  # one in the output register
        m.submodules.collector = self._collector = Collector(bits)
        m.submodules.again = self._again = fifo.SyncFIFO(
            width=bits, depth=self.walks + 1)  # a step may take from it and add to it
        m.submodules.faulted = self._faulted = fifo.SyncFIFO(width=bits, depth=self.walks)
        m.submodules.caches = self._caches = Caches(self.config)
        m.submodules.updates = self._updates = Updates(self.walks)
        m.submodules.report = self._report = FaultReport(self.impl)
        m.submodules.reporter = self._reporter = FaultReporter(self.faults)
        self._step = Step().create(path=("step",))
        self._commit = Signal()  # the step computed in this cycle takes place
        self._responds = Signal()  # which it may with an answer only while there is
        self._room = Signal()
        self._accept(m)
        self._choose(m)
        self._compute(m)
        self._taint(m)
        self._keep(m)
        self._configuration(m)
        self._main_tlb(m)
        self._outcome(m)
        self._reads(m, bits)
        self._update(m)
        self._answers(m)
        self._count(m)
        return m

    def _accept(self, m: Module) -> None:
        """A request takes a free context; its first step comes when the intake has seen it."""
        lifetimes, contexts = self._lifetimes, self._contexts
        m.submodules.intake = self._intake = intake = Intake(
            self.impl, self.walks, merge=bool(self.config.tlb_entries))
        wiring.connect(m, wiring.flipped(self.req), intake.req)
        self._ends = ends = Ends(self.walks).create(path=("ends",))
        for part in (intake.ends, lifetimes.ends):
            m.d.comb += [getattr(part, name).eq(getattr(ends, name))
                         for name in ends.signature.members]
        m.d.comb += [
            intake.room.eq(lifetimes.room), intake.free_index.eq(lifetimes.free_index),
            lifetimes.begin.eq(intake.begin),
            contexts.new.eq(intake.begin), contexts.new_index.eq(lifetimes.free_index),
            contexts.new_req.eq(self.req.payload),
            contexts.peeks[0].eq(intake.first), intake.first_req.eq(contexts.peek_reqs[0]),
            contexts.peeks[1].eq(intake.peer), intake.peer_req.eq(contexts.peek_reqs[1]),
        ]

    def _choose(self, m: Module) -> None:
        """Whose step it is."""
        contexts, step, read = self._contexts, self._step, self._collector.structures
        intake = self._intake
        report = self._faulted.r_rdy & self._reporter.ended.ready
        valid, reports = Signal(), Signal()
        m.d.comb += [
            valid.eq(1), step.walk.eq(contexts.walk),
            self._commit.eq(valid & (~self._responds | self._room)),
            self._reporter.ended.valid.eq(reports),
            self._ends.faulted.eq(reports), self._ends.faulted_index.eq(contexts.index),
        ]
        with m.If(self.write.resp.valid):
            m.d.comb += [contexts.index.eq(self.write.resp.payload.id),
                         self.write.resp.ready.eq(self._commit)]
        with m.Elif(read.valid):
            m.d.comb += [contexts.index.eq(read.payload.id), read.ready.eq(self._commit)]
        with m.Elif(self._updates.locks.valid):
            m.d.comb += [contexts.index.eq(self._updates.locks.payload),
                         self._updates.locks.ready.eq(self._commit)]
        with m.Elif(self._again.r_rdy):
            m.d.comb += [contexts.index.eq(self._again.r_data),
                         self._again.r_en.eq(self._commit)]
        with m.Elif(report):
            m.d.comb += [contexts.index.eq(self._faulted.r_data), reports.eq(1),
                         self._faulted.r_en.eq(self._commit)]
        with m.Elif(intake.entry_valid):
            m.d.comb += [contexts.index.eq(intake.entry_index), step.walk.eq(0),
                         step.walk.phase.eq(intake.entry.phase),
                         step.walk.stage1.eq(intake.entry.stage1),
                         intake.entry_take.eq(self._commit)]
        with m.Else():
            m.d.comb += valid.eq(0)

    def _compute(self, m: Module) -> None:
        """The step functions."""
        contexts, step, read = self._contexts, self._step, self._collector.structures.payload
        m.submodules.config_step = self._config_step = config = ConfigStep(self.impl)
        m.submodules.walk_step = self._walk_step = walk = WalkStep(self.impl)
        wiring.connect(m, config.state, wiring.flipped(self.state))
        m.d.comb += [
            step.req.eq(contexts.req), step.ste.eq(contexts.ste), step.cd.eq(contexts.cd),
            step.data.eq(read.data), step.error.eq(read.error),
            step.exclusive.eq(read.exclusive),
            walk.e2h.eq(self.state.cr2_e2h),
        ]
        with m.If(step.walk.phase == Phase.WROTE):
            m.d.comb += [step.error.eq(self.write.resp.payload.error),
                         step.exclusive.eq(self.write.resp.payload.exclusive)]
        for part in (config.step, walk.step):
            m.d.comb += [getattr(part, name).eq(getattr(step, name))
                         for name in ("req", "ste", "cd", "walk", "data", "error", "exclusive")]
        with m.Switch(step.walk.phase):
            for phases, part in ((CONFIG_PHASES, config.step), (WALK_PHASES, walk.step)):
                with m.Case(*phases):
                    m.d.comb += [getattr(step, name).eq(getattr(part, name))
                                 for name in ("action", "next", "size", "lock", "word", "reply")]

    def _keep(self, m: Module) -> None:
        """What the caches learn from the step, and forget; nothing is kept while the SMMU is
        off."""
        step, caches, lifetimes = self._step, self._caches, self._lifetimes
        config, walk = self._config_step, self._walk_step
        m.d.comb += [
            caches.drop.eq(lifetimes.invalidate), caches.invalidation.eq(self.inv.payload),
            caches.flush.eq(~self.state.smmuen),
            caches.structure.eq(self._collector.structures.payload.data),
            caches.ste_key.sid.eq(step.req.sid), caches.ste_accept.eq(config.ste_accept),
            caches.cd_key.sid.eq(step.req.sid), caches.cd_key.index.eq(config.index),
            caches.cd_key.nested.eq(step.ste.Config[1]), caches.cd_accept.eq(config.cd_accept),
            caches.phase.eq(step.walk.phase), caches.level.eq(step.walk.level),
            caches.level2.eq(step.walk.level2), caches.takes_place.eq(self._commit),
            caches.want1.eq(walk.want1), caches.want2.eq(walk.want2),
        ]
        for name in ("table1", "leaf1", "table2", "leaf2"):
            wiring.connect(m, getattr(walk, name), getattr(caches, name))

    def _taint(self, m: Module) -> None:
        """No lost invalidation: what a context has read since it began is kept only if no
        Invalidation has come since it began."""
        lifetimes = self._lifetimes
        stale = lifetimes.stale.bit_select(self._contexts.index, 1)
        m.d.comb += self._caches.fill.eq(
            self._commit & ~stale & ~lifetimes.invalidate & self.state.smmuen)

    def _configuration(self, m: Module) -> None:
        """STEs and CDs, read by a step or found in a cache by the intake, into contexts."""
        contexts, intake, caches = self._contexts, self._intake, self._caches
        wiring.connect(m, intake.ste, caches.ste)
        wiring.connect(m, intake.cd, caches.cd)
        m.d.comb += [caches.ste_used.eq(intake.ste_write), caches.cd_used.eq(intake.cd_write)]
        for accept, kept, found, write, index, busy, ours in (
                (caches.ste_accept, caches.ste_kept, caches.ste.found, intake.ste_write,
                 intake.first, intake.ste_busy, ("write_ste", "ste_index", "ste_in")),
                (caches.cd_accept, caches.cd_kept, caches.cd.found, intake.cd_write,
                 intake.second, intake.cd_busy, ("write_cd", "cd_index", "cd_in"))):
            strobe, where, value = (getattr(contexts, name) for name in ours)
            m.d.comb += [
                busy.eq(self._commit & accept), strobe.eq(busy | write),
                where.eq(Mux(busy, contexts.index, index)), value.eq(Mux(busy, kept, found)),
            ]

    def _main_tlb(self, m: Module) -> None:
        """Asked when the CD is known; what it has is with the context a cycle later."""
        m.submodules.tags = tags = Tags(self.impl)
        contexts, step, intake, caches = self._contexts, self._step, self._intake, self._caches
        asked, by_step, answered = Signal.like(contexts.index), intake.cd_busy, Signal()
        m.d.comb += [
            tags.ste.eq(Mux(by_step, step.ste, intake.second_ste)), tags.cd.eq(contexts.cd_in),
            tags.addr.eq(Mux(by_step, step.req.addr, intake.second_req.addr)),
            tags.e2h.eq(self.state.cr2_e2h),
            caches.look.eq(contexts.write_cd), caches.look_for.eq(tags.want),
            contexts.write_found.eq(answered), contexts.found_index.eq(asked),
            contexts.found_in.eq(caches.found),
            caches.known.eq(Mux(answered & (asked == contexts.index),
                                caches.found, contexts.found)),
        ]
        m.d.sync += [answered.eq(caches.look), asked.eq(contexts.cd_index)]

    def _outcome(self, m: Module) -> None:
        """New state of the context, and the queue it waits in next."""
        contexts, step = self._contexts, self._step
        running = step.walk.phase != Phase.FAULT
        act = Signal()
        m.d.comb += [
            act.eq(self._commit & running),
            contexts.next.eq(step.next), contexts.write_walk.eq(act),
            self._responds.eq(running & (step.action == Action.RESPOND)),
            self._again.w_data.eq(contexts.index),
            self._again.w_en.eq(act & (step.action == Action.AGAIN)),
            self._faulted.w_data.eq(contexts.index),
            self._faulted.w_en.eq(act & (step.action == Action.FAULT)),
        ]
        with m.If(step.action == Action.FAULT):
            m.d.comb += contexts.next.phase.eq(Phase.FAULT)

    def _reads(self, m: Module, bits: int) -> None:
        """A read goes to memory at once, or waits in a queue with a place for every context."""
        step, step_index = self._step, self._contexts.index
        shape = MemRead().members["req"].signature.members["payload"].shape
        m.submodules.reads = reads = fifo.SyncFIFO(width=shape.as_shape().size, depth=self.walks)
        request, port = Signal(shape), self.mem.req
        wants = self._wants_read = Signal(name="wants_read")
        m.d.comb += [
            request.addr.eq(step.next.fetch), request.size.eq(step.size),
            request.id.eq(step_index), request.lock.eq(step.lock),
            request.mair.eq(step.next.mair),
            wants.eq(self._commit & (step.walk.phase != Phase.FAULT)
                     & (step.action == Action.READ)),
            port.valid.eq(reads.r_rdy | wants),
            port.payload.as_value().eq(Mux(reads.r_rdy, reads.r_data, request.as_value())),
            reads.r_en.eq(port.ready),
            reads.w_data.eq(request), reads.w_en.eq(wants & (reads.r_rdy | ~port.ready)),
        ]
        wiring.connect(m, wiring.flipped(self.mem.resp), self._collector.beats)

    def _update(self, m: Module) -> None:
        """Steps that change a descriptor."""
        step, updates, index = self._step, self._updates, self._contexts.index
        act = self._commit & (step.walk.phase != Phase.FAULT)
        m.d.comb += [
            updates.index.eq(index), updates.step.eq(act),
            updates.wants.eq(step.action == Action.LOCK),
            updates.writes.eq(step.action == Action.WRITE),
            updates.addr.eq(step.next.fetch), updates.word.eq(step.word),
            updates.lock.eq(step.lock), updates.mair.eq(step.next.mair),
        ]
        wiring.connect(m, updates.write, wiring.flipped(self.write.req))

    def _answers(self, m: Module) -> None:
        """The output register: a fault that has been recorded, or the step of this cycle."""
        m.submodules.output = output = Output(self.walks)
        contexts, step, lifetimes = self._contexts, self._step, self._lifetimes
        report, reporter = self._report, self._reporter
        own, ended, ends = output.step.payload, reporter.ended.payload, self._ends
        answered = self._answered = Signal(name="answered")
        m.d.comb += [
            report.req.eq(step.req), report.ste.eq(step.ste), report.cd.eq(step.cd),
            report.walk.eq(step.walk), report.recinvsid.eq(self.state.cr2_recinvsid),
            own.id.eq(contexts.index), own.tbu.eq(step.req.tbu), own.tag.eq(step.req.tag),
            own.reply.eq(step.reply),
            output.step.valid.eq(self._commit & self._responds),
            self._room.eq(output.step.ready),
            ended.tbu.eq(step.req.tbu), ended.tag.eq(step.req.tag),
            ended.outcome.eq(report.outcome), ended.recorded.eq(report.recorded),
            ended.record.eq(report.record),
            output.stale.eq(lifetimes.stale),
            lifetimes.invalidate.eq(output.invalidate),
            answered.eq(self.resp.valid & self.resp.ready),
            ends.answered.eq(answered & ~output.faulted), ends.answered_index.eq(output.index),
            lifetimes.told.eq(answered & output.faulted),
        ]
        wiring.connect(m, reporter.answer, output.fault)
        wiring.connect(m, reporter.event, wiring.flipped(self.event))
        wiring.connect(m, output.resp, wiring.flipped(self.resp))
        wiring.connect(m, wiring.flipped(self.inv), output.inv)
        wiring.connect(m, wiring.flipped(self.sync), lifetimes.sync)

    def _count(self, m: Module) -> None:
        """What happens in this cycle."""
        activity, intake, contexts = self.activity, self._intake, self._contexts
        lifetimes, walked = self._lifetimes, Signal(self.walks)
        m.d.comb += [
            activity.requests.eq(intake.begin), activity.merged.eq(intake.merged),
            activity.ste_hits.eq(intake.ste_write), activity.cd_hits.eq(intake.cd_write),
            activity.tlb_hits.eq(contexts.write_found & self._caches.found.hit),
            activity.walks.eq(self._wants_read & ~walked.bit_select(contexts.index, 1)),
            activity.reads.eq(self._wants_read),
            activity.updates.eq(self.write.req.valid & self.write.req.ready),
            activity.faults.eq(self._ends.faulted), activity.answers.eq(self._answered),
            activity.invalidations.eq(lifetimes.invalidate),
        ]
        m.d.sync += activity.active.eq(activity.active + lifetimes.begin
                                       - self._ends.answered - self._ends.faulted)
        for n in range(self.walks):
            with m.If(intake.begin & (lifetimes.free_index == n)):
                m.d.sync += walked[n].eq(0)
            with m.Elif(self._wants_read & (contexts.index == n)):
                m.d.sync += walked[n].eq(1)
