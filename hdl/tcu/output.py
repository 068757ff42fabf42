"""The last stage of the translator: one answer on its way to the TBUs."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import Invalidation, Outcome, TranslationResponse
from hdl.tcu.context import Answer


class Output(wiring.Component):
    """Chooses between a reported fault and the answer of a step, and decides `cacheable`.

    Members
    -------
    fault, step
        Answers; a fault first, but not after a fault: steps need not wait for more than one.
        `step.ready` does not depend on `step.valid`.
    stale
        Per context: it began before an Invalidation.
    resp, index, faulted
        The answer, and its context or that it is of a fault.
    inv, invalidate
        An Invalidation is accepted while no answer waits; strobe in that cycle. An answer that
        leaves the step functions in the same cycle is not cacheable.
    """

    def __init__(self, walks: int):
        bits = Answer.as_shape()["id"].width
        super().__init__({
            "fault": In(stream.Signature(Answer)), "step": In(stream.Signature(Answer)),
            "stale": In(walks), "resp": Out(stream.Signature(TranslationResponse)),
            "index": Out(bits), "faulted": Out(1),
            "inv": In(stream.Signature(Invalidation)), "invalidate": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        free, stale, answer = Signal(), Signal(), Signal(Answer)
        reply, out = answer.reply, self.resp.payload
        translated, faults = Signal(), Signal()
        m.d.comb += [
            free.eq(~self.resp.valid | self.resp.ready),
            faults.eq(self.fault.valid & ~self.faulted),
            self.fault.ready.eq(free & ~self.faulted), self.step.ready.eq(free & ~faults),
            self.inv.ready.eq(free), self.invalidate.eq(self.inv.valid & free),
            answer.eq(Mux(faults, self.fault.payload, self.step.payload)),
            stale.eq(self.stale.bit_select(answer.id, 1) | self.invalidate),
            translated.eq(reply.outcome == Outcome.TRANSLATED),
        ]
        with m.If(free):
            m.d.sync += [
                self.resp.valid.eq(faults | self.step.valid), self.index.eq(answer.id),
                self.faulted.eq(faults),
                out.tbu.eq(answer.tbu), out.tag.eq(answer.tag), out.outcome.eq(reply.outcome),
                out.bypass.eq(reply.bypass), out.pa.eq(reply.pa), out.size.eq(reply.size),
                out.perms.eq(reply.perms), out.attrs.eq(reply.attrs),
                out.cacheable.eq(translated & reply.cacheable & ~stale),
            ]
        return m
