"""Choosing between several askers in turn."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


def number_of(one_hot):
    """Number of the set bit of `one_hot`, of however many bits."""
    return Cat(Cat(one_hot[n] for n in range(len(one_hot)) if n >> bit & 1).any()
               for bit in range(max(1, (len(one_hot) - 1).bit_length())))


class RoundRobin(wiring.Component):
    """Picks one of `count` askers, the one after the last served first.

    Members
    -------
    asking
        Who wants a turn.
    index, valid
        Who is next, combinational; `valid` if anybody asks.
    take
        The chosen one is served in this cycle.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__({"asking": In(count), "index": Out(range(count)), "valid": Out(1),
                          "take": In(1)})

    def elaborate(self, platform):
        m = Module()
        later = Signal(self.count)       # a 1 for everybody after the last one served
        first = Signal(self.count)
        candidates = Signal(self.count)
        m.d.comb += [
            self.valid.eq(self.asking.any()),
            candidates.eq(Mux((self.asking & later).any(), self.asking & later, self.asking)),
            first.eq(candidates & (~candidates + 1)),
        ]
        m.d.comb += self.index.eq(number_of(first))
        with m.If(self.take & self.valid):
            m.d.sync += later.eq(~(first | (first - 1))[:self.count])
        return m


class StreamArbiter(wiring.Component):
    """Merges `count` streams into one, in turn, through one register.

    Members
    -------
    inputs
        The streams.
    output
        What was chosen; `port` says from which input.
    stop
        Nothing new is taken while 1.
    """

    def __init__(self, shape, count: int):
        self.count = count
        super().__init__({
            "inputs": In(stream.Signature(shape)).array(count),
            "output": Out(stream.Signature(shape)), "port": Out(range(count)), "stop": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.turn = turn = RoundRobin(self.count)
        free = Signal()
        m.d.comb += [
            free.eq((~self.output.valid | self.output.ready) & ~self.stop),
            turn.asking.eq(Cat(port.valid for port in self.inputs)),
            turn.take.eq(free),
        ]
        with m.If(self.output.ready):
            m.d.sync += self.output.valid.eq(0)
        for n, port in enumerate(self.inputs):
            with m.If(free & turn.valid & (turn.index == n)):
                m.d.comb += port.ready.eq(1)
                m.d.sync += [
                    self.output.payload.eq(port.payload), self.port.eq(n),
                    self.output.valid.eq(1),
                ]
        return m


class Slot(wiring.Component):
    """One place of a stream: gives what it has in the cycle after it got it."""

    def __init__(self, shape):
        super().__init__({"input": In(stream.Signature(shape)),
                          "output": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.input.ready.eq(~self.output.valid)
        with m.If(self.output.ready):
            m.d.sync += self.output.valid.eq(0)
        with m.If(self.input.valid & self.input.ready):
            m.d.sync += [self.output.payload.eq(self.input.payload), self.output.valid.eq(1)]
        return m
