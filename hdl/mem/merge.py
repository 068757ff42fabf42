"""Many streams of one shape into one, and back by number."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.mem.grant import Grant
from hdl.onehot import select


class StreamMerge(wiring.Component):
    """`count` streams onto one, taking turns; combinational.

    Members
    -------
    source
        The streams.
    sink
        Theirs, one payload per cycle.
    """

    def __init__(self, shape, *, count: int):
        self.count = count
        super().__init__({"source": In(stream.Signature(shape)).array(count),
                          "sink": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        grant = m.submodules.grant = Grant(self.count)
        m.d.comb += [
            self.sink.valid.eq(grant.valid),
            self.sink.payload.as_value().eq(
                select(grant.chosen, [s.payload.as_value() for s in self.source])),
            grant.taken.eq(self.sink.valid & self.sink.ready),
        ]
        for i, source in enumerate(self.source):
            m.d.comb += [grant.request[i].eq(source.valid),
                         source.ready.eq(grant.chosen[i] & self.sink.ready)]
        return m


class StreamSplit(wiring.Component):
    """One stream to the sink whose number its payload's member `by` gives; combinational.

    Members
    -------
    source
        The stream. A number without a sink waits for ever.
    sink
        The streams by number.
    """

    def __init__(self, shape, *, count: int, by: str):
        self.by = by
        super().__init__({"source": In(stream.Signature(shape)),
                          "sink": Out(stream.Signature(shape)).array(count)})

    def elaborate(self, platform):
        m = Module()
        number = getattr(self.source.payload, self.by)
        for i, sink in enumerate(self.sink):
            mine = number == i
            m.d.comb += [sink.payload.eq(self.source.payload),
                         sink.valid.eq(self.source.valid & mine)]
            with m.If(mine):
                m.d.comb += self.source.ready.eq(sink.ready)
        return m
