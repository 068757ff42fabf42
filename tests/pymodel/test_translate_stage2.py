# ruff: noqa: C408 - the keyword form reads best for fields
"""Stage 2 alone and under stage 1: start levels, classes of faults, updates (reference 4.6-4.9)."""

import pytest
from translate_rig import (
    AF,
    BLOCK,
    CDTAB,
    HOLE,
    NESTED,
    PAGE,
    RAM_BASE,
    S2,
    SID,
    TABLE,
    Rig,
    event,
    implementation,
    name,
    put,
)

from pymodel.transaction import Ending

RW = 3 << 6
DBM = 1 << 51
NORMAL = 0xF << 2
LEAF = AF | RW | NORMAL
OUT = 0x1234_0000_0000

# granule, S2SL0, start level, IPA bits.
STARTS = [
    (12, 2, 0, 48), (12, 2, 0, 40), (12, 1, 1, 43), (12, 1, 1, 40), (12, 1, 1, 39), (12, 1, 1, 31),
    (12, 0, 2, 34), (12, 0, 2, 30), (12, 0, 2, 25),
    (14, 2, 1, 48), (14, 2, 1, 47), (14, 2, 1, 37), (14, 1, 2, 40), (14, 1, 2, 36), (14, 0, 3, 29),
    (16, 2, 1, 48), (16, 1, 2, 46), (16, 1, 2, 42), (16, 0, 3, 33), (16, 0, 3, 29),
]


@pytest.mark.parametrize(("g", "sl0", "start", "ia"), STARTS)
def test_every_start_and_concatenation(g, sl0, start, ia):
    rig = Rig()
    table = rig.stage2(g, 64 - ia, sl0, config=S2)
    for ipa in (0, (1 << ia) - 4, 0xABCD_EF01_2344 & ((1 << ia) - 1)):
        out = OUT | ipa >> 24 << 16
        rig.map(table, start, ia, g, ipa, out | PAGE | LEAF)
        result = rig.run(ipa)
        assert (result.pa, result.size, result.stage, result.perm) == (
            out | ipa & ((1 << g) - 1), g, 2, 3)
    if ia < 48:
        got = event(rig.go(1 << ia | 0x123))
        assert (type(got).__name__, got.S2, got.CLASS, got.IPA, got.InputAddr) == (
            "F_TRANSLATION", 1, 2, 1 << ia, 1 << ia | 0x123)


@pytest.mark.parametrize("s2r", [0, 1])
def test_input_above_the_intermediate_size(s2r):
    """A stage-1 matter that abort and record settle, whatever S2S and S2R say."""
    rig = Rig()
    rig.stage2(config=S2, S2S=1, S2R=s2r)
    result = rig.run(1 << 48, write=True)
    got = event(result)
    assert result.ending is Ending.ABORT
    assert type(got).__name__ == "F_ADDR_SIZE"
    assert (got.S2, got.CLASS, got.IPA, got.Stall) == (0, 2, 0, 0)


def test_bypass_above_the_output_size():
    rig = Rig()
    rig.ste["Config"] = 4
    assert rig.run((1 << 48) - 4).ending is Ending.BYPASS
    assert name(rig.go(1 << 48)) == "F_ADDR_SIZE"
    rig.ste |= dict(Config=5, S1CDMax=2, S1DSS=1)
    assert name(rig.run(1 << 48)) == "F_ADDR_SIZE"


FLAT = [(0, 0x4000_0000), (1, 0x8000_0000)]
IPA = 0x12_3456_7000


def nested(**stage2: int) -> tuple[Rig, int]:
    """A nested stream: IPA is PA for the first GBs in 2 MB blocks; VA 0 is at IPA."""
    rig = Rig()
    table = rig.stage2(**stage2)
    for block in range(0x4000_0000, 0x4300_0000, 0x20_0000):
        rig.map(table, 0, 48, 12, block, block | BLOCK | LEAF, 2)
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, IPA | PAGE | AF | 1 << 6)
    rig.map(table, 0, 48, 12, IPA, OUT | PAGE | LEAF)
    rig.commit()
    return rig, table


def split(rig: Rig, table: int, address: int) -> int:
    """Replace the stage-2 block over an address by 4 KB pages; returns the page's entry."""
    block = address >> 21 << 21
    rig.map(table, 0, 48, 12, block, 0, 2)
    for page in range(block, block + 0x20_0000, 0x1000):
        entry = rig.map(table, 0, 48, 12, page, page | PAGE | LEAF)
        if page == address >> 12 << 12:
            found = entry
    return found


def test_nested_translation():
    rig, _ = nested()
    result = rig.go(0x123, write=True)
    assert (result.pa, result.size, result.stage, result.perm) == (OUT | 0x123, 12, 3, 3)


FAULTS = {
    "F_TRANSLATION": 0, "F_ADDR_SIZE": 1 << 45 | PAGE | LEAF, "F_ACCESS": PAGE | RW | NORMAL,
    "F_PERMISSION": PAGE | AF | NORMAL | 2 << 6,
}


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize(("kind", "descriptor"), FAULTS.items())
@pytest.mark.parametrize("where", ["cd", "ttb", "l3", "in"])
def test_class_of_stage2_faults(kind, descriptor, where, write):
    rig, table = nested(S2PS=4)
    if kind == "F_PERMISSION" and where == "in":
        descriptor = PAGE | AF | NORMAL | 2 << 53
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, IPA | PAGE | AF)
    levels = [rig.cd["TTB0"]]
    for _ in range(3):
        levels.append(rig.memory.read64(levels[-1]) & 0xFFFF_FFFF_F000)
    address = {"cd": CDTAB, "ttb": levels[0], "l3": levels[3], "in": IPA}[where]
    entry = rig.map(table, 0, 48, 12, IPA, 0) if where == "in" else split(rig, table, address)
    put(rig.memory, entry, descriptor)
    result = rig.go(0x678, write=write, ind=True, pnu=True)
    got = event(result)
    cls = {"cd": 0, "ttb": 1, "l3": 1, "in": 2}[where]
    assert result.ending is Ending.ABORT
    assert dict(got.items()) | {"TTRnW": getattr(got, "TTRnW", 0)} == dict(
        TYPE=got.TYPE, StreamID=SID, SSV=0, SubstreamID=0, STAG=0, Stall=0, PnU=1,
        InD=int(not write), RnW=int(not write), NSIPA=0, S2=1, CLASS=cls, InputAddr=0x678,
        IPA=address & ~0xFFF, TTRnW=int(kind == "F_PERMISSION" and cls == 1),
        **{f: 0 for f in ("DirtyBit", "AssuredOnly", "Overlay") if kind == "F_PERMISSION"})
    assert type(got).__name__ == kind


@pytest.mark.parametrize(("where", "cls"), [("cd", 0), ("ttb", 1), ("in", 2)])
def test_abort_on_a_stage2_descriptor(where, cls):
    rig, table = nested()
    address = {"cd": CDTAB, "ttb": rig.cd["TTB0"], "in": IPA}[where]
    rig.map(table, 0, 48, 12, address, HOLE | TABLE, 2)
    got = event(rig.go(0x678))
    assert (type(got).__name__, got.S2, got.CLASS, got.FetchAddr) == (
        "F_WALK_EABT", 1, cls, HOLE + (address >> 12 & 511) * 8)


def test_abort_on_a_nested_stage1_descriptor_gives_its_pa():
    rig, table = nested()
    put(rig.memory, split(rig, table, rig.cd["TTB0"]), HOLE | PAGE | LEAF)
    got = event(rig.go(0x678))
    assert (type(got).__name__, got.S2, got.CLASS, got.FetchAddr) == ("F_WALK_EABT", 0, 1, HOLE)


def test_stage1_comes_first_and_completely():
    rig, table = nested()
    rig.map(table, 0, 48, 12, IPA, 0)
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, IPA | PAGE | AF | 3 << 6)
    got = event(rig.go(0, write=True))
    assert (type(got).__name__, got.S2) == ("F_PERMISSION", 0)


def test_nested_context_pointer_above_the_intermediate_size_faults_at_stage2():
    rig, _ = nested()
    rig.ste["S1ContextPtr"] = 1 << 50
    rig.commit()
    got = event(rig.go(0))
    assert (type(got).__name__, got.S2, got.CLASS, got.IPA) == ("F_TRANSLATION", 1, 0, 1 << 50)


@pytest.mark.parametrize(("s2ptw", "memattr", "fwb", "faults"), [
    (0, 0x1, 0, False), (1, 0x1, 0, True), (1, 0x5, 0, False), (1, 0xF, 0, False),
    (1, 0x0, 1, True), (1, 0x5, 1, False), (1, 0x6, 1, False), (1, 0x7, 1, False),
])
@pytest.mark.parametrize("where", ["cd", "ttb", "in"])
def test_s2ptw(s2ptw, memattr, fwb, faults, where):
    rig, table = nested(S2PTW=s2ptw, S2FWB=fwb)
    address = {"cd": CDTAB, "ttb": rig.cd["TTB0"], "in": IPA}[where]
    for other in (CDTAB, rig.cd["TTB0"]):   # what is not under test must be Normal in both codes
        entry = split(rig, table, other)
        put(rig.memory, entry, rig.memory.read64(entry) & ~(0xF << 2) | 0x7 << 2)
    here = {CDTAB >> 21 << 21, rig.cd["TTB0"] >> 21 << 21}
    for block in set(range(0x4000_0000, 0x4300_0000, 0x20_0000)) - here:
        rig.map(table, 0, 48, 12, block, block | BLOCK | AF | RW | 0x7 << 2, 2)
    rig.map(table, 0, 48, 12, address,
            (OUT if where == "in" else address) | PAGE | AF | RW | memattr << 2)
    got = rig.go(0)
    if faults and where != "in":
        assert name(got) == "F_PERMISSION"
        assert (1, 0 if where == "cd" else 1) == (event(got).S2, event(got).CLASS)
    else:
        assert name(got) == "TRANSLATED"


def test_s1dss_bypass_leaves_stage2():
    rig, _ = nested()
    rig.ste |= dict(S1CDMax=2, S1DSS=1)
    rig.commit()
    result = rig.go(IPA | 8)
    assert (result.pa, result.stage) == (OUT | 8, 2)


# STE bits, stage-2 leaf bits, write -> outcome and leaf bits after.
UPDATES = [
    (dict(), 0, False, "F_ACCESS", 0), (dict(S2AFFD=1), 0, False, "TRANSLATED", 0),
    (dict(S2HA=1), 0, False, "TRANSLATED", AF), (dict(S2HA=1, S2AFFD=1), 0, True, "TRANSLATED", AF),
    (dict(S2HD=1), AF | DBM, True, "F_PERMISSION", AF | DBM),
    (dict(S2HA=1), AF | DBM, True, "F_PERMISSION", AF | DBM),
    (dict(S2HA=1, S2HD=1), DBM, True, "TRANSLATED", AF | DBM | 2 << 6),
    (dict(S2HA=1, S2HD=1), DBM, False, "TRANSLATED", AF | DBM),
    (dict(S2HA=1, S2HD=1), 0, True, "F_PERMISSION", 0),
]


@pytest.mark.parametrize("big", [0, 1])
@pytest.mark.parametrize(("fields", "bits", "write", "expected", "after"), UPDATES)
def test_hardware_updates(fields, bits, write, expected, after, big):
    rig = Rig()
    table = rig.stage2(config=S2, S2ENDI=big, **fields)
    s2ap = 3 << 6 if write and not bits & DBM and expected == "TRANSLATED" else 1 << 6
    where = rig.map(table, 0, 48, 12, 0, OUT | PAGE | NORMAL | s2ap | bits, big=bool(big))
    assert name(rig.run(0, write=write)) == expected
    stored = int.from_bytes(rig.memory.read(where, 8), "big" if big else "little")
    assert stored == OUT | PAGE | NORMAL | s2ap | after


@pytest.mark.parametrize(("hd", "dbm", "expected"), [
    (1, DBM, "TRANSLATED"), (1, 0, "F_PERMISSION"), (0, DBM, "F_PERMISSION")])
def test_updating_a_stage1_descriptor_is_a_write_at_stage2(hd, dbm, expected):
    rig, table = nested(S2HA=1, S2HD=hd)
    rig.cd["HA"] = 1
    rig.commit()
    level = rig.cd["TTB0"]
    for _ in range(3):
        level = rig.memory.read64(level) & 0xFFFF_FFFF_F000
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, IPA | PAGE | 1 << 6)
    entry = split(rig, table, level)
    put(rig.memory, entry, level | PAGE | AF | 1 << 6 | NORMAL | dbm)
    result = rig.go(0)
    assert name(result) == expected
    stage1, stage2 = rig.memory.read64(level), rig.memory.read64(entry)
    if expected == "TRANSLATED":
        assert stage1 & AF
        assert stage2 >> 6 & 3 == 3
    else:
        got = event(result)
        assert (got.S2, got.CLASS, got.TTRnW, got.RnW, got.IPA) == (1, 1, 0, 1, level)
        assert not stage1 & AF


def test_tables_and_cds_get_their_access_flag_but_never_dirty_state():
    rig, table = nested(S2HA=1, S2HD=1)
    entries = [split(rig, table, address) for address in (CDTAB, rig.cd["TTB0"])]
    for entry in entries:
        put(rig.memory, entry, rig.memory.read64(entry) & ~(AF | 2 << 6) | DBM)
    assert name(rig.go(0, write=True)) == "TRANSLATED"
    for entry in entries:
        assert rig.memory.read64(entry) & (AF | RW) == AF | 1 << 6


@pytest.mark.parametrize("g2", [12, 14, 16])
@pytest.mark.parametrize("g1", [12, 14, 16])
@pytest.mark.parametrize("big", [0, 1])
def test_any_mix_of_granules(g1, g2, big):
    """Stage-1 tables scattered by stage 2, block sizes and byte orders of both stages apart."""
    rig = Rig()
    starts = {12: (0, 2), 14: (1, 2), 16: (1, 2)}
    table2 = rig.stage2(g2, 16, starts[g2][1], config=NESTED, S2ENDI=big)
    page = 1 << 16

    def ipa_of(pa: int) -> int:
        ipa = (pa >> 16) * 7 % 65521 << 20 | 1 << 40
        for offset in range(0, page, 1 << g2):
            rig.map(table2, starts[g2][0], 48, g2, ipa + offset, pa + offset | PAGE | LEAF,
                    big=bool(big))
        return ipa

    first, last = rig.page(page), RAM_BASE + 0x333_0000
    va, table, level = 0x5555_5678_9ABC, first, 1 if g1 == 16 else 0
    while level < 3:
        below = rig.page(page)
        low = g1 + (3 - level) * (g1 - 3)
        width = 48 - low if (level, g1) in ((0, 12), (0, 14), (1, 16)) else g1 - 3
        put(rig.memory, table + 8 * (va >> low & (1 << width) - 1), ipa_of(below) | TABLE,
            big=not big)
        table, level = below, level + 1
    put(rig.memory, table + 8 * (va >> g1 & (1 << g1 - 3) - 1), ipa_of(last) | PAGE | AF | 1 << 6,
        big=not big)
    rig.tt0(g1, ENDI=1 - big)
    rig.cd["TTB0"] = ipa_of(first)
    rig.commit()
    rig.ste["S1ContextPtr"] = ipa_of(CDTAB)
    result = rig.run(va)
    assert (result.pa, result.size) == (last + (va & (1 << g1) - 1), min(g1, g2))


def test_stage2_with_52_bits():
    rig = Rig(implementation(OAS=6))
    table = rig.stage2(16, 12, 2, config=S2, S2PS=6)
    rig.map(table, 1, 52, 16, 0xF_0000_0001_0000, 0x7_7000 | PAGE | LEAF)
    assert rig.run(0xF_0000_0001_0004).pa == 0x7_0000_0007_0004
    rig.ste["S2PS"] = 5
    assert name(rig.run(0xF_0000_0001_0004)) == "F_ADDR_SIZE"
