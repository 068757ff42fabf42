"""The Event queue: order, wrap, overflow, aborts, interrupts (reference 7.3)."""

from __future__ import annotations

import pytest
from smmu_rig import EVENTQ, MSI, OUTSIDE, Rig, implementation

from spec import registers as r
from spec.commands import SYNC
from spec.events import EventType


def machine(**kwargs) -> Rig:
    """Stream 1 makes one event per access, and the Event queue interrupt is on."""
    rig = Rig(**kwargs)
    rig.stream(1, stall=False)
    rig.enable(SMMUEN=1)
    rig.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(EVENTQ_IRQEN=1, GERROR_IRQEN=1))
    return rig


def hit(rig: Rig, count: int = 1) -> list[bool]:
    """Make events whose InputAddr counts on; whether each was recorded."""
    start = len(rig.log.of("event"))
    return [rig.access(1, 0x1000 * (start + n)).recorded for n in range(count)]


@pytest.mark.parametrize("log2size", [0, 1, 3, 6])
def test_wrap(log2size):
    rig, size = machine(eventq=log2size), 1 << log2size
    for number in range(5):
        assert all(hit(rig, size))
        assert rig.rd(r.EVENTQ_PROD).WR == (number + 1) * size % (2 * size)
        records = rig.drain()
        assert [x.InputAddr for x in records] == [
            0x1000 * (number * size + n) for n in range(size)]
        assert {x.TYPE for x in records} == {EventType.F_TRANSLATION}
    assert rig.rd(r.EVENTQ_PROD).OVFLG == 0


def test_record_is_visible_before_prod_and_prod_before_the_interrupt():
    rig = machine()
    seen = []
    rig.memory.watch = lambda *_: seen.append(("record", rig.rd(r.EVENTQ_PROD).WR))
    rig.smmu.interrupts.wire = lambda name: seen.append((name, rig.rd(r.EVENTQ_PROD).WR))
    hit(rig)
    assert seen == [("record", 0), ("evtq", 1)]


def test_overflow_toggles_once_until_acknowledged():
    rig = machine(eventq=1)
    assert hit(rig, 2) == [True, True]
    assert rig.rd(r.EVENTQ_PROD) == r.EVENTQ_PROD.make(WR=2)
    assert hit(rig, 3) == [False] * 3
    assert rig.rd(r.EVENTQ_PROD) == r.EVENTQ_PROD.make(WR=2, OVFLG=1)
    assert len(rig.drain()) == 2                 # acknowledges
    assert hit(rig, 3) == [True, True, False]
    assert rig.rd(r.EVENTQ_PROD) == r.EVENTQ_PROD.make(WR=0, OVFLG=0)
    assert hit(rig) == [False]
    assert rig.rd(r.EVENTQ_PROD).OVFLG == 0


def test_writing_goes_on_during_an_overflow():
    rig = machine(eventq=1)
    hit(rig, 3)
    rig.wr(r.EVENTQ_CONS, r.EVENTQ_CONS.pack(RD=1))   # room, not acknowledged
    assert hit(rig) == [True]
    assert rig.rd(r.EVENTQ_PROD) == r.EVENTQ_PROD.make(WR=3, OVFLG=1)
    assert hit(rig) == [False]
    assert rig.rd(r.EVENTQ_PROD).OVFLG == 1


def test_disabled_queue_loses_records_silently():
    rig = machine(eventq=0)
    rig.enable(EVENTQEN=0)
    assert hit(rig, 3) == [False] * 3
    assert rig.rd(r.EVENTQ_PROD).value == 0
    rig.enable(EVENTQEN=1)
    assert rig.used() == 0
    assert hit(rig) == [True]


def test_interrupt_on_empty_to_non_empty_only():
    rig = machine()
    hit(rig, 3)
    assert rig.irqs == ["evtq"]
    rig.wr(r.EVENTQ_CONS, 2)          # one record left
    hit(rig)
    assert rig.irqs == ["evtq"]
    rig.drain()
    hit(rig)
    assert rig.irqs == ["evtq", "evtq"]


def test_no_interrupt_of_its_own_for_overflow():
    rig = machine(eventq=0)
    hit(rig, 4)
    assert rig.irqs == ["evtq"]


@pytest.mark.parametrize(("fields", "address", "wires", "word"), [
    ({}, MSI, ["evtq"], 0xABCD), ({}, 0, ["evtq"], 0), ({"MSI": 0}, MSI, ["evtq"], 0)])
def test_msi(fields, address, wires, word):
    rig = machine(impl=implementation(**fields))
    rig.wr(r.IRQ_CTRL, 0)
    rig.wr(r.EVENTQ_IRQ_CFG0, address)
    rig.wr(r.EVENTQ_IRQ_CFG1, 0xABCD)
    rig.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(EVENTQ_IRQEN=1))
    hit(rig)
    assert rig.irqs == wires
    assert rig.memory.read64(MSI) == word


def test_no_interrupt_while_disabled_and_none_afterwards():
    rig = machine()
    rig.wr(r.IRQ_CTRL, 0)
    hit(rig)
    rig.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(EVENTQ_IRQEN=1))
    assert rig.irqs == []
    hit(rig)
    assert rig.irqs == []


def test_aborted_record_write():
    rig = machine()
    rig.memory.poisoned.add(EVENTQ // 4096)
    assert hit(rig) == [False]
    assert rig.active(r.GERROR.EVENTQ_ABT_ERR)
    assert rig.rd(r.EVENTQ_PROD).value == 0
    assert rig.irqs == ["gerror"]
    assert [written for _, written in rig.log.of("event")] == [False]
    # Not writable until acknowledged, and no overflow is noted.
    rig.memory.poisoned.clear()
    assert hit(rig, 20) == [False] * 20
    assert rig.rd(r.EVENTQ_PROD).value == 0
    rig.acknowledge()
    assert hit(rig) == [True]
    assert rig.irqs == ["gerror", "evtq"]


def test_error_while_full_is_no_overflow():
    rig = machine(eventq=0)
    hit(rig)
    rig.drain()
    rig.memory.poisoned.add(EVENTQ // 4096)
    hit(rig)
    rig.memory.poisoned.clear()
    rig.acknowledge()
    assert hit(rig, 2) == [True, False]
    assert rig.rd(r.EVENTQ_PROD).OVFLG == 1


@pytest.mark.parametrize(("prod", "cons", "writable"), [
    (0, 0, True), (5, 5, True), (15, 15, True), (8, 0, False), (3, 11, False), (9, 0, False),
    (0, 1, False), (2, 15, True)])
def test_any_start(prod, cons, writable):
    """Empty, part full, full, and inconsistent indices, at which nothing happens."""
    rig = Rig(eventq=3, enable=False)
    rig.stream(1, stall=False)
    rig.wr(r.EVENTQ_PROD, prod)
    rig.wr(r.EVENTQ_CONS, cons)
    rig.enable(EVENTQEN=1, SMMUEN=1)
    assert hit(rig) == [writable]
    assert rig.rd(r.EVENTQ_PROD).WR == (prod + writable) % 16
    assert rig.rd(r.EVENTQ_PROD).OVFLG == ((prod - cons) % 16 == 8)


def test_queue_outside_memory():
    rig = machine()
    rig.enable(EVENTQEN=0)
    rig.wr(r.EVENTQ_BASE, r.EVENTQ_BASE.pack(ADDR=OUTSIDE, LOG2SIZE=4))
    rig.enable(EVENTQEN=1)
    assert hit(rig) == [False]
    assert rig.active(r.GERROR.EVENTQ_ABT_ERR)


def test_event_of_a_terminated_transaction_is_visible_before_a_later_sync():
    rig = machine()
    rig.access(1)
    seen = []
    rig.smmu.interrupts.wire = lambda name: seen.append(rig.used())
    rig.issue(SYNC.pack(CS=1))
    assert seen == [1]
