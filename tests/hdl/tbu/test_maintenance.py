"""Invalidations and syncs against traffic (reference 6.3, 6.4)."""

import random

import pytest

from hdl.streams import InvOp
from tests.hdl.tbu.accesses import Access, Answer
from tests.hdl.tbu.bench import Bench
from tests.hdl.tbu.world import World, queue, random_access


class Software:
    """Changes a stream's translations, invalidates and syncs, again and again.

    `dropped[sid]` are the cycles at which the TBU took the invalidation of each version, `synced`
    those of the acknowledge.
    """

    def __init__(self, bench: Bench, world: World, seed: int, pause: int):
        self.bench, self.world, self.pause = bench, world, pause
        self.random = random.Random(seed)
        self.dropped: dict[tuple[int, int], int] = {}
        self.synced: dict[tuple[int, int], int] = {}
        self.wake = 50
        self.state = self.change
        bench._on_invalidation = lambda item: self.taken()
        bench.events = lambda b: self.state() if b.cycle >= self.wake else None

    def change(self):
        self.sid = self.random.choice((1, 2, 0x80000001))
        self.world.version[self.sid] += 1
        op = self.random.choice((InvOp.TLBI_NSNH_ALL, InvOp.TLBI_VA, InvOp.CFGI_STE,
                                 InvOp.CFGI_CD_ALL))
        mask = self.random.choice((0, 0, 2, 32)) if op == InvOp.CFGI_STE else 0
        self.bench.invalidate(op, sid=self.sid ^ (self.random.getrandbits(32) & (1 << mask) - 1),
                              mask=mask)
        self.state = lambda: None

    def taken(self):
        self.dropped[self.sid, self.world.version[self.sid] - 1] = self.bench.cycle
        # The TCU's own sync: everything asked for before has been answered.
        before = list(self.bench._answers)
        in_hand = self.bench._offers["response"]

        def wait():
            offered = self.bench._offers["response"]
            if not any(a in self.bench._answers for a in before) and (
                    in_hand is None or offered is not in_hand) and offered is None:
                self.bench.sync = True
                self.state = self.acknowledged
        self.state = wait

    def acknowledged(self):
        if self.bench.acked:
            self.synced[self.sid, self.world.version[self.sid] - 1] = self.bench.cycle
            self.bench.sync = False
            self.wake = self.bench.cycle + self.pause
            self.state = self.change


@pytest.mark.parametrize(("seed", "busy", "pause", "slots"),
                         [(1, 0.0, 5, 8), (2, 0.3, 10, 3), (3, 0.1, 5, 12)])
def test_no_stale_translation_after_invalidation_and_sync(seed, busy, pause, slots):
    r = random.Random(seed)
    world = World(seed=seed)
    bench = Bench(seed=seed, busy=busy, slots=slots, translate=world, memory_latency=(1, 60),
                  tcu_latency=(1, 30))
    accesses = queue(bench, [random_access(r, pages=2, ids=6, bursts=False)
                             for _ in range(400)])
    software = Software(bench, world, seed, pause)
    bench.run()
    memory = {w: {} for w in (False, True)}
    for write, seen in ((False, bench.memory_reads), (True, bench.memory_writes)):
        for m in seen:
            memory[write].setdefault(m.id, []).append(m)
    old = 0
    for access in accesses:
        pa = memory[access.write][access.id].pop(0).addr
        version = next(v for v in range(world.version[access.sid], -1, -1)
                       if world.expect(access, v)[1] == pa)
        limit = software.dropped.get((access.sid, version))
        if limit is not None:
            assert access.start <= limit, f"{access} used version {version} dropped at {limit}"
            end = software.synced.get((access.sid, version), access.end)
            assert access.end <= end, f"{access} ended after the sync at {end}"
            old += access.end > limit
    assert len(software.synced) > 4
    assert old, "no access was ever in flight across an invalidation: the test shows nothing"


def test_an_answer_asked_for_before_the_invalidation_is_not_cached():
    bench = Bench(translate=lambda r: Answer(pa=r.addr >> 12 << 12, delay=40))
    queue(bench, [Access(0x9000)])

    def event(b):
        if b.cycle == 20:
            b.invalidate(InvOp.TLBI_NSNH_ALL)
        if b.cycle in (80, 160):
            queue(b, [Access(0x9000)])
    bench.events = event
    bench.run(until=lambda: len(bench.done) == 3)
    assert len(bench.requests) == 2  # the second is cached


def test_configuration_invalidations_spare_other_streams():
    bench = Bench()
    accesses = [Access(0x1000, sid=sid, id=sid) for sid in range(4, 8)]
    queue(bench, accesses)

    def event(b):
        if b.cycle == 60:
            b.invalidate(InvOp.CFGI_STE, sid=5, mask=1)
        if b.cycle == 80:
            queue(b, [Access(0x1000, sid=sid, id=sid) for sid in range(4, 8)])
    bench.events = event
    bench.run(until=lambda: len(bench.done) == 8)
    assert sorted(r.sid for r in bench.requests) == [4, 4, 5, 5, 6, 7]


@pytest.mark.parametrize("write", [False, True])
def test_sync_waits_for_the_last_response_only_of_what_was_translated(write):
    """An access whose translation never comes (a stall) does not hold a sync up."""
    def translate(request):
        return Answer(pa=request.addr >> 12 << 12, delay=5000 if request.addr >> 28 else 5)

    bench = Bench(translate=translate, memory_latency=(100, 100))
    fast, stuck = Access(0x1000, write=write), Access(0x10000000, id=1, write=write)
    behind = Access(0x1040, id=1, write=write)
    queue(bench, [fast])
    acked = []

    def event(b):
        if b.cycle == 20:
            queue(b, [stuck, behind])
        if b.cycle == 40:
            b.sync = True
        if b.acked and not acked:
            acked.append(b.cycle)
    bench.events = event
    bench.run(until=lambda: bool(acked))
    assert 0 <= acked[0] - fast.end <= 3
    assert stuck.end == behind.end == -1


def test_nothing_is_cached_or_hit_while_disabled():
    bench = Bench()
    queue(bench, [Access(0x1000)])
    bench.enabled = False

    def event(b):
        if b.cycle == 60:
            queue(b, [Access(0x1000)])
        if b.cycle == 120:
            b.enabled = True
            queue(b, [Access(0x1000)])
        if b.cycle == 180:
            queue(b, [Access(0x1000)])
    bench.events = event
    bench.run(until=lambda: len(bench.done) == 4)
    assert len(bench.requests) == 3
