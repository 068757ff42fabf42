"""Random traffic with back-pressure everywhere, against what each access must see."""

import random

import pytest

from hdl.axi import Burst
from hdl.streams import Outcome
from tests.hdl.tbu.accesses import OKAY, SLVERR, Access, Answer
from tests.hdl.tbu.bench import Bench
from tests.hdl.tbu.world import World, check, crosses, queue, random_access


@pytest.mark.parametrize(
    ("seed", "busy", "slots", "threads", "blocks", "faults", "count", "interleave"),
    [(1, 0.0, 8, 8, 2, 0.0, 250, False), (2, 0.3, 8, 4, 8, 0.3, 200, False),
     (3, 0.3, 2, 2, 1, 0.6, 120, False), (4, 0.1, 5, 1, 4, 0.2, 60, False),
     (5, 0.1, 8, 8, 4, 0.3, 150, True)])
def test_random_traffic(seed, busy, slots, threads, blocks, faults, count, interleave):
    r = random.Random(seed)
    world = World(seed=seed, faults=faults)
    bench = Bench(seed=seed, busy=busy, slots=slots, threads=threads, blocks=blocks,
                  translate=world, interleave=interleave,
                  memory_latency=(1, 40), tcu_latency=(1, 60))
    accesses = queue(bench, [random_access(r, pages=6, ids=r.choice((3, 24)))
                             for _ in range(count)])
    bench.run()
    check(bench, accesses, world.expect)
    assert any(crosses(a) for a in accesses)


@pytest.mark.parametrize("write", [False, True])
def test_terminations_keep_their_place_in_an_id(write):
    """A slow memory access of the same id must be answered before the termination behind it."""
    outcomes = {0: Outcome.TRANSLATED, 1: Outcome.ABORT, 2: Outcome.RAZWI}

    def translate(request):
        return Answer(pa=request.addr >> 12 << 12, outcome=outcomes[request.addr >> 12 & 3],
                      delay=4)

    bench = Bench(translate=translate, memory_latency=(30, 60))
    accesses = queue(bench, [Access(i % 3 << 12, id=i % 2, len=i % 5, write=write)
                             for i in range(60)])
    bench.run()
    for n in (0, 1):
        ends = [a.end for a in accesses if a.id == n]
        assert ends == sorted(ends)
    for i, access in enumerate(accesses):
        assert set(access.resp) == {SLVERR if i % 3 == 1 else OKAY}
    assert len(bench.memory_writes if write else bench.memory_reads) == 20


def test_a_narrow_access_at_the_end_of_a_page_passes():
    bench = Bench()
    accesses = queue(bench, [
        Access(0xFF8, size=3), Access(0xFFF, size=0), Access(0xFC1, size=4, len=3),
        Access(0xFC0, size=4, len=4), Access(0xFF0, size=4, len=3, burst=Burst.WRAP),
        Access(0xFF0, size=4, len=15, burst=Burst.FIXED), Access(0, size=4, len=255)])
    bench.run()
    assert [a.resp[0] for a in accesses] == [OKAY, OKAY, OKAY, SLVERR, OKAY, OKAY, OKAY]


def test_sixty_four_faults_back_to_back():
    """One termination takes its beats and a few cycles."""
    bench = Bench(slots=16, translate=lambda r: Answer(outcome=Outcome.ABORT, delay=10))
    queue(bench, [Access(0x1000 * i, id=i % 16) for i in range(64)])
    bench.run()
    assert bench.cycle < 64 * 4 + 40
