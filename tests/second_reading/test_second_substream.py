"""Second reading of the SubstreamID decision table (reference 3.1), row by row."""

from __future__ import annotations

import pytest

from pymodel.transaction import Ending
from spec.context import L1CD
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

VA = 0x40_1234_5000 & (1 << 39) - 1
FRAME = 0x9000_0000  # CD k maps VA to FRAME + k pages
LEAF_BITS = {1: 6, 2: 10}


def linear(fmt: int, n: int) -> bool:
    return fmt in (0, 3) or n == 0  # S1Fmt=3 behaves as 0; S1CDMax=0 ignores S1Fmt (2.3)


def build(nested: bool, n: int, fmt: int, dss: int, ssids, **ids) -> Machine:
    """A stream whose CD table has a CD, with tables of its own, for each of `ssids`."""
    m = Machine(nested=nested, **ids)
    m.leaf = {}
    if linear(fmt, n):
        m.table = m.take(64 << n)
    else:
        m.table = m.take(max(64, 8 << max(0, n - LEAF_BITS[fmt])))
    for ssid in ssids:
        m.cd(cd_address(m, fmt, n, ssid), TTB0=tables_for(m, ssid).base)
    m.ste(S1ContextPtr=m.table, S1CDMax=n, S1Fmt=fmt, S1DSS=dss)
    return m


def tables_for(m: Machine, ssid: int) -> Tables:
    tables = Tables(m, 12, 39, 1)
    frame = FRAME + (ssid << 12)
    tables.put(VA, 3, s1_leaf(frame))
    if m.nested:
        m.s2.put(frame, 3, s2_leaf(m.pa(frame)))
    return tables


def cd_address(m: Machine, fmt: int, n: int, ssid: int) -> int:
    if linear(fmt, n):
        return m.table + 64 * ssid
    bits = LEAF_BITS[fmt]
    number = ssid >> bits
    if number not in m.leaf:
        m.leaf[number] = m.take(64 << bits)
        m.store(m.table + 8 * number, L1CD.make(V=1, L2Ptr=m.leaf[number]))
    return m.leaf[number] + 64 * (ssid & ((1 << bits) - 1))


def uses(m: Machine, ssid: int | None, cd: int) -> None:
    translated(m, VA + 0x123, m.pa(FRAME + (cd << 12) + 0x123), ssid=ssid)


NESTED = pytest.mark.parametrize("nested", [False, True], ids=["stage1", "nested"])
DSS = pytest.mark.parametrize("dss", [0, 1, 2, 3])


@NESTED
@DSS
@pytest.mark.parametrize("fmt", [0, 1, 2, 3])
@pytest.mark.parametrize("ids", [{}, {"SSIDSIZE": 0}], ids=["n=0", "SSIDSIZE=0"])
def test_without_substreams(nested, dss, fmt, ids):
    """S1CDMax=0 or SSIDSIZE=0: CD 0 for SSV=0, C_BAD_SUBSTREAMID for any SSID; S1DSS unused."""
    m = build(nested, 0, fmt, dss, [0], **ids)
    if ids:
        m.ste(S1ContextPtr=m.table, S1CDMax=9, S1Fmt=fmt, S1DSS=dss)  # ignored (2.3)
    uses(m, None, 0)
    for ssid in (0, 1, 0xFFFFF):
        ends(m, record(E.C_BAD_SUBSTREAMID, SubstreamID=ssid), VA, ssid=ssid)


# n, S1Fmt, SSIDs that exist, SSIDs out of range
SHAPES = [
    (1, 0, (0, 1), (2, 3, 0xFFFFF)),
    (4, 0, (0, 1, 15), (16, 17, 0x80000)),
    (4, 3, (0, 1, 15), (16, 31)),
    (1, 1, (0, 1), (2,)),
    (6, 1, (0, 1, 63), (64, 65)),
    (7, 1, (0, 63, 64, 127), (128, 129)),
    (9, 1, (0, 65, 128, 511), (512, 0x40000)),
    (3, 2, (0, 7), (8, 1024)),
    (10, 2, (0, 64, 1023), (1024,)),
    (12, 2, (0, 1, 1023, 1024, 2048, 4095), (4096, 4097)),
    (20, 1, (0, 0xABCDE, 0xFFFFF), ()),
    (20, 2, (0, 0xABCDE, 0xFFFFF), ()),
]


@NESTED
@DSS
@pytest.mark.parametrize(("n", "fmt", "good", "bad"), SHAPES)
def test_decision(nested, dss, n, fmt, good, bad):
    m = build(nested, n, fmt, dss, good)
    for ssid in good:
        if ssid == 0 and dss == 2:
            ends(m, record(E.F_STREAM_DISABLED), VA, ssid=0)
        else:
            uses(m, ssid, ssid)
    for ssid in bad:
        ends(m, record(E.C_BAD_SUBSTREAMID, SubstreamID=ssid), VA, ssid=ssid)
    frame = FRAME + 0x77_0000
    if nested:
        m.s2.put(frame, 3, s2_leaf(m.pa(frame)))
    if dss in (0, 3):
        ends(m, record(E.F_STREAM_DISABLED), VA)
    elif dss == 2:
        uses(m, None, 0)
    elif nested:
        translated(m, frame + 4, m.pa(frame + 4))
    else:
        result, events = m.go(frame + 4)
        assert (result.ending, result.pa, events) == (Ending.BYPASS, frame + 4, [])


@NESTED
def test_bypass_fetches_no_cd(nested):
    """S1DSS=1: the CD table may be anywhere, it is not read."""
    m = build(nested, 4, 0, 1, [])
    m.memory.poisoned.add(m.pa(m.table) >> 12)
    if nested:
        m.s2.put(FRAME, 3, s2_leaf(m.pa(FRAME)))
        m.s2.put(m.table, 3, 0)
        translated(m, FRAME, m.pa(FRAME))
    else:
        assert m.access(FRAME).ending is Ending.BYPASS
    assert m.access(VA, ssid=1).ending is Ending.ABORT


@pytest.mark.parametrize("config", [4, 6])
def test_stage_1_off(config):
    """Config 0b100 and 0b110: SSV=0 normal, SSV=1 C_BAD_SUBSTREAMID whatever S1CDMax says."""
    m = Machine(nested=True)
    m.s2.put(FRAME, 3, s2_leaf(m.pa(FRAME)))
    m.ste(Config=config, S1CDMax=4, S1DSS=2)
    result, events = m.go(FRAME)
    assert events == []
    assert result.pa == (FRAME if config == 4 else m.pa(FRAME))
    assert result.ending is (Ending.BYPASS if config == 4 else Ending.TRANSLATED)
    for ssid in (0, 3, 17):
        ends(m, record(E.C_BAD_SUBSTREAMID, SubstreamID=ssid), FRAME, ssid=ssid)


@NESTED
@pytest.mark.parametrize(("fmt", "n"), [(1, 4), (1, 8), (2, 9), (2, 12)])
@pytest.mark.parametrize("dss", [0, 2])
def test_l1cd_invalid(nested, fmt, n, dss):
    """L1CD.V=0: C_BAD_SUBSTREAMID; without SubstreamID (S1DSS=2) SSID 0 is recorded."""
    m = build(nested, n, fmt, dss, [])
    top = (1 << n) - 1
    ends(m, record(E.C_BAD_SUBSTREAMID, SubstreamID=top), VA, ssid=top)
    if dss == 2:
        ends(m, record(E.C_BAD_SUBSTREAMID), VA)


@NESTED
@pytest.mark.parametrize("dss", [0, 2])
def test_l2ptr_out_of_range(nested, dss):
    """L2Ptr above OAS: C_BAD_SUBSTREAMID; nested above IAS: that or a stage-2 F_TRANSLATION."""
    m = build(nested, 8, 1, dss, [], OAS=4)
    far = 1 << 44
    m.store(m.table, L1CD.make(V=1, L2Ptr=far))
    for ssid in (1, None) if dss == 2 else (1,):
        legal = [record(E.C_BAD_SUBSTREAMID, SubstreamID=ssid or 0)]
        if nested:
            at = far if ssid is None else far + 64
            legal.append(fault(E.F_TRANSLATION, VA, ssid=ssid, S2=1, CLASS=0, IPA=at & ~0xFFF))
        result, events = m.go(VA, ssid=ssid)
        assert result.ending is Ending.ABORT
        assert len(events) == 1
        assert events[0] in legal


@NESTED
@pytest.mark.parametrize("ssid", [None, 70])
@pytest.mark.parametrize("what", ["l1cd", "cd"])
def test_fetch_abort(nested, ssid, what):
    """External abort on L1CD or CD: F_CD_FETCH with the structure's physical address."""
    m = build(nested, 8, 1, 2, [0, 70])
    number = (ssid or 0) >> 6
    at = m.table + 8 * number if what == "l1cd" else m.leaf[number] + 64 * ((ssid or 0) & 63)
    m.memory.poisoned.add(m.pa(at) >> 12)
    some = {} if ssid is None else {"SSV": 1, "SubstreamID": ssid}
    ends(m, record(E.F_CD_FETCH, FetchAddr=m.pa(at), **some), VA, ssid=ssid)


@NESTED
def test_ssv_in_later_records(nested):
    """The record carries SSV and SubstreamID exactly if the transaction does (5.2)."""
    m = build(nested, 4, 0, 2, [0, 3])
    other = VA + 0x20_0000
    ends(m, fault(E.F_TRANSLATION, other), other)
    ends(m, fault(E.F_TRANSLATION, other, ssid=3), other, ssid=3)
    m.cd(m.table, V=0)
    m.cd(m.table + 64 * 3, V=0)
    ends(m, record(E.C_BAD_CD), VA)
    ends(m, record(E.C_BAD_CD, SSV=1, SubstreamID=3), VA, ssid=3)
    m.ste(V=0)
    ends(m, record(E.C_BAD_STE), VA)
    ends(m, record(E.C_BAD_STE, SSV=1, SubstreamID=0), VA, ssid=0)


@NESTED
def test_stale_pointer_bits(nested):
    """S1ContextPtr bits below the table's size: the pick is to take them as 0 (2.7)."""
    m = build(nested, 4, 0, 0, [3])
    m.ste(S1ContextPtr=m.table + 64 * 4, S1CDMax=4)
    uses(m, 3, 3)
