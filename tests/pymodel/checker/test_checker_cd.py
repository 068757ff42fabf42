# ruff: noqa: C408 - the keyword form reads best for fields
"""CDs and their tables change: what may be used until which command and CMD_SYNC."""

from __future__ import annotations

import pytest

from spec import commands as c
from spec.context import CD
from spec.events import EventType
from tests.pymodel.checker.checker_rig import ASID, OTHER, SID, VA, A, B, C, Machine, va

F_TRANSLATION = int(EventType.F_TRANSLATION)
C_BAD_CD = int(EventType.C_BAD_CD)


class TestCd:
    def switched(self, **fields: int) -> Machine:
        """Another table under the same ASID."""
        m = Machine()
        old, table = m.cd["TTB0"], m.page()
        m.map(table, 0, 48, 12, VA, B | 0xC40 | 3)
        m.set_cd(TTB0=table, **fields)
        m.old = old
        return m

    def test_both(self):
        assert self.switched().ends() == {A, B}

    def test_tlb_entries_outlive_the_cd(self):
        m = self.switched()
        m.sync(c.CFGI_CD.make(StreamID=SID))
        assert m.ends() == {A, B}
        assert m.ends(OTHER) == {C, F_TRANSLATION}
        m.sync(c.TLBI_NH_ASID.make(ASID=ASID))
        assert m.ends() == {B}
        assert m.ends(OTHER) == {F_TRANSLATION}

    def test_new_leaf_through_a_dead_cd(self):
        """The old CD's table descriptors may be cached under the ASID, its start table is not."""
        m = self.switched()
        m.sync(c.CFGI_CD.make(StreamID=SID))
        m.relink(m.leaf, C)
        assert m.ends() == {A, B, C}
        m.memory.write(m.leaf, bytes(8))
        assert m.ends() == {A, B, C, F_TRANSLATION}
        m.sync(va(Leaf=1))
        assert m.ends() == {B, F_TRANSLATION}
        m.sync(va())
        assert m.ends() == {B}

    def test_old_cd_with_new_leaf(self):
        m = self.switched()
        m.relink(m.leaf, C)
        assert m.ends() == {A, B, C}
        m.sync(va())
        assert m.ends() == {B, C}
        m.sync(c.CFGI_CD.make(StreamID=SID))
        assert m.ends() == {B, C}
        m.sync(va())
        assert m.ends() == {B}

    def test_one_batch_gives_no_order(self):
        """The TLBI may be done before the CFGI, and the old CD used in between."""
        m = self.switched()
        m.sync(c.CFGI_CD.make(StreamID=SID), va())
        assert m.ends() == {A, B}

    def test_another_asid(self):
        """Written while invalid, it needs no TLBI; written live, the new ASID may have been used
        with the old table."""
        live = self.switched(ASID=ASID + 1)
        live.sync(c.CFGI_CD.make(StreamID=SID))
        assert live.ends() == {A, B}
        m = self.switched(V=0)
        m.sync(c.CFGI_CD.make(StreamID=SID))
        m.set_cd(ASID=ASID + 1)
        m.set_cd(V=1)
        m.sync(c.CFGI_CD.make(StreamID=SID))
        assert m.ends() == {B}

    @pytest.mark.parametrize(("command", "dead"), [
        (c.CFGI_CD.make(StreamID=SID, SubstreamID=1, Leaf=1), False),
        (c.CFGI_CD.make(StreamID=SID + 1, Leaf=1), False),
        (c.CFGI_CD.make(StreamID=SID, Leaf=1), True),
        (c.CFGI_CD_ALL.make(StreamID=SID), True),
        (c.CFGI_STE.make(StreamID=SID, Leaf=1), True),
        (c.CFGI_STE.make(StreamID=SID + 1), False),
        (c.CFGI_STE_RANGE.make(StreamID=0, Range=31), True),
        (c.CFGI_STE_RANGE.make(StreamID=SID ^ 1, Range=0), True),
        (c.CFGI_STE_RANGE.make(StreamID=SID + 2, Range=0), False),
        (c.TLBI_NSNH_ALL.make(), False),
    ])
    def test_what_removes_a_cd(self, command, dead):
        m = Machine()
        m.set_cd(V=0)
        assert m.ends() == {A, C_BAD_CD}
        m.sync(command)
        assert m.ends() == ({C_BAD_CD} if dead else {A, C_BAD_CD})

    def test_invalid_cd_may_be_cached(self):
        m = Machine()
        m.set_cd(V=0)
        m.sync(c.CFGI_CD.make(StreamID=SID))
        m.set_cd(V=1)
        assert m.ends() == {A, C_BAD_CD}
        m.sync(c.CFGI_CD.make(StreamID=SID))
        assert m.ends() == {A}

    def test_torn_copy(self):
        """TTB0 and the first doubleword change one after the other: four combinations."""
        m = Machine()
        table = m.page()
        m.map(table, 0, 48, 12, VA, B | 0xC40 | 3)
        m.set_cd(TTB0=table)
        m.set_cd(R=0)
        assert m.ends() == {A, B}
        ends = m.ends(0x40_5000)
        assert len(ends) == 2  # recorded or not

    def test_permission_of_a_stale_hit(self):
        """The entry is old, what the fault does is the new CD's."""
        m = Machine(mapped=False)
        m.page_at(VA, A, 0xCC0)  # read only
        m.begin()
        old = m.cd["TTB0"]
        m.set_cd(TTB0=m.page(), R=0)
        m.sync(c.CFGI_CD.make(StreamID=SID))
        assert {o.event for o in m.allowed(write=True)} == {None}
        m.set_cd(TTB0=old)


class TestL1Cd:
    def machine(self) -> Machine:
        """Two leaf tables for SubstreamIDs 0 to 63; the L1CD moves from the first to the second,
        where SubstreamID 3 translates to B."""
        m = Machine()
        l1, one, two, table = (m.page() for _ in range(4))
        for leaf, ttb in ((one, m.cd["TTB0"]), (two, table)):
            m.memory.write(leaf + 3 * 64, _cd(m, ttb))
        m.map(table, 0, 48, 12, VA, B | 0xC40 | 3)
        m.memory.write(l1, (one | 1).to_bytes(8, "little"))
        m.set_ste(S1ContextPtr=l1, S1Fmt=1, S1CDMax=6, S1DSS=2)
        m.sync(c.CFGI_STE_RANGE.make(Range=31))
        m.sync(c.TLBI_NSNH_ALL.make())
        assert m.ends(ssid=3) == {A}
        m.memory.write(l1, (two | 1).to_bytes(8, "little"))
        return m

    @pytest.mark.parametrize(("fields", "dead"), [
        (dict(SubstreamID=3, Leaf=1), False),
        (dict(SubstreamID=3, Leaf=0), True),
        (dict(SubstreamID=5, Leaf=0), False),  # the L1CD goes, the CD of 3 does not
    ])
    def test_leaf(self, fields, dead):
        m = self.machine()
        assert m.ends(ssid=3) == {A, B}
        m.sync(c.CFGI_CD.make(StreamID=SID, **fields))
        m.sync(c.TLBI_NH_ALL.make())
        assert m.ends(ssid=3) == ({B} if dead else {A, B})

    def test_both_commands(self):
        m = self.machine()
        m.sync(c.CFGI_CD.make(StreamID=SID, SubstreamID=5))
        m.sync(c.CFGI_CD.make(StreamID=SID, SubstreamID=3, Leaf=1))
        m.sync(c.TLBI_NH_ALL.make())
        assert m.ends(ssid=3) == {B}


def _cd(m: Machine, ttb: int) -> bytes:
    return CD.make(**m.cd | dict(TTB0=ttb)).to_bytes()
