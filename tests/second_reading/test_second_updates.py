"""Second reading of access flag and dirty state, by software and hardware (reference 4.6)."""

from __future__ import annotations

from itertools import product

import pytest

from pymodel.transaction import Ending, Transaction
from tests.second_reading.machine import (
    SHIFT,
    SID,
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
AF, S1_RO, S2_W, DBM = 1 << 10, 1 << 7, 1 << 7, 1 << 51
KINDS = ("read", "write", "inst")


def build(nested: bool = False, ste: dict | None = None, cd: dict | None = None,
          **ids) -> Machine:
    m = Machine(nested=nested, **ids)
    m.ste(**(ste or {}))
    m.cd(**(cd or {}))
    m.s1.put(VA, 3, s1_leaf(OUT))
    if nested:
        m.s2.put(OUT, 3, s2_leaf(OUT + SHIFT))
    return m


def stage1_row(kind, pnu, ap, af, dbm, ha, hd, affd, wxn):
    """(event or None, bits set, bits cleared) of a page, from the text; no tables in the way."""
    if not af and not ha and not affd:
        return E.F_ACCESS, 0, 0
    dirty = ha and hd and dbm
    writable = not ap & 2 or dirty
    mine = pnu or bool(ap & 1)          # has the access's privilege any rights
    unpriv_writable = writable and ap & 1
    if kind == "inst":
        if pnu:
            ok = not unpriv_writable and not (wxn and writable)
        else:
            ok = not (wxn and unpriv_writable)
    else:
        ok = mine and (kind == "read" or writable)
    if not ok:
        return E.F_PERMISSION, 0, 0
    clear = S1_RO if kind == "write" and ap & 2 else 0
    return None, AF if ha else 0, clear


@pytest.mark.parametrize("httu", [1, 2])
@pytest.mark.parametrize(("ha", "hd"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("affd", [0, 1])
@pytest.mark.parametrize("wxn", [0, 1])
def test_stage1(httu, ha, hd, affd, wxn):
    if httu == 1 and hd:
        pytest.skip("C_BAD_CD, row 9 of 3.3")
    m = build(cd={"HA": ha, "HD": hd, "AFFD": affd, "WXN": wxn}, HTTU=httu)
    for kind, pnu, ap, af, dbm in product(KINDS, (False, True), range(4), (0, 1), (0, 1)):
        before = s1_leaf(OUT, ap=ap, af=af, dbm=dbm)
        m.s1.put(VA, 3, before)
        event, up, down = stage1_row(kind, pnu, ap, af, dbm, ha, hd, affd, wxn)
        access = {"write": kind == "write", "pnu": pnu, "ind": kind == "inst"}
        if event is None:
            translated(m, VA, OUT, **access)
            assert m.s1.get(VA, 3) == (before | up) & ~down
        else:
            ends(m, fault(event, VA, **access), VA, **access)
            known = ~AF if event is E.F_PERMISSION else ~0  # AF is then UNKNOWN
            assert m.s1.get(VA, 3) & known == before & known


@pytest.mark.parametrize(("ha", "hd"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("affd", [0, 1])
@pytest.mark.parametrize("config", [6, 7])
def test_stage2(ha, hd, affd, config):
    """The same at stage 2: S2AP[1] is set by a write if DBM, S2HA and S2HD are 1."""
    m = build(True, {"Config": config, "S2HA": ha, "S2HD": hd, "S2AFFD": affd})
    m.s1.put(VA, 3, s1_leaf(OUT))
    addr = VA if config == 7 else OUT
    for kind, s2ap, af, dbm in product(KINDS, range(4), (0, 1), (0, 1)):
        before = s2_leaf(OUT + SHIFT, s2ap=s2ap, af=af, dbm=dbm)
        m.s2.put(OUT, 3, before)
        access = {"write": kind == "write", "ind": kind == "inst"}
        writable = s2ap & 2 or (ha and hd and dbm)
        event = None
        if not af and not ha and not affd:
            event = E.F_ACCESS
        elif not {"read": s2ap & 1, "write": writable, "inst": True}[kind]:
            event = E.F_PERMISSION
        if event is None:
            translated(m, addr, OUT + SHIFT, **access)
            want = before | (AF if ha else 0) | (S2_W if kind == "write" else 0)
            assert m.s2.get(OUT, 3) == want
        else:
            ends(m, fault(event, addr, S2=1, IPA=OUT, **access), addr, **access)
            known = ~AF if event is E.F_PERMISSION else ~0
            assert m.s2.get(OUT, 3) & known == before & known


# No promotion if write access is missing for another reason: CD fields, leaf, table bits, access
MISSING = [
    ({}, {"ap": 3}, {"ap": 2}, {}),               # APTable[1]
    ({}, {"ap": 3}, {"ap": 1}, {}),               # APTable[0], unprivileged
    ({}, {"ap": 2}, {}, {}),                      # AP: no unprivileged access
    ({"PAN": 1}, {"ap": 3}, {}, {"pnu": True}),
]


@pytest.mark.parametrize(("cd", "leaf", "table", "access"), MISSING)
def test_no_promotion(cd, leaf, table, access):
    m = build(cd={"HA": 1, "HD": 1} | cd)
    before = s1_leaf(OUT, dbm=1, **leaf)
    m.s1.put(VA, 3, before)
    m.s1.put(VA, 2, m.s1.tables[3, VA >> 21] | 3 | table_bits(**table))
    ends(m, fault(E.F_PERMISSION, VA, write=True, **access), VA, True, **access)
    assert m.s1.get(VA, 3) == before


@pytest.mark.parametrize("level", [1, 2])
def test_blocks(level):
    m = build(cd={"HA": 1, "HD": 1})
    at = 0x8000_0000 if level == 1 else 0x8020_0000
    before = s1_leaf(at, level, ap=3, af=0, dbm=1)
    va = VA & -(1 << m.s1.shift(level))
    m.s1.put(va, level, before)
    translated(m, va + 0x123, at + 0x123)
    assert m.s1.get(va, level) == before | AF
    translated(m, va + 0x123, at + 0x123, True)
    assert m.s1.get(va, level) == (before | AF) & ~S1_RO


@pytest.mark.parametrize("world", ["EL2", "EL2-E2H"])
def test_other_worlds(world):
    """EL2 without E2H: only AP[2] matters; both worlds update."""
    m = build(cd={"HA": 1, "HD": 1}, ste={"STRW": 2}, e2h=int(world != "EL2"))
    before = s1_leaf(OUT, ap=2, af=0, dbm=1)
    m.s1.put(VA, 3, before)
    if world == "EL2":
        translated(m, VA, OUT, True)
    else:
        ends(m, fault(E.F_PERMISSION, VA, write=True), VA, True)
        translated(m, VA, OUT, True, pnu=True)
    assert m.s1.get(VA, 3) == (before | AF) & ~S1_RO


def test_tables_keep_their_descriptors():
    """Table descriptors have no access flag below HTTU=3."""
    m = build(cd={"HA": 1, "HD": 1})
    m.s1.put(VA, 3, s1_leaf(OUT, ap=3, af=0, dbm=1))
    before = [m.s1.get(VA, level) for level in (1, 2)]
    translated(m, VA, OUT, True)
    assert [m.s1.get(VA, level) for level in (1, 2)] == before


def clean(m: Machine, at: int, **more) -> int:
    """Map a page of structures writable-clean with AF=0 at stage 2."""
    value = s2_leaf(m.pa(at & ~0xFFF), **({"s2ap": 1, "af": 0, "dbm": 1} | more))
    m.s2.put(at & ~0xFFF, 3, value)
    return value


def test_every_descriptor_of_one_access():
    """Stage 2 of CD and tables, stage 1, final stage 2: all in one write."""
    m = build(True, {"S2HA": 1, "S2HD": 1}, {"HA": 1, "HD": 1})
    m.s1.put(VA, 3, s1_leaf(OUT, ap=3, af=0, dbm=1))
    tables = [m.s1.slot(VA, level) & ~0xFFF for level in (1, 2, 3)]
    old = {at: clean(m, at) for at in (m.cd_at, *tables, OUT)}
    translated(m, VA, OUT + SHIFT, True)
    assert m.s2.get(m.cd_at, 3) == old[m.cd_at] | AF  # never dirty for a CD fetch
    for at in tables[:2]:
        assert m.s2.get(at, 3) & ~S2_W == old[at] | AF  # may be dirty speculatively
    assert m.s2.get(tables[2], 3) == old[tables[2]] | AF | S2_W
    assert m.s2.get(OUT, 3) == old[OUT] | AF | S2_W
    assert m.s1.get(VA, 3) == s1_leaf(OUT, ap=1, af=1, dbm=1)


@pytest.mark.parametrize("s2hd", [0, 1])
@pytest.mark.parametrize("dbm", [0, 1])
@pytest.mark.parametrize("what", ["af", "dirty"])
@pytest.mark.parametrize("write", [False, True])
def test_update_is_a_write_at_stage2(s2hd, dbm, what, write):
    """Updating a stage-1 descriptor needs write at stage 2: F_PERMISSION, CLASS=TT, TTRnW=0."""
    if what == "dirty" and not write:
        pytest.skip("a read makes nothing dirty")
    m = build(True, {"S2HA": 1, "S2HD": s2hd}, {"HA": 1, "HD": 1})
    before = s1_leaf(OUT, ap=1, af=0) if what == "af" else s1_leaf(OUT, ap=3, dbm=1)
    m.s1.put(VA, 3, before)
    page = m.s1.slot(VA, 3) & ~0xFFF
    m.s2.put(page, 3, s2_leaf(m.pa(page), s2ap=1, dbm=dbm))
    if s2hd and dbm:
        translated(m, VA, OUT + SHIFT, write)
        assert m.s2.get(page, 3) & S2_W
    else:
        want = fault(E.F_PERMISSION, VA, write=write, S2=1, CLASS=1, IPA=page)
        ends(m, want, VA, write)
        assert m.s1.get(VA, 3) == before
        assert not m.s2.get(page, 3) & S2_W


def test_no_update_needed_no_write_needed():
    """AF=1 and dirty already: a read-only stage-2 mapping of the tables will do."""
    m = build(True, {"S2HA": 1, "S2HD": 1}, {"HA": 1, "HD": 1})
    m.s1.put(VA, 3, s1_leaf(OUT, ap=1, af=1, dbm=1))
    page = m.s1.slot(VA, 3) & ~0xFFF
    m.s2.put(page, 3, s2_leaf(m.pa(page), s2ap=1))
    translated(m, VA, OUT + SHIFT, True)
    translated(m, VA, OUT + SHIFT)


@pytest.mark.parametrize("leaf", [0, s2_leaf(OUT + SHIFT, s2ap=1), s2_leaf(OUT, af=0)])
def test_write_that_fails_at_stage2(leaf):
    """Whether the stage-1 page is then dirty the text leaves open; nothing else may change.

    The update is no speculation: stage 1 has succeeded completely when it is made (4.2 step 11).
    """
    m = build(True, {}, {"HA": 1, "HD": 1})
    before = s1_leaf(OUT, ap=3, af=1, dbm=1)
    m.s1.put(VA, 3, before)
    m.s2.put(OUT, 3, leaf)
    assert m.access(VA, True).ending is Ending.ABORT
    assert m.s1.get(VA, 3) in (before, before & ~S1_RO)
    assert m.s2.get(OUT, 3) == leaf


@pytest.mark.parametrize("place", ["cd", "level1", "level3", "output"])
@pytest.mark.parametrize("config", [{"S2HA": 1}, {"S2AFFD": 1}, {}])
def test_access_flag_of_fetches(place, config):
    """At stage 2 the access flag covers CD and stage-1 table fetches too."""
    m = build(True, config)
    at = {"cd": m.cd_at, "level1": m.s1.slot(VA, 1), "level3": m.s1.slot(VA, 3),
          "output": OUT}[place] & ~0xFFF
    old = s2_leaf(m.pa(at), af=0)
    m.s2.put(at, 3, old)
    if config:
        translated(m, VA, OUT + SHIFT)
        assert m.s2.get(at, 3) == old | (AF if "S2HA" in config else 0)
    else:
        what = {"cd": 0, "output": 2}.get(place, 1)
        ends(m, fault(E.F_ACCESS, VA, S2=1, CLASS=what, IPA=at), VA)
        assert m.s2.get(at, 3) == old


@pytest.mark.parametrize("fault_bits", [
    {"ap": 0}, {"ap": 3, "dbm": 0}])
def test_no_dirty_on_permission_fault(fault_bits):
    m = build(cd={"HA": 1, "HD": 1})
    before = s1_leaf(OUT, **fault_bits)
    m.s1.put(VA, 3, before)
    ends(m, fault(E.F_PERMISSION, VA, write=True), VA, True)
    assert m.s1.get(VA, 3) == before


def test_address_size_fault_updates_nothing():
    m = build(cd={"HA": 1, "HD": 1, "IPS": 2})
    before = s1_leaf(1 << 41, ap=3, af=0, dbm=1)
    m.s1.put(VA, 3, before)
    ends(m, fault(E.F_ADDR_SIZE, VA, write=True), VA, True)
    assert m.s1.get(VA, 3) == before


def test_explain_updates_nothing():
    m = build(cd={"HA": 1, "HD": 1})
    before = s1_leaf(OUT, ap=3, af=0, dbm=1)
    m.s1.put(VA, 3, before)
    result = m.smmu.explain(Transaction(sid=SID, addr=VA, write=True))
    assert (result.ending, result.pa) == (Ending.TRANSLATED, OUT)
    assert m.s1.get(VA, 3) == before
