"""From a fault to its event record and the end of the transaction (reference 4.8, 4.9, 5)."""

from amaranth import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import EventRecord, Outcome, TranslationRequest
from hdl.tcu import attributes
from hdl.tcu.context import Answer, KeptCD, KeptSTE, Walk
from spec.events import EVENTS, TRANSLATION_FAULTS, EventType

# The events that the translation of an untranslated transaction can end with.
RAISED = (
    EventType.C_BAD_STREAMID, EventType.F_STE_FETCH, EventType.C_BAD_STE,
    EventType.F_STREAM_DISABLED, EventType.C_BAD_SUBSTREAMID, EventType.F_CD_FETCH,
    EventType.C_BAD_CD, EventType.F_WALK_EABT, EventType.F_TRANSLATION, EventType.F_ADDR_SIZE,
    EventType.F_ACCESS, EventType.F_PERMISSION,
)


class FaultReport(wiring.Component):
    """Combinational: the record of a fault and what becomes of the transaction.

    Members
    -------
    req, ste, cd, walk
        The context; `walk.fault` says what happened.
    recinvsid
        CR2.RECINVSID.
    record
        The 32 bytes; fields that the type does not have are 0, and so is STAG.
    recorded
        The record goes to the Event queue.
    outcome
        ABORT or RAZWI; RETRY: the transaction stalls.
    """

    req: In(TranslationRequest)
    ste: In(KeptSTE.layout)
    cd: In(KeptCD.layout)
    walk: In(Walk)
    recinvsid: In(1)
    record: Out(256)
    recorded: Out(1)
    outcome: Out(Outcome)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        fault = self.walk.fault
        values = self._values()
        with m.Switch(fault.type):
            for event in RAISED:
                with m.Case(event):
                    for name, field in EVENTS[event].FIELDS.items():
                        if name in values:
                            part = self.record[field.lsb:field.lsb + field.width]
                            value = Value.cast(values[name])
                            m.d.comb += part.eq(value[field.lo:] if field.addr else value)
        self._policy(m)
        return m

    def _values(self) -> dict[str, Value]:
        """Every event field by name; address fields as whole addresses."""
        req, walk, fault = self.req, self.walk, self.walk.fault
        pnu, ind = req.pnu, req.ind & req.rnw
        if self.impl.ATTR_PERMS_OVR:
            pnu = attributes.override_pnu(req.pnu, self.ste.PRIVCFG)
            ind = attributes.override_ind(req.ind, req.rnw, self.ste.INSTCFG)
        return {
            "TYPE": fault.type, "StreamID": req.sid, "SSV": req.ssv,
            "SubstreamID": Mux(req.ssv, req.ssid, 0), "PnU": pnu, "InD": ind, "RnW": req.rnw,
            "Stall": self.outcome == Outcome.RETRY,
            "S2": fault.s2, "CLASS": fault.cls, "TTRnW": fault.ttrnw,
            "InputAddr": req.addr, "IPA": Mux(fault.s2, walk.ipa, 0), "FetchAddr": walk.fetch,
        }

    def _policy(self, m: Module) -> None:
        """Stall, or terminate how; record or not. The stage of the fault alone decides which bits
        apply (reference 4.9)."""
        fault = self.walk.fault
        m.d.comb += [self.outcome.eq(Outcome.ABORT), self.recorded.eq(1)]
        with m.Switch(fault.type):
            with m.Case(EventType.C_BAD_STREAMID):
                m.d.comb += self.recorded.eq(self.recinvsid)
            with m.Case(*TRANSLATION_FAULTS):
                with m.If(fault.always):
                    pass
                with m.Elif(fault.s2):
                    m.d.comb += self.recorded.eq(self.ste.S2R | self.ste.S2S)
                    with m.If(self.ste.S2S):
                        m.d.comb += self.outcome.eq(Outcome.RETRY)
                with m.Else():
                    m.d.comb += self.recorded.eq(self.cd.R | self.cd.S)
                    with m.If(self.cd.S):
                        m.d.comb += self.outcome.eq(Outcome.RETRY)
                    with m.Elif(~self.cd.A):
                        m.d.comb += self.outcome.eq(Outcome.RAZWI)


class Ended(data.Struct):
    """A transaction that a fault ends, without its context: whose it is, how it ends (RETRY: it
    stalls), and its record, which goes to the Event queue if `recorded`."""

    tbu: unsigned(4)
    tag: unsigned(8)
    outcome: Outcome
    recorded: unsigned(1)
    record: unsigned(256)


class FaultReporter(wiring.Component):
    """Records faults one after the other; the answer follows when the Event queue (or, if it
    stalls, the stall buffer) has accepted the record. Faults that wait for those before them wait
    here and not in their contexts, which others need.

    Parameters
    ----------
    places
        Faults that can wait or be in work.

    Members
    -------
    ended
        Faults.
    event
        To the Event queue.
    answer
        The answers, in the order of `ended`.
    """

    def __init__(self, places: int):
        self.places = places
        super().__init__({
            "ended": In(stream.Signature(Ended)), "event": Out(stream.Signature(EventRecord)),
            "answer": Out(stream.Signature(Answer)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(
            width=Ended.as_shape().size, depth=self.places)
        head, event = data.View(Ended, queue.r_data), self.event.payload
        answer = self.answer.payload
        accepted = Signal()  # the record of the head
        m.d.comb += [
            queue.w_data.eq(self.ended.payload), queue.w_en.eq(self.ended.valid),
            self.ended.ready.eq(queue.w_rdy),
            self.event.valid.eq(queue.r_rdy & head.recorded & ~accepted),
            event.record.eq(head.record), event.stall.eq(head.outcome == Outcome.RETRY),
            event.tbu.eq(head.tbu), event.tag.eq(head.tag),
            self.answer.valid.eq(queue.r_rdy & (accepted | ~head.recorded)),
            answer.tbu.eq(head.tbu), answer.tag.eq(head.tag),
            answer.reply.outcome.eq(head.outcome),
            queue.r_en.eq(self.answer.valid & self.answer.ready),
        ]
        with m.If(queue.r_en):
            m.d.sync += accepted.eq(0)
        with m.Elif(self.event.valid & self.event.ready):
            m.d.sync += accepted.eq(1)
        return m
