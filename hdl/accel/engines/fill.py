"""The fill engine."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.accel.streams import BEAT_BYTES, LENGTH_BITS, Engine

PATTERN_BITS = 64


class FillEngine(wiring.Component):
    """Operation FILL: the pattern again and again, 16 bytes per cycle."""

    def __init__(self):
        super().__init__({"port": In(Engine())})

    def elaborate(self, platform):
        m = Module()
        port = self.port
        given, left = Signal(LENGTH_BITS), Signal(LENGTH_BITS)
        ended = Signal()
        m.d.comb += [
            left.eq(port.job.length - given),
            port.result.payload.data.eq(port.job.iv[:PATTERN_BITS].replicate(2)),
            port.result.payload.last.eq(left <= BEAT_BYTES),
            port.result.valid.eq(port.go & ~ended),
        ]
        with m.If(port.result.valid & port.result.ready):
            m.d.sync += [given.eq(given + BEAT_BYTES), ended.eq(port.result.payload.last)]
        return m
