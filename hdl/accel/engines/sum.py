"""The sum engine."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.accel.streams import VALUE_BITS, Engine


class SumEngine(wiring.Component):
    """Operation SUM: two words per cycle. What is behind the end counts as 0, and is."""

    def __init__(self):
        super().__init__({"port": In(Engine())})

    def elaborate(self, platform):
        m = Module()
        port, total = self.port, Signal(VALUE_BITS)
        words = port.source.payload.data
        m.d.comb += [port.source.ready.eq(port.go), port.value.eq(total)]
        with m.If(port.source.valid & port.source.ready):
            m.d.sync += [
                total.eq(total + words[:VALUE_BITS] + words[VALUE_BITS:]),
                port.finished.eq(port.source.payload.last),
            ]
        return m
