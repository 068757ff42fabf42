"""Update and acknowledge protocols: CR0, IRQ_CTRL, GBPA (reference 1.4, 1.6, 1.7)."""

from __future__ import annotations

import pytest
from smmu_rig import TABLES, Rig, implementation

from pymodel.observer import Observer
from pymodel.transaction import Ending, Transaction
from spec import registers as r

ONES = 0xFFFF_FFFF


@pytest.mark.parametrize("value", [0x0, 0x8, 0xC, 0xD, 0xF, 0x1F, ONES])
def test_only_implemented_enables_are_acknowledged(value):
    rig = Rig(enable=False)
    rig.wr(r.CR0, value)
    implemented = r.CR0.pack(SMMUEN=1, EVENTQEN=1, CMDQEN=1)
    assert rig.rd(r.CR0ACK).value == rig.rd(r.CR0).value == value & implemented


@pytest.mark.parametrize(("fields", "bits"), [
    ({"ATS": 1}, r.CR0.pack(ATSCHK=1)), ({"ATS": 1, "PRI": 1}, r.CR0.pack(ATSCHK=1, PRIQEN=1)),
    ({"VMW": 1}, r.CR0.pack(VMW=7))])
def test_optional_enables(fields, bits):
    rig = Rig(implementation(**fields), enable=False)
    rig.wr(r.CR0, ONES)
    assert rig.rd(r.CR0ACK).value == bits | r.CR0.pack(SMMUEN=1, EVENTQEN=1, CMDQEN=1)


def test_interrupt_enables():
    rig = Rig(enable=False)
    rig.wr(r.IRQ_CTRL, ONES)
    assert rig.rd(r.IRQ_CTRLACK) == r.IRQ_CTRLACK.make(GERROR_IRQEN=1, EVENTQ_IRQEN=1)
    rig.wr(r.IRQ_CTRL, 0)
    assert rig.rd(r.IRQ_CTRLACK).value == 0


class Nested(Observer):
    """Writes CR0 while an update of SMMUEN is in progress: when a stall is let go."""

    def __init__(self, rig: Rig, value: int) -> None:
        self.rig, self.value, self.seen = rig, value, []

    def on_completion(self, completion):
        self.seen.append((self.rig.rd(r.CR0).SMMUEN, self.rig.rd(r.CR0ACK).SMMUEN))
        self.rig.wr(r.CR0, self.value)
        self.seen.append((self.rig.rd(r.CR0).SMMUEN, self.rig.rd(r.CR0).EVENTQEN))


def test_a_field_whose_update_is_in_progress_keeps_its_value():
    rig = Rig()
    rig.stream(1, stall=True)
    rig.enable(SMMUEN=1)
    assert rig.access(1).ending is Ending.STALLED
    nested = Nested(rig, r.CR0.pack(SMMUEN=1, CMDQEN=1))
    rig.smmu.observers.append(nested)
    rig.enable(SMMUEN=0)
    # SMMUEN: 0 written, 1 acknowledged; the nested 1 is ignored, its EVENTQEN=0 is not.
    assert nested.seen == [(0, 1), (0, 0)]
    assert rig.rd(r.CR0ACK) == r.CR0ACK.make(CMDQEN=1)


class Intruder(Observer):
    """Touches registers and makes an access while SMMUEN goes to 0."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.ending = rig, None

    def on_completion(self, completion):
        self.rig.wr(r.CR2, r.CR2.pack(RECINVSID=1))
        self.ending = self.rig.access(1).ending


def test_nothing_translates_once_smmuen_is_written_0():
    rig = Rig()
    rig.stream(1, stall=True)
    rig.enable(SMMUEN=1)
    rig.access(1)
    intruder = Intruder(rig)
    rig.smmu.observers.append(intruder)
    rig.enable(SMMUEN=0)
    assert intruder.ending is Ending.BYPASS
    assert rig.rd(r.CR2).value == 0  # the guard still held


GBPA_WRITES = [
    # value, whether it counts
    (r.GBPA.pack(ABORT=1, Update=1), True),
    (r.GBPA.pack(ABORT=1), False),
    (r.GBPA.pack(SHCFG=2, PRIVCFG=3, INSTCFG=2, MTCFG=1, MemAttr=5, ALLOCCFG=9, Update=1), True),
    (ONES, True), (0, False)]


@pytest.mark.parametrize(("value", "counts"), GBPA_WRITES)
def test_gbpa_update(value, counts):
    rig = Rig(enable=False)
    assert rig.rd(r.GBPA) == r.GBPA.make(SHCFG=1)
    rig.wr(r.GBPA, value)
    mask = sum(field.mask for field in r.GBPA.FIELDS.values()) & ~r.GBPA.Update.mask
    assert rig.rd(r.GBPA).value == (value & mask if counts else r.GBPA.pack(SHCFG=1))


def test_gbpa_decides_while_smmuen_is_0():
    rig = Rig()
    assert rig.access(1, 0x1234).pa == 0x1234
    rig.wr(r.GBPA, r.GBPA.pack(ABORT=1, Update=1))
    assert rig.access(1).ending is Ending.ABORT
    assert rig.used() == 0


def test_translation_uses_the_registers():
    rig = Rig()
    rig.stream(1, stall=False)
    rig.map(TABLES)
    assert rig.access(1, 0x10).pa == 0x10
    rig.enable(SMMUEN=1)
    assert rig.access(1, 0x10).pa == TABLES + 0x10
    assert rig.access(40).ending is Ending.ABORT
    assert rig.used() == 0  # C_BAD_STREAMID is not recorded
    rig.enable(SMMUEN=0)
    rig.wr(r.CR2, r.CR2.pack(RECINVSID=1))
    rig.enable(SMMUEN=1)
    rig.access(40)
    assert rig.used() == 1


def test_explain_has_no_effect():
    rig = Rig()
    rig.stream(1, stall=True)
    rig.enable(SMMUEN=1)
    result = rig.smmu.explain(Transaction(sid=1, addr=0))
    assert result.ending is Ending.STALLED
    assert result.steps
    assert (rig.used(), len(rig.smmu.stalls)) == (0, 0)
