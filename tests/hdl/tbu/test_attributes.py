"""Permissions, privilege overrides and memory attributes on hits (reference 1.6, 4.10)."""

import pytest

from hdl.streams import Outcome
from tests.hdl.tbu.accesses import SLVERR, Access, Answer
from tests.hdl.tbu.bench import Bench
from tests.hdl.tbu.world import queue

BITS = {"pr": 1, "pw": 2, "px": 4, "ur": 8, "uw": 16, "ux": 32}


def after(answer: Answer, accesses: list[Access]) -> Bench:
    """Run `accesses`, each to its own page, when `answer` has been cached for all those pages;
    what asks again is aborted. They are `bench.done[len(accesses):]`."""
    pages = {a.addr >> 12 for a in accesses}
    assert len(pages) == len(accesses) <= 6
    asked = set()

    def translate(request):
        first = request.addr >> 12 not in asked
        asked.add(request.addr >> 12)
        return answer if first else Answer(outcome=Outcome.ABORT)

    bench = Bench(entries=6, slots=6, threads=6, translate=translate, tcu_latency=(5, 5))
    queue(bench, [Access(a.addr) for a in accesses])

    def event(b):
        if b.cycle == 50:
            queue(b, accesses)
    bench.events = event
    bench.run(until=lambda: len(bench.done) == 2 * len(accesses))
    return bench


def second(access: Access, answer: Answer) -> tuple[Bench, Access]:
    return after(answer, [access]), access


@pytest.mark.parametrize("name", BITS)
def test_each_permission_lets_exactly_its_access_hit(name):
    accesses = {kind: Access(0x1000 * i, write=kind[1] == "w", pnu=int(kind[0] == "p"),
                             ind=int(kind[1] == "x"), id=i) for i, kind in enumerate(BITS)}
    after(Answer(perms=BITS[name]), list(accesses.values()))
    assert [kind for kind, a in accesses.items() if SLVERR not in a.resp] == [name]


@pytest.mark.parametrize(
    ("privcfg", "instcfg", "uses"),
    [(0, 0, "ur"), (1, 1, "ur"), (2, 0, "ur"), (3, 0, "pr"), (0, 3, "ux"), (3, 3, "px"),
     (0, 2, "ur")])
def test_overrides_choose_the_permission_and_appear_on_the_output(privcfg, instcfg, uses):
    bench, access = second(Access(0x3000),
                           Answer(pa=0, perms=BITS[uses], privcfg=privcfg, instcfg=instcfg))
    assert access.resp == [0]
    assert bench.memory_reads[-1].prot == (uses[0] == "p") | 2 | (uses[1] == "x") << 2


def test_instruction_override_leaves_writes_alone():
    bench, access = second(Access(0x3000, write=True, ind=1),
                           Answer(perms=BITS["uw"], instcfg=3))
    assert access.resp == [0]
    assert bench.memory_writes[-1].prot == 2


def test_a_granted_write_replaces_the_read_only_entry():
    """The page made dirty by the TCU: later writes hit."""
    def translate(request):
        return Answer(pa=0x7000, perms=0b001001 if request.rnw else 0b011011)

    bench = Bench(translate=translate)
    queue(bench, [Access(0x7000)])

    def event(b):
        if b.cycle in (60, 120, 180):
            queue(b, [Access(0x7000, write=b.cycle != 180), Access(0x7010, write=True)])
    bench.events = event
    bench.run(until=lambda: len(bench.done) == 7)
    assert [r.rnw for r in bench.requests] == [1, 0, 0]


@pytest.mark.parametrize(
    ("mair", "read", "write"),
    [(0x00, 0b0000, 0b0000), (0x04, 0b0001, 0b0001), (0x0C, 0b0001, 0b0001),
     (0x44, 0b0011, 0b0011), (0xFF, 0b1111, 0b1111), (0xBB, 0b1110, 0b1110),
     (0xCC, 0b1011, 0b0111), (0xEE, 0b0111, 0b0111), (0xDD, 0b1011, 0b1011),
     (0x88, 0b1010, 0b0110)])
def test_cache_attributes(mair, read, write):
    bench, _ = second(Access(0x3000, write=True), Answer(mair=mair))
    assert bench.memory_writes[-1].cache == write
    assert bench.memory_reads[-1].cache == read


def test_streams_and_substreams_do_not_share_entries():
    bench = Bench(translate=lambda r: Answer(pa=(r.sid << 24 | r.ssv << 21 | r.ssid << 16)))
    accesses = [Access(0x40, sid=sid, ssv=ssv, ssid=ssid, id=i)
                for i, (sid, ssv, ssid) in enumerate(
                    (s, v, p) for s in (1, 2) for v in (0, 1) for p in (0, 3))]
    for access in accesses:
        queue(bench, [access])

    def event(b):
        if b.cycle == 80:
            queue(b, [Access(a.addr, sid=a.sid, ssv=a.ssv, ssid=a.ssid, id=a.id)
                      for a in accesses])
    bench.events = event
    bench.run(until=lambda: len(bench.done) == 16)
    want = sorted(a.sid << 24 | a.ssv << 21 | (a.ssid if a.ssv else 0) << 16 | 0x40
                  for a in accesses for _ in range(2))
    assert sorted(m.addr for m in bench.memory_reads) == want
