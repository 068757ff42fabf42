"""Between a change and the completion of its invalidation both are legal; after it only the new."""

from __future__ import annotations

import pytest

from pymodel.checker import TooManyError
from spec import commands as c
from spec.events import EventType
from spec.stream_table import SteS1DSS
from tests.pymodel.checker.checker_rig import ASID, OTHER, SID, VA, A, B, C, Machine, va

F_TRANSLATION = int(EventType.F_TRANSLATION)


def changed() -> Machine:
    m = Machine()
    m.relink(m.leaf, B)
    return m


def test_only_one_outcome_without_change():
    m = Machine()
    assert m.ends() == {A}
    assert m.ends(OTHER) == {C}


def test_both_after_a_change():
    m = changed()
    assert m.ends() == {A, B}
    assert m.ends(OTHER) == {C}


KILLS = {
    "VA": va(),
    "VA leaf": va(Leaf=1),
    "VA within page": va(VA | 0),
    "VAA": c.TLBI_NH_VAA.make(VA=VA),
    "ASID": c.TLBI_NH_ASID.make(ASID=ASID),
    "ALL": c.TLBI_NH_ALL.make(),
    "S12_VMALL": c.TLBI_S12_VMALL.make(),
    "NSNH_ALL": c.TLBI_NSNH_ALL.make(),
    "range": va(VA & ~0xFFFF, TG=1, NUM=15, SCALE=0),
    "range, TTL 3": va(VA & ~0xFFFF, TG=1, NUM=15, SCALE=0, TTL=3, Leaf=1),
    "range not at a power of two": va(VA - 0x1000, TG=1, NUM=2, SCALE=0),
}
SPARES = {
    "other ASID": va(ASID=ASID + 1),
    "other VMID": va(VMID=1),
    "other address": va(OTHER),
    "other ASID, all": c.TLBI_NH_ASID.make(ASID=ASID + 1),
    "other VMID, all": c.TLBI_NH_ALL.make(VMID=1),
    "range before": va(VA - 0x4000, TG=1, NUM=3, SCALE=0),
    "range of another granule": va(VA & ~0xFFFF, TG=3, NUM=0, SCALE=1),
    "range, other TTL": va(VA & -(1 << 21), TG=1, NUM=31, SCALE=4, TTL=2),
    "EL2": c.TLBI_EL2_ALL.make(),
    "IPA": c.TLBI_S2_IPA.make(IPA=VA),
    "STE": c.CFGI_STE.make(StreamID=SID),
    "CD": c.CFGI_CD.make(StreamID=SID),
}


@pytest.mark.parametrize("command", KILLS.values(), ids=KILLS.keys())
def test_new_only_after_invalidation_and_sync(command):
    m = changed()
    m.issue(command)
    assert m.ends() == {A, B}  # no SYNC yet
    m.sync()
    assert m.ends() == {B}


@pytest.mark.parametrize("command", SPARES.values(), ids=SPARES.keys())
def test_both_after_an_invalidation_of_something_else(command):
    m = changed()
    m.sync(command)
    assert m.ends() == {A, B}


def test_global_entries():
    m = Machine(mapped=False)
    leaf = m.page_at(VA, A, 0x440)
    m.begin()
    m.relink(leaf, B, 0x440)
    m.sync(c.TLBI_NH_ASID.make(ASID=ASID))
    assert m.ends() == {A, B}
    m.sync(va(ASID=ASID + 1))  # by address reaches global entries whatever the ASID
    assert m.ends() == {B}


def test_sync_and_invalidation_before_the_change_do_not_count():
    m = Machine()
    m.sync(va())
    m.issue(va())
    m.relink(m.leaf, B)
    m.sync()
    assert m.ends() == {A, B}


def test_two_changes_in_a_row():
    m = changed()
    m.issue(va())
    m.relink(m.leaf, C)
    assert m.ends() == {A, B, C}
    m.sync()
    assert m.ends() == {B, C}
    m.sync(va())
    assert m.ends() == {C}


def test_change_there_and_back():
    m = changed()
    m.relink(m.leaf, A)
    assert m.ends() == {A, B}
    m.sync(va())
    assert m.ends() == {A}


def test_transaction_in_flight_over_a_sync():
    m = changed()
    issued = m.tick()
    done = m.sync(va())
    # Decided before, completed before; completed after; decided after.
    assert m.ends(window=(issued, done - 1, done)) == {A, B}
    assert m.ends(window=(issued, done - 1, done + 1)) == {B}
    assert m.ends(window=(issued, done + 1, done + 1)) == {B}


def test_transaction_before_the_change_sees_only_the_old():
    m = Machine()
    before = m.tick()
    m.relink(m.leaf, B)
    assert m.ends(window=(before, before, before)) == {A}
    assert m.ends(window=(before, m.now, m.now)) == {A, B}


def test_a_bypass_of_stage_1_shares_nothing():
    """Transactions without SubstreamID, which S1DSS lets through without a CD."""
    m = Machine(mapped=False)
    m.set_ste(S1CDMax=1, S1DSS=SteS1DSS.BYPASS)
    m.leaf = m.page_at(VA, A)
    m.begin()
    m.relink(m.leaf, B)
    m.checker.on_stream(SID)
    assert m.ends(ssid=0) == {A, B}


class TestInvalid:
    """Invalid descriptors are not cached, so an old one needs no invalidation."""

    def test_made_valid(self):
        m = Machine()
        address, before = 0x40_3000, m.tick()
        m.page_at(address, B)
        assert m.ends(address) == {B}
        # In flight over the change it may have faulted, or not.
        assert m.ends(address, window=(before, m.now, m.now)) == {F_TRANSLATION, B}

    def test_made_invalid(self):
        m = Machine()
        m.memory.write(m.leaf, bytes(8))
        assert m.ends() == {A, F_TRANSLATION}
        m.sync(va())
        assert m.ends() == {F_TRANSLATION}

    def test_access_flag(self):
        m = Machine(mapped=False)
        leaf = m.page_at(VA, A, 0x840)
        m.begin()
        assert m.ends() == {int(EventType.F_ACCESS)}
        m.relink(leaf, A)
        assert m.ends() == {A}

    def test_invalid_sync_in_flight(self):
        """A fault read before the change must be over before the SYNC after it."""
        m = Machine()
        address, before = 0x40_3000, m.tick()
        m.page_at(address, B)
        done = m.sync(va(address))
        assert m.ends(address, window=(before, m.now, done + 1)) == {B}


class TestTables:
    """Table descriptors: Leaf=1 spares them."""

    def relinked(self) -> tuple[Machine, int]:
        """The last-level table of `VA` and `OTHER` is replaced by one that maps `VA` to B."""
        m = Machine()
        new, top = m.page(), m.cd["TTB0"]
        low = m.map(top, 0, 48, 12, VA, new | 3, level=2)
        m.relink(new + 8, B)
        return m, low

    def test_leaf_only(self):
        m, _ = self.relinked()
        assert m.ends() == {A, B}
        m.sync(va(Leaf=1))
        assert m.ends() == {A, B}
        m.sync(va())
        assert m.ends() == {B}

    def test_neighbour_keeps_its_leaf(self):
        """The table is gone with VA's invalidation, not the leaf that was found through it."""
        m, _ = self.relinked()
        m.sync(va())
        assert m.ends(OTHER) == {C, F_TRANSLATION}
        m.sync(va(OTHER, Leaf=1))
        assert m.ends(OTHER) == {F_TRANSLATION}

    def test_new_leaf_in_the_old_table(self):
        """A dropped leaf can come back through an old table that is still cached."""
        m, _ = self.relinked()
        m.relink(m.leaf, C)
        assert m.ends() == {A, B, C}
        m.sync(va(Leaf=1))
        assert m.ends() == {B, C}


def test_bounded():
    m = Machine()
    small = type(m.checker)(m.impl, m.memory, m.state, limit=10)
    for n in range(1, 20):
        old = m.memory.read(m.leaf, 8)
        new = (B + n * 4096 | 0xC43).to_bytes(8, "little")
        m.memory.write(m.leaf, new)
        small.on_write(m.leaf, old, new, m.now)
    with pytest.raises(TooManyError):
        small.allowed(m.txn(), m.tick())

