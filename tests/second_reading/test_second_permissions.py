"""Second reading of the permission matrix (reference 4.6), complete, at both stages."""

from __future__ import annotations

from itertools import product

import pytest

from tests.second_reading.machine import (
    SHIFT,
    E,
    Machine,
    ends,
    fault,
    s1_leaf,
    s2_leaf,
    table_bits,
    translated,
)

VA = 0x12_3456_7000
OUT = 0x9000_0000
KINDS = ("read", "write", "inst")

# The table of 4.6 letter by letter: AP[2:1] to the rights of privileged and unprivileged accesses
AP = {0: ("RW", ""), 1: ("RW", "RW"), 2: ("R", ""), 3: ("R", "R")}


def rights(ap: int, aptable: int) -> tuple[str, str]:
    """After APTable: [0] takes unprivileged access away, [1] write access of all."""
    priv, unpriv = AP[ap]
    if aptable & 1:
        unpriv = ""
    if aptable & 2:
        priv, unpriv = priv.replace("W", ""), unpriv.replace("W", "")
    return priv, unpriv


def el1_allows(kind, pnu, ap, aptable, uxn, pxn, wxn, pan) -> bool:
    """The second table of 4.6, row by row."""
    priv, unpriv = rights(ap, aptable)
    if kind == "inst":
        if not pnu:
            return not uxn and not (wxn and "W" in unpriv)
        return not pxn and "W" not in unpriv and not (wxn and "W" in priv)
    if pnu and pan and unpriv:
        return False
    return {"read": "R", "write": "W"}[kind] in (priv if pnu else unpriv)


def el2_allows(kind, ap, aptable, xn, wxn) -> bool:
    """EL2 without E2H: only AP[2], APTable[1], XN, XNTable and WXN matter."""
    writable = not ap & 2 and not aptable & 2
    return {"read": True, "write": writable, "inst": not xn and not (wxn and writable)}[kind]


def check(m: Machine, allowed: bool, kind: str, pnu: bool, va: int = VA, pa: int = OUT) -> None:
    more = {"pnu": pnu, "ind": kind == "inst"}
    if allowed:
        translated(m, va, pa, kind == "write", **more)
    else:
        want = fault(E.F_PERMISSION, va, write=kind == "write", **more)
        ends(m, want, va, kind == "write", **more)


def sweep(m: Machine, had: int, allows) -> None:
    """Every leaf under every table descriptor, every access."""
    m.s1.put(VA, 3, 0)
    for aptable, uxnt, pxnt in product(range(4), range(2), range(2)):
        m.s1.put(VA, 2, m.s1.tables[3, VA >> 21] | 3
                 | table_bits(ap=aptable, uxn=uxnt, pxn=pxnt))
        for ap, uxn, pxn in product(range(4), range(2), range(2)):
            m.s1.put(VA, 3, s1_leaf(OUT, ap=ap, uxn=uxn, pxn=pxn))
            tables = (0, uxn, pxn) if had else (aptable, uxn | uxnt, pxn | pxnt)
            for kind, pnu in product(KINDS, (False, True)):
                check(m, allows(kind, pnu, ap, *tables), kind, pnu)


@pytest.mark.parametrize("e2h", [0, 1])
@pytest.mark.parametrize("had", [0, 1])
@pytest.mark.parametrize("wxn", [0, 1])
@pytest.mark.parametrize("pan", [0, 1])
def test_el1(e2h, had, wxn, pan):
    """NS-EL1, and EL2-E2H, which has the same rules."""
    m = Machine(e2h=e2h)
    m.ste(STRW=2 if e2h else 0)
    m.cd(WXN=wxn, PAN=pan, HAD0=had, UWXN=1)  # UWXN plays no part in AArch64
    sweep(m, had, lambda *row: el1_allows(*row, wxn, pan))


@pytest.mark.parametrize("had", [0, 1])
@pytest.mark.parametrize("wxn", [0, 1])
@pytest.mark.parametrize("pan", [0, 1])
def test_el2(had, wxn, pan):
    m = Machine()
    m.ste(STRW=2)
    m.cd(WXN=wxn, PAN=pan, HAD0=had, E0PD0=1)

    def allows(kind, pnu, ap, aptable, uxn, pxn):
        return el2_allows(kind, ap, aptable, uxn, wxn)

    sweep(m, had, allows)


# APTable, UXNTable, PXNTable at level 1, the same at level 2: they accumulate
LEVELS = [
    ({"ap": 1}, {}, ("", "RW", False, True)),
    ({}, {"ap": 1}, ("", "RW", False, True)),
    ({"ap": 2}, {}, ("R", "R", True, True)),
    ({"ap": 2}, {"ap": 1}, ("", "R", True, True)),
    ({"ap": 1}, {"ap": 2}, ("", "R", True, True)),
    ({"ap": 3}, {}, ("", "R", True, True)),
]


@pytest.mark.parametrize(("first", "second", "want"), LEVELS)
def test_accumulation(first, second, want):
    """Rights of unprivileged and privileged data accesses under two table descriptors, AP=01."""
    m = Machine()
    m.ste()
    m.cd()
    m.s1.put(VA, 3, s1_leaf(OUT))
    m.s1.put(VA, 1, m.s1.tables[2, VA >> 30] | 3 | table_bits(**first))
    m.s1.put(VA, 2, m.s1.tables[3, VA >> 21] | 3 | table_bits(**second))
    for pnu, have in ((False, want[0]), (True, want[1])):
        check(m, "R" in have, "read", pnu)
        check(m, "W" in have, "write", pnu)


@pytest.mark.parametrize(("bits", "pnu"), [({"uxn": 1}, False), ({"pxn": 1}, True)])
@pytest.mark.parametrize("level", [1, 2])
def test_execute_accumulation(level, bits, pnu):
    m = Machine()
    m.ste()
    m.cd()
    m.s1.put(VA, 3, s1_leaf(OUT, ap=3))
    check(m, True, "inst", pnu)
    key = {1: (2, VA >> 30), 2: (3, VA >> 21)}[level]
    m.s1.put(VA, level, m.s1.tables[key] | 3 | table_bits(**bits))
    check(m, False, "inst", pnu)
    check(m, True, "inst", not pnu)
    check(m, True, "read", pnu)


def test_table_restriction_waits_for_a_leaf():
    """A restriction of a table is a permission fault only once a valid leaf is reached."""
    m = Machine()
    m.ste()
    m.cd()
    m.s1.put(VA, 3, 0, table_bits(ap=3, uxn=1, pxn=1))
    ends(m, fault(E.F_TRANSLATION, VA, write=True), VA, True)
    m.s1.put(VA, 3, s1_leaf(OUT, af=0))
    ends(m, fault(E.F_ACCESS, VA, write=True), VA, True)
    m.s1.put(VA, 3, s1_leaf(OUT))
    check(m, False, "write", False)


def test_had_needs_its_id_bit():
    """CD.HAD0 needs IDR3.HAD (3.2)."""
    m = Machine(HAD=0, ArchMinorRev=0)
    m.ste()
    m.cd(HAD0=1)
    m.s1.put(VA, 3, s1_leaf(OUT), table_bits(ap=2))
    check(m, False, "write", True)


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("had", [0, 1, 2, 3])
def test_had_of_each_half(upper, had):
    """HAD0 for TT0, HAD1 for TT1."""
    m = Machine()
    m.ste()
    m.cd(HAD0=had & 1, HAD1=had >> 1, EPD1=0, T1SZ=25, TG1=2, TTB1=m.s1.base)
    m.s1.put(VA, 3, s1_leaf(OUT), table_bits(ap=2))
    va = VA | (0x1FF_FFFF << 39 if upper else 0)
    check(m, bool(had & (2 if upper else 1)), "write", False, va)


@pytest.mark.parametrize("attr", [0, 2, 3])
def test_device_is_executable(attr):
    """No permission fault for an instruction read of Device memory, at either stage (4.6)."""
    m = Machine(nested=True)
    m.ste()
    m.cd()
    m.s1.put(VA, 3, s1_leaf(OUT, ap=3, attr=attr))
    for memattr in (0x0, 0x3, 0xF):
        m.s2.put(OUT, 3, s2_leaf(OUT + SHIFT, attr=memattr))
        check(m, True, "inst", False, pa=OUT + SHIFT)


def s2_allows(kind, pnu, s2ap, xn, xnx) -> bool:
    if kind != "inst":
        return bool(s2ap & {"read": 1, "write": 2}[kind])
    if not xnx:
        return not xn & 2
    # XN[54:53] to (privileged, unprivileged)
    return {0: (True, True), 1: (False, True), 2: (False, False), 3: (True, False)}[xn][not pnu]


@pytest.mark.parametrize("xnx", [0, 1])
@pytest.mark.parametrize("config", [6, 7])
@pytest.mark.parametrize("s1ap", [0, 3])
def test_stage2(xnx, config, s1ap):
    """S2AP x XN x XNX, alone and under stage 1, whose own faults come first."""
    m = Machine(nested=True, XNX=xnx, ArchMinorRev=2 if xnx else 0)
    m.ste(Config=config)
    m.cd()
    m.s1.put(VA, 3, s1_leaf(OUT, ap=s1ap))
    addr = VA if config == 7 else OUT
    for s2ap, xn, kind, pnu in product(range(4), range(4), KINDS, (False, True)):
        m.s2.put(OUT, 3, s2_leaf(OUT + SHIFT, s2ap=s2ap, xn=xn))
        more = {"pnu": pnu, "ind": kind == "inst"}
        write = kind == "write"
        if config == 7 and not el1_allows(kind, pnu, s1ap, 0, 0, 0, 0, 0):
            ends(m, fault(E.F_PERMISSION, addr, write=write, **more), addr, write, **more)
        elif s2_allows(kind, pnu, s2ap, xn, xnx):
            translated(m, addr, OUT + SHIFT, write, **more)
        else:
            want = fault(E.F_PERMISSION, addr, write=write, S2=1, IPA=OUT, **more)
            ends(m, want, addr, write, **more)


@pytest.mark.parametrize("present", [0, 1])
@pytest.mark.parametrize("privcfg", [0, 1, 2, 3])
@pytest.mark.parametrize("instcfg", [0, 1, 2, 3])
def test_overrides(present, privcfg, instcfg):
    """PRIVCFG and INSTCFG decide which permission is asked for, if ATTR_PERMS_OVR=1 (4.10)."""
    m = Machine(ATTR_PERMS_OVR=present)
    m.ste(PRIVCFG=privcfg, INSTCFG=instcfg)
    m.cd()
    for ap, uxn, pxn in product(range(4), range(2), range(2)):
        m.s1.put(VA, 3, s1_leaf(OUT, ap=ap, uxn=uxn, pxn=pxn))
        for kind, pnu in product(KINDS, (False, True)):
            priv, inst = pnu, kind == "inst"
            if present:
                priv = {2: False, 3: True}.get(privcfg, priv)
                inst = {2: False, 3: True}.get(instcfg, inst)
            effective = "write" if kind == "write" else "inst" if inst else "read"
            given = {"pnu": pnu, "ind": kind == "inst"}
            if el1_allows(effective, priv, ap, 0, uxn, pxn, 0, 0):
                translated(m, VA, OUT, kind == "write", **given)
            else:
                want = fault(E.F_PERMISSION, VA, write=kind == "write", pnu=priv,
                             ind=effective == "inst")
                ends(m, want, VA, kind == "write", **given)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pnu", [False, True])
def test_override_at_stage2(kind, pnu):
    """Stage 2 with XNX sees the overridden privilege."""
    m = Machine(nested=True)
    for privcfg, xn in product((2, 3), range(4)):
        m.ste(Config=6, PRIVCFG=privcfg)
        m.s2.put(OUT, 3, s2_leaf(OUT + SHIFT, xn=xn))
        more = {"pnu": pnu, "ind": kind == "inst"}
        if s2_allows(kind, privcfg == 3, 3, xn, 1):
            translated(m, OUT, OUT + SHIFT, kind == "write", **more)
        else:
            want = fault(E.F_PERMISSION, OUT, pnu=privcfg == 3, ind=True, S2=1, IPA=OUT)
            ends(m, want, OUT, **more)
