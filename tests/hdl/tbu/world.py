"""Translations that the TBU tests agree on: a function of stream, address and version."""

from __future__ import annotations

import random
from collections import defaultdict, deque

from hdl.axi import Burst
from hdl.streams import Outcome
from tests.hdl.tbu.accesses import ALL, OKAY, SLVERR, Access, Answer, content
from tests.hdl.tbu.bench import Bench

SIZES = (12, 12, 12, 14, 16, 21, 25, 30, 39, 52)
PW, UW = 1 << 1, 1 << 4
ENDS = {Outcome.ABORT: SLVERR, Outcome.RAZWI: OKAY}


def mix(*values: int) -> random.Random:
    return random.Random(hash(values))


class World:
    """Bits 55:52 of an address choose the page size, so blocks of different size are apart."""

    def __init__(self, *, seed: int = 0, faults: float = 0.0):
        self.seed, self.faults = seed, faults
        self.version: dict[int, int] = defaultdict(int)  # per StreamID

    def page(self, sid: int, ssv: int, ssid: int, addr: int, version: int) -> Answer:
        size = SIZES[(addr >> 52) % len(SIZES)]
        r = mix(self.seed, sid, ssv, ssid if ssv else 0, addr >> size, size, version)
        answer = Answer(size=size, pa=r.getrandbits(52) >> size << size)
        if r.random() < self.faults:
            answer.perms = r.getrandbits(6)
            answer.outcome = r.choice(list(ENDS))
        return answer

    def allowed(self, answer: Answer, write: int, pnu: int, ind: int) -> bool:
        bit = (1 if write else 2 if ind else 0) + (0 if pnu else 3)
        return bool(answer.perms >> bit & 1)

    def __call__(self, request) -> Answer:
        answer = self.page(request.sid, request.ssv, request.ssid, request.addr,
                           self.version[request.sid])
        if self.allowed(answer, not request.rnw, request.pnu, request.ind):
            answer.outcome = Outcome.TRANSLATED
        else:
            answer.outcome = answer.outcome or Outcome.ABORT
        return answer

    def expect(self, access: Access, version: int = 0) -> tuple[Outcome, int]:
        """Outcome and output address."""
        answer = self.page(access.sid, access.ssv, access.ssid, access.addr, version)
        if crosses(access):
            return Outcome.ABORT, 0
        if not self.allowed(answer, access.write, access.pnu, 0 if access.write else access.ind):
            return Outcome(answer.outcome.value or Outcome.ABORT.value), 0
        return Outcome.TRANSLATED, answer.pa | access.addr & ((1 << answer.size) - 1)


def crosses(access: Access) -> bool:
    start = access.addr >> access.size << access.size
    return (access.burst == Burst.INCR
            and (start & 0xFFF) + ((access.len + 1) << access.size) > 0x1000)


def random_access(r: random.Random, *, pages: int, ids: int, bursts: bool = True) -> Access:
    """Over a few streams and page sizes; most bursts keep inside their 4 KB."""
    size = r.choice((0, 2, 3, 4, 4))
    burst = r.choice((Burst.INCR, Burst.INCR, Burst.WRAP, Burst.FIXED)) if bursts else Burst.INCR
    length = r.choice((0, 0, 1, 3, 7, 15)) if bursts else 0
    if burst == Burst.WRAP:
        length = r.choice((1, 3, 7, 15))
    offset = r.choice((r.randrange(4096), 4095 - r.randrange(64)))
    addr = r.randrange(12) << 52 | r.randrange(pages) << 12 | offset >> size << size
    if burst == Burst.INCR and (addr & 0xFFF) + ((length + 1) << size) > 4096 and r.random() < .8:
        addr &= ~0xFFF
    ssv = r.randrange(2)
    return Access(addr, write=bool(r.randrange(2)), id=r.randrange(ids), len=length, size=size,
                  burst=burst, sid=r.choice((1, 2, 0x80000001)), ssv=ssv, ssid=r.randrange(3),
                  pnu=r.randrange(2), ind=r.randrange(4) == 0)


def queue(bench: Bench, accesses: list[Access]) -> list[Access]:
    bench.reads.extend(a for a in accesses if not a.write)
    bench.writes.extend(a for a in accesses if a.write)
    return accesses


def check(bench: Bench, accesses: list[Access], expect) -> None:
    """Every access ended as `expect(access)` says; memory and trace saw them in order per id."""
    for write in (False, True):
        memory: dict[int, deque] = defaultdict(deque)
        for seen in bench.memory_writes if write else bench.memory_reads:
            memory[seen.id].append(seen)
        trace: dict[int, deque] = defaultdict(deque)
        for record in bench.trace:
            if record.rnw != write:
                trace[record.axid].append(record)
        mine = [a for a in accesses if a.write == write]
        for access in mine:
            outcome, pa = expect(access)
            record = trace[access.id].popleft()
            assert record.outcome == outcome.value, (access, outcome)
            assert (record.addr, record.sid, record.len) == (access.addr, access.sid, access.len)
            assert len(access.resp) == (1 if write else access.len + 1)
            if outcome == Outcome.TRANSLATED:
                access.memory = memory[access.id].popleft()
                check_memory(access, pa)
                assert record.pa == pa
            else:
                assert set(access.resp) == {ENDS[outcome]}
                assert write or set(access.data) == {0}
        assert not any(memory.values()), "memory saw more than the client asked for"
        assert not any(trace.values()), "trace has more records than transactions"


def check_memory(access: Access, pa: int) -> None:
    seen = access.memory
    assert seen is not None
    assert (seen.addr, seen.len, seen.size, seen.burst) == (
        pa, access.len, access.size, access.burst.value), f"{access}: {seen.addr:#x} != {pa:#x}"
    assert set(access.resp) == {OKAY}
    step = 1 << access.size if access.burst == Burst.INCR else 0
    if access.write:
        assert seen.data == access.data
    else:
        assert access.data == [content(pa + step * i) for i in range(access.len + 1)]


__all__ = ["ALL", "PW", "UW", "World", "check", "crosses", "queue", "random_access"]
