"""Second reading of the stage-1 table select: VA[55], TBI, EPD, E0PD (reference 4.4)."""

from __future__ import annotations

import pytest

from tests.second_reading.machine import E, Machine, Tables, ends, fault, s1_leaf, translated

LOW, HIGH = 0x9000_0000, 0xA000_0000
# TT0 has 39 bits, TT1 34
IA0, IA1 = 39, 34
ONES1 = (1 << 64) - (1 << IA1)


def build(cd: dict, strw: int = 0, e2h: int = 0, **ids) -> Machine:
    """TT0 maps every page of the table below to LOW, TT1 to HIGH."""
    m = Machine(e2h=e2h, **ids)
    upper = Tables(m, 12, IA1, 1)
    for page in (0x0, 0x1000, (1 << IA0) - 0x1000, (1 << IA1) - 0x1000):
        m.s1.put(page, 3, s1_leaf(LOW))
        upper.put(page & ((1 << IA1) - 1), 3, s1_leaf(HIGH))
    m.ste(STRW=strw)
    m.cd(**({"T1SZ": 64 - IA1, "TG1": 2, "TTB1": upper.base, "EPD1": 0} | cd))
    return m


def check(m: Machine, addr: int, where: int | None, **more) -> None:
    if where is None:
        ends(m, fault(E.F_TRANSLATION, addr, **more), addr, **more)
    else:
        translated(m, addr, where + (addr & 0xFFF), **more)


BIT55 = 1 << 55
# Address; outcome with TBI1:TBI0 = 00, 01, 10, 11
ADDRESSES = [
    (0x0, LOW, LOW, LOW, LOW),
    (0x1008, LOW, LOW, LOW, LOW),
    ((1 << IA0) - 4, LOW, LOW, LOW, LOW),
    (1 << IA0, None, None, None, None),
    (1 << 54, None, None, None, None),
    (BIT55 - 4, None, None, None, None),
    (1 << 56, None, LOW, None, LOW),
    (0xA5 << 56 | 0x1008, None, LOW, None, LOW),
    (0xFF << 56 | 0x1008, None, LOW, None, LOW),
    (0xFF << 56 | 1 << IA0, None, None, None, None),
    (0xFF << 56 | 1 << 54, None, None, None, None),
    (1 << 63, None, LOW, None, LOW),
    (ONES1, HIGH, HIGH, HIGH, HIGH),
    (ONES1 + 0x1008, HIGH, HIGH, HIGH, HIGH),
    ((1 << 64) - 8, HIGH, HIGH, HIGH, HIGH),
    (ONES1 - 1, None, None, None, None),
    (ONES1 & ~(1 << 54), None, None, None, None),
    (ONES1 & ~(1 << 63), None, None, HIGH, HIGH),
    (ONES1 & ~(0xFF << 56), None, None, HIGH, HIGH),
    (ONES1 & ~(0xA5 << 56) | 0x1000, None, None, HIGH, HIGH),
    (ONES1 & ~BIT55, None, None, None, None),            # only TT0 is considered
    (ONES1 & ~BIT55 & ~(1 << 40), None, None, None, None),
    (BIT55, None, None, None, None),                      # only TT1 is considered
    (BIT55 | 0x1000, None, None, None, None),
    (0xFF << 56 | BIT55, None, None, None, None),
]


@pytest.mark.parametrize("row", ADDRESSES, ids=[hex(row[0]) for row in ADDRESSES])
@pytest.mark.parametrize("e2h", [0, 1])
@pytest.mark.parametrize("tbi", range(4))
def test_select(row, e2h, tbi):
    m = build({"TBI0": tbi & 1, "TBI1": tbi >> 1}, 2 if e2h else 0, e2h)
    check(m, row[0], row[1 + tbi])
    check(m, row[0], row[1 + tbi], write=True)


@pytest.mark.parametrize("row", ADDRESSES, ids=[hex(row[0]) for row in ADDRESSES])
@pytest.mark.parametrize("tbi", [0, 1])
def test_select_el2(row, tbi):
    """EL2 without E2H: TT0 only; VA[63:39], or [55:39] with TBI0, must be zero."""
    m = build({"TBI0": tbi, "TBI1": 1}, 2)
    addr = row[0] & ~(0xFF << 56) if tbi else row[0]
    check(m, row[0], LOW if addr < 1 << IA0 else None)


@pytest.mark.parametrize("epd0", [0, 1])
@pytest.mark.parametrize("epd1", [0, 1])
@pytest.mark.parametrize("world", ["EL1", "EL2", "EL2-E2H"])
def test_epd(epd0, epd1, world):
    """EPDn=1: F_TRANSLATION in that half; ignored in the EL2 world without E2H."""
    m = build({"EPD0": epd0, "EPD1": epd1}, 0 if world == "EL1" else 2, int(world == "EL2-E2H"))
    check(m, 0x1008, None if epd0 and world != "EL2" else LOW)
    check(m, ONES1 + 0x1008, None if epd1 or world == "EL2" else HIGH)


@pytest.mark.parametrize("present", [0, 1])
@pytest.mark.parametrize("e0pd", range(4))
@pytest.mark.parametrize("world", ["EL1", "EL2", "EL2-E2H"])
@pytest.mark.parametrize("access", [{}, {"write": True}, {"ind": True}])
def test_e0pd(present, e0pd, world, access):
    """E0PDn=1 and unprivileged: F_TRANSLATION whatever the tables say; needs IDR3.E0PD."""
    m = build({"E0PD0": e0pd & 1, "E0PD1": e0pd >> 1}, 0 if world == "EL1" else 2,
              int(world == "EL2-E2H"), E0PD=present)
    active = present and world != "EL2"
    privileged = dict(access, pnu=True)
    check(m, 0x1008, None if active and e0pd & 1 else LOW, **access)
    if not access.get("ind"):  # a page that unprivileged code can write never runs privileged
        check(m, 0x1008, LOW, **privileged)
    if world != "EL2":
        check(m, ONES1 + 0x1008, None if active and e0pd & 2 else HIGH, **access)
        if not access.get("ind"):
            check(m, ONES1 + 0x1008, HIGH, **privileged)


@pytest.mark.parametrize("half", [0, 1])
def test_e0pd_before_the_walk(half):
    """The pick: checked before any descriptor is read; PRIVCFG has its say."""
    m = build({"E0PD0": 1, "E0PD1": 1}, E0PD=1)
    addr = 0x1000 if half == 0 else ONES1 + 0x1000
    m.ste(PRIVCFG=3)
    check_overridden(m, addr, LOW if half == 0 else HIGH)
    m.ste(PRIVCFG=2)
    m.memory.poisoned.update(page >> 12 for page in m.s1.tables.values())
    if half == 0:
        ends(m, fault(E.F_TRANSLATION, addr), addr, pnu=True)


def check_overridden(m: Machine, addr: int, where: int) -> None:
    """Unprivileged on the bus, privileged by PRIVCFG."""
    result, events = m.go(addr)
    assert (result.pa, events) == (where, [])


@pytest.mark.parametrize(("tg1", "g", "start"), [(1, 14, 2), (2, 12, 1), (3, 16, 2)])
def test_tg1_code(tg1, g, start):
    """TG1 has its own code: 1 16 KB, 2 4 KB, 3 64 KB; the halves are independent."""
    m = Machine()
    upper = Tables(m, g, 36, start)
    upper.put(0x3_0000, 3, s1_leaf(HIGH))
    m.s1.put(0x3_0000, 3, s1_leaf(LOW))
    m.ste()
    m.cd(EPD1=0, T1SZ=28, TG1=tg1, TTB1=upper.base)
    top = (1 << 64) - (1 << 36)
    translated(m, top + 0x3_0ABC, HIGH + 0xABC)
    translated(m, 0x3_0ABC, LOW + 0xABC)
    assert m.access(top + 0x3_0ABC).size == g
