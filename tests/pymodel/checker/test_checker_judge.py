"""Batches of observations: verdicts, records, explanations, forgetting, the golden model."""

from __future__ import annotations

import pytest

from pymodel.checker import Checker, Observation
from pymodel.transaction import Ending, Transaction
from spec import commands as c
from spec.events import F_TRANSLATION
from tests.pymodel.checker.checker_rig import ASID, OTHER, SID, VA, A, B, C, Machine, va
from tests.pymodel.smmu_rig import Rig as SmmuRig

MISSING = 0x40_9000


def stale() -> Machine:
    m = Machine()
    m.relink(m.leaf, B)
    m.sync(va())
    return m


def test_agreement():
    m = stale()
    verdict = m.judge(m.observe(Ending.TRANSLATED, B), m.observe(Ending.TRANSLATED, C, OTHER))
    assert verdict.ok
    assert verdict.checked == 2


def test_stale_hit_by_name():
    m = stale()
    verdict = m.judge(m.observe(Ending.TRANSLATED, A))
    assert not verdict.ok
    text = verdict.failures[0]
    assert f"stale stage-1 descriptor, level 3 at {m.leaf:#x}" in text
    assert "TLBI_NH_VA issued at" in text
    assert f"legal: TRANSLATED at {B:#x}" in text
    assert "walk_stage1" in text
    with pytest.raises(AssertionError, match="stale stage-1"):
        verdict.verify()


def test_stale_cd_by_name():
    m = Machine()
    m.set_cd(V=0)
    m.sync(c.CFGI_CD.make(StreamID=SID))
    text = m.judge(m.observe(Ending.TRANSLATED, A)).failures[0]
    assert "stale CD at" in text
    assert "CFGI_CD issued" in text


def test_stale_ste_by_name():
    m = Machine()
    m.set_ste(Config=4)
    m.sync(c.CFGI_STE.make(StreamID=SID))
    text = m.judge(m.observe(Ending.TRANSLATED, A)).failures[0]
    assert "stale STE at" in text


def test_negative_caching_by_name():
    m = Machine()
    m.page_at(MISSING, B)
    m.tick()
    text = m.judge(m.observe(Ending.ABORT, addr=MISSING)).failures[0]
    assert "not cacheable" in text


def test_wrong_address_is_not_called_stale():
    m = Machine()
    text = m.judge(m.observe(Ending.TRANSLATED, B)).failures[0]
    assert "stale" not in text
    assert f"legal: TRANSLATED at {A:#x}" in text


class TestRecords:
    def faults(self, *addresses: int):
        m = Machine()
        events = [next(iter(m.allowed(at))).event for at in addresses]
        return m, [m.observe(Ending.ABORT, addr=at) for at in addresses], events

    def test_all_there_in_any_order(self):
        m, seen, events = self.faults(MISSING, MISSING + 8, MISSING + 16)
        assert m.judge(*seen, records=tuple(reversed(events))).ok

    def test_missing(self):
        m, seen, events = self.faults(MISSING, MISSING + 8)
        verdict = m.judge(*seen, records=(events[0],))
        assert "record missing" in verdict.failures[0]
        assert m.judge(*seen, records=(events[0],), lossy=True).ok

    def test_one_too_many(self):
        m, seen, events = self.faults(MISSING)
        verdict = m.judge(*seen, records=(events[0], events[0]))
        assert "nothing caused" in verdict.failures[0]

    def test_either_record(self):
        """An ambiguous ending takes the record that is there, and another one the rest."""
        m = Machine()
        m.set_cd(R=0)
        (event,) = {o.event for o in m.allowed(MISSING)} - {None}
        seen = [m.observe(Ending.ABORT, addr=MISSING) for _ in range(2)]
        for records in ((), (event,), (event, event)):
            assert m.judge(*seen, records=records).ok
        assert not m.judge(*seen, records=(event,) * 3).ok

    def test_stalls(self):
        """A stall record has any STAG; a retry's ending is judged for itself."""
        m = Machine(mapped=False)
        m.cd["S"] = 1
        m.begin()
        (outcome,) = m.allowed(MISSING)
        record = F_TRANSLATION.from_bytes(outcome.event)
        assert (outcome.ending, record.Stall, record.STAG) == (Ending.STALLED, 1, 0)
        seen = m.observe(Ending.STALLED, addr=MISSING)
        tagged = record.replace(STAG=5).to_bytes()
        assert m.judge(seen, records=(tagged,)).ok
        assert not m.judge(seen).ok
        m.page_at(MISSING, B)
        resumed = m.observe(Ending.TRANSLATED, B, MISSING)
        assert m.judge(seen, resumed, records=(tagged,)).ok
        # Whoever only sees the end gives the whole time as its window.
        whole = m.observe(Ending.TRANSLATED, B, MISSING, (seen.issued, m.now, m.now))
        assert m.judge(whole, records=(tagged,)).ok


class TestPrune:
    def test_forgets_what_is_dead(self):
        m = stale()
        m.ends()
        m.tick()
        assert m.checker.versions == 1
        m.checker.prune(m.now)
        assert m.checker.versions == 0
        assert m.ends() == {B}

    def test_keeps_what_may_be_cached(self):
        m = Machine()
        m.ends()
        m.relink(m.leaf, B)
        m.sync(va(ASID=ASID + 1))
        m.tick()
        m.checker.prune(m.now)
        assert m.ends() == {A, B}
        m.sync(va())
        assert m.ends() == {B}

    def test_keeps_what_a_transaction_in_flight_needs(self):
        m = Machine()
        m.ends()
        issued = m.tick()
        m.relink(m.leaf, B)
        done = m.sync(va())
        m.checker.prune(issued)
        assert m.ends(window=(issued, done - 1, done)) == {A, B}

    def test_keeps_old_cd_while_its_translations_last(self):
        m = Machine()
        m.ends()
        table = m.page()
        m.map(table, 0, 48, 12, VA, B | 0xC40 | 3)
        m.set_cd(TTB0=table)
        m.sync(c.CFGI_CD.make(StreamID=SID))
        m.tick()
        m.checker.prune(m.now)
        assert m.ends() == {A, B}
        m.sync(c.TLBI_NH_ASID.make(ASID=ASID))
        m.tick()
        m.checker.prune(m.now)
        assert m.checker.versions == 0
        assert m.ends() == {B}

    def test_steady_state_is_bounded(self):
        m = Machine()
        for n in range(200):
            m.relink(m.leaf, B + n * 4096)
            m.sync(va())
            now = m.tick()
            assert m.judge(m.observe(Ending.TRANSLATED, B + n * 4096)).ok
            m.checker.prune(now)
            assert m.checker.versions <= 1
            assert len(m.checker._log.done) <= 2


def test_attached_to_the_model():
    """The model itself is always within what is allowed, and stale endings are not."""
    rig = SmmuRig()
    rig.enable(SMMUEN=1)
    checker = Checker(rig.impl, rig.memory, rig.smmu.state)
    attached = checker.attach(rig.smmu)
    rig.stream(3, stall=False)
    rig.issue(c.CFGI_STE.pack(StreamID=3), c.SYNC.pack())

    def observed(**end) -> Observation:
        txn = Transaction(sid=3, addr=0)
        now = attached.tick()
        result = rig.smmu.access(txn)
        values = {"ending": result.ending, "pa": result.pa, "attrs": result.attrs} | end
        return Observation(txn=txn, issued=now, decided=now, completed=now, **values)

    rig.map(0x5000)
    one = observed()
    assert one.ending is Ending.TRANSLATED
    assert checker.judge([one]).ok
    rig.unmap()
    assert checker.judge([observed(ending=Ending.TRANSLATED, pa=0x5000, attrs=None)]).ok
    rig.issue(c.TLBI_S2_IPA.pack(VMID=3), c.SYNC.pack())
    verdict = checker.judge([observed(ending=Ending.TRANSLATED, pa=0x5000, attrs=None)])
    assert "TLBI_S2_IPA issued" in verdict.failures[0]
    two = observed()
    assert checker.judge([two], [record.to_bytes() for record in rig.drain()][-1:]).ok
