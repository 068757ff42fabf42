"""The copy engine."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.accel.streams import Engine


class CopyEngine(wiring.Component):
    """Gives every byte it takes, unchanged, in the same cycle."""

    def __init__(self):
        super().__init__({"port": In(Engine())})

    def elaborate(self, platform):
        m = Module()
        port = self.port
        m.d.comb += [
            port.result.payload.eq(port.source.payload),
            port.result.valid.eq(port.source.valid & port.go),
            port.source.ready.eq(port.result.ready & port.go),
        ]
        return m
