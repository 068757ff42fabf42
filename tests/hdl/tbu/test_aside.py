"""Writes that pass one that waits, with the data in their order; transactions that ask again."""

import random

import pytest

from hdl.streams import InvOp, Outcome
from tests.hdl.tbu.accesses import OKAY, SLVERR, Access, Answer
from tests.hdl.tbu.bench import Bench
from tests.hdl.tbu.test_timing import later
from tests.hdl.tbu.world import World, check, queue, random_access

SLOW = 0x2 << 28  # addresses whose translation takes long


def translate(request) -> Answer:
    return Answer(pa=request.addr >> 12 << 12, delay=900 if request.addr & SLOW else 5)


def writes(*places: tuple[int, int], length: int = 15) -> list[Access]:
    """(address, AXI id) each."""
    return [Access(addr, id=id, len=length, write=True) for addr, id in places]


def identity(access: Access) -> tuple[Outcome, int]:
    return Outcome.TRANSLATED, access.addr


def test_writes_of_other_ids_pass_one_that_waits():
    bench = Bench(translate=translate, slots=8)
    slow, same_id, *others = writes((SLOW, 1), (0x5000, 1), *((0x1000 * n, 2 + n % 4)
                                                             for n in range(20)))
    queue(bench, [slow, *others[:10], same_id, *others[10:]])
    bench.run()
    assert max(access.end for access in others) < 500
    assert 900 < slow.end < same_id.end
    check(bench, [slow, same_id, *others], identity)


def test_a_terminated_write_may_have_stepped_aside():
    def ends(request):
        answer = translate(request)
        answer.outcome = Outcome.ABORT if request.addr & SLOW else Outcome.TRANSLATED
        return answer

    bench = Bench(translate=ends)
    slow, *others = queue(bench, writes((SLOW, 1), (0, 2), (0, 3), (0x1000, 1)))
    bench.run()
    assert slow.resp == [SLVERR]
    assert max(access.end for access in others[:2]) < 500 < slow.end < others[2].end
    assert all(access.resp == [OKAY] for access in others)


@pytest.mark.parametrize(("blocks", "length", "passes"), [
    (1, 15, True), (1, 16, False), (2, 16, True), (16, 255, True), (15, 255, False)])
def test_as_long_a_burst_as_the_side_buffer_has_room_for(blocks, length, passes):
    bench = Bench(translate=translate, blocks=blocks)
    slow, other = queue(bench, writes((SLOW, 1), length=length) + writes((0, 2)))
    bench.run()
    assert (other.end < 500) == passes
    check(bench, [slow, other], identity)


def test_a_full_side_buffer_is_used_again():
    """Two slow writes fill it; the third holds the others up until there is room."""
    bench = Bench(translate=translate, blocks=2, slots=8)
    slow = writes((SLOW, 1), (SLOW | 0x1000, 2), (SLOW | 0x2000, 3))
    others = writes((0, 4), (0x1000, 5))
    queue(bench, [*slow[:2], others[0], slow[2], others[1]])
    bench.run()
    assert others[0].end < 500 < others[1].end
    check(bench, slow + others, identity)


def test_what_has_left_the_side_buffer_makes_room():
    """A slow write of two blocks, all that there are, steps aside in every round."""
    bench = Bench(translate=translate, blocks=2)
    rounds = [writes((SLOW | n << 12, 1), length=31) + writes((0, 2)) for n in range(3)]

    def event(b: Bench) -> None:
        if b.cycle % 1500 == 0:
            queue(b, rounds[b.cycle // 1500])

    bench.events = event
    bench.run(until=lambda: len(bench.done) == 6)
    for slow, other in rounds:
        assert other.end < other.start + 500 < slow.end
    check(bench, [access for accesses in rounds for access in accesses], identity)


@pytest.mark.parametrize(("length", "again"), [(15, 1), (31, 2), (63, 2)])
def test_a_sync_does_not_wait_for_a_write_whose_turn_has_not_come(length, again):
    """Its translation is known, and asked for again. The slow one and the one behind it of the same
    id step aside; or only the slow one, so that all others wait; or none."""
    bench = Bench(translate=translate, blocks=2, slots=8)
    queue(bench, writes((0x1000, 1)))
    slow, hit = writes((SLOW, 1), length=length) + writes((0x1000, 1))
    other = writes((0x1000, 2))[0]
    acked: list[int] = []

    def event(b: Bench) -> None:
        if b.cycle == 100:
            queue(b, [slow, hit, other])
        if b.cycle == 200:
            b.invalidate(InvOp.TLBI_NSNH_ALL)
            b.sync = True
        if b.acked and not acked:
            acked.append(b.cycle)
            b.sync = False

    bench.events = event
    bench.run(until=lambda: len(bench.done) == 4)
    assert acked[0] < 300
    asked = [request.cycle for request in bench.requests if request.addr == 0x1000]
    assert len(asked) == 1 + again
    assert (other.end < 500) == (length == 15)


@pytest.mark.parametrize("write", [False, True])
def test_retry_asks_again(write):
    """From the start, and what was cached before does not matter."""
    tries: dict[int, int] = {}

    def stalls(request):
        tries[request.addr] = n = tries.get(request.addr, 0) + 1
        return Answer(pa=request.addr >> 12 << 12,
                      outcome=Outcome.RETRY if n < 4 else Outcome.TRANSLATED, delay=10)

    bench = Bench(translate=stalls, slots=4)
    accesses = queue(bench, [Access(0x1000 * n, id=n % 3, write=write) for n in range(12)])
    bench.run()
    assert set(tries.values()) == {4}
    check(bench, accesses, identity)


def test_one_translation_per_cycle_after_something_has_stepped_aside():
    bench = Bench(entries=16, slots=16, threads=16, translate=translate)
    pages = [Access(0x1000 * n, id=n, size=3, write=True) for n in range(8)]
    queue(bench, pages)
    slow = Access(SLOW, id=9, size=3, write=True)
    hits = [Access(0x1000 * (n % 8), id=n % 8, size=3, write=True) for n in range(100)]
    later([slow, *hits], bench)
    bench.run(until=lambda: len(bench.done) == 109)
    cycles = [seen.cycle for seen in bench.memory_writes[8:-1]]
    assert len(cycles) == 100
    assert cycles[-1] - cycles[0] <= 100


@pytest.mark.parametrize("seed", range(3))
def test_random_traffic_with_retries_and_long_waits(seed):
    rng = random.Random(seed)
    world = World(seed=seed, faults=0.2)

    def answer(request):
        if rng.random() < 0.3:
            return Answer(outcome=Outcome.RETRY, delay=rng.randrange(200))
        return world(request)

    bench = Bench(seed=seed, busy=0.2, slots=rng.choice((3, 8)), threads=rng.choice((3, 8)),
                  blocks=rng.choice((1, 3, 8)), translate=answer, memory_latency=(1, 40),
                  tcu_latency=(1, 300))
    accesses = queue(bench, [random_access(rng, pages=6, ids=5) for _ in range(120)])
    bench.run(40_000)
    check(bench, accesses, world.expect)
