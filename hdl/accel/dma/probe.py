"""Keeps accesses to a page that does not answer few."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import ADDR_BITS

PAGE_LOG2 = 12


class PageProbe(wiring.Component):
    """Says whether the next request of a stream of accesses may be made: freely to the page of the
    last one once that has answered, and else while fewer than `probes` requests are under way to
    pages that have not. A page whose translation stalls must not fill the TBU's slots and write
    buffer, which other queues need.

    Parameters
    ----------
    probes : int
        Requests.
    most : int
        Answers that can be under way.

    Members
    -------
    addr
        Of the next request.
    asked, answers
        Pulse: it is made, and will have so many answers.
    answer
        Pulse: one came; they come in order.
    known_only
        Ask only the page that has answered.
    may_ask, waiting
        Whether it may be made; whether the last page has not answered yet.
    under_way
        Answers.
    """

    def __init__(self, *, probes: int, most: int):
        self.probes = probes
        super().__init__({
            "addr": In(ADDR_BITS), "asked": In(1), "answers": In(range(most + 1)),
            "answer": In(1), "known_only": In(1), "may_ask": Out(1), "waiting": Out(1),
            "under_way": Out(range(most + 1)),
        })

    def elaborate(self, platform):
        m = Module()
        number = self.addr[PAGE_LOG2:]
        page, known = Signal.like(number), Signal()   # of the last request
        answered = Signal(init=1)                     # the last request's page
        ahead = Signal.like(self.under_way)           # answers that come before that page's first
        sent, probing = Signal(range(self.probes + 1)), Signal(range(self.probes + 1))
        other = ~known | (page != number)
        m.d.comb += [
            probing.eq(Mux(answered, 0, sent)), self.waiting.eq(~answered),
            self.may_ask.eq((answered & ~other) | ((probing < self.probes) & ~self.known_only)),
        ]
        with m.If(self.answer):
            m.d.sync += [ahead.eq(ahead - 1), answered.eq(answered | (ahead == 0))]
        with m.If(self.asked):
            m.d.sync += [page.eq(number), known.eq(1)]
            with m.If(other):
                m.d.sync += [
                    answered.eq(0), ahead.eq(self.under_way - self.answer), sent.eq(probing + 1),
                ]
            with m.Elif(~answered):
                m.d.sync += sent.eq(probing + 1)
        m.d.sync += self.under_way.eq(self.under_way + Mux(self.asked, self.answers, 0)
                                      - self.answer)
        return m
