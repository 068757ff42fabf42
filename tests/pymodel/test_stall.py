"""Stalls: tags, held records, RESUME, STALL_TERM, SMMUEN (reference 4.9, 6.3)."""

from __future__ import annotations

import pytest
from smmu_rig import EVENTQ, Rig, implementation

from pymodel.transaction import Ending, Transaction
from spec import commands as c
from spec import registers as r
from spec.events import TRANSLATION_FAULTS


def machine(**kwargs) -> Rig:
    """Streams 1 and 2 stall on every access; 3 and 4 are terminated with a record."""
    rig = Rig(**kwargs)
    for sid in (1, 2, 3, 4):
        rig.stream(sid, stall=sid < 3)
    rig.enable(SMMUEN=1)
    return rig


def retry(result, sid: int = 1) -> int:
    return c.RESUME.pack(StreamID=sid, STAG=result.stag, Ac=1)


def endings(rig: Rig) -> list[tuple[int, Ending]]:
    return [(done.txn.sid, done.result.ending) for done in rig.smmu.completed]


def test_a_stall_is_recorded_with_its_tag():
    rig = machine()
    result = rig.access(1, 0x123, write=True)
    assert (result.ending, result.recorded) == (Ending.STALLED, True)
    record, = rig.drain()
    assert record.TYPE in TRANSLATION_FAULTS
    assert (record.Stall, record.STAG, record.StreamID) == (1, result.stag, 1)
    assert (record.InputAddr, record.RnW, record.S2) == (0x123, 0, 1)
    assert result.event == record.to_bytes()
    assert len(rig.smmu.stalls) == 1
    assert rig.smmu.completed == []


def test_tags_are_unique_and_bounded():
    rig = machine(eventq=8)
    tags = [rig.access(1 + n % 2).stag for n in range(16)]
    assert sorted(tags) == list(range(16))


def test_retry_after_mapping():
    rig = machine()
    result = rig.access(1, 0x40)
    rig.map(0x5000)
    rig.issue(retry(result))
    assert endings(rig) == [(1, Ending.TRANSLATED)]
    assert rig.smmu.completed[0].result.pa == 0x5040
    assert len(rig.smmu.stalls) == 0
    assert rig.log.of("completion")[0][1] is Ending.TRANSLATED


def test_completion_names_the_transaction_itself():
    rig = machine()
    twins = [Transaction(sid=1, addr=0), Transaction(sid=1, addr=0)]
    tags = [rig.smmu.access(txn).stag for txn in twins]
    rig.issue(c.RESUME.pack(StreamID=1, STAG=tags[1], Ab=1))
    assert rig.smmu.completed[0].txn is twins[1]


def test_retry_that_faults_again():
    rig = machine()
    result = rig.access(1)
    rig.issue(retry(result))
    assert rig.smmu.completed == []
    assert rig.used() == 2
    assert len(rig.smmu.stalls) == 1


def test_retry_uses_the_configuration_of_now():
    rig = machine()
    result = rig.access(1)
    rig.stream(1, stall=False)
    rig.issue(retry(result))
    assert endings(rig) == [(1, Ending.ABORT)]
    assert [x.Stall for x in rig.drain()] == [1, 0]


# Ac, Ab, TERM_MODEL, ending; stage-2 stalls all.
ANSWERS = [(0, 0, 0, Ending.RAZWI), (0, 1, 0, Ending.ABORT), (0, 0, 1, Ending.ABORT),
           (0, 1, 1, Ending.ABORT), (1, 0, 0, Ending.TRANSLATED), (1, 1, 0, Ending.TRANSLATED)]


@pytest.mark.parametrize(("ac", "ab", "term_model", "ending"), ANSWERS)
def test_answers(ac, ab, term_model, ending):
    rig = machine(impl=implementation(TERM_MODEL=term_model))
    result = rig.access(1)
    rig.map()
    rig.issue(c.RESUME.pack(StreamID=1, STAG=result.stag, Ac=ac, Ab=ab))
    assert endings(rig) == [(1, ending)]


@pytest.mark.parametrize(("sid", "stag"), [(2, 0), (1, 1), (1, 0xFFFF), (0x10001, 0), (3, 0)])
def test_an_answer_that_matches_nothing(sid, stag):
    rig = machine()
    assert rig.access(1).stag == 0
    rig.issue(c.RESUME.pack(StreamID=sid, STAG=stag, Ab=1))
    assert rig.smmu.completed == []
    assert not rig.active(r.GERROR.CMDQ_ERR)


def test_a_tag_answers_once():
    rig = machine()
    first = rig.access(1)
    rig.issue(c.RESUME.pack(StreamID=1, STAG=first.stag, Ab=1))
    rig.issue(c.RESUME.pack(StreamID=1, STAG=first.stag, Ab=1))
    assert len(rig.smmu.completed) == 1


def test_stall_max():
    rig = machine(impl=implementation(STALL_MAX=2))
    results = [rig.access(1, 0x1000 * n) for n in range(4)]
    assert [x.recorded for x in results] == [True, True, False, False]
    assert [x.ending for x in results] == [Ending.STALLED] * 4
    assert [x.stag for x in results] == [0, 1, None, None]
    assert rig.used() == 2
    rig.issue(c.RESUME.pack(StreamID=1, STAG=1, Ab=1))
    # The third takes the place of the second, and its tag.
    assert [x.STAG for x in rig.drain()] == [0, 1, 1]
    assert len(rig.smmu.stalls) == 3
    rig.map()
    rig.issue(c.RESUME.pack(StreamID=1, STAG=0, Ab=1))
    assert len(rig.smmu.stalls) == 2  # the fourth address is not mapped
    assert rig.drain()[0].InputAddr == 0x3000


def test_a_held_transaction_that_succeeds_makes_no_record():
    rig = machine(impl=implementation(STALL_MAX=1))
    rig.access(2, 0x1000)
    rig.access(1, 0)
    rig.map()
    rig.issue(c.RESUME.pack(StreamID=2, STAG=0, Ab=1))
    assert endings(rig) == [(2, Ending.ABORT), (1, Ending.TRANSLATED)]
    assert rig.used() == 1


def test_full_queue_holds_the_record_and_is_no_overflow():
    rig = machine(eventq=0)
    rig.access(3)
    result = rig.access(1)
    assert (result.ending, result.recorded, result.stag) == (Ending.STALLED, False, None)
    assert rig.rd(r.EVENTQ_PROD) == r.EVENTQ_PROD.make(WR=1)
    assert [x.StreamID for x in rig.drain()] == [3]
    record, = rig.drain()
    assert (record.StreamID, record.Stall) == (1, 1)


def test_held_transactions_keep_their_order():
    rig = machine(eventq=0)
    rig.access(3)
    for n in range(4):
        rig.access(1, 0x1000 * n)
    assert [rig.drain()[0].InputAddr for _ in range(5)] == [0, 0, 0x1000, 0x2000, 0x3000]


def test_disabled_queue_holds_stalls():
    rig = machine()
    rig.enable(EVENTQEN=0)
    assert not rig.access(1).recorded
    rig.access(3)
    rig.enable(EVENTQEN=1)
    assert [x.StreamID for x in rig.drain()] == [1]


def test_error_holds_stalls_until_acknowledged():
    rig = machine()
    rig.memory.poisoned.add(EVENTQ // 4096)
    rig.access(3)
    rig.memory.poisoned.clear()
    assert not rig.access(1).recorded
    rig.acknowledge()
    assert [x.StreamID for x in rig.drain()] == [1]


def test_an_aborted_write_loses_the_record_not_the_transaction():
    rig = machine()
    rig.memory.poisoned.add(EVENTQ // 4096)
    result = rig.access(1)
    assert (result.ending, result.recorded) == (Ending.STALLED, False)
    rig.memory.poisoned.clear()
    rig.acknowledge()
    assert rig.used() == 0
    rig.issue(c.RESUME.pack(StreamID=1, STAG=result.stag, Ab=1))
    assert rig.smmu.completed == []  # no record is visible: no match
    rig.issue(c.STALL_TERM.pack(StreamID=1))
    assert endings(rig) == [(1, Ending.ABORT)]
    assert rig.access(2).stag == 0


def test_stall_term():
    rig = machine()
    for sid in (1, 2, 1):
        rig.access(sid)
    rig.stream(1, stall=False)
    rig.issue(c.CFGI_STE.pack(StreamID=1, Leaf=1), c.SYNC.pack(), c.STALL_TERM.pack(StreamID=1))
    assert endings(rig) == [(1, Ending.ABORT)] * 2
    assert [txn.sid for _, txn in rig.smmu.stalls] == [2]


def test_stall_term_reaches_held_transactions():
    rig = machine(impl=implementation(STALL_MAX=1))
    for sid in (2, 1, 2):
        rig.access(sid)
    rig.issue(c.STALL_TERM.pack(StreamID=2))
    assert endings(rig) == [(2, Ending.ABORT)] * 2
    assert next(iter(rig.smmu.stalls))[0] == 0  # the other has the tag now


def test_smmuen_off_lets_all_stalls_go():
    rig = machine(impl=implementation(STALL_MAX=2))
    for sid in (1, 2, 1, 2):
        rig.access(sid)
    rig.enable(SMMUEN=0)
    assert [ending for _, ending in endings(rig)] == [Ending.ABORT] * 4
    assert rig.used() == 2  # held records are gone
    rig.enable(SMMUEN=1)
    assert rig.access(1).stag == 0
    assert rig.smmu.completed[-1].txn.sid == 2


@pytest.mark.parametrize("enable", ["CMDQEN", "EVENTQEN"])
def test_stopping_a_queue_ends_no_stall(enable):
    rig = machine()
    rig.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(EVENTQ_IRQEN=1))
    rig.access(1)
    rig.enable(**{enable: 0})
    rig.wr(r.IRQ_CTRL, 0)
    assert len(rig.smmu.stalls) == 1


def test_disabling_everything_at_once():
    rig = machine()
    rig.access(1)
    rig.wr(r.CR0, 0)
    assert endings(rig) == [(1, Ending.ABORT)]
    assert rig.rd(r.CR0ACK).value == 0


def test_invalidations_do_not_touch_stalls():
    rig = machine()
    rig.access(1)
    rig.map()
    rig.issue(c.TLBI_NSNH_ALL.pack(), c.CFGI_STE_RANGE.pack(Range=31), c.SYNC.pack())
    assert len(rig.smmu.stalls) == 1


def test_an_answer_from_the_interrupt_handler():
    """Software that answers inside the interrupt sees a matching stall."""
    rig = machine()

    def handler(name):
        if name == "evtq":
            for record in rig.drain():
                rig.issue(c.RESUME.pack(StreamID=1, STAG=record.STAG, Ab=1))

    rig.smmu.interrupts.wire = handler
    rig.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(EVENTQ_IRQEN=1))
    for _ in range(40):
        assert rig.access(1).ending is Ending.STALLED
    assert len(rig.smmu.completed) == 40
    assert len(rig.smmu.stalls) == 0
