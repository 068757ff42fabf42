# ruff: noqa: C408 - the keyword form reads best for fields
"""Stage-1 walks: geometry, table select, sizes, hardware updates (reference 4.4-4.6)."""

import pytest
from translate_rig import (
    AF,
    BLOCK,
    HOLE,
    PAGE,
    RAM_BASE,
    TABLE,
    Rig,
    event,
    implementation,
    name,
    put,
)

from pymodel.transaction import Ending

RW = 1 << 6           # AP = 01: both may read and write
RO = 3 << 6
DBM = 1 << 51
LEAF = AF | RW
OUT = 0x0000_1234_0000_0000
TOP = (1 << 64) - 1

# granule, IA, start level, per reference 4.6.
STARTS = [
    (12, 48, 0), (12, 40, 0), (12, 39, 1), (12, 31, 1), (12, 30, 2), (12, 25, 2),
    (14, 48, 0), (14, 47, 1), (14, 37, 1), (14, 36, 2), (14, 26, 2), (14, 25, 3),
    (16, 48, 1), (16, 43, 1), (16, 42, 2), (16, 30, 2), (16, 29, 3), (16, 25, 3),
]
STT_STARTS = [(12, 22, 2), (12, 21, 3), (12, 16, 3), (14, 16, 3), (16, 17, 3)]


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize(("g", "ia", "start"), STARTS + STT_STARTS)
def test_every_start_level(g, ia, start, upper):
    rig = Rig(implementation(STT=1))
    table = rig.tt1(g, 64 - ia) if upper else rig.tt0(g, 64 - ia)
    high = TOP >> ia << ia if upper else 0
    for inside in (0, (1 << ia) - 4, 0x123_4567_89AC & ((1 << ia) - 1)):
        out = OUT | (inside & ((1 << ia) - 1)) >> 20 << 16
        rig.map(table, start, ia, g, inside, out | PAGE | LEAF)
        result = rig.run(high | inside)
        assert (result.pa, result.size, result.stage) == (out | inside & ((1 << g) - 1), g, 1)
    # One bit above the input size: outside.
    assert name(rig.go((high | inside) ^ 1 << ia)) == "F_TRANSLATION"


@pytest.mark.parametrize(("g", "level", "size", "legal"), [
    (12, 0, 39, False), (12, 1, 30, True), (12, 2, 21, True), (12, 3, 12, False),
    (14, 0, 47, False), (14, 1, 36, False), (14, 2, 25, True), (14, 3, 14, False),
    (16, 1, 42, False), (16, 2, 29, True), (16, 3, 16, False),
])
def test_blocks(g, level, size, legal):
    rig = Rig()
    start = 1 if g == 16 else 0
    addr = 0x7A5A_5A5A_5A58
    junk = (1 << size) - 1 & 0x0000_FFFF_FFFF_F000 | 1 << 16  # below the output address: ignored
    out = (1 << 47) >> size << size
    rig.map(rig.tt0(g), start, 48, g, addr, out | junk & (1 << size) - 1 | BLOCK | LEAF, level)
    result = rig.run(addr)
    if legal:
        assert (result.pa, result.size) == (out | addr & ((1 << size) - 1), size)
    else:
        assert name(result) == "F_TRANSLATION"


def test_contiguous_is_only_a_hint():
    rig = Rig()
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0x3000, OUT | PAGE | LEAF | 1 << 52)
    result = rig.run(0x3008)
    assert (result.pa, result.size) == (OUT | 8, 12)
    assert name(rig.go(0x4000)) == "F_TRANSLATION"


@pytest.mark.parametrize(("addr", "tbi0", "tbi1", "expected"), [
    (0x0000_1000, 0, 0, "low"),
    (0x5A00_0000_0000_1000, 0, 0, None), (0x5A00_0000_0000_1000, 1, 0, "low"),
    (0x5A00_0000_0000_1000, 0, 1, None),
    (0xFFFF_FFFF_FFFF_F000, 0, 0, "high"),
    (0x5AFF_FFFF_FFFF_F000, 0, 0, None), (0x5AFF_FFFF_FFFF_F000, 0, 1, "high"),
    (0x5AFF_FFFF_FFFF_F000, 1, 0, None),
    (0x0080_0000_0000_1000, 1, 1, None),   # VA[55] chooses TT1, the rest does not fit it
    (0xFF7F_FFFF_FFFF_F000, 1, 1, None),   # VA[55] chooses TT0
    (0x0001_0000_0000_1000, 1, 1, None),
])
def test_table_select_and_top_byte(addr, tbi0, tbi1, expected):
    rig = Rig()
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0x1000, RAM_BASE | PAGE | LEAF)
    rig.map(rig.tt1(), 0, 48, 12, 0xFFFF_FFFF_F000, RAM_BASE << 1 | PAGE | LEAF)
    rig.cd |= dict(TBI0=tbi0, TBI1=tbi1)
    result = rig.run(addr)
    assert result.pa == {"low": RAM_BASE, "high": RAM_BASE << 1, None: None}[expected]
    if expected is None:
        got = event(result)
        assert (type(got).__name__, got.S2, got.CLASS, got.InputAddr) == (
            "F_TRANSLATION", 0, 2, addr)


@pytest.mark.parametrize(("fields", "addr", "ids", "faults"), [
    (dict(EPD0=1), 0x1000, {}, True), (dict(EPD1=1), 0x1000, {}, False),
    (dict(EPD0=1), TOP - 0xFFF, {}, False), (dict(EPD1=1), TOP - 0xFFF, {}, True),
    (dict(E0PD0=1), 0x1000, {}, False),
    (dict(E0PD0=1), 0x1000, dict(E0PD=1), True),
    (dict(E0PD0=1), TOP - 0xFFF, dict(E0PD=1), False),
    (dict(E0PD1=1), TOP - 0xFFF, dict(E0PD=1), True),
])
def test_epd_and_e0pd(fields, addr, ids, faults):
    rig = Rig(implementation(**ids))
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0x1000, RAM_BASE | PAGE | LEAF)
    rig.map(rig.tt1(), 0, 48, 12, 0xFFFF_FFFF_F000, RAM_BASE | PAGE | LEAF)
    rig.cd |= fields
    assert name(rig.run(addr)) == ("F_TRANSLATION" if faults else "TRANSLATED")
    if "E0PD0" in fields or "E0PD1" in fields:
        assert rig.go(addr, pnu=True).ending is Ending.TRANSLATED


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize(("descriptor", "expected"), [
    (0, "F_TRANSLATION"), (2, "F_TRANSLATION"), (~1 & TOP, "F_TRANSLATION"),
    (HOLE | TABLE, "F_WALK_EABT"), (1 << 40 | TABLE, "F_ADDR_SIZE"),
])
def test_bad_descriptor_at_each_level(level, descriptor, expected):
    if level == 3 and expected == "F_WALK_EABT":
        return
    rig = Rig()
    rig.cd["IPS"] = 2
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0x5000, descriptor | AF, level)
    got = event(rig.run(0x5008, write=True, pnu=True))
    assert type(got).__name__ == expected
    assert (got.S2, got.PnU, got.InD, got.RnW, got.InputAddr) == (0, 1, 0, 0, 0x5008)
    assert (1 if expected == "F_WALK_EABT" else 2) == got.CLASS
    if expected == "F_WALK_EABT":
        assert got.FetchAddr == HOLE + (8 * 5 if level == 2 else 0)


def test_start_table_is_aligned_to_its_size_and_short():
    rig = Rig()
    table = rig.tt0(12, 64 - 41)            # 4 entries of level 0: 32 bytes
    rig.cd["TTB0"] = table | 0x10
    put(rig.memory, table + 24, rig.page() | TABLE)
    result = rig.run(3 << 39)
    assert name(result) == "F_TRANSLATION"
    put(rig.memory, table + 24, HOLE | TABLE)
    assert event(rig.go(3 << 39)).FetchAddr == HOLE


def test_address_bits_48_to_51_do_not_count_without_52_bits():
    rig = Rig()
    rig.map(rig.tt0(16), 1, 48, 16, 0, OUT | 0xF000 | 3 << 48 | PAGE | LEAF)
    assert rig.run(0x10).pa == OUT | 0x10


@pytest.mark.parametrize(("ips", "expected"), [(6, 0xF_0000_4321_0008), (5, None)])
def test_52_bit_output_with_64k(ips, expected):
    rig = Rig(implementation(OAS=6, VAX=1))
    rig.cd["IPS"] = ips
    rig.map(rig.tt0(16, 12, IPS=ips), 1, 52, 16, 0xF_FFFF_FFFF_0000, 0x4321_F000 | PAGE | LEAF)
    result = rig.run(0xF_FFFF_FFFF_0008)
    assert result.pa == expected
    if expected is None:
        assert name(result) == "F_ADDR_SIZE"


def test_64k_level_1_block_with_52_bits():
    rig = Rig(implementation(OAS=6))
    rig.map(rig.tt0(16, IPS=6), 1, 48, 16, 0, 1 << 42 | BLOCK | LEAF, 1)
    result = rig.run(0x3_1234_5678)
    assert (result.pa, result.size) == (1 << 42 | 0x3_1234_5678, 42)


@pytest.mark.parametrize("g", [12, 16])
def test_big_endian_tables(g):
    rig = Rig()
    start = 1 if g == 16 else 0
    rig.cd["ENDI"] = 1
    table = rig.tt0(g)
    where = rig.map(table, start, 48, g, 0x9_0000, OUT | PAGE | RO | DBM, big=True)
    rig.cd |= dict(HA=1, HD=1)
    assert rig.run(0x9_0000, write=True).pa == OUT
    stored = int.from_bytes(rig.memory.read(where, 8), "big")
    assert stored == OUT | PAGE | RW | DBM | AF


# CD bits, descriptor bits, write -> what happens, the descriptor's AF and AP[2] afterwards.
UPDATES = [
    (dict(), AF, False, "TRANSLATED", AF), (dict(), 0, False, "F_ACCESS", 0),
    (dict(AFFD=1), 0, False, "TRANSLATED", 0), (dict(AFFD=1, HA=1), 0, False, "TRANSLATED", AF),
    (dict(HA=1), 0, True, "TRANSLATED", AF), (dict(HD=1), 0, True, "F_ACCESS", 0),
    (dict(HD=1), AF | DBM | RO, True, "F_PERMISSION", AF | DBM | RO),
    (dict(HA=1), AF | DBM | RO, True, "F_PERMISSION", AF | DBM | RO),
    (dict(HA=1, HD=1), AF | RO, True, "F_PERMISSION", AF | RO),
    (dict(HA=1, HD=1), AF | DBM | RO, True, "TRANSLATED", AF | DBM),
    (dict(HA=1, HD=1), AF | DBM | RO, False, "TRANSLATED", AF | DBM | RO),
    (dict(HA=1, HD=1), DBM | RO, True, "TRANSLATED", AF | DBM),
    (dict(HA=1, HD=1), DBM | RO, False, "TRANSLATED", AF | DBM | RO),
]


@pytest.mark.parametrize(("fields", "bits", "write", "expected", "after"), UPDATES)
def test_hardware_updates(fields, bits, write, expected, after):
    rig = Rig()
    rig.cd |= fields
    where = rig.map(rig.cd["TTB0"], 0, 48, 12, 0, OUT | PAGE | RW | bits)
    rig.commit()
    # An explanation says the same and writes nothing.
    assert name(rig.go(0, write=write, explain=True)) == expected
    assert rig.memory.read64(where) == OUT | PAGE | RW | bits
    assert name(rig.go(0, write=write)) == expected
    mask = AF | 2 << 6 | DBM
    assert rig.memory.read64(where) & mask == after & mask


def test_no_promotion_when_a_table_forbids_writing():
    rig = Rig()
    rig.cd |= dict(HA=1, HD=1)
    where = rig.map(rig.cd["TTB0"], 0, 48, 12, 0, OUT | PAGE | RO | DBM | AF, path=2 << 61)
    assert name(rig.run(0, write=True)) == "F_PERMISSION"
    assert rig.memory.read64(where) & RO == RO


def test_update_without_htu_of_dirty_state():
    rig = Rig(implementation(HTTU=1))
    rig.cd["HA"] = 1
    where = rig.map(rig.cd["TTB0"], 0, 48, 12, 0, OUT | PAGE | RO | DBM)
    assert name(rig.run(0, write=True)) == "F_PERMISSION"
    assert name(rig.run(0)) == "TRANSLATED"
    assert rig.memory.read64(where) == OUT | PAGE | RO | DBM | AF


def test_a_lost_race_walks_again_and_gives_up_in_the_end():
    rig = Rig()
    rig.cd["HA"] = 1
    where = rig.map(rig.cd["TTB0"], 0, 48, 12, 0, OUT | PAGE | RW)
    rig.commit()
    swap, lost = rig.memory.cas64, []

    def racing(address, old, new):
        lost.append(address)
        if len(lost) == 1:                      # software moves the page meanwhile
            put(rig.memory, where, OUT << 1 | PAGE | RW)
        return swap(address, old, new)

    rig.memory.cas64 = racing
    assert rig.go(4).pa == OUT << 1 | 4
    assert lost == [where, where]
    put(rig.memory, where, OUT | PAGE | RW)
    rig.memory.cas64 = lambda *_: False
    got = event(rig.go(0))
    assert (type(got).__name__, got.CLASS, got.FetchAddr) == ("F_WALK_EABT", 1, where)


def test_an_abort_on_the_update():
    rig = Rig()
    rig.cd["HA"] = 1
    where = rig.map(rig.cd["TTB0"], 0, 48, 12, 0, OUT | PAGE | RW)
    rig.commit()

    def update(address, *_):
        rig.memory.read64(HOLE)

    rig.reader.update = update
    got = event(rig.go(0))
    assert (type(got).__name__, got.CLASS, got.FetchAddr, got.S2) == ("F_WALK_EABT", 1, where, 0)


def test_el2_world_has_one_region():
    rig = Rig()
    rig.ste["STRW"] = 2
    rig.cd |= dict(EPD0=1)
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0x1000, OUT | PAGE | AF)
    assert rig.run(0x1004, write=True).pa == OUT | 4
    assert name(rig.go(0xFFFF_0000_0000_1000)) == "F_TRANSLATION"
    rig.cd["TBI0"] = 1
    assert rig.run(0xFF00_0000_0000_1004).pa == OUT | 4
    assert name(rig.go(0xFF80_0000_0000_1004)) == "F_TRANSLATION"
