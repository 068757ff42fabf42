"""Second reading of what each TLBI and CFGI command must drop (reference 6.3): tags, configuration.

Whatever the table does not name need not go, so `covers` must say no for it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from pymodel.invalidation import ConfigEntry, Kind, Stage, TlbEntry, World, covers, decode
from spec import commands as c
from spec.impl import PRESETS

BASE = replace(PRESETS["base"], VMW=1, SIDSIZE=32)
VA = 0x12_3456_7000
EL1, EL2, E2H = World.NS_EL1, World.NS_EL2, World.NS_EL2_E2H
VMIDS, ASIDS = (3, 4, 0x103), (7, 8, 0x107, None)


def config(kind: Kind, sid: int, ssid: int = 0, span: int = 0) -> ConfigEntry:
    return ConfigEntry(kind=kind, sid=sid, ssid=ssid, span=span)


def drops(command, entry, impl=BASE, **controls) -> bool:
    invalidation = decode(impl, command, **controls)
    return invalidation is not None and covers(invalidation, entry)


def tlb_entries():
    """Every combination of tags the reference allows (4.3), at VA and one page off."""
    for kind, address in product((Kind.LEAF, Kind.TABLE), (VA, VA + 0x20_0000)):
        where = {"kind": kind, "address": address if kind is Kind.LEAF else address & ~0x1F_FFFF,
                 "size": 12 if kind is Kind.LEAF else 21, "granule": 12,
                 "level": 3 if kind is Kind.LEAF else 2}
        for vmid in VMIDS:
            for stage, asid in product((Stage.S1, Stage.COMBINED), ASIDS):
                yield TlbEntry(stage=stage, world=EL1, vmid=vmid, asid=asid, **where)
            yield TlbEntry(stage=Stage.S2, world=EL1, vmid=vmid, **where)
        yield TlbEntry(stage=Stage.S1, world=EL2, **where)
        for asid in ASIDS:
            yield TlbEntry(stage=Stage.S1, world=E2H, asid=asid, **where)


def stage1(e) -> bool:
    return e.world is EL1 and e.stage is not Stage.S2


def here(e) -> bool:
    return e.address <= VA < e.address + (1 << e.size)


# Command, CR2.E2H (None: both), predicate: the "must drop" column of 6.3
TAGS = [
    (c.TLBI_NH_ALL.make(VMID=3), None, lambda e: stage1(e) and e.vmid == 3),
    (c.TLBI_NH_ASID.make(VMID=3, ASID=7), None,
     lambda e: stage1(e) and e.vmid == 3 and e.asid == 7),
    (c.TLBI_NH_VA.make(VMID=3, ASID=7, VA=VA), None,
     lambda e: stage1(e) and e.vmid == 3 and e.asid in (7, None) and here(e)),
    (c.TLBI_NH_VA.make(VMID=3, ASID=7, VA=VA, Leaf=1), None,
     lambda e: stage1(e) and e.vmid == 3 and e.asid in (7, None) and here(e)
     and e.kind is Kind.LEAF),
    (c.TLBI_NH_VAA.make(VMID=3, VA=VA), None,
     lambda e: stage1(e) and e.vmid == 3 and here(e)),
    (c.TLBI_NH_VAA.make(VMID=3, VA=VA, Leaf=1), None,
     lambda e: stage1(e) and e.vmid == 3 and here(e) and e.kind is Kind.LEAF),
    (c.TLBI_EL2_ALL.make(), None, lambda e: e.world is not EL1),
    (c.TLBI_EL2_ASID.make(ASID=7), True, lambda e: e.world is E2H and e.asid == 7),
    (c.TLBI_EL2_VA.make(ASID=7, VA=VA), True,
     lambda e: e.world is E2H and e.asid in (7, None) and here(e)),
    (c.TLBI_EL2_VA.make(ASID=7, VA=VA), False, lambda e: e.world is EL2 and here(e)),
    (c.TLBI_EL2_VA.make(VA=VA, Leaf=1), False,
     lambda e: e.world is EL2 and here(e) and e.kind is Kind.LEAF),
    (c.TLBI_EL2_VAA.make(VA=VA), True, lambda e: e.world is E2H and here(e)),
    (c.TLBI_EL2_VAA.make(VA=VA), False, lambda e: e.world is EL2 and here(e)),
    (c.TLBI_S12_VMALL.make(VMID=3), None, lambda e: e.world is EL1 and e.vmid == 3),
    (c.TLBI_S2_IPA.make(VMID=3, IPA=VA), None,
     lambda e: e.stage is Stage.S2 and e.vmid == 3 and here(e)),
    (c.TLBI_S2_IPA.make(VMID=3, IPA=VA, Leaf=1), None,
     lambda e: e.stage is Stage.S2 and e.vmid == 3 and here(e) and e.kind is Kind.LEAF),
    (c.TLBI_NSNH_ALL.make(), None, lambda e: e.world is EL1),
    (c.CFGI_STE.make(StreamID=3), None, lambda e: False),
    (c.CFGI_STE_RANGE.make(Range=31), None, lambda e: False),
    (c.CFGI_CD_ALL.make(StreamID=3), None, lambda e: False),
    (c.SYNC.make(), None, lambda e: False),
]


@pytest.mark.parametrize(("command", "e2h", "must"), TAGS)
def test_tags(command, e2h, must):
    for mode in (False, True) if e2h is None else (e2h,):
        for entry in tlb_entries():
            assert drops(command, entry, e2h=mode) == must(entry), entry


def test_el2_asid_leaves_untagged_entries():
    """TLBI_EL2_ASID: entries without ASID tag need not go; with E2H=0 it may do nothing."""
    for entry in tlb_entries():
        if entry.world is not E2H:
            assert not drops(c.TLBI_EL2_ASID.make(ASID=7), entry, e2h=False)


@pytest.mark.parametrize("vmw", range(8))
@pytest.mark.parametrize("vmid", [0, 1, 2, 5, 8, 15, 16, 0x20, 0x100])
def test_vmid_wildcard(vmw, vmid):
    """CR0.VMW 1..4 drops that many VMID LSBs; 5..7 are reserved and act as 0 (1.4)."""
    entry = TlbEntry(kind=Kind.LEAF, vmid=vmid, asid=1, address=VA, size=12, level=3, granule=12)
    low = vmw if vmw <= 4 else 0
    for command in (c.TLBI_NH_ALL.make(VMID=0), c.TLBI_NH_ASID.make(ASID=1),
                    c.TLBI_NH_VA.make(ASID=1, VA=VA), c.TLBI_NH_VAA.make(VA=VA),
                    c.TLBI_S12_VMALL.make(VMID=0), c.TLBI_NH_ALL.make(VMID=1)):
        assert drops(command, entry, vmw=vmw) == (vmid >> low == command.VMID >> low)
    ipa = replace(entry, stage=Stage.S2, asid=None)
    assert drops(c.TLBI_S2_IPA.make(IPA=VA), ipa, vmw=vmw) == (vmid >> low == 0)


def test_no_stage2_no_vmid():
    """VMID is not compared if S2P=0 (6.1)."""
    impl = replace(PRESETS["tiny"], ASID16=1)
    entry = TlbEntry(kind=Kind.LEAF, asid=1, address=VA, size=12, level=3, granule=12)
    assert drops(c.TLBI_NH_ALL.make(VMID=9), entry, impl)
    assert drops(c.TLBI_NH_VA.make(VMID=9, ASID=1, VA=VA), entry, impl)
    assert not drops(c.TLBI_NH_VA.make(VMID=9, ASID=2, VA=VA), entry, impl)


SIDS = (0, 1, 2, 3, 4, 5, 63, 64, 0xFF, 0x100, 0x1234, 0xFFFF_FFFE, 0xFFFF_FFFF)


def config_entries():
    for sid in SIDS:
        yield config(Kind.STE, sid)
        yield config(Kind.L1STD, sid & ~0xFF, span=8)
        for ssid in (0, 1, 64, 65, 0xFFFFF):
            yield config(Kind.CD, sid, ssid)
            yield config(Kind.L1CD, sid, ssid & ~63, span=6)


CONFIG = [
    (c.CFGI_STE.make(StreamID=5, Leaf=1), lambda e: e.kind is not Kind.L1STD and e.sid == 5),
    (c.CFGI_STE.make(StreamID=5), lambda e: e.sid == 5 or (e.kind is Kind.L1STD and e.sid == 0)),
    (c.CFGI_STE.make(StreamID=0x1234),
     lambda e: e.sid == 0x1234 or (e.kind is Kind.L1STD and e.sid == 0x1200)),
    (c.CFGI_CD.make(StreamID=5, Leaf=1), lambda e: e == config(Kind.CD, 5)),
    (c.CFGI_CD.make(StreamID=5), lambda e: e.kind in (Kind.CD, Kind.L1CD) and e.sid == 5
     and e.ssid == 0),
    (c.CFGI_CD.make(StreamID=5, SubstreamID=65, Leaf=1),
     lambda e: e == config(Kind.CD, 5, 65)),
    (c.CFGI_CD.make(StreamID=5, SubstreamID=65, SSV=1, Leaf=1),
     lambda e: e == config(Kind.CD, 5, 65)),
    (c.CFGI_CD.make(StreamID=5, SubstreamID=65),
     lambda e: e in (config(Kind.CD, 5, 65), config(Kind.L1CD, 5, 64, 6))),
    (c.CFGI_CD.make(StreamID=5, SubstreamID=64),
     lambda e: e in (config(Kind.CD, 5, 64), config(Kind.L1CD, 5, 64, 6))),
    (c.CFGI_CD_ALL.make(StreamID=5), lambda e: e.kind in (Kind.CD, Kind.L1CD) and e.sid == 5),
    (c.TLBI_NSNH_ALL.make(), lambda e: False),
    (c.TLBI_EL2_ALL.make(), lambda e: False),
    (c.TLBI_S12_VMALL.make(), lambda e: False),
    (c.SYNC.make(), lambda e: False),
]


@pytest.mark.parametrize(("command", "must"), CONFIG)
def test_configuration(command, must):
    for entry in config_entries():
        assert drops(command, entry) == must(entry), entry


@pytest.mark.parametrize("r", range(32))
@pytest.mark.parametrize("sid", [0, 1, 5, 0x1234, 0xFFFF_FFFF])
def test_ste_range(r, sid):
    """CFGI_STE_RANGE: SIDs equal in [31:r+1], 2^(r+1) of them, L1STDs included; 31 is all."""
    command = c.CFGI_STE_RANGE.make(StreamID=sid, Range=r)
    first = sid >> (r + 1) << (r + 1)
    last = first + (2 << r) - 1
    for entry in config_entries():
        end = entry.sid + (1 << entry.span) - 1 if entry.kind is Kind.L1STD else entry.sid
        assert drops(command, entry) == (first <= end and entry.sid <= last), entry


@pytest.mark.parametrize("r", range(31))
def test_ste_range_bounds(r):
    """The first and last StreamID of the aligned block, and both neighbours."""
    size = 2 << r
    first = size if r < 30 else 0
    command = c.CFGI_STE_RANGE.make(StreamID=first + size // 3, Range=r)
    assert drops(command, config(Kind.STE, first))
    assert drops(command, config(Kind.STE, first + size - 1))
    assert not drops(command, config(Kind.STE, (first + size) & 0xFFFF_FFFF))
    if first:
        assert not drops(command, config(Kind.STE, first - 1))
