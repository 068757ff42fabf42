"""Writing one beat at a time."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.streams import BeatWrite, WritePort


class BeatWriter(wiring.Component):
    """Turns one BeatWrite at a time into a burst of one beat (rings and contexts: SSV = 0).

    Members
    -------
    request
        Taken when the write before it has been answered.
    done, error
        Pulse of the answer, as in WritePort.
    write
        The memory.
    """

    def __init__(self):
        super().__init__({"request": In(stream.Signature(BeatWrite)), "write": Out(WritePort()),
                          "done": Out(1), "error": Out(1)})

    def elaborate(self, platform):
        m = Module()
        write, request = self.write, self.request
        m.d.comb += [self.done.eq(write.done), self.error.eq(write.error)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += request.ready.eq(1)
                with m.If(request.valid):
                    m.d.sync += [
                        write.req.payload.addr.eq(request.payload.addr),
                        write.beat.payload.data.eq(request.payload.data),
                        write.beat.payload.strb.eq(request.payload.strb),
                        write.beat.payload.last.eq(1),
                        write.req.valid.eq(1), write.beat.valid.eq(1),
                    ]
                    m.next = "BUSY"
            with m.State("BUSY"):
                with m.If(write.req.ready):
                    m.d.sync += write.req.valid.eq(0)
                with m.If(write.beat.ready):
                    m.d.sync += write.beat.valid.eq(0)
                with m.If(write.done):
                    m.next = "IDLE"
        return m
