"""Transactions of one direction, counted per AXI id."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.onehot import any_of, decode, encode, first_one, index_shape
from hdl.tbu.layouts import BURST_COUNT_BITS, ID_BITS, Finish


class Threads(wiring.Component):
    """A thread is an AXI id that has transactions in the TBU or in memory.

    Members
    -------
    id, found, index
        Combinational: the thread of `id`, or a free one; `found` is 0 when there is neither, or
        when the thread's count is full.
    enter
        A transaction of `id` enters the TBU on thread `index`.
    issue, issue_index
        A transaction of thread `issue_index` goes to memory.
    finish
        The last response of a transaction is handed to the client.
    idle
        Per thread: nothing in memory.
    snapshot, ahead
        Take what is in memory now, plus one for each thread in `ahead`, as the set that
        `drained` waits for. Nothing may be issued in the cycle of `snapshot`.
    drained
        Every transaction of the last snapshot has finished.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__({
            "id": In(ID_BITS), "found": Out(1), "index": Out(index_shape(count)),
            "enter": In(1),
            "issue": In(1), "issue_index": In(index_shape(count)),
            "finish": In(Finish()),
            "idle": Out(count),
            "snapshot": In(1), "ahead": In(count),
            "drained": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        n = self.count
        ids = [Signal(ID_BITS, name=f"id{i}") for i in range(n)]
        total = [Signal(BURST_COUNT_BITS, name=f"total{i}") for i in range(n)]
        memory = [Signal(BURST_COUNT_BITS, name=f"memory{i}") for i in range(n)]
        drain = [Signal(BURST_COUNT_BITS + 1, name=f"drain{i}") for i in range(n)]

        busy, mine, chosen, full, done = (Signal(n, name=s) for s in
                                          ("busy", "mine", "chosen", "full", "done"))
        for i in range(n):
            m.d.comb += [
                busy[i].eq(total[i] != 0),
                full[i].eq(total[i].all()),
                mine[i].eq(busy[i] & (ids[i] == self.id)),
                done[i].eq(busy[i] & (ids[i] == self.finish.id) & self.finish.valid),
                self.idle[i].eq(memory[i] == 0),
            ]
        m.d.comb += [
            chosen.eq(Mux(mine.any(), mine, first_one(~busy))),
            self.found.eq(chosen.any() & ~(chosen & full).any()),
            self.index.eq(encode(chosen)),
            self.drained.eq(~any_of(d != 0 for d in drain)),
        ]

        enter, issue = Signal(n), Signal(n)
        m.d.comb += [
            enter.eq(Mux(self.enter, chosen, 0)),
            issue.eq(Mux(self.issue, decode(self.issue_index, n), 0)),
        ]
        for i in range(n):
            left = done[i] & self.finish.memory
            with m.If(enter[i]):
                m.d.sync += ids[i].eq(self.id)
            m.d.sync += [
                total[i].eq(total[i] + enter[i] - done[i]),
                memory[i].eq(memory[i] + issue[i] - left),
            ]
            with m.If(self.snapshot):
                m.d.sync += drain[i].eq(memory[i] - left + self.ahead[i])
            with m.Elif(left & (drain[i] != 0)):
                m.d.sync += drain[i].eq(drain[i] - 1)
        return m
