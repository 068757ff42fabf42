"""Second reading of what limits stalls: STAGs, STALL_MAX, the Event queue, SMMUEN (4.9, 7.3)."""

from __future__ import annotations

import pytest

from pymodel.transaction import Ending
from spec import commands as c
from spec import registers as r
from tests.second_reading.machine import EVENTQ_AT, SID, E, Machine, fault, s1_leaf, translated

VA = 0x12_3456_7000
OUT = 0x9000_0000
ABORT, STALLED = Ending.ABORT, Ending.STALLED


def build(**more) -> Machine:
    """SID stalls, SID + 1 terminates with a record; VA is mapped, the pages above are not."""
    m = Machine(**more)
    m.ste()
    m.cd(S=1)
    quiet = m.take(64)
    m.cd(quiet)
    m.ste(SID + 1, S1ContextPtr=quiet)
    m.s1.put(VA, 3, s1_leaf(OUT))
    return m


def page(number: int) -> int:
    return VA + (number << 12)


def ended(m: Machine) -> list[tuple[int, Ending]]:
    out = [(done.txn.addr, done.result.ending) for done in m.smmu.completed]
    m.smmu.completed.clear()
    return out


def stalled(m: Machine, number: int) -> None:
    assert m.access(page(number)).ending is STALLED


def answer(m: Machine, tag: int, **how) -> None:
    m.send(c.RESUME.make(StreamID=SID, STAG=tag, **how))


def test_stags_are_unique():
    """No two outstanding stalls share a STAG, and it is below STALL_MAX (the pick)."""
    m = build(STALL_MAX=8)
    live: dict[int, int] = {}
    for number in range(1, 200):
        stalled(m, number)
        (event,) = m.events()
        assert event.STAG not in live
        assert event.STAG < 8
        live[event.STAG] = page(number)
        if len(live) > 5:
            tag = sorted(live)[number * 7 % len(live)]
            answer(m, tag, Ab=1)
            assert ended(m) == [(live.pop(tag), ABORT)]


@pytest.mark.parametrize("limit", [1, 2, 3, 8])
def test_stall_max(limit):
    """At most STALL_MAX unanswered records; the rest wait and are not terminated."""
    m = build(STALL_MAX=limit)
    for number in range(1, limit + 4):
        stalled(m, number)
    first = m.events()
    assert [event.InputAddr for event in first] == [page(n) for n in range(1, limit + 1)]
    assert ended(m) == []
    translated(m, VA, OUT)  # a stall does not block others
    answer(m, first[0].STAG, Ab=1)
    assert ended(m) == [(page(1), ABORT)]
    (new,) = m.events()
    assert new.InputAddr in [page(n) for n in range(limit + 1, limit + 4)]
    m.s1.put(page(limit + 1), 3, s1_leaf(OUT))
    m.s1.put(page(limit + 2), 3, s1_leaf(OUT))
    m.s1.put(page(limit + 3), 3, s1_leaf(OUT))
    answer(m, new.STAG, Ab=1)
    done = ended(m)
    assert done[0] == (new.InputAddr, ABORT)  # the waiting ones were retried, and succeed
    assert [ending for _, ending in done[1:]] == [Ending.TRANSLATED] * 2
    assert m.events() == []


def fill(m: Machine, count: int) -> None:
    """`count` records of terminated transactions, not read by software."""
    for number in range(count):
        assert m.access(page(100 + number), sid=SID + 1).ending is ABORT


def overflow(m: Machine) -> bool:
    return m.get(r.EVENTQ_PROD).OVFLG != m.get(r.EVENTQ_CONS).OVACKFLG


def consume(m: Machine, count: int) -> None:
    """Software reads `count` records and acknowledges an overflow, if any."""
    m.read_to = (getattr(m, "read_to", 0) + count) & ((2 << m.eventq) - 1)
    m.reg(r.EVENTQ_CONS, RD=m.read_to, OVACKFLG=m.get(r.EVENTQ_PROD).OVFLG)


@pytest.mark.parametrize("log2", [0, 1, 3])
def test_full_queue_holds_stalls(log2):
    """A stall record waits for room and is no overflow; any other record is dropped and is."""
    m = build(eventq=log2)
    fill(m, 1 << log2)
    assert len(m.events(free=False)) == 1 << log2
    stalled(m, 1)
    assert m.events(free=False) == []
    assert not overflow(m)
    fill(m, 1)
    assert overflow(m)
    before = m.get(r.EVENTQ_PROD).OVFLG
    fill(m, 1)
    assert m.get(r.EVENTQ_PROD).OVFLG == before  # no further toggle
    consume(m, 1)
    assert not overflow(m)
    (event,) = m.events(free=False)
    assert event == fault(E.F_TRANSLATION, page(1), Stall=1, STAG=event.STAG)
    answer(m, event.STAG, Ab=1)
    assert ended(m) == [(page(1), ABORT)]


def test_held_stall_is_retried():
    """The pick: always retry. Success lets it go without a record."""
    m = build(eventq=1)
    fill(m, 2)
    m.events(free=False)
    stalled(m, 1)
    stalled(m, 2)
    m.s1.put(page(1), 3, s1_leaf(OUT))
    consume(m, 1)
    assert ended(m) == [(page(1), Ending.TRANSLATED)]
    (event,) = m.events(free=False)
    assert event.InputAddr == page(2)


def test_queue_disabled_holds_stalls():
    """EVENTQEN=0: other records are lost silently, stall records wait (7.3)."""
    m = build()
    m.reg(r.CR0, CMDQEN=1, SMMUEN=1)
    fill(m, 2)
    stalled(m, 1)
    assert (m.events(), overflow(m)) == ([], False)
    m.reg(r.CR0, CMDQEN=1, SMMUEN=1, EVENTQEN=1)
    (event,) = m.events()
    assert event == fault(E.F_TRANSLATION, page(1), Stall=1, STAG=event.STAG)


def test_queue_abort_holds_stalls():
    """EVENTQ_ABT_ERR active: not writable until acknowledged; no overflow (7.3)."""
    m = build()
    m.memory.poisoned.add(EVENTQ_AT >> 12)
    fill(m, 1)
    assert m.get(r.GERROR).EVENTQ_ABT_ERR == 1
    assert m.get(r.EVENTQ_PROD).WR == 0
    m.memory.poisoned.clear()
    fill(m, 1)
    stalled(m, 1)
    assert m.get(r.EVENTQ_PROD).WR == 0
    assert not overflow(m)
    m.reg(r.GERRORN, EVENTQ_ABT_ERR=1)
    (event,) = m.events()
    assert event.InputAddr == page(1)
    assert ended(m) == []


def test_disable_ends_all_stalls():
    """SMMUEN 1 to 0: every stall ends with abort, held ones too; the STAGs are free again."""
    m = build(STALL_MAX=2)
    for number in range(1, 5):
        stalled(m, number)
    tags = [event.STAG for event in m.events()]
    assert len(tags) == 2
    m.reg(r.CR0, CMDQEN=1, EVENTQEN=1)
    assert sorted(ended(m)) == [(page(n), ABORT) for n in range(1, 5)]
    answer(m, tags[0], Ab=1)
    assert (ended(m), m.error()) == ([], 0)
    assert m.access(VA).ending is Ending.BYPASS
    m.reg(r.CR0, CMDQEN=1, EVENTQEN=1, SMMUEN=1)
    m.events()
    stalled(m, 7)
    stalled(m, 8)
    assert len(m.events()) == 2


def test_stall_term_reaches_held_stalls():
    """STALL_TERM covers everything of the SID that stalled before it is consumed."""
    m = build(STALL_MAX=1)
    for number in range(1, 4):
        stalled(m, number)
    assert len(m.events()) == 1
    m.ste(Config=0)
    m.send(c.CFGI_STE.make(StreamID=SID, Leaf=1), c.SYNC.make(),
           c.STALL_TERM.make(StreamID=SID), c.SYNC.make())
    assert sorted(number for number, _ in ended(m)) == [page(n) for n in range(1, 4)]
    assert m.events() == []


def test_invalidation_leaves_stalls_alone():
    """Stalled transactions are not affected by TLBI, CFGI or SYNC (6.3)."""
    m = build()
    stalled(m, 1)
    (event,) = m.events()
    m.s1.put(page(1), 3, s1_leaf(OUT))
    m.send(c.TLBI_NSNH_ALL.make(), c.CFGI_STE_RANGE.make(Range=31), c.SYNC.make())
    # early retry is optional: the transaction may have gone, the record is to be answered
    answer(m, event.STAG, Ac=1)
    assert ended(m) == [(page(1), Ending.TRANSLATED)]
    assert m.events() == []
