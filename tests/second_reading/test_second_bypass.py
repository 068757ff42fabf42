"""Second reading: stage-1 bypass by S1DSS=1, STE bypass, their attributes (reference 3.1, 4.10)."""

from __future__ import annotations

import pytest

from pymodel.transaction import Ending
from tests.second_reading.machine import SHIFT, E, Machine, ends, fault, record, s1_leaf, s2_leaf

IPA = 0x9000_0000
WB, WT, NC = 0xFF, 0xBB, 0x44
NON, OUTER, INNER = 0, 2, 3

# What a stream does to a bypassing address: name, STE fields, nested, ending, size of the input
STREAMS = [
    ("config=0b100", {"Config": 4}, False, Ending.BYPASS),
    ("config=0b101, S1DSS=1", {"Config": 5, "S1CDMax": 2, "S1DSS": 1}, False, Ending.BYPASS),
    ("config=0b110", {"Config": 6}, True, Ending.TRANSLATED),
    ("config=0b111, S1DSS=1", {"Config": 7, "S1CDMax": 2, "S1DSS": 1}, True, Ending.TRANSLATED),
]
STREAM = pytest.mark.parametrize(("name", "ste", "nested", "ending"), STREAMS,
                                 ids=[row[0] for row in STREAMS])


def build(ste: dict, nested: bool, s2: dict | None = None, **ids) -> Machine:
    m = Machine(nested=nested, **ids)
    if nested:
        m.s2.put(IPA, 3, s2_leaf(IPA + SHIFT, **(s2 or {})))
    m.ste(**ste)
    return m


# STE overrides, incoming (type, SH), outgoing (type, SH); stage 2, if on, is WB non-shareable
# and so changes nothing. Reference 2.4, 4.10: outer shareable for Device and iNC-oNC always.
OVERRIDES = [
    ({}, (WB, INNER), (WB, INNER)),
    ({}, (WT, NON), (WT, NON)),
    ({}, (NC, INNER), (NC, OUTER)),
    ({}, (0x04, NON), (0x04, OUTER)),
    ({"SHCFG": 0}, (WB, INNER), (WB, NON)),
    ({"SHCFG": 2}, (WB, INNER), (WB, OUTER)),
    ({"SHCFG": 3}, (WB, NON), (WB, INNER)),
    ({"SHCFG": 0}, (NC, INNER), (NC, OUTER)),
    ({"SHCFG": 3}, (0x00, INNER), (0x00, OUTER)),
    ({"MTCFG": 0, "MemAttr": 5}, (WB, INNER), (WB, INNER)),
    ({"MTCFG": 1, "MemAttr": 0x5}, (WB, INNER), (NC, OUTER)),
    ({"MTCFG": 1, "MemAttr": 0xF}, (NC, OUTER), (WB, OUTER)),
    ({"MTCFG": 1, "MemAttr": 0xF, "SHCFG": 3}, (0x04, OUTER), (WB, INNER)),
    ({"MTCFG": 1, "MemAttr": 0xA, "SHCFG": 0}, (WB, INNER), (WT, NON)),
    ({"MTCFG": 1, "MemAttr": 0x0}, (WB, INNER), (0x00, OUTER)),
    ({"MTCFG": 1, "MemAttr": 0x1, "SHCFG": 0}, (WB, INNER), (0x04, OUTER)),
    ({"MTCFG": 1, "MemAttr": 0x2}, (WB, INNER), (0x08, OUTER)),
    ({"MTCFG": 1, "MemAttr": 0x3}, (WB, INNER), (0x0C, OUTER)),
    ({"MTCFG": 1, "MemAttr": 0x4}, (WB, INNER), (0x00, OUTER)),   # reserved codes
    ({"MTCFG": 1, "MemAttr": 0x8}, (WB, INNER), (0x00, OUTER)),
    ({"MTCFG": 1, "MemAttr": 0xC}, (WB, INNER), (0x00, OUTER)),
    ({"MTCFG": 1, "MemAttr": 0x7}, (WB, INNER), (0x4F, INNER)),
    ({"MTCFG": 1, "MemAttr": 0xD, "SHCFG": 2}, (WB, INNER), (0xF4, OUTER)),
]


@STREAM
@pytest.mark.parametrize(("fields", "given", "want"), OVERRIDES)
def test_type_overrides(name, ste, nested, ending, fields, given, want):
    m = build(ste | {"SHCFG": 1} | fields, nested, {"sh": NON})
    result, events = m.go(IPA + 8, memattr=given[0], sh=given[1])
    assert (result.ending, events) == (ending, [])
    assert (result.attrs.mair, result.attrs.sh) == want
    assert result.pa == IPA + 8 + (SHIFT if nested else 0)


@STREAM
def test_type_overrides_absent(name, ste, nested, ending):
    """ATTR_TYPES_OVR=0: every type override acts as "use incoming" (2.4)."""
    m = build(ste | {"SHCFG": 0, "MTCFG": 1, "MemAttr": 0}, nested, {"sh": NON}, ATTR_TYPES_OVR=0)
    result = m.access(IPA, memattr=WB, sh=INNER)
    assert (result.attrs.mair, result.attrs.sh) == (WB, INNER)


@STREAM
@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("pnu", [False, True])
@pytest.mark.parametrize("ind", [False, True])
@pytest.mark.parametrize("present", [0, 1])
def test_permission_overrides(name, ste, nested, ending, write, pnu, ind, present):
    """PRIVCFG and INSTCFG in every combination; up to v3.3 they appear on the output (4.10)."""
    for privcfg in range(4):
        for instcfg in range(4):
            m = build(ste | {"PRIVCFG": privcfg, "INSTCFG": instcfg}, nested,
                      ATTR_PERMS_OVR=present)
            result = m.access(IPA, write, pnu=pnu, ind=ind)
            priv, inst = pnu, ind
            if present:
                priv = {2: False, 3: True}.get(privcfg, pnu)
                inst = {2: False, 3: True}.get(instcfg, ind)
            assert result.ending is ending
            assert (result.attrs.pnu, result.attrs.ind) == (priv, inst and not write)


# Stage 2 without FWB: incoming type and SH of the bypassed stage 1, stage-2 MemAttr and SH, result
COMBINE = [
    ((WB, NON), (0xF, NON), (WB, NON)),
    ((WB, INNER), (0xF, NON), (WB, INNER)),
    ((WB, NON), (0xF, INNER), (WB, INNER)),
    ((WB, OUTER), (0xF, INNER), (WB, OUTER)),
    ((WB, INNER), (0xF, OUTER), (WB, OUTER)),
    ((WB, INNER), (0xA, INNER), (WT, INNER)),
    ((WT, INNER), (0xF, INNER), (WT, INNER)),
    ((WB, INNER), (0x5, INNER), (NC, OUTER)),
    ((NC, INNER), (0xF, INNER), (NC, OUTER)),
    ((NC, INNER), (0xA, INNER), (NC, OUTER)),
    ((0x04, NON), (0xF, INNER), (0x04, OUTER)),
    ((WB, NON), (0x1, NON), (0x04, OUTER)),
    ((0x0C, NON), (0x0, NON), (0x00, OUTER)),
    ((0x00, NON), (0x3, NON), (0x00, OUTER)),
    ((0x08, NON), (0x1, NON), (0x04, OUTER)),
    ((0x04, NON), (0x2, NON), (0x04, OUTER)),
    ((NC, NON), (0x3, NON), (0x0C, OUTER)),
    ((0x4F, INNER), (0xF, INNER), (0x4F, INNER)),
    ((WB, INNER), (0x7, INNER), (0x4F, INNER)),
    ((0x4F, INNER), (0xD, INNER), (NC, OUTER)),
]


@pytest.mark.parametrize(("given", "s2", "want"), COMBINE)
@pytest.mark.parametrize("how", ["stage2", "s1dss", "stage1"])
def test_combine(given, s2, want, how):
    """4.10, FWB=0, for all three inputs of stage 2: bypassed, bypassed by S1DSS, translated."""
    ste = {"stage2": {"Config": 6}, "s1dss": {"S1CDMax": 1, "S1DSS": 1}, "stage1": {}}[how]
    m = build(ste, True, {"attr": s2[0], "sh": s2[1]})
    va = IPA
    if how == "stage1":
        va = 0x5000
        m.cd(MAIR0=given[0] << 8)
        m.s1.put(va, 3, s1_leaf(IPA, attr=1, sh=given[1]))
        result = m.access(va, memattr=NC, sh=OUTER)
    else:
        result = m.access(va, memattr=given[0], sh=given[1])
    assert (result.attrs.mair, result.attrs.sh) == want


# STE.S2FWB: incoming type, stage-2 MemAttr, type that leaves (2.6)
FWB = [
    (NC, 0x6, WB), (0x04, 0x6, WB), (WT, 0x6, WB),
    (WB, 0x5, NC), (WT, 0x5, NC), (0x04, 0x5, 0x04),
    (WB, 0x7, WB), (NC, 0x7, NC), (0x08, 0x7, 0x08), (WT, 0x7, WT),
    (WB, 0x1, 0x04),
]


@pytest.mark.parametrize(("given", "code", "want"), FWB)
def test_forced_write_back(given, code, want):
    m = build({"Config": 6, "S2FWB": 1}, True, {"attr": code})
    assert m.access(IPA, memattr=given, sh=INNER).attrs.mair == want


# Limits of a bypassing input: 4.2 steps 5 and 7, 4.9: never stalls, always recorded.
@pytest.mark.parametrize(("oas", "bits"), [(0, 32), (1, 36), (2, 40), (3, 42), (4, 44), (5, 48)])
@pytest.mark.parametrize("ste", [{"Config": 4}, {"Config": 5, "S1CDMax": 2, "S1DSS": 1}])
def test_bypass_beyond_oas(ste, oas, bits):
    m = build(ste, False, OAS=oas)
    top = (1 << bits) - 8
    result, events = m.go(top)
    assert (result.ending, result.pa, events) == (Ending.BYPASS, top, [])
    for addr in (1 << bits, 0xFF << 56 | 0x1000, 1 << 63):
        ends(m, fault(E.F_ADDR_SIZE, addr, write=True), addr, True)


@pytest.mark.parametrize("ste", [{"Config": 6}, {"S1CDMax": 2, "S1DSS": 1}])
@pytest.mark.parametrize("stall", [0, 1])
@pytest.mark.parametrize("s2r", [0, 1])
def test_bypass_beyond_ias(ste, stall, s2r):
    """Step 7: at or above IAS F_ADDR_SIZE of stage 1; below, but beyond S2T0SZ, stage 2's."""
    m = build(ste | {"S2S": stall, "S2R": s2r}, True, OAS=4)
    addr = 1 << 44
    ends(m, fault(E.F_ADDR_SIZE, addr), addr)
    addr = 0xAB << 56 | IPA  # TBI never applies
    ends(m, fault(E.F_ADDR_SIZE, addr), addr)
    addr = 1 << 40 | 0x1234
    want = fault(E.F_TRANSLATION, addr, S2=1, IPA=addr & ~0xFFF, Stall=stall)
    result, events = m.go(addr)
    assert result.ending is (Ending.STALLED if stall else Ending.ABORT)
    assert events == ([want] if stall or s2r else [])


@pytest.mark.parametrize("config", [0, 1, 2, 3])
def test_abort_without_event(config):
    """Config 0b0xx: abort, no event, all other fields ignored (2.3, 2.7)."""
    m = Machine()
    m.ste(Config=config, S1CDMax=31, STRW=3, S1STALLD=1)
    ends(m, None, IPA)
    ends(m, None, IPA, True, ssid=7)


def test_bypass_ignores_stage_fields():
    """Config 0b100: only attribute fields are live (2.7)."""
    m = Machine(nested=True, STALL_MODEL=1, STALL_MAX=0)
    m.ste(Config=4, S1CDMax=31, STRW=3, S1STALLD=1, S2S=1, S2TG=3, S2HA=1, S2HD=1, S2AA64=0)
    result, events = m.go(IPA)
    assert (result.ending, events) == (Ending.BYPASS, [])
    ends(m, record(E.C_BAD_SUBSTREAMID, SubstreamID=1), IPA, ssid=1)
