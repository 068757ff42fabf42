"""Second reading of the C_BAD_CD checklist and of its "not errors" list (reference 3.3)."""

from __future__ import annotations

import pytest

from pymodel.transaction import Ending
from tests.second_reading.machine import SHIFT, E, Machine, ends, fault, record, s1_leaf, s2_leaf

VA = 0x12_3456_7000
OUT = 0x9000_0000
UPPER = 0xFFFF_FF80_0000_0000  # first address of a 39-bit TT1
TT1 = {"EPD1": 0, "T1SZ": 25, "TG1": 2}
EL1, EL2, E2H = "EL1", "EL2", "EL2-E2H"
MODEL1 = {"STALL_MODEL": 1, "STALL_MAX": 0}

# Section 3.3 row, ID fields, StreamWorld, CD fields, is it ILLEGAL
ROWS = [
    ("1", {}, EL1, {"V": 0}, True),
    ("1", {}, EL2, {"V": 0}, True),
    ("3", {"TERM_MODEL": 1}, EL1, {"A": 0}, True),
    ("3", {"TERM_MODEL": 1}, EL1, {"A": 1}, False),
    ("3", {"TERM_MODEL": 0}, EL1, {"A": 0}, False),
    ("4", MODEL1, EL1, {"S": 1}, True),
    ("4", MODEL1, EL1, {"S": 0}, False),
    ("5", {"STALL_MODEL": 2}, EL1, {"S": 0}, True),
    ("5", {"STALL_MODEL": 2}, EL1, {"S": 1}, False),
    ("5", {"STALL_MODEL": 0}, EL1, {"S": 1, "R": 0}, False),
    ("6", {"TTENDIAN": 2}, EL1, {"ENDI": 1}, True),
    ("6", {"TTENDIAN": 2}, EL1, {"ENDI": 0}, False),
    ("6", {"TTENDIAN": 3}, EL1, {"ENDI": 0}, True),
    ("6", {"TTENDIAN": 2}, EL1, {"ENDI": 1, "EPD0": 1, **TT1}, True),
    ("7", {}, EL1, {"AA64": 0}, True),
    ("7", {}, EL2, {"AA64": 0}, True),
    ("7", {}, E2H, {"AA64": 0}, True),
    ("7", {"TTF": 3}, E2H, {"AA64": 0}, True),
    ("8", {"TTF": 1}, EL1, {"AA64": 1}, True),
    ("8", {"TTF": 3}, EL1, {"AA64": 1}, False),
    ("9", {"HTTU": 0}, EL1, {"HA": 1}, True),
    ("9", {"HTTU": 0}, EL1, {"HD": 1}, True),
    ("9", {"HTTU": 0}, EL1, {"HA": 1, "HD": 1}, True),
    ("9", {"HTTU": 1}, EL1, {"HA": 1}, False),
    ("9", {"HTTU": 1}, EL1, {"HA": 1, "HD": 1}, True),
    ("9", {"HTTU": 1}, EL1, {"HD": 1}, True),
    ("9", {"HTTU": 2}, EL1, {"HA": 1, "HD": 1}, False),
    ("9", {"HTTU": 2}, EL1, {"HD": 1}, False),
    ("9", {"HTTU": 3}, EL1, {"HAFT": 1}, True),
    ("9", {"HTTU": 3}, EL1, {"HAFT": 1, "HA": 1}, False),
    ("9", {"HTTU": 2}, EL1, {"HAFT": 1}, False),
    ("10", {"ASID16": 0}, EL1, {"ASID": 0x100}, True),
    ("10", {"ASID16": 0}, EL1, {"ASID": 0xFF}, False),
    ("10", {"ASID16": 0}, E2H, {"ASID": 0x8000}, True),
    ("10", {"ASID16": 0}, EL2, {"ASID": 0x8000}, False),
    ("10", {"ASID16": 1}, EL1, {"ASID": 0xFFFF}, False),
    # 11: one value of each kind; all values in test_second_sizes.py
    ("11", {}, EL1, {"T0SZ": 15}, True),
    ("11", {}, EL1, {"T0SZ": 40}, True),
    ("11", {}, EL1, TT1 | {"T1SZ": 15}, True),
    ("11", {}, EL1, TT1 | {"T1SZ": 40}, True),
    ("11", {}, EL1, {"EPD1": 1, "T1SZ": 0}, False),
    ("11", {}, EL1, TT1, False),
    ("11", {}, E2H, TT1 | {"T1SZ": 15}, True),
    ("11", {}, EL2, TT1 | {"T1SZ": 15}, False),
    ("11", {}, EL2, TT1 | {"T1SZ": 63, "TG1": 0, "TTB1": 1 << 51}, False),
    ("11", {}, EL2, {"EPD0": 1}, False),
    ("11", {}, EL2, {"EPD0": 1, "T0SZ": 15}, True),
    # 12: granule
    ("12", {}, EL1, {"TG0": 3}, True),
    ("12", {}, EL1, TT1 | {"TG1": 0}, True),
    ("12", {}, EL1, {"EPD1": 1, "TG1": 0}, False),
    ("12", {"GRAN64K": 0}, EL1, {"TG0": 1}, True),
    ("12", {"GRAN16K": 0}, EL1, {"TG0": 2}, True),
    ("12", {"GRAN4K": 0}, EL1, {"TG0": 0}, True),
    ("12", {"GRAN16K": 0}, EL1, TT1 | {"TG1": 1}, True),
    ("12", {"GRAN64K": 0}, EL1, TT1 | {"TG1": 3}, True),
    ("12", {"GRAN64K": 0}, EL1, TT1 | {"TG1": 1}, False),
    ("12", {"GRAN16K": 0}, EL1, TT1 | {"TG1": 3}, False),
    ("12", {}, EL2, {"EPD0": 1, "TG0": 3}, True),
    # 13: TTBn
    ("13", {}, EL1, {"IPS": 2, "TTB0": 1 << 40}, True),
    ("13", {}, EL1, {"IPS": 0, "TTB0": 1 << 32}, True),
    ("13", {}, EL1, TT1 | {"IPS": 3, "TTB1": 1 << 42}, True),
    ("13", {}, EL1, TT1 | {"IPS": 3, "TTB1": 1 << 41}, False),
    ("13", {}, EL1, {"EPD1": 1, "IPS": 3, "TTB1": 1 << 51}, False),
    ("13", {"OAS": 2}, EL1, {"IPS": 5, "TTB0": 1 << 40}, True),
    ("13", {"OAS": 2}, EL1, {"IPS": 7, "TTB0": 1 << 40}, True),
    ("13", {"OAS": 6}, EL1, {"IPS": 6, "TTB0": 1 << 48}, True),
    ("13", {"OAS": 6}, EL1, TT1 | {"IPS": 6, "TTB1": 1 << 49}, True),
    ("13", {"OAS": 6}, EL1, TT1 | {"IPS": 6, "TG1": 3, "TTB1": 1 << 49}, False),
    ("13", {}, EL2, TT1 | {"IPS": 0, "TTB1": 1 << 47}, False),
    # not errors
    ("not", {"OAS": 4}, EL1, {"IPS": 6}, False),
    ("not", {}, EL1, {"IPS": 7}, False),
    ("not", {}, EL1, {"NSCFG0": 1, "NSCFG1": 1, "IMPDEF": 0xFFFF_FFFF, "AMAIR0": 0xFFFF}, False),
    ("not", {}, EL1, {"UWXN": 1, "ASET": 1, "TBI1": 1}, False),
]


def build(world: str = EL1, nested: bool = False, cd: dict | None = None, **ids) -> Machine:
    m = Machine(nested=nested, e2h=int(world == E2H), **ids)
    m.s1.put(VA, 3, s1_leaf(OUT))
    if nested:
        m.s2.put(OUT, 3, s2_leaf(OUT + SHIFT))
    stall = int(m.impl.STALL_MODEL == 2)
    m.ste(STRW=0 if world == EL1 else 2, **({"S2S": 1} if stall and nested else {}))
    m.cd(**({"S": stall} | (cd or {})))
    return m


@pytest.mark.parametrize(("row", "ids", "world", "cd", "illegal"), ROWS)
@pytest.mark.parametrize("nested", [False, True])
def test_checklist(row, ids, world, cd, illegal, nested):
    """TT0 is accessed, whichever half is wrong."""
    if nested and (world != EL1 or ids.get("GRAN4K") == 0 or ids.get("TTF") == 1
                   or ids.get("TTENDIAN") == 3):
        pytest.skip("the other stage or the world excludes it")
    m = build(world, nested, cd, **ids)
    if illegal:
        ends(m, record(E.C_BAD_CD), VA, True)
        if "EPD1" in cd:
            ends(m, record(E.C_BAD_CD), UPPER)
        return
    result, events = m.go(VA)
    assert (result.ending, events) == (Ending.TRANSLATED, [])
    assert result.pa == OUT + (SHIFT if nested else 0)


@pytest.mark.parametrize("s", [0, 1])
@pytest.mark.parametrize("stalld", [0, 1])
@pytest.mark.parametrize("nested", [False, True])
def test_stall_disable(s, stalld, nested):
    """Row 2: S=1 with STE.S1STALLD=1."""
    m = build(nested=nested, cd={"S": s})
    m.ste(S1STALLD=stalld)
    if s and stalld:
        ends(m, record(E.C_BAD_CD), VA)
    else:
        assert m.access(VA).ending is Ending.TRANSLATED


@pytest.mark.parametrize("ids", [{}, {"TTENDIAN": 2}, {"TTENDIAN": 3}])
@pytest.mark.parametrize("endi", [0, 1])
def test_quiesced(ids, endi):
    """EPD0=EPD1=1: every access F_TRANSLATION; nothing of either half, nor ENDI, is checked."""
    bad = {"T0SZ": 0, "TG0": 3, "TTB0": 1 << 51, "T1SZ": 63, "TG1": 0, "TTB1": 1 << 51, "IPS": 0}
    m = build(cd={"EPD0": 1, "EPD1": 1, "ENDI": endi} | bad, **ids)
    for addr in (0, VA, UPPER, 1 << 56):
        ends(m, fault(E.F_TRANSLATION, addr), addr)


@pytest.mark.parametrize("endi", [0, 1])
def test_mixed_endian(endi):
    """TTENDIAN=0: ENDI chooses the byte order of the tables."""
    m = build(cd={"ENDI": 1 - endi})
    m.s1.order = "little" if endi == 0 else "big"
    m.s1.tables = {(1, 0): m.s1.base}
    m.s1.put(VA, 3, s1_leaf(OUT))
    m.cd(ENDI=endi)
    assert m.access(VA).pa == OUT


def test_half_of_epd():
    """EPD0=1 hides bad fields of TT0 only; TT1 goes on."""
    m = build(cd=TT1 | {"EPD0": 1, "T0SZ": 0, "TG0": 3, "TTB0": 1 << 51})
    ends(m, fault(E.F_TRANSLATION, VA), VA)
    m.s1.put(UPPER, 3, s1_leaf(OUT))
    m.cd(**TT1, EPD0=1, T0SZ=0, TG0=3, TTB0=1 << 51, TTB1=m.s1.base)
    assert m.access(UPPER).pa == OUT


def test_dirty_without_access_flag():
    """HD=1 with HA=0 behaves as both 0."""
    m = build(cd={"HD": 1})
    m.s1.put(VA, 3, s1_leaf(OUT, af=0))
    ends(m, fault(E.F_ACCESS, VA), VA)
    m.s1.put(VA, 3, s1_leaf(OUT, ap=3, dbm=1))
    ends(m, fault(E.F_PERMISSION, VA, write=True), VA, True)
