"""The engines of a lane behind one stream."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.accel.engines.aes import AesEngine
from hdl.accel.engines.copy import CopyEngine
from hdl.accel.engines.crc32c import Crc32cEngine
from hdl.accel.engines.fill import FillEngine
from hdl.accel.engines.rand48 import Rand48Engine
from hdl.accel.engines.sum import SumEngine
from hdl.accel.streams import Engine
from spec.sec import Operation

MOVERS = {
    Operation.COPY: CopyEngine,
    Operation.FILL: FillEngine,
    Operation.RAND48: Rand48Engine,
    Operation.SUM: SumEngine,
    Operation.CRC32C: Crc32cEngine,
}


class EngineBank(wiring.Component):
    """One engine of each kind; the job's one works, the others see no `go`.

    Members
    -------
    port
        As if there were only that engine.
    is_cipher, operation
        Which one; stable while `port.go`.
    """

    def __init__(self):
        super().__init__({"port": In(Engine()), "is_cipher": In(1), "operation": In(Operation)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.aes = aes = AesEngine()
        self.attach(m, aes, self.is_cipher)
        for operation, kind in MOVERS.items():
            m.submodules[operation.name.lower()] = engine = kind()
            self.attach(m, engine, ~self.is_cipher & (self.operation == operation))
        return m

    def attach(self, m, engine, chosen) -> None:
        inner, port = engine.port, self.port
        m.d.comb += [
            inner.job.eq(port.job), inner.go.eq(port.go & chosen),
            inner.source.payload.eq(port.source.payload),
        ]
        with m.If(inner.go):
            m.d.comb += [
                inner.source.valid.eq(port.source.valid),
                port.source.ready.eq(inner.source.ready),
                port.result.payload.eq(inner.result.payload),
                port.result.valid.eq(inner.result.valid),
                inner.result.ready.eq(port.result.ready),
                port.value.eq(inner.value), port.finished.eq(inner.finished),
            ]
