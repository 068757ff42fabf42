"""The TBU's trace: decisions of both directions on one port."""

from amaranth import Module, Shape, Signal
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import Trace, TraceRecord

DEPTH = 8  # decisions of one direction that may wait for the port


class TraceMerge(wiring.Component):
    """Two lanes of records onto one port, oldest first per lane, lanes taking turns.

    Members
    -------
    valid, record, room
        Per lane: a record, never without `room`.
    trace
        One record per cycle, no back-pressure.
    """

    def __init__(self):
        super().__init__({
            "valid": In(1).array(2), "record": In(TraceRecord).array(2), "room": Out(1).array(2),
            "trace": Out(Trace()),
        })

    def elaborate(self, platform):
        m = Module()
        queues = []
        for lane in range(2):
            queue = fifo.SyncFIFO(width=Shape.cast(TraceRecord).width, depth=DEPTH)
            m.submodules[f"lane{lane}"] = queue
            queues.append(queue)
            m.d.comb += [
                queue.w_en.eq(self.valid[lane]),
                queue.w_data.eq(self.record[lane]),
                self.room[lane].eq(queue.w_rdy),
            ]
        turn = Signal()  # the lane that goes first
        first, second = queues
        with m.If(first.r_rdy & ~(turn & second.r_rdy)):
            m.d.comb += [self.trace.valid.eq(1), self.trace.record.eq(first.r_data),
                         first.r_en.eq(1)]
            m.d.sync += turn.eq(1)
        with m.Elif(second.r_rdy):
            m.d.comb += [self.trace.valid.eq(1), self.trace.record.eq(second.r_data),
                         second.r_en.eq(1)]
            m.d.sync += turn.eq(0)
        return m
