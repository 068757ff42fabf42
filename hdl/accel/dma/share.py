"""One read port for the several readers of a lane."""

from amaranth import Module
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import StreamArbiter
from hdl.accel.streams import BurstRequest, ReadPort

UNDER_WAY = 32   # bursts


class ReadShare(wiring.Component):
    """Bursts of `inputs` in turn; answers come in the order of the bursts, whoever asked.

    Members
    -------
    inputs, read
        The readers, and what they share. Readers may withdraw a request.
    idle
        No read is under way.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__({"inputs": In(ReadPort()).array(count), "read": Out(ReadPort()),
                          "idle": Out(1)})

    def elaborate(self, platform):
        m = Module()
        read = self.read
        m.submodules.turn = turn = StreamArbiter(BurstRequest, self.count)
        m.submodules.order = order = fifo.SyncFIFOBuffered(width=len(turn.port), depth=UNDER_WAY)
        m.d.comb += [
            read.req.payload.eq(turn.output.payload),
            read.req.valid.eq(turn.output.valid & order.w_rdy),
            turn.output.ready.eq(read.req.ready & order.w_rdy),
            order.w_data.eq(turn.port), order.w_en.eq(read.req.valid & read.req.ready),
            order.r_en.eq(read.beat.valid & read.beat.ready & read.beat.payload.last),
            self.idle.eq((order.level == 0) & ~turn.output.valid),
        ]
        for n, port in enumerate(self.inputs):
            wiring.connect(m, wiring.flipped(port.req), turn.inputs[n])
            m.d.comb += port.beat.payload.eq(read.beat.payload)
            with m.If(order.r_rdy & (order.r_data == n)):
                m.d.comb += [
                    port.beat.valid.eq(read.beat.valid), read.beat.ready.eq(port.beat.ready),
                ]
        return m
