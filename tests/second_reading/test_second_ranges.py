"""Second reading of invalidation by address and of its range form (reference 6.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pymodel.invalidation import Kind, Stage, TlbEntry, World, covers, decode
from spec import commands as c
from spec.impl import PRESETS
from tests.second_reading.machine import Machine

BASE = PRESETS["base"]
TOP = 0xFFFF_8000_0000_0000
G = {1: 12, 2: 14, 3: 16}  # TG to log2 of the granule


def leaf(address: int, *, g: int = 12, level: int = 3, size: int = 0, **more) -> TlbEntry:
    size = size or g + (3 - level) * (g - 3)
    return TlbEntry(kind=Kind.LEAF, address=address, size=size, level=level, granule=g, **more)


def table(address: int, *, g: int = 12, level: int, **more) -> TlbEntry:
    return replace(leaf(address, g=g, level=level, **more), kind=Kind.TABLE)


def drops(entry: TlbEntry, impl=BASE, **fields: int) -> bool:
    invalidation = decode(impl, c.TLBI_NH_VAA.make(**fields))
    assert invalidation is not None
    return covers(invalidation, entry)


# VA, NUM, SCALE, TG, first byte, bytes: (NUM+1) x 2^SCALE x granule, any start, any length
SPANS = [
    (0x1234_5000, 4, 1, 1, 0x1234_5000, 10 << 12),     # the worked example
    (0x1234_5000, 9, 0, 1, 0x1234_5000, 10 << 12),     # vector 9 of section 12
    (0x1000, 2, 0, 1, 0x1000, 3 << 12),
    (0x7000, 30, 0, 1, 0x7000, 31 << 12),
    (0xF_F000, 31, 0, 1, 0xF_F000, 32 << 12),
    (0x1000, 0, 1, 1, 0x1000, 2 << 12),
    (0x5000, 6, 3, 1, 0x5000, 56 << 12),
    (0x8000, 2, 0, 2, 0x8000, 3 << 14),
    (0x4000, 4, 2, 2, 0x4000, 20 << 14),
    (0x1_0000, 4, 0, 3, 0x1_0000, 5 << 16),
    (0x5_0000, 12, 1, 3, 0x5_0000, 26 << 16),
    (0x1000, 0, 9, 1, 0x1000, 512 << 12),
    (0x0, 31, 15, 1, 0, 32 << 27),
    (TOP, 2, 0, 1, TOP, 3 << 12),
    (TOP + 0x9000, 30, 4, 1, TOP + 0x9000, 496 << 12),
    (0x6000, 2, 0, 2, 0x4000, 3 << 14),                # low bits below the granule: pick 0
    (0x1_7000, 0, 1, 3, 0x1_0000, 2 << 16),
]


@pytest.mark.parametrize("final", [0, 1])
@pytest.mark.parametrize(("va", "num", "scale", "tg", "first", "length"), SPANS)
def test_span(va, num, scale, tg, first, length, final):
    """First and last granule go, the neighbours need not; TTL 0 and 3 alike for pages."""
    g = G[tg]
    page = 1 << g
    for ttl in (0, 3):
        fields = {"VA": va, "NUM": num, "SCALE": scale, "TG": tg, "TTL": ttl, "Leaf": final}
        for at in (first, first + page, first + length // 2 & -page, first + length - page):
            assert drops(leaf(at, g=g), **fields) == (first <= at < first + length)
        assert not drops(leaf(first + length, g=g), **fields)
        if first and first != TOP:
            assert not drops(leaf(first - page, g=g), **fields)
        for other in {12, 14, 16} - {g}:  # only entries made with that granule need go
            assert not drops(leaf(first >> other << other, g=other), **fields)


# Entry that overlaps [0x40_0000, + 3 pages) or does not; TTL 0: unknown level
OVERLAPS = [
    (leaf(0x40_0000), True), (leaf(0x40_2000), True), (leaf(0x40_3000), False),
    (leaf(0x3F_F000), False),
    (leaf(0x40_0000, level=2), True), (leaf(0x60_0000, level=2), False),
    (leaf(0, level=1), True), (leaf(0x4000_0000, level=1), False),
    (leaf(0x3F_0000, size=16), False), (leaf(0x40_0000, size=16), True),  # contiguous group
]


@pytest.mark.parametrize(("entry", "want"), OVERLAPS)
def test_blocks_and_groups(entry, want):
    fields = {"NUM": 2, "TG": 1, "TTL": 0, "VA": 0x40_0000, "SCALE": 0}
    assert drops(entry, **fields) == want
    assert drops(entry, **fields, Leaf=1) == want
    # the single-address form hits whatever contains the address
    inside = entry.address <= 0x40_1000 < entry.address + (1 << entry.size)
    assert drops(entry, VA=0x40_1000) == inside


@pytest.mark.parametrize("ttl", [0, 1, 2, 3])
@pytest.mark.parametrize("tg", [1, 2, 3])
@pytest.mark.parametrize("final", [0, 1])
def test_ttl(ttl, tg, final):
    """TTL: leaves of that level and, with Leaf=0, tables of the levels above it."""
    g = G[tg]
    effective = 0 if (ttl, tg) == (1, 2) else ttl
    fields = {"VA": 0, "NUM": 1, "SCALE": 0, "TG": tg, "TTL": ttl, "Leaf": final}
    for level in (1, 2, 3):
        assert drops(leaf(0, g=g, level=level), **fields) == (effective in (0, level))
    for level in (0, 1, 2):
        want = not final and (effective == 0 or level < effective)
        assert drops(table(0, g=g, level=level), **fields) == want
        assert not drops(table(1 << 60, g=g, level=level), **fields)


@pytest.mark.parametrize(("ttl", "size"), [(1, 30), (2, 21)])
def test_unaligned_block(ttl, size):
    """A not aligned to the block size of TTL: the pick takes the low bits as 0."""
    block = 1 << size
    pages = block >> 12
    scale = pages.bit_length() - 1
    fields = {"VA": block + 0x5000, "NUM": 0, "SCALE": scale, "TG": 1, "TTL": ttl}
    assert drops(leaf(block, level=ttl), **fields)
    assert not drops(leaf(2 * block, level=ttl), **fields)
    assert not drops(leaf(0, level=ttl), **fields)


def test_single_address_ignores_range_operands():
    """TG=0: NUM, SCALE, TTL are not used; every granule and level goes."""
    for fields in ({}, {"NUM": 31, "SCALE": 5}, {"TTL": 2}, {"NUM": 1, "SCALE": 63, "TTL": 1}):
        for g in (12, 14, 16):
            for level in (2, 3):
                assert drops(leaf(0, g=g, level=level), VA=0x1000 if g > 12 else 0, **fields)
        assert drops(table(0, level=1), VA=0x1000, **fields)
        assert not drops(leaf(0x2000), VA=0x1000, **fields)


def test_no_range_form_without_ril():
    """RIL=0: the fields are RES0, the pick ignores them."""
    impl = replace(BASE, RIL=0, ArchMinorRev=1)
    fields = {"VA": 0x4000, "NUM": 7, "SCALE": 3, "TG": 2, "TTL": 2}
    assert drops(leaf(0x4000), impl, **fields)
    assert drops(leaf(0x4000, g=14), impl, **fields)
    assert not drops(leaf(0x5000), impl, **fields)
    assert not drops(leaf(0x8000, g=14), impl, **fields)


# A range never wraps or crosses between the halves: VA, SCALE, entry, must it go
HALVES = [
    (0x0000_FFFF_FFFF_F000, 1, leaf(0x0000_FFFF_FFFF_F000), True),
    (0x0000_FFFF_FFFF_F000, 63, leaf(TOP), False),
    (0x0, 63, leaf(TOP), False),
    (0x0, 63, leaf(0xFFFF_FFFF_FFFF_F000), False),
    (0x0, 63, leaf(0x0000_FFFF_FFFF_F000), True),
    (0x0, 45, leaf(TOP), False),
    (0xFFFF_FFFF_FFFF_F000, 3, leaf(0xFFFF_FFFF_FFFF_F000), True),
    (0xFFFF_FFFF_FFFF_F000, 3, leaf(0), False),
    (TOP, 63, leaf(0), False),
    (TOP, 63, leaf(0xFFFF_FFFF_FFFF_F000), True),
    (TOP, 40, leaf(0x1000), False),
]


@pytest.mark.parametrize(("va", "scale", "entry", "want"), HALVES)
def test_halves(va, scale, entry, want):
    assert drops(entry, VA=va, NUM=1, SCALE=scale, TG=1) == want


@pytest.mark.parametrize("scale", range(64))
def test_every_scale(scale):
    fields = {"VA": 0x3000, "NUM": 2, "SCALE": scale, "TG": 1}
    end = 0x3000 + (3 << scale + 12)
    assert drops(leaf(0x3000), **fields)
    if end < 1 << 55:
        assert drops(leaf(end - 0x1000), **fields)
        assert not drops(leaf(end), **fields)
    assert not drops(leaf(0x2000), **fields)


def test_ipa_range():
    """TLBI_S2_IPA has the range form too, for stage-2 entries of that granule."""
    entry = leaf(0x9_0000, g=16, stage=Stage.S2, vmid=3)
    for num, want in ((3, True), (2, False)):
        command = c.TLBI_S2_IPA.make(VMID=3, IPA=0x6_0000, NUM=num, SCALE=0, TG=3)
        assert covers(decode(BASE, command), entry) == want
    el2 = replace(leaf(0x9000), world=World.NS_EL2)
    command = c.TLBI_EL2_VA.make(VA=0x6000, NUM=3, TG=1)
    assert covers(decode(BASE, command), el2)


BY_ADDRESS = [c.TLBI_NH_VA, c.TLBI_NH_VAA, c.TLBI_EL2_VA, c.TLBI_EL2_VAA, c.TLBI_S2_IPA]


@pytest.mark.parametrize("command", BY_ADDRESS)
@pytest.mark.parametrize("leaf_bit", [0, 1])
def test_illegal_range(command, leaf_bit):
    """TG != 0 with NUM=SCALE=0 and TTL=0, or the reserved TTL=1 with TG=2: CERROR_ILL."""
    for tg in range(4):
        for ttl in range(4):
            for num, scale in ((0, 0), (1, 0), (0, 1), (0, 32)):
                m = Machine()
                m.send(command.make(TG=tg, TTL=ttl, NUM=num, SCALE=scale, Leaf=leaf_bit))
                none = ttl == 0 or (ttl, tg) == (1, 2)
                ill = tg != 0 and num == scale == 0 and none
                assert m.error() == (c.CommandError.CERROR_ILL if ill else 0), (tg, ttl, num)


@pytest.mark.parametrize("command", BY_ADDRESS)
def test_no_error_without_ril(command):
    m = Machine(RIL=0, ArchMinorRev=1)
    m.send(*(command.make(TG=tg) for tg in range(4)))
    assert m.error() == 0
