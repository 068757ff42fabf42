"""Several writers on one memory write port."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import MemWrite


class WriteMerge(wiring.Component):
    """Merges writers that each have at most one write outstanding, in turn.

    The id of a request is replaced by the writer's number, which routes the answer; answers may
    come in any order.

    Members
    -------
    writers
        The writers' ports.
    write
        The shared port.
    """

    def __init__(self, *, writers: int):
        super().__init__({
            "writers": In(MemWrite()).array(writers), "write": Out(MemWrite()),
        })

    def elaborate(self, platform):
        m = Module()
        count = len(self.writers)
        last = Signal(range(count))
        request = self.write.req
        with m.If(request.ready):
            m.d.sync += request.valid.eq(0)
        with m.If(~request.valid | request.ready), m.Switch(last):
            for turn in range(count):
                with m.Case(turn):
                    self._grant(m, last, [(turn + 1 + n) % count for n in range(count)])
        with m.Switch(self.write.resp.payload.id):
            for n, writer in enumerate(self.writers):
                m.d.comb += writer.resp.payload.eq(self.write.resp.payload)
                with m.Case(n):
                    m.d.comb += [writer.resp.valid.eq(self.write.resp.valid),
                                 self.write.resp.ready.eq(writer.resp.ready)]
        return m

    def _grant(self, m: Module, last: Signal, order: list[int]) -> None:
        """Take the request of the first writer in `order` that has one."""
        chain = m.If
        for n in order:
            writer = self.writers[n].req
            with chain(writer.valid):
                m.d.comb += writer.ready.eq(1)
                m.d.sync += [
                    last.eq(n),
                    self.write.req.valid.eq(1),
                    self.write.req.payload.eq(writer.payload),
                    self.write.req.payload.id.eq(n),
                ]
            chain = m.Elif
