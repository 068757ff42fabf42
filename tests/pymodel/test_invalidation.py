"""What each invalidation must drop, as tables (reference 6.3, checks 4, 10 and 16 of 10.5)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smmu_rig import Rig, implementation

from pymodel.invalidation import ConfigEntry, Kind, Stage, TlbEntry, covers, decode
from pymodel.reader import World
from spec import commands as c
from spec import registers as r
from spec.codes import TG_SHIFT, TGCode
from spec.impl import PRESETS

BASE = PRESETS["base"]
EL1, EL2, E2H = World.NS_EL1, World.NS_EL2, World.NS_EL2_E2H
S1, S2, COMBINED = Stage.S1, Stage.S2, Stage.COMBINED
PAGE4K = {"size": 12, "level": 3, "granule": 12}


def must(command, entry, impl=BASE, **context) -> bool:
    inv = decode(impl, command, **context)
    return inv is not None and covers(inv, entry)


def ste(sid):
    return ConfigEntry(kind=Kind.STE, sid=sid)


def l1std(sid, span):
    return ConfigEntry(kind=Kind.L1STD, sid=sid, span=span)


def cd(sid, ssid):
    return ConfigEntry(kind=Kind.CD, sid=sid, ssid=ssid)


def l1cd(sid, ssid, span=6):
    return ConfigEntry(kind=Kind.L1CD, sid=sid, ssid=ssid, span=span)


CONFIG = [
    # CFGI_STE: the STE and what was reached through it; the L1STD only with Leaf=0.
    (c.CFGI_STE.make(StreamID=5, Leaf=1), [ste(5), cd(5, 0), cd(5, 77), l1cd(5, 64)],
     [ste(4), ste(6), cd(4, 0), l1cd(6, 0), l1std(5, 8)]),
    (c.CFGI_STE.make(StreamID=5, Leaf=0), [ste(5), cd(5, 9), l1cd(5, 0), l1std(0, 8), l1std(5, 8)],
     [ste(6), l1std(0x100, 8)]),
    (c.CFGI_STE.make(StreamID=0x3FF), [l1std(0x300, 8), l1std(0x3C0, 6)],
     [l1std(0x400, 8), l1std(0x380, 6)]),
    # CFGI_STE_RANGE: 2^(Range+1) streams around the operand, even and odd.
    (c.CFGI_STE_RANGE.make(StreamID=6, Range=0), [ste(6), ste(7), cd(7, 3), l1std(0, 8)],
     [ste(5), ste(8), cd(5, 0)]),
    (c.CFGI_STE_RANGE.make(StreamID=7, Range=0), [ste(6), ste(7), l1cd(6, 0)], [ste(5), ste(8)]),
    (c.CFGI_STE_RANGE.make(StreamID=0x1234, Range=7),
     [ste(0x1200), ste(0x12FF), l1std(0x1200, 8), l1std(0x1280, 6), l1std(0x1000, 10)],
     [ste(0x11FF), ste(0x1300), l1std(0x1300, 8)]),
    (c.CFGI_STE_RANGE.make(StreamID=0xFFFF_FFFF, Range=31),
     [ste(0), ste(0xFFFF), cd(3, 4), l1cd(9, 0), l1std(0, 6), ste(0xFFFF_FFFF)], []),
    (c.CFGI_STE_RANGE.make(StreamID=0x8000_0000, Range=30), [ste(0xFFFF_FFFF)], [ste(0)]),
    # CFGI_CD: one CD of one stream, and with Leaf=0 the L1CD over it.
    (c.CFGI_CD.make(StreamID=5, SubstreamID=70, Leaf=1), [cd(5, 70)],
     [cd(5, 0), cd(5, 71), cd(6, 70), l1cd(5, 64), ste(5), l1std(5, 8)]),
    (c.CFGI_CD.make(StreamID=5, SubstreamID=70, Leaf=0), [cd(5, 70), l1cd(5, 64), l1cd(5, 127)],
     [cd(5, 64), l1cd(5, 63), l1cd(5, 128), l1cd(6, 64), ste(5)]),
    (c.CFGI_CD.make(StreamID=5, SubstreamID=0x7FF), [l1cd(5, 0x400, 10)], [l1cd(5, 0, 10)]),
    (c.CFGI_CD.make(StreamID=5, SubstreamID=0, Leaf=1), [cd(5, 0)], [cd(5, 1)]),
    (c.CFGI_CD_ALL.make(StreamID=5), [cd(5, 0), cd(5, 0xFFFFF), l1cd(5, 64)],
     [cd(4, 0), ste(5), l1std(5, 8)]),
]


@pytest.mark.parametrize(("command", "go", "stay"), CONFIG, ids=repr)
def test_configuration(command, go, stay):
    assert [entry for entry in go if not must(command, entry)] == []
    assert [entry for entry in stay if must(command, entry)] == []


def tlb(address=0x1000, kind=Kind.LEAF, **tags) -> TlbEntry:
    return TlbEntry(kind=kind, address=address, **(PAGE4K | tags))


A = tlb(vmid=3, asid=7, stage=S1)                 # stage 1, VMID 3, ASID 7
G = tlb(vmid=3, asid=None, stage=S1)              # global
N = tlb(vmid=3, asid=7, stage=COMBINED)           # nested
I = tlb(vmid=3, stage=S2)                         # IPA to PA  # noqa: E741
OTHER_VMID = [replace(entry, vmid=4) for entry in (A, G, N, I)]
OTHER_ASID = [replace(A, asid=8), replace(N, asid=8)]
H = tlb(world=EL2, asid=None)                     # EL2
E = tlb(world=E2H, asid=7)                        # EL2-E2H
F = tlb(world=E2H, asid=None)
OTHER_E = [replace(E, asid=8)]
ALL = [A, G, N, I, *OTHER_VMID, *OTHER_ASID, H, E, F, *OTHER_E]
MOVED = [replace(entry, address=0x2000) for entry in ALL]
TABLES = [replace(entry, kind=Kind.TABLE, size=21, level=2, address=0) for entry in ALL]

# Command, CR2.E2H, what must go of ALL (None: everything in NS-EL1); by address or not.
TLBI = [
    (c.TLBI_NH_ALL.make(VMID=3), 0, [A, G, N, *OTHER_ASID], False),
    (c.TLBI_NH_ASID.make(VMID=3, ASID=7), 0, [A, N], False),
    (c.TLBI_NH_VA.make(VMID=3, ASID=7, VA=0x1000), 0, [A, G, N], True),
    (c.TLBI_NH_VAA.make(VMID=3, VA=0x1000), 0, [A, G, N, *OTHER_ASID], True),
    (c.TLBI_S12_VMALL.make(VMID=3), 0, [A, G, N, I, *OTHER_ASID], False),
    (c.TLBI_S2_IPA.make(VMID=3, IPA=0x1000), 0, [I], True),
    (c.TLBI_NSNH_ALL.make(), 0, [A, G, N, I, *OTHER_VMID, *OTHER_ASID], False),
    (c.TLBI_EL2_ALL.make(), 0, [H, E, F, *OTHER_E], False),
    (c.TLBI_EL2_ALL.make(), 1, [H, E, F, *OTHER_E], False),
    (c.TLBI_EL2_ASID.make(ASID=7), 0, [], False),
    (c.TLBI_EL2_ASID.make(ASID=7), 1, [E], False),
    (c.TLBI_EL2_VA.make(ASID=7, VA=0x1000), 0, [H], True),
    (c.TLBI_EL2_VA.make(ASID=7, VA=0x1000), 1, [E, F], True),
    (c.TLBI_EL2_VAA.make(VA=0x1000), 0, [H], True),
    (c.TLBI_EL2_VAA.make(VA=0x1000), 1, [E, F, *OTHER_E], True),
]


@pytest.mark.parametrize(("command", "e2h", "go", "by_address"), TLBI, ids=repr)
def test_tags(command, e2h, go, by_address):
    inv = decode(BASE, command, e2h=bool(e2h))
    assert [entry for entry in ALL if covers(inv, entry)] == [x for x in ALL if x in go]
    moved = [replace(entry, address=0x1000) for entry in MOVED if covers(inv, entry)]
    assert moved == ([] if by_address else [x for x in ALL if x in go])
    # Leaf=0 (or no address): table descriptors that cover the address go as well.
    tables = [x for x in TABLES if covers(inv, x)]
    assert tables == [t for t, x in zip(TABLES, ALL, strict=True) if x in go]


@pytest.mark.parametrize("command", [c.TLBI_NH_VA, c.TLBI_NH_VAA, c.TLBI_S2_IPA, c.TLBI_EL2_VA])
def test_leaf_spares_table_descriptors(command):
    inv = decode(BASE, command.make(Leaf=1))
    assert not any(covers(inv, replace(entry, kind=Kind.TABLE, vmid=0)) for entry in TABLES)


@pytest.mark.parametrize("command", [
    c.TLBI_NSNH_ALL.make(), c.TLBI_S12_VMALL.make(VMID=3), c.TLBI_EL2_ALL.make()])
def test_a_tlbi_drops_no_configuration(command):
    assert not any(must(command, entry) for entry in (ste(0), cd(0, 0), l1cd(0, 0), l1std(0, 8)))


@pytest.mark.parametrize("command", [c.CFGI_STE_RANGE.make(Range=31), c.CFGI_CD_ALL.make()])
def test_a_cfgi_drops_no_translation(command):
    assert not any(must(command, entry) for entry in ALL + TABLES)


# Fields of `base` that differ, command, entry, whether it goes.
BY_ID = [
    ({"S2P": 0, "HYP": 0}, c.TLBI_NH_ALL.make(VMID=9), A, True),           # VMID not compared
    ({"VMID16": 0}, c.TLBI_NH_ALL.make(VMID=0x103), A, True),              # upper bits ignored
    ({}, c.TLBI_NH_ALL.make(VMID=0x103), A, False),
    ({"ASID16": 0}, c.TLBI_NH_ASID.make(VMID=3, ASID=0x107), A, True),
    ({}, c.TLBI_NH_ASID.make(VMID=3, ASID=0x107), A, False),
    ({"SIDSIZE": 16}, c.CFGI_STE.make(StreamID=0x1_0005), ste(5), False),  # not implemented: none
    ({"SSIDSIZE": 4}, c.CFGI_CD.make(StreamID=5, SubstreamID=16), cd(5, 0), False),
    ({"SSIDSIZE": 0}, c.CFGI_CD.make(StreamID=5), cd(5, 0), True),
    # Without RIL the range fields are RES0: a single address.
    ({"RIL": 0, "ArchMinorRev": 1}, c.TLBI_NH_VA.make(VMID=3, ASID=7, VA=0, NUM=9, TG=1), A, False),
    ({"RIL": 0, "ArchMinorRev": 1},
     c.TLBI_NH_VA.make(VMID=3, ASID=7, VA=0x1000, TG=3, TTL=1), A, True),
]


@pytest.mark.parametrize(("fields", "command", "entry", "goes"), BY_ID)
def test_by_id_bits(fields, command, entry, goes):
    assert must(command, entry, implementation(**fields)) == goes


@pytest.mark.parametrize(("vmw", "vmids"), [
    (0, {8}), (1, {8, 9}), (2, set(range(8, 12))), (3, set(range(8, 16))), (4, set(range(16))),
    (5, {8}), (7, {8})])
def test_vmid_wildcard(vmw, vmids):
    inv = decode(implementation(VMW=1), c.TLBI_NH_ALL.make(VMID=8), vmw=vmw)
    assert {n for n in range(40) if covers(inv, replace(A, vmid=n))} == vmids


@pytest.mark.parametrize("command", [
    c.SYNC.make(), c.PREFETCH_CONFIG.make(), c.PREFETCH_ADDR.make(), c.RESUME.make(),
    c.STALL_TERM.make(), c.ATC_INV.make(), c.PRI_RESP.make()])
def test_no_invalidation(command):
    assert decode(BASE, command) is None


def entry_at(address, size, level, granule, kind=Kind.LEAF):
    return TlbEntry(kind=kind, address=address, size=size, level=level, granule=granule)


def va(**fields):
    return c.TLBI_NH_VAA.make(**fields)


K4, K16, K64 = TGCode.G4K, TGCode.G16K, TGCode.G64K
M2 = entry_at(0x20_0000, 21, 2, 12)         # a 2 MB block
CONT = entry_at(0x1_0000, 16, 3, 12)        # sixteen contiguous 4 KB pages
TOP = 0xFFFF_FFFF_FFFF_F000

RANGES = [
    # A single address hits whatever contains it, of any granule.
    (va(VA=0x3F_F000), M2, True), (va(VA=0x40_0000), M2, False), (va(VA=0x1F_F000), M2, False),
    (va(VA=0x1_8000), CONT, True), (va(VA=0x2_0000), CONT, False),
    (va(VA=0x5000), entry_at(0, 16, 3, 16), True),
    (va(VA=0x5000), entry_at(0x4000, 14, 3, 14), True),
    (va(VA=TOP), entry_at(TOP, 12, 3, 12), True),
    (va(VA=TOP), entry_at(0xFFFF_F000, 12, 3, 12), False),
    # Single form: TTL is not used.
    (va(VA=0x20_0000, TTL=3), M2, True),
    # The worked example: ten pages of 4 KB.
    *[(va(VA=0x1000, TG=K4, SCALE=1, NUM=4), entry_at(page << 12, 12, 3, 12), 1 <= page <= 10)
      for page in range(13)],
    # Neither the start nor the length a power of two.
    *[(va(VA=0x7000, TG=K4, NUM=2), entry_at(page << 12, 12, 3, 12), 7 <= page <= 9)
      for page in range(12)],
    # Only entries made with the granule of TG.
    (va(VA=0, TG=K4, NUM=31), entry_at(0, 14, 3, 14), False),
    (va(VA=0, TG=K4, NUM=31), entry_at(0, 16, 3, 16), False),
    (va(VA=0, TG=K16, NUM=1), entry_at(0x4000, 14, 3, 14), True),
    (va(VA=0, TG=K16, NUM=1), entry_at(0x8000, 14, 3, 14), False),
    (va(VA=0, TG=K64, NUM=1), entry_at(0x1_0000, 16, 3, 16), True),
    (va(VA=0, TG=K64, NUM=1), entry_at(0x2_0000, 16, 3, 16), False),
    # A block partly inside the range goes.
    (va(VA=0x3F_F000, TG=K4, NUM=1), M2, True),
    # TTL: only leaves of that level; with Leaf=0 the tables above it.
    (va(VA=0x20_0000, TG=K4, TTL=2), M2, True), (va(VA=0x20_0000, TG=K4, TTL=3), M2, False),
    (va(VA=0x20_0000, TG=K4, TTL=1), M2, False),
    (va(VA=0x20_0000, TG=K4, TTL=3), entry_at(0x20_0000, 21, 2, 12, Kind.TABLE), True),
    (va(VA=0x20_0000, TG=K4, TTL=2), entry_at(0x20_0000, 21, 2, 12, Kind.TABLE), False),
    (va(VA=0x20_0000, TG=K4, TTL=2), entry_at(0, 30, 1, 12, Kind.TABLE), True),
    (va(VA=0x20_0000, TG=K4, TTL=2, Leaf=1), entry_at(0, 30, 1, 12, Kind.TABLE), False),
    # TTL=1 with 16 KB is reserved: level unknown.
    (va(VA=0, TG=K16, TTL=1, NUM=1), entry_at(0, 25, 2, 14), True),
    (va(VA=0, TG=K64, TTL=1), entry_at(0, 42, 1, 16), True),
    # Unaligned to what TTL names: low bits are taken as 0.
    (va(VA=0x2F_F000, TG=K4, TTL=2), M2, True),
    (va(VA=0x3000, TG=K64, NUM=1), entry_at(0, 16, 3, 16), True),
    # Neither wraps nor crosses into the other half.
    (va(VA=TOP, TG=K4, NUM=31, SCALE=20), entry_at(0, 12, 3, 12), False),
    (va(VA=0, TG=K4, NUM=31, SCALE=63), entry_at(0xFFFF_0000_0000_0000, 12, 3, 12), False),
    (va(VA=0, TG=K4, NUM=31, SCALE=63), entry_at(0xFFFF_FFFF_F000, 12, 3, 12), True),
    (va(VA=0xFFFF_0000_0000_0000, TG=K4, NUM=31, SCALE=63), entry_at(TOP, 12, 3, 12), True),
]


@pytest.mark.parametrize(("command", "entry", "goes"), RANGES)
def test_addresses(command, entry, goes):
    assert must(command, entry) == goes


@given(tg=st.sampled_from([K4, K16, K64]), num=st.integers(0, 31), scale=st.integers(0, 63),
       start=st.integers(0, (1 << 36) - 1), page=st.integers(0, 1 << 20),
       ttl=st.sampled_from([0, 3]))
@settings(max_examples=300, derandomize=True)
def test_covered_pages(tg, num, scale, start, page, ttl):
    """Pages of the granule, around the range: exactly the first (NUM+1) x 2^SCALE go."""
    shift = TG_SHIFT[tg]
    granule = 1 << shift
    first = (start << 12) & ~(granule - 1)
    command = va(VA=first, TG=tg, NUM=num, SCALE=scale, TTL=ttl)
    count = (num + 1) << scale
    for number in (0, page, count - 1, count, -1):
        address = first + number * granule
        if 0 <= address < 1 << 48:
            assert must(command, entry_at(address, shift, 3, shift)) == (0 <= number < count)


def test_observers_get_the_invalidation_with_the_e2h_of_now():
    rig = Rig()
    command = c.TLBI_EL2_VA.pack(ASID=7, VA=0x1000)
    rig.issue(command)
    rig.wr(r.CR2, r.CR2.pack(E2H=1))
    rig.issue(command, c.SYNC.pack())
    invs = [inv for _, inv in rig.log.of("command")]
    assert [inv and inv.worlds for inv in invs] == [{EL2}, {E2H}, None]
