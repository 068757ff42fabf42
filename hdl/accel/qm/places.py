"""Which jobs are under way, and which lane takes which."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.onehot import any_of, decode, encode, first_one

STALL_CYCLES = 1024   # without any sign of life a job counts as stalled


class Places(wiring.Component):
    """A queue without a job under way begins: its next job goes to the first lane that gets free.
    While nobody waits for a lane, a queue with one job follows: the next one waits behind it in its
    lane, so that they end in order. A lane has jobs of one queue only, so nobody waits behind
    another queue's stall.

    A queue whose job stalled is slow, until one of its jobs gets through without. Slow queues
    together never hold the last lane: who has stalled before cannot keep others from working.

    Members
    -------
    start, queue
        Pulse: a job of `queue` begins its way.
    follows, lane
        Combinational: it goes to `lane`, which `queue` has.
    put, put_queue
        Pulse: a job that does not follow goes to `free_lane`; only while `has_free`.
    left
        Pulses, a bit per lane: it gave a job away.
    active
        A bit per lane: there was a sign of life of its job.
    retire
        Pulses, a bit per queue: one of its jobs has ended.
    busy
        Queues with a job between `start` and `retire`.
    may_begin, may_follow
        Queues whose next job may start so.
    """

    def __init__(self, *, queues: int, lanes: int):
        self.queues, self.lanes = queues, lanes
        super().__init__({
            "start": In(1), "queue": In(range(queues)), "follows": Out(1),
            "lane": Out(range(lanes)), "put": In(1), "put_queue": In(range(queues)),
            "has_free": Out(1), "free_lane": Out(range(lanes)),
            "left": In(lanes), "active": In(lanes), "retire": In(queues),
            "busy": Out(queues), "may_begin": Out(queues), "may_follow": Out(queues),
        })

    def elaborate(self, platform):
        m = Module()
        lanes = range(self.lanes)
        self.owner = owner = Signal(data.ArrayLayout(range(self.queues), self.lanes))
        self.count = count = Signal(data.ArrayLayout(2, self.lanes))
        free, own = Signal(self.lanes), Signal(self.lanes)
        self.first = first = Signal(self.lanes)         # jobs go there: as the first,
        behind = Signal(self.lanes)                     # or behind the first
        m.d.comb += [
            free.eq(Cat(count[n] == 0 for n in lanes)),
            own.eq(Cat((count[n] != 0) & (owner[n] == self.queue) for n in lanes)),
            self.follows.eq(self.busy.bit_select(self.queue, 1)), self.lane.eq(encode(own)),
            self.has_free.eq(free.any()), self.free_lane.eq(encode(first_one(free))),
            first.eq(Mux(self.put, first_one(free), 0)),
            behind.eq(Mux(self.start & self.follows, own, 0)),
        ]
        for n in lanes:
            m.d.sync += count[n].eq(count[n] + first[n] + behind[n] - self.left[n])
            with m.If(first[n]):
                m.d.sync += owner[n].eq(self.put_queue)
        self.track_queues(m)
        slow, few_slow = self.find_slow(m)
        unplaced = Signal(8)                            # jobs on their way to any lane
        m.d.sync += unplaced.eq(unplaced + (self.start & ~self.follows) - self.put)
        m.d.comb += self.may_begin.eq(~self.busy & Mux(few_slow, ~0, ~slow))
        with m.If(unplaced == 0):
            m.d.comb += self.may_follow.eq(self.busy & ~self.twice & self.room)
        return m

    def track_queues(self, m) -> None:
        """Jobs under way per queue, and whether there is room behind the one in the lane."""
        self.twice, self.room = Signal(self.queues), Signal(self.queues)
        started, placed, leaving = (Signal(self.queues) for _ in range(3))
        last = self.retire & ~self.twice
        m.d.comb += [
            started.bit_select(self.queue, 1).eq(self.start),
            placed.bit_select(self.put_queue, 1).eq(self.put),
            # Its only job leaves the lane: order could not be kept if the next went elsewhere.
            leaving.eq(any_of(Mux(self.left[n] & (self.count[n] == 1),
                                  decode(self.owner[n], self.queues), 0)
                              for n in range(self.lanes))),
        ]
        m.d.sync += [
            self.busy.eq((self.busy & ~last) | started),
            self.twice.eq((self.twice & ~self.retire) | (started & self.busy & ~last)),
            self.room.eq((self.room | placed) & ~leaving),
        ]

    def find_slow(self, m):
        """Slow queues, and whether one more of them may have a lane."""
        slow, unplaced = Signal(self.queues), Signal(8)           # slow queues' jobs without lane
        stalled, held = Signal(self.lanes), Signal(self.lanes)    # job; lane of a slow queue
        gets_slow, gets_fast = [], []
        for n in range(self.lanes):
            quiet = Signal(range(STALL_CYCLES + 1), name=f"quiet{n}")
            expires = (quiet == STALL_CYCLES) & ~stalled[n]
            with m.If(self.active[n] | self.left[n] | (self.count[n] == 0)):
                m.d.sync += quiet.eq(0)
            with m.Elif(quiet != STALL_CYCLES):
                m.d.sync += quiet.eq(quiet + 1)
            with m.If(self.left[n]):
                m.d.sync += stalled[n].eq(0)
            with m.Elif(expires):
                m.d.sync += [stalled[n].eq(1), held[n].eq(1)]
            with m.If(self.first[n]):
                m.d.sync += held[n].eq(slow.bit_select(self.put_queue, 1))
            with m.Elif(self.left[n] & (self.count[n] == 1)):
                m.d.sync += held[n].eq(0)
            mine = decode(self.owner[n], self.queues)
            gets_slow.append(Mux(expires, mine, 0))
            gets_fast.append(Mux(self.left[n] & ~stalled[n], mine, 0))
        m.d.sync += [
            slow.eq((slow & ~any_of(gets_fast)) | any_of(gets_slow)),
            unplaced.eq(unplaced
                        + (self.start & ~self.follows & slow.bit_select(self.queue, 1))
                        - (self.put & slow.bit_select(self.put_queue, 1))),
        ]
        return slow, sum(held) + unplaced < max(1, self.lanes - 1)
