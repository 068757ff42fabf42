"""One direction of a TBU's address path: AR or AW from the client to memory."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.axi import Burst, axi_cache
from hdl.onehot import PAGE_BITS, index_shape
from hdl.streams import (
    Outcome,
    TraceRecord,
    TranslationRequest,
    TranslationResponse,
)
from hdl.tbu.layouts import (
    Address,
    Finish,
    Lookup,
    MemoryAddress,
    PageKey,
    Step,
    Termination,
    Verdict,
    allowed,
    page_key,
    response_address,
    translate_address,
    verdict_prot,
)
from hdl.tbu.outlet import Outlet
from hdl.tbu.slots import Slots
from hdl.tbu.threads import Threads

TAG_WRITE = 7  # bit of TranslationRequest.tag that tells writes from reads


class Channel(wiring.Component):
    """Decides one transaction per cycle; a micro TLB hit reaches `memory` 2 cycles after `client`.

    Cycle 0: `client` handshake into the stage register. Cycle 1: lookup and decision. Cycle 2:
    `memory` valid. A miss goes to a slot and asks the TCU; so does a hit that must stay behind
    a waiting transaction of the same AXI id, or behind a write that has not stepped aside yet.

    Members
    -------
    client, memory
        Address channels.
    lookup
        Micro TLB port. `enabled` = 0 makes every lookup a miss.
    request, response, response_valid, fillable, fill_key
        To and from the TCU. A response is always taken, except in the cycle of `snapshot`, when
        there must be none. `fill_key` is its page, `fillable` says that no invalidation came
        since it was asked for.
    terminate
        Transactions to be answered by the return path, when their turn among those of the same
        AXI id has come. One at a time: the next one comes after its `finish`.
    decided, dropped, from_aside, slot, room
        `decided`: a transaction leaves, to memory or (`dropped`) to its termination; only while
        `room`. Of writes: `from_aside`, if it had stepped aside, from `slot`.
    aside, stored, stored_slot
        Writes only: one that cannot leave lets its data go aside; pulse: they are all there.
    finish
        From the return path.
    invalidated
        An invalidation is being taken in this cycle.
    snapshot, drained
        Sync: `drained` (from the next cycle on) when everything that used a translation known
        before `snapshot` has finished.
    trace
        One record per decision, in their order. Always ready while `room`.
    hit, missed, blocked, waiting
        For the counters of `TbuActivity`.
    """

    def __init__(self, config, *, number: int, write: bool):
        self.config, self.number, self.write = config, number, write
        super().__init__({
            "client": In(stream.Signature(Address)),
            "memory": Out(stream.Signature(MemoryAddress)),
            "lookup": Out(Lookup()), "enabled": In(1),
            "request": Out(stream.Signature(TranslationRequest)),
            "response": In(TranslationResponse), "response_valid": In(1),
            "fillable": Out(1), "fill_key": Out(PageKey),
            "terminate": Out(stream.Signature(Termination)),
            "decided": Out(1), "dropped": Out(1), "room": In(1),
            "from_aside": Out(1), "slot": Out(index_shape(config.tbu_slots)),
            "aside": Out(stream.Signature(Step)),
            "stored": In(1), "stored_slot": In(index_shape(config.tbu_slots)),
            "finish": In(Finish()),
            "invalidated": In(1),
            "snapshot": In(1), "drained": Out(1),
            "trace_valid": Out(1), "trace": Out(TraceRecord),
            "hit": Out(1), "missed": Out(1), "blocked": Out(1),
            "waiting": Out(range(config.tbu_slots + 1)),
        })

    def elaborate(self, platform):
        m = Module()
        count = self.config.tbu_threads
        threads = m.submodules.threads = Threads(count)
        slots = m.submodules.slots = Slots(count=self.config.tbu_slots, threads=count,
                                           line=self.write)
        outlet = m.submodules.outlet = Outlet(threads=count)
        connect(m, flipped(self.finish), threads.finish)
        connect(m, flipped(self.finish), outlet.finish)
        connect(m, outlet.memory, flipped(self.memory))
        connect(m, outlet.terminate, flipped(self.terminate))

        # Stage register.
        held = Signal(Address)
        held_valid, advance = Signal(), Signal()
        m.d.comb += self.client.ready.eq(~held_valid | advance)
        with m.If(self.client.ready):
            m.d.sync += [held.eq(self.client.payload), held_valid.eq(self.client.valid)]
        verdict, known = self._look_up(m, held)

        # Decide: a slot whose turn has come goes before the stage register. What has a verdict
        # but not its turn, and what ends here, takes the way through a slot.
        able, direct, park, through = Signal(), Signal(), Signal(), Signal()
        waits = slots.chained | slots.lined | outlet.blocked.bit_select(threads.index, 1)
        m.d.comb += [
            able.eq(held_valid & threads.found & ~self.snapshot),
            through.eq(known & (verdict.outcome == Outcome.TRANSLATED) & ~waits),
            direct.eq(able & through & ~slots.leave_valid & outlet.room_issue & self.room),
            park.eq(able & ~through & ~(known & self.response_valid)),
            advance.eq(direct | (park & slots.park.ready)),
            self.lookup.used.eq(advance & known),
            threads.id.eq(held.id),
            threads.enter.eq(advance),
            threads.snapshot.eq(self.snapshot),
            threads.ahead.eq(slots.ahead),
            self.drained.eq(threads.drained),
            slots.thread.eq(threads.index),
            slots.park.valid.eq(park),
            slots.park.payload.address.eq(held),
            slots.park.payload.known.eq(known),
            slots.park.payload.verdict.eq(verdict),
            slots.blocked.eq(outlet.blocked),
            slots.room_issue.eq(outlet.room_issue & self.room & ~self.snapshot),
            slots.room_end.eq(outlet.room_end & self.room & ~self.snapshot),
            slots.retry.eq(self.snapshot),
            slots.invalidated.eq(self.invalidated),
        ]
        connect(m, slots.aside, flipped(self.aside))
        m.d.comb += [slots.stored.eq(self.stored), slots.stored_slot.eq(self.stored_slot)]
        m.d.comb += [
            self.missed.eq(park & slots.park.ready & ~known),
            self.hit.eq(advance & known & verdict.hit),
            self.blocked.eq(held_valid & ~advance),
        ]
        m.d.sync += self.waiting.eq(
            self.waiting + (park & slots.park.ready) - slots.leave_valid)
        self._ask(m, slots, held, self.missed)
        self._answer(m, slots)
        self._leave(m, slots, threads, outlet, held, verdict, direct)
        return m

    def _look_up(self, m, held):
        """The verdict of the stage register, and whether there is one without asking the TCU."""
        found = self.lookup.translation
        verdict = Verdict(Signal(Verdict, name="looked_up"))
        crosses, hit = Signal(), Signal()
        # An INCR burst must not cross a 4 KB boundary: end of the burst, from the aligned start.
        offset = Signal(PAGE_BITS + 3)
        beats_mask = Cat(held.size > b for b in range(PAGE_BITS))
        m.d.comb += [
            offset.eq((held.addr[:PAGE_BITS] & ~beats_mask)
                      + ((held.len + 1) << held.size)[:PAGE_BITS + 3]),
            crosses.eq((held.burst == Burst.INCR) & (offset > 1 << PAGE_BITS)),
            self.lookup.key.as_value().eq(page_key(held)),
            hit.eq(self.enabled & self.lookup.hit
                   & allowed(found.perms, found.attrs, write=self.write, pnu=held.pnu,
                             ind=held.ind)),
            verdict.outcome.eq(Mux(crosses, Outcome.ABORT, Outcome.TRANSLATED)),
            verdict.bypass.eq(found.bypass),
            verdict.hit.eq(~crosses),
            verdict.pa.eq(translate_address(held.addr, found.pa, found.mask)),
            verdict.cache.eq(axi_cache(found.attrs.mair, write=self.write)),
            verdict.prot.as_value().eq(verdict_prot(held, found.attrs, write=self.write)),
        ]
        return verdict, hit | crosses

    def _ask(self, m, slots, held, missed):
        """Requests to the TCU: a fresh miss at once if no other waits, else from the slots."""
        request = self.request
        free = Signal()
        m.d.comb += [
            free.eq(~request.valid | request.ready),
            slots.ask_taken.eq(free & slots.ask_valid),
            slots.asked.eq(free & ~slots.ask_valid),
        ]
        address = Address(Signal(Address, name="asked_address"))
        index = Signal.like(slots.ask_index)
        m.d.comb += [
            address.eq(Mux(slots.ask_valid, slots.ask_address.as_value(), held.as_value())),
            index.eq(Mux(slots.ask_valid, slots.ask_index, slots.parked_index)),
        ]
        with m.If(free):
            m.d.sync += [getattr(request.payload, name).eq(getattr(address, name))
                         for name in ("sid", "ssv", "ssid", "addr", "pnu", "ind")]
            m.d.sync += [
                request.valid.eq(slots.ask_valid | missed),
                request.payload.tbu.eq(self.number),
                request.payload.tag.eq(index | (self.write << TAG_WRITE)),
                request.payload.rnw.eq(not self.write),
            ]

    def _answer(self, m, slots):
        """A response becomes the verdict of its slot."""
        response, address = self.response, slots.answer_address
        verdict = slots.answer_verdict
        m.d.comb += [
            slots.answer.eq(self.response_valid),
            slots.answer_index.eq(response.tag),
            verdict.outcome.eq(response.outcome),
            verdict.bypass.eq(response.bypass),
            verdict.hit.eq(0),
            verdict.pa.eq(response_address(address.addr, response)),
            verdict.cache.eq(axi_cache(response.attrs.mair, write=self.write)),
            verdict.prot.as_value().eq(verdict_prot(address, response.attrs, write=self.write)),
            self.fill_key.as_value().eq(page_key(address)),
            self.fillable.eq(self.response_valid & response.cacheable & ~slots.answer_stale
                             & (response.outcome == Outcome.TRANSLATED)),
        ]

    def _leave(self, m, slots, threads, outlet, held, verdict, direct):
        """The decision of this cycle, from a slot or straight from the stage register."""
        address = Address(Signal(Address, name="decided_address"))
        decision = Verdict(Signal(Verdict, name="decision"))
        thread = Signal(index_shape(self.config.tbu_threads))
        record = self.trace
        m.d.comb += [
            address.eq(Mux(slots.leave_valid, slots.leave_address.as_value(), held.as_value())),
            decision.eq(Mux(slots.leave_valid, slots.leave_verdict.as_value(),
                            verdict.as_value())),
            thread.eq(Mux(slots.leave_valid, slots.leave_thread, threads.index)),
            self.decided.eq(slots.leave_valid | direct),
            self.dropped.eq(decision.outcome != Outcome.TRANSLATED),
            self.from_aside.eq(slots.leave_aside), self.slot.eq(slots.leave_index),
            outlet.take.eq(self.decided),
            outlet.address.eq(address),
            outlet.verdict.eq(decision),
            outlet.thread.eq(thread),
            outlet.idle.eq(threads.idle),
            threads.issue.eq(self.decided & ~self.dropped),
            threads.issue_index.eq(thread),
            self.trace_valid.eq(self.decided),
            record.axid.eq(address.id),
            record.rnw.eq(not self.write),
        ]
        m.d.comb += [getattr(record, name).eq(getattr(address, name))
                     for name in ("sid", "ssv", "ssid", "addr", "pnu", "ind", "len", "size")]
        m.d.comb += [getattr(record, name).eq(getattr(decision, name))
                     for name in ("outcome", "bypass", "hit", "pa")]
