"""Which jobs are under way, and which lane may take a queue's next one."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.onehot import any_of, decode, encode, first_one

STALL_CYCLES = 1024   # without any sign of life a job counts as stalled


class Places(wiring.Component):
    """A queue has jobs in one lane only, one at work and one that waits behind it, so they end in
    order; a lane has jobs of one queue only, so nobody waits behind another queue's stall.

    A queue whose job stalled is slow, until one of its jobs gets through without. Slow queues
    together never hold the last free lane: whoever has stalled before cannot keep others from
    working.

    Members
    -------
    start, queue, lane
        Pulse: a job of `queue` begins its way; combinational, the lane it will go to.
    left
        Pulses, a bit per lane: it gave a job away.
    active
        A bit per lane: there was a sign of life of its job.
    retire
        Pulses, a bit per queue: one of its jobs has ended.
    busy, twice
        Queues with a job between `start` and `retire`; with two.
    may_begin, may_follow
        Queues without, and with a job under way, for whose next job there is a place.
    """

    def __init__(self, *, queues: int, lanes: int):
        self.queues, self.lanes = queues, lanes
        super().__init__({
            "start": In(1), "queue": In(range(queues)), "lane": Out(range(lanes)),
            "left": In(lanes), "active": In(lanes), "retire": In(queues),
            "busy": Out(queues), "twice": Out(queues),
            "may_begin": Out(queues), "may_follow": Out(queues),
        })

    def elaborate(self, platform):
        m = Module()
        lanes = range(self.lanes)
        owner = Signal(data.ArrayLayout(range(self.queues), self.lanes))
        count = Signal(data.ArrayLayout(2, self.lanes))
        free, takes, own = Signal(self.lanes), Signal(self.lanes), Signal(self.lanes)
        started, leaving = Signal(self.queues), Signal(self.queues)
        follows, room = Signal(), Signal(self.queues)      # room behind the queue's job
        m.d.comb += [
            free.eq(Cat(count[n] == 0 for n in lanes)),
            own.eq(Cat((count[n] != 0) & (owner[n] == self.queue) for n in lanes)),
            follows.eq(self.busy.bit_select(self.queue, 1)),
            takes.eq(Mux(follows, own, first_one(free))),
            self.lane.eq(encode(takes)),
            started.bit_select(self.queue, 1).eq(self.start),
            # Its last job leaves the lane: order could not be kept if the next went elsewhere.
            leaving.eq(any_of(Mux(self.left[n] & (count[n] == 1),
                                  decode(owner[n], self.queues), 0) for n in lanes)),
        ]
        for n in lanes:
            arrives = self.start & takes[n]
            m.d.sync += count[n].eq(count[n] + arrives - self.left[n])
            with m.If(arrives):
                m.d.sync += owner[n].eq(self.queue)
        last = self.retire & ~self.twice
        m.d.sync += [
            self.busy.eq((self.busy & ~last) | started),
            self.twice.eq((self.twice & ~self.retire) | (started & self.busy & ~last)),
            room.eq((room | (started & ~self.busy)) & ~leaving),
        ]
        slow, few_slow = self.find_slow(m, owner, count, takes)
        m.d.comb += [
            self.may_begin.eq(Mux(free.any(), ~self.busy & Mux(few_slow, ~0, ~slow), 0)),
            self.may_follow.eq(self.busy & ~self.twice & room),
        ]
        return m

    def find_slow(self, m, owner, count, takes):
        """Slow queues, and whether one more may have a lane."""
        slow = Signal(self.queues)
        stalled, held = Signal(self.lanes), Signal(self.lanes)    # job; lane of a slow queue
        gets_slow, gets_fast = [], []
        for n in range(self.lanes):
            quiet = Signal(range(STALL_CYCLES + 1), name=f"quiet{n}")
            expires = (quiet == STALL_CYCLES) & ~stalled[n]
            with m.If(self.active[n] | self.left[n] | (count[n] == 0)):
                m.d.sync += quiet.eq(0)
            with m.Elif(quiet != STALL_CYCLES):
                m.d.sync += quiet.eq(quiet + 1)
            with m.If(self.left[n]):
                m.d.sync += stalled[n].eq(0)
            with m.Elif(expires):
                m.d.sync += [stalled[n].eq(1), held[n].eq(1)]
            with m.If(self.start & takes[n] & (count[n] == 0)):
                m.d.sync += held[n].eq(slow.bit_select(self.queue, 1))
            with m.Elif(self.left[n] & (count[n] == 1)):
                m.d.sync += held[n].eq(0)
            mine = decode(owner[n], self.queues)
            gets_slow.append(Mux(expires, mine, 0))
            gets_fast.append(Mux(self.left[n] & ~stalled[n], mine, 0))
        m.d.sync += slow.eq((slow & ~any_of(gets_fast)) | any_of(gets_slow))
        return slow, sum(held) < max(1, self.lanes - 1)
