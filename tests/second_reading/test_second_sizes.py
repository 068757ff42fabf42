"""Second reading of input and output sizes, start levels and descriptor types (4.5 to 4.7)."""

from __future__ import annotations

import pytest

from tests.second_reading.machine import (
    E,
    Machine,
    Tables,
    ends,
    fault,
    record,
    s1_leaf,
    s2_leaf,
    translated,
)

TG0 = {12: 0, 14: 2, 16: 1}
TG1 = {12: 2, 14: 1, 16: 3}
OAS_BITS = (32, 36, 40, 42, 44, 48, 52)
GRANULES = pytest.mark.parametrize("g", [12, 14, 16])
OUT = 0x9000_0000

# 4.6: granule to (start level, first IA, last IA)
START = {
    12: ((0, 40, 48), (1, 31, 39), (2, 22, 30), (3, 16, 21)),
    14: ((0, 48, 48), (1, 37, 47), (2, 26, 36), (3, 16, 25)),
    16: ((1, 43, 52), (2, 30, 42), (3, 17, 29)),
}
# 4.7: granule to the start level by S2SL0
S2_START = {12: (2, 1, 0, None), 14: (3, 2, 1, None), 16: (3, 2, 1, None)}
# 4.7: granule and start level to the least OAS
S2_OAS = {(12, 0): 44, (14, 1): 42, (16, 1): 44}


def limits(g: int, stt: int, vax: int = 0) -> tuple[int, int]:
    """4.5, stage 1."""
    least = 12 if g == 16 and vax else 16
    return least, (47 if g == 16 else 48) if stt else 39


@GRANULES
@pytest.mark.parametrize("stt", [0, 1])
@pytest.mark.parametrize("vax", [0, 1])
@pytest.mark.parametrize("half", [0, 1])
def test_tnsz(g, stt, vax, half):
    """Every TnSZ: C_BAD_CD outside the limits; inside, first, last and next address."""
    m = Machine(STT=stt, VAX=vax)
    m.ste()
    least, most = limits(g, stt, vax)
    for tsz in range(64):
        ia = 64 - tsz
        fields = {"EPD0": half, "EPD1": 1 - half, f"T{half}SZ": tsz,
                  f"TG{half}": (TG1 if half else TG0)[g]}
        top = (1 << 64) - (1 << ia) if half else 0
        if not least <= tsz <= most:
            m.cd(**fields, TTB0=0x1000_0000, TTB1=0x1000_0000)
            ends(m, record(E.C_BAD_CD), top)
            continue
        (start,) = (level for level, low, high in START[g] if low <= ia <= high)
        tables = Tables(m, g, ia, start)
        m.cd(**{**fields, f"TTB{half}": tables.base})
        page, last = 1 << g, (1 << ia) - (1 << g)
        tables.put(0, 3, s1_leaf(OUT))
        tables.put(last, 3, s1_leaf(OUT + page))
        translated(m, top + 5, OUT + 5)
        translated(m, top + last + 5, OUT + page + 5)
        for bad in (top - 1, 1) if half else (1 << ia, (1 << 55) - 1):
            ends(m, fault(E.F_TRANSLATION, bad), bad)


@GRANULES
@pytest.mark.parametrize("stt", [0, 1])
@pytest.mark.parametrize("oas", range(7))
def test_s2t0sz(g, stt, oas):
    """Every S2T0SZ with every S2SL0: C_BAD_STE, or a start that works."""
    bits = OAS_BITS[oas]
    m = Machine(OAS=oas, STT=stt)
    least = max(12 if g == 16 else 16, 64 - bits)
    most = limits(g, stt)[1]
    for sl0 in range(4):
        start = 3 if (g, sl0, stt) == (12, 3, 1) else S2_START[g][sl0]
        for tsz in range(64):
            ia = 64 - tsz
            fields = {"Config": 6, "S2TG": TG0[g], "S2SL0": sl0, "S2T0SZ": tsz, "S2AA64": 1,
                      "S2R": 1, "S2PS": 6}
            legal = start is not None and least <= tsz <= most
            if legal:
                low = g + (3 - start) * (g - 3)
                legal = (low + 1 <= ia <= low + (g - 3) + 4
                         and bits >= S2_OAS.get((g, start), 0))
            if not legal:
                m.ste(**fields, S2TTB=0x1000_0000)
                ends(m, record(E.C_BAD_STE), 0)
                continue
            stage2_works(m, Tables(m, g, ia, start), fields, bits)


def stage2_works(m: Machine, tables: Tables, fields: dict, ias: int) -> None:
    """First and last IPA of the range, through all concatenated tables, and the one after."""
    page, end = 1 << tables.g, 1 << tables.ia
    m.ste(**fields, S2TTB=tables.base)
    for at, pa in ((0, OUT & -page), (end - page, (OUT & -page) + page), (end // 2, 0)):
        tables.put(at, 3, s2_leaf(pa))
        translated(m, at + 5, pa + 5)
    if tables.ia < ias:
        ends(m, fault(E.F_TRANSLATION, end, S2=1, IPA=end), end)
    else:
        ends(m, fault(E.F_ADDR_SIZE, end), end)


@GRANULES
@pytest.mark.parametrize("oas", range(7))
@pytest.mark.parametrize("stage", [1, 2])
def test_output_size(g, oas, stage):
    """min(IPS or S2PS, OAS), codes above OAS capped; 4 KB and 16 KB express 48 bits at most."""
    m = Machine(OAS=oas)
    page = 1 << g
    tables = Tables(m, g, 32, 1 if g == 12 else 2)
    for code in range(8):
        bits = min(OAS_BITS[min(code, 6)], OAS_BITS[oas])
        if stage == 1:
            m.ste()
            m.cd(T0SZ=32, TG0=TG0[g], TTB0=tables.base, IPS=code)
            make, more = s1_leaf, {}
        else:
            m.ste(Config=6, S2T0SZ=32, S2TG=TG0[g], S2SL0=1, S2AA64=1, S2R=1,
                  S2PS=code, S2TTB=tables.base)
            make, more = s2_leaf, {"S2": 1, "IPA": 0x10000}
        wide = g == 16 and OAS_BITS[oas] == 52
        top = min(bits, 52 if wide else 48)
        good = (1 << top) - page

        def address(pa):
            return pa & (1 << 48) - 1 | (pa >> 48) << 12

        tables.put(0x10000, 3, make(address(good)))
        translated(m, 0x10000, good)
        if top < 48 or (wide and top < 52):
            tables.put(0x10000, 3, make(address(1 << top)))
            ends(m, fault(E.F_ADDR_SIZE, 0x10000, **more), 0x10000)
            tables.put(0x10000, 2, address(1 << top) | 3)
            ends(m, fault(E.F_ADDR_SIZE, 0x10000, **more), 0x10000)
            del tables.tables[3, 0x10000 >> tables.shift(2)]


# 4.6, the table of descriptor types: granule to the levels that may hold a block
BLOCKS = {12: (1, 2), 14: (2,), 16: (2,)}


@GRANULES
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("oas", [5, 6])
def test_descriptor_types(g, stage, oas):
    """Types 0 to 3 at every level; a block of 4 TB needs a 52-bit output."""
    m = Machine(OAS=oas)
    va, ia = 0x1234_5678_9ABC, 48
    start = 1 if g == 16 or (stage, g) == (2, 14) else 0
    tables = Tables(m, g, ia, start)
    if stage == 1:
        m.ste()
        m.cd(T0SZ=16, TG0=TG0[g], TTB0=tables.base, IPS=6)
    else:
        m.ste(Config=6, S2T0SZ=16, S2TG=TG0[g], S2SL0=2, S2AA64=1, S2R=1, S2PS=6,
              S2TTB=tables.base)
    more = {} if stage == 1 else {"S2": 1, "IPA": va & ~0xFFF}
    for level in range(start, 4):
        size = tables.shift(level)
        blocks = BLOCKS[g] + ((1,) if g == 16 and oas == 6 else ())
        for low in (0, 1, 2, 3):
            body = (s1_leaf if stage == 1 else s2_leaf)(0, 3) & ~3
            pa = 1 << size if size < 48 else 0
            tables.put(va, level, body | pa | low)
            page = level == 3 and low == 3
            if page or (low == 1 and level in blocks):
                translated(m, va, pa | va & ((1 << size) - 1))
            elif low != 3:
                ends(m, fault(E.F_TRANSLATION, va, **more), va)


@pytest.mark.parametrize(("g", "level", "size"), [
    (12, 1, 30), (12, 2, 21), (12, 3, 12), (14, 2, 25), (14, 3, 14), (16, 2, 29), (16, 3, 16)])
def test_low_bits_are_ignored(g, level, size):
    """Output address bits below the leaf's size are RES0 and ignored; so is nT (4.6)."""
    m = Machine(BBML=2)
    m.ste()
    tables = Tables(m, g, 40, {12: 0, 14: 1, 16: 2}[g])
    m.cd(T0SZ=24, TG0=TG0[g], TTB0=tables.base)
    va = (3 << size) + 0x230
    tables.put(va, level, s1_leaf(5 << size | ((1 << size) - 1) & ~0xFFF, level))
    translated(m, va, (5 << size) + 0x230)
    tables.put(va, level, s1_leaf(5 << size, level) | 0b11 << 48 | 0b1111 << 55)
    translated(m, va, (5 << size) + 0x230)


def test_table_bases_are_aligned_down():
    """Start tables are aligned to their size, low TTB bits taken as zero: never a fault."""
    m = Machine()
    m.ste()
    m.s1.put(0x1000, 3, s1_leaf(OUT))
    m.cd(TTB0=m.s1.base | 0xFF0)
    translated(m, 0x1000, OUT)
    tables = Tables(m, 12, 36, 1)  # 64 entries, 512 bytes
    tables.put(0x1000, 3, s1_leaf(OUT))
    m.cd(T0SZ=28, TTB0=tables.base + 0x1F0)
    translated(m, 0x1000, OUT)
    m.cd(T0SZ=28, TTB0=tables.base + 0x200)
    ends(m, fault(E.F_TRANSLATION, 0x1000), 0x1000)


@pytest.mark.parametrize(("oas", "used"), [(5, 16), (6, 0)])
def test_smallest_table(oas, used):
    """A start table of two entries is aligned to 16 bytes, to 64 with a 52-bit output (4.6)."""
    m = Machine(OAS=oas)
    m.ste()
    base = m.take(4096)
    tables = Tables(m, 16, 30, 2, at=base + used)
    tables.put(0x1_0000, 3, s1_leaf(OUT))
    m.cd(T0SZ=34, TG0=TG0[16], IPS=6, TTB0=base + 16)
    translated(m, 0x1_0000, OUT)


@pytest.mark.parametrize("n", [2, 4, 16])
def test_concatenated_base(n):
    """S2TTB is aligned to all concatenated tables together (4.7)."""
    m = Machine()
    tables = Tables(m, 12, 39 + n.bit_length() - 1, 1)
    last = (1 << tables.ia) - 0x1000
    tables.put(last, 3, s2_leaf(OUT))
    m.ste(Config=6, S2T0SZ=64 - tables.ia, S2SL0=1, S2AA64=1, S2PS=5,
          S2TTB=tables.base | 0xFF0 | (n - 1) << 12)
    translated(m, last, OUT)


@pytest.mark.parametrize("g1", [12, 14, 16])
@pytest.mark.parametrize("g2", [12, 14, 16])
def test_nested_granules(g1, g2):
    """Any mix of granules; the size of the result is the smaller of both (4.2 step 12)."""
    m = Machine()
    start1, start2 = ({12: 0, 14: 1, 16: 2}[g] for g in (g1, g2))
    s1, s2 = Tables(m, g1, 42, start1), Tables(m, g2, 42, {12: 1}.get(g2, start2))
    ipa, out = 0x20_0001_0000, 0x30_0002_0000
    s1.put(0x1_0000, 3, s1_leaf(ipa))
    step = 1 << g2
    for first in (m.cd_at, *s1.tables.values()):
        for at in range(first & -step, first + (1 << g1), step):
            s2.put(at, 3, s2_leaf(at))
    s2.put(ipa, 3, s2_leaf(out))
    m.cd(T0SZ=22, TG0=TG0[g1], TTB0=s1.base)
    m.ste(Config=7, S2T0SZ=22, S2TG=TG0[g2], S2SL0={12: 1, 14: 2, 16: 1}[g2], S2AA64=1, S2R=1,
          S2PS=5, S2TTB=s2.base)
    translated(m, 0x1_0FFF, out + 0xFFF)
    assert m.access(0x1_0000).size == min(g1, g2)
