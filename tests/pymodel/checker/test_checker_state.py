# ruff: noqa: C408 - the keyword form reads best for fields
"""Stream table, registers, streams with the same tags, stage 2, hardware updates."""

from __future__ import annotations

from dataclasses import replace

from pymodel.transaction import Ending
from spec import commands as c
from spec.context import CD
from spec.events import EventType
from spec.registers import GBPA
from spec.stream_table import STE
from tests.pymodel.checker.checker_rig import (
    AF,
    ASID,
    NG,
    OTHER,
    RW,
    SID,
    VA,
    A,
    B,
    C,
    Machine,
    va,
)
from tests.pymodel.translate_rig import PAGE, S1, S2, STRTAB, put

F_TRANSLATION = int(EventType.F_TRANSLATION)
S2_LEAF = 3 << 6 | AF | 15 << 2 | PAGE
CLEAN = 1 << 51 | RW | 1 << 7 | NG | AF | PAGE  # DBM, AP[2]=1


class TestRegisters:
    def test_enable_has_a_window(self):
        m = Machine()
        on = replace(m.state)
        m.checker = type(m.checker)(m.impl, m.memory, replace(on, smmuen=False))
        before, write, ack = m.tick(), m.tick(), m.tick() + 1
        m.checker.on_state(on, write, ack)
        m.now = ack + 1
        assert m.ends(window=(before, before, before)) == {VA}
        assert m.ends(window=(before, write, ack)) == {VA, A}
        assert m.ends() == {A}

    def test_gbpa(self):
        m = Machine()
        off = replace(m.state, smmuen=False)
        m.checker.on_state(off, m.tick())
        m.tick()
        assert m.ends() == {VA}
        m.checker.on_state(replace(off, gbpa=GBPA.ABORT.mask), m.tick())
        m.tick()
        assert m.ends() == {Ending.ABORT}

    def test_ste_of_the_old_stream_table(self):
        """Cached STEs stay over SMMUEN=0 and a new STRTAB_BASE, until they are invalidated."""
        m = Machine()
        table = m.page(1 << 14)
        m.memory.write(table + SID * 64, STE.make(V=1, Config=4, SHCFG=1).to_bytes())
        m.checker.on_state(replace(m.state, smmuen=False), m.tick())
        m.tick()
        m.checker.on_state(replace(m.state, strtab_base=table), m.tick())
        m.tick()
        assert m.ends() == {A, VA}
        m.sync(c.CFGI_STE_RANGE.make(Range=31))
        assert m.ends() == {VA}


class TestL1Std:
    def test_leaf(self):
        """CFGI_STE with Leaf=1 leaves the L1STD, which leads to the old STE again."""
        m = Machine()
        l1, one, two = (m.page() for _ in range(3))
        m.state.strtab_base, m.state.strtab_fmt, m.state.strtab_split = l1, 1, 6
        m.begin()
        for table in (one, two):
            m.memory.write(table + SID * 64, STE.make(**m.ste).to_bytes())
        m.memory.write(two + SID * 64, STE.make(V=1, Config=4, SHCFG=1).to_bytes())
        put(m.memory, l1, one | 7)
        m.sync(c.CFGI_STE_RANGE.make(Range=31))
        m.sync(c.TLBI_NSNH_ALL.make())
        assert m.ends() == {A}
        put(m.memory, l1, two | 7)
        assert m.ends() == {A, VA}
        m.sync(c.CFGI_STE.make(StreamID=SID, Leaf=1))
        assert m.ends() == {A, VA}
        m.sync(c.CFGI_STE.make(StreamID=SID + 1))  # the L1STD goes, the STE may stay
        assert m.ends() == {A, VA}
        m.sync(c.CFGI_STE.make(StreamID=SID, Leaf=1))
        assert m.ends() == {VA}


class TestSharedTags:
    def machine(self, **cd: int) -> Machine:
        """Another stream that maps `VA` to B, with a CD like the first one's but for `cd`."""
        m = Machine(mapped=False)
        bits = cd.pop("bits", RW | NG | AF)
        m.page_at(VA, A, bits)
        at, table = m.page(), m.page()
        m.begin()
        m.map(table, 0, 48, 12, VA, B | bits | PAGE)
        m.memory.write(at, CD.make(**m.cd | dict(TTB0=table) | cd).to_bytes())
        m.memory.write(STRTAB + (SID + 1) * 64,
                       STE.make(**m.ste | dict(S1ContextPtr=at)).to_bytes())
        m.sync(c.CFGI_STE_RANGE.make(Range=31))
        m.sync(c.TLBI_NSNH_ALL.make())
        m.allowed(sid=SID + 1)
        return m

    def test_same_asid(self):
        assert self.machine().ends() == {A, B}

    def test_other_asid(self):
        assert self.machine(ASID=ASID + 1).ends() == {A}

    def test_global(self):
        assert self.machine(ASID=ASID + 1, bits=RW | AF).ends() == {A, B}

    def test_global_of_the_other_aset(self):
        assert self.machine(ASID=ASID + 1, ASET=1, bits=RW | AF).ends() == {A}

    def test_the_record_is_the_transactions_own(self):
        m = self.machine(bits=RW | NG | AF | 1 << 7)
        ids = {o.event[4] for o in m.allowed(write=True) if o.event}
        assert ids == {SID}


class TestStage2:
    def test_stage2_only(self):
        m = Machine(mapped=False)
        table = m.stage2(config=S2)
        leaf = m.map(table, 0, 48, 12, VA, A | S2_LEAF)
        m.begin()
        put(m.memory, leaf, B | S2_LEAF)
        assert m.ends() == {A, B}
        m.sync(c.TLBI_S2_IPA.make(IPA=VA, VMID=8))
        m.sync(c.TLBI_NH_ALL.make(VMID=9))
        assert m.ends() == {A, B}
        m.sync(c.TLBI_S2_IPA.make(IPA=VA, VMID=9))
        assert m.ends() == {B}

    def nested(self) -> Machine:
        """VA -> OTHER -> A; then OTHER -> B."""
        m = Machine(mapped=False)
        table = m.stage2()
        m.page_at(VA, OTHER)
        for page in range(0x4000_0000, m.page() + 0x10000, 0x1000):
            if page < 0x4020_0000 or page >= 0x4100_0000:
                m.map(table, 0, 48, 12, page, page | S2_LEAF)
        leaf = m.map(table, 0, 48, 12, OTHER, A | S2_LEAF)
        m.begin()
        assert m.ends() == {A}
        put(m.memory, leaf, B | S2_LEAF)
        return m

    def test_combined_entries_outlive_the_ipa(self):
        m = self.nested()
        assert m.ends() == {A, B}
        m.sync(c.TLBI_S2_IPA.make(IPA=OTHER, VMID=9))
        assert m.ends() == {A, B}
        m.sync(c.TLBI_NH_VAA.make(VA=VA, VMID=9))
        assert m.ends() == {B}

    def test_order(self):
        """Without the IPA's invalidation first, a combined entry can be made again."""
        m = self.nested()
        m.sync(c.TLBI_NH_ALL.make(VMID=9))
        m.sync(c.TLBI_S2_IPA.make(IPA=OTHER, VMID=9))
        assert m.ends() == {A, B}

    def test_all_at_once(self):
        m = self.nested()
        m.sync(c.TLBI_S12_VMALL.make(VMID=9))
        assert m.ends() == {B}


class TestUpdates:
    def machine(self) -> Machine:
        m = Machine(mapped=False)
        m.cd |= dict(HA=1, HD=1)
        m.leaf = m.page_at(VA, A, CLEAN)
        m.begin()
        return m

    def test_no_trace_in_memory(self):
        m = self.machine()
        before = m.memory.read64(m.leaf)
        assert m.ends(write=True) == {A}
        assert m.memory.read64(m.leaf) == before

    def test_stale_clean_entry_cannot_be_made_dirty(self):
        """The swap finds that the descriptor has changed: a write goes by the new one only."""
        m = self.machine()
        m.relink(m.leaf, B, CLEAN)
        m.tick()
        assert m.ends() == {A, B}
        assert m.ends(write=True) == {B}

    def test_own_update_changes_nothing(self):
        m = self.machine()
        m.relink(m.leaf, A, CLEAN & ~(1 << 7))
        assert m.ends(write=True) == m.ends() == {A}

    def test_access_flag_set_by_hardware(self):
        m = Machine(mapped=False)
        m.cd |= dict(HA=1)
        leaf = m.page_at(VA, A, RW | NG)
        m.begin()
        assert m.ends() == {A}
        m.relink(leaf, A)
        assert m.ends() == {A}
        m.tick()
        m.checker.prune(m.now)
        assert m.checker.versions == 0


def test_el2_has_one_address_space():
    m = Machine(mapped=False)
    m.ste |= dict(STRW=2)
    m.page_at(VA, A)
    m.begin()
    m.map(table := m.page(), 0, 48, 12, VA, B | RW | NG | AF | PAGE)
    m.set_cd(ASID=ASID + 1, TTB0=table)
    m.sync(c.CFGI_CD.make(StreamID=SID))
    assert m.ends() == {A, B}
    m.sync(va())
    assert m.ends() == {A, B}
    m.sync(c.TLBI_EL2_ALL.make())
    assert m.ends() == {B}


def test_stage1_off_needs_no_tlb():
    m = Machine()
    m.set_ste(Config=4)
    m.sync(c.CFGI_STE.make(StreamID=SID))
    assert m.ends() == {VA}
    m.relink(m.leaf, C)
    m.set_ste(Config=S1)
    m.sync(c.CFGI_STE.make(StreamID=SID))
    assert m.ends() == {A, C}


def test_many_changes_in_a_nested_walk():
    """Every level of stage 2 is replaced twice: many ways to the same few outcomes."""
    m = Machine(mapped=False)
    table = m.stage2()
    m.page_at(VA, OTHER)
    pages = [*range(0x4000_0000, 0x4020_0000, 0x1000), *range(0x4100_0000, 0x4180_0000, 0x1_0000)]

    def everything(pa: int) -> None:
        """Fresh tables below the start table, which then points to them."""
        top = m.page()
        for page in pages:
            m.map(top, 0, 48, 12, page, page | S2_LEAF)
        m.map(top, 0, 48, 12, OTHER, pa | S2_LEAF)
        put(m.memory, table, m.memory.read64(top))

    everything(A)
    m.begin()
    assert m.ends() == {A}
    everything(B)
    everything(C)
    low = m.map(table, 0, 48, 12, 0x4100_0000, 0x4100_0000 | S2_LEAF)
    put(m.memory, low, 0x4100_0000 | S2_LEAF | 1 << 55)
    assert m.ends() == {A, B, C}
    m.sync(c.TLBI_S12_VMALL.make(VMID=9))
    assert m.ends() == {C}
