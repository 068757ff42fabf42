"""Latency and throughput of the hit path, misses under hits (reference bench.md)."""

import pytest

from tests.hdl.tbu.accesses import Access, Answer
from tests.hdl.tbu.bench import Bench
from tests.hdl.tbu.world import queue


def warm(count: int, **kw) -> list[Access]:
    return [Access(0x10000000 + i % 16 * 4096 + i * 8 % 4096, id=i % 16, size=3, **kw)
            for i in range(count)]


def later(accesses: list[Access], bench: Bench, cycle: int = 120) -> None:
    """Bring `accesses` in at `cycle`, when the pages have been cached."""
    def event(b: Bench) -> None:
        if b.cycle == cycle:
            queue(b, accesses)
    bench.events = event


@pytest.mark.parametrize("write", [False, True])
def test_hit_adds_two_cycles(write):
    bench = Bench(entries=16, slots=4, threads=16)
    queue(bench, warm(16, write=write))
    one = Access(0x10000000, write=write)
    later([one], bench, 200)
    bench.run(until=lambda: one.end > 0)
    seen = (bench.memory_writes if write else bench.memory_reads)[-1]
    assert seen.cycle - one.start == 2


@pytest.mark.parametrize("write", [False, True])
def test_one_translation_per_cycle(write):
    bench = Bench(entries=16, slots=16, threads=16)
    queue(bench, warm(16, write=write))
    later(warm(160, write=write), bench)
    bench.run(until=lambda: len(bench.done) == 176)
    seen = bench.memory_writes if write else bench.memory_reads
    cycles = [m.cycle for m in seen[16:]]
    assert cycles == list(range(cycles[0], cycles[0] + 160))
    assert len(bench.requests) == 16


def test_reads_and_writes_together():
    """The trace port takes one record per cycle, which bounds both together."""
    bench = Bench(entries=16, slots=16, threads=16)
    queue(bench, [a for write in (False, True) for a in warm(16, write=write)])
    later([a for write in (False, True) for a in warm(100, write=write)], bench)
    bench.run(until=lambda: len(bench.done) == 232)
    cycles = [m.cycle for seen in (bench.memory_reads, bench.memory_writes) for m in seen[16:]]
    assert max(cycles) - min(cycles) <= 200


def test_miss_adds_three_cycles_to_the_answer():
    """Two to ask, one from the answer to memory."""
    bench = Bench(tcu_latency=(20, 20))
    one = queue(bench, [Access(0x5000)])[0]
    bench.run()
    assert bench.requests[0].cycle - one.start == 2
    assert bench.memory_reads[0].cycle - one.start == 2 + 20 + 1


def test_hits_pass_a_miss_of_another_id():
    def translate(request):
        return Answer(pa=request.addr >> 12 << 12, delay=200 if request.addr >> 28 == 2 else 5)

    bench = Bench(translate=translate)
    queue(bench, [Access(0x10000000)])
    slow = Access(0x20000000, id=1)
    same_id = Access(0x10000040, id=1)
    hits = [Access(0x10000000 + 64 * i, id=2 + i % 8) for i in range(40)]
    later([slow, *hits[:20], same_id, *hits[20:]], bench, 40)
    bench.run(until=lambda: len(bench.done) == 43)
    assert max(h.end for h in hits) < 40 + 80
    assert slow.end < same_id.end
    assert [m.addr for m in bench.memory_reads][-2:] == [slow.addr, same_id.addr]


def test_as_many_misses_as_slots():
    bench = Bench(slots=8, tcu_latency=(100, 100))
    queue(bench, [Access(0x1000 * i, id=i % 16) for i in range(40)])
    bench.run()
    starts = [r.cycle for r in bench.requests]
    assert starts[7] - starts[0] == 7
    assert starts[-1] < 5 * 115


def test_write_translations_are_asked_for_ahead():
    bench = Bench(slots=8, tcu_latency=(50, 50))
    writes = queue(bench, [Access(0x1000 * i, id=i, write=True) for i in range(8)])
    bench.run()
    assert [r.cycle for r in bench.requests] == list(range(2, 10))
    assert [m.addr for m in bench.memory_writes] == [w.addr for w in writes]
    assert bench.memory_writes[-1].cycle < 70
