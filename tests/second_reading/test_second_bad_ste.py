"""Second reading of the C_BAD_STE checklist and of its "not errors" list (reference 2.7)."""

from __future__ import annotations

import pytest

from pymodel.transaction import Ending
from tests.second_reading.machine import SHIFT, E, Machine, ends, fault, record, s1_leaf, s2_leaf

AT = 0x9000_0000  # mapped at both stages, and legal as a bypassed address
MODEL1 = {"STALL_MODEL": 1, "STALL_MAX": 0}
MODEL2 = {"STALL_MODEL": 2}
NO_S1 = {"S1P": 0, "HYP": 0}
NO_S2 = {"S2P": 0, "HYP": 0}
S1, S2, BOTH, BYPASS = 5, 6, 7, 4

# Section 2.7 row, ID fields, Config, other STE fields, is it ILLEGAL
ROWS = [
    ("1", {}, S1, {"V": 0}, True),
    ("1", {}, BYPASS, {"V": 0}, True),
    ("1", {}, 0, {"V": 0}, True),
    # 2: a stage that is not implemented
    ("2", NO_S1, BYPASS, {}, False),
    ("2", NO_S1, S1, {}, True),
    ("2", NO_S1, S2, {}, False),
    ("2", NO_S1, BOTH, {}, True),
    ("2", NO_S2, BYPASS, {}, False),
    ("2", NO_S2, S1, {}, False),
    ("2", NO_S2, S2, {}, True),
    ("2", NO_S2, BOTH, {}, True),
    # 3, 4: EATS
    ("3", {"ATS": 1}, BYPASS, {"EATS": 2}, False),
    ("3", {"ATS": 1}, S1, {"EATS": 2}, True),
    ("3", {"ATS": 1}, S2, {"EATS": 2}, True),
    ("3", {"ATS": 1}, BOTH, {"EATS": 2}, False),  # ATSCHK=0: as EATS=0, no error
    ("3", {"ATS": 1}, BOTH, {"EATS": 2, "S2S": 1}, True),
    ("3", {"ATS": 1, "NS1ATS": 1}, BOTH, {"EATS": 2}, True),
    ("3", {"ATS": 0}, S1, {"EATS": 2}, False),
    ("3", {"ATS": 0}, BOTH, {"EATS": 2, "S2S": 1}, False),
    ("4", {"ATS": 1}, S2, {"EATS": 1, "S2S": 1}, True),
    ("4", {"ATS": 1}, BOTH, {"EATS": 1, "S2S": 1}, True),
    ("4", {"ATS": 1}, BOTH, {"EATS": 1}, False),
    ("4", {"ATS": 1}, S1, {"EATS": 1, "S2S": 1}, False),
    ("4", {"ATS": 1}, BYPASS, {"EATS": 1, "S2S": 1}, False),
    ("4", {"ATS": 0}, BOTH, {"EATS": 1, "S2S": 1}, False),
    ("4", {"ATS": 1}, BOTH, {"EATS": 3, "S2S": 1}, False),  # without DPT as 0
    # 6: STRW
    ("6", {}, S1, {"STRW": 1}, True),
    ("6", {}, S1, {"STRW": 3}, True),
    ("6", {}, S1, {"STRW": 2}, False),
    ("6", {"HYP": 0, "ArchMinorRev": 1}, S1, {"STRW": 1}, False),
    ("6", {"HYP": 0, "ArchMinorRev": 1}, S1, {"STRW": 2}, False),
    ("6", {"HYP": 0, "ArchMinorRev": 1}, S1, {"STRW": 3}, False),
    ("6", {}, BYPASS, {"STRW": 3}, False),
    ("6", {}, S2, {"STRW": 1}, False),
    ("6", {}, BOTH, {"STRW": 3}, False),
    ("6", {}, BOTH, {"STRW": 2}, False),
    # 7: S1STALLD
    ("7", {}, S1, {"S1STALLD": 1}, False),
    ("7", {}, BOTH, {"S1STALLD": 1}, False),
    ("7", MODEL1, S1, {"S1STALLD": 1}, True),
    ("7", MODEL1, BOTH, {"S1STALLD": 1}, True),
    ("7", MODEL1, S2, {"S1STALLD": 1}, False),
    ("7", MODEL1, BYPASS, {"S1STALLD": 1}, False),
    ("7", MODEL2, S1, {"S1STALLD": 1}, True),
    ("7", MODEL2, S2, {"S1STALLD": 1, "S2S": 1}, False),
    # 8: S1CDMax; S1DSS=1 so that no CD is needed
    ("8", {"SSIDSIZE": 8}, S1, {"S1CDMax": 8, "S1DSS": 1}, False),
    ("8", {"SSIDSIZE": 8}, S1, {"S1CDMax": 9, "S1DSS": 1}, True),
    ("8", {"SSIDSIZE": 8}, BOTH, {"S1CDMax": 9, "S1DSS": 1}, True),
    ("8", {"SSIDSIZE": 20}, S1, {"S1CDMax": 21, "S1DSS": 1}, True),
    ("8", {"SSIDSIZE": 20}, S1, {"S1CDMax": 31, "S1DSS": 1}, True),
    ("8", {"SSIDSIZE": 8}, S2, {"S1CDMax": 31}, False),
    ("8", {"SSIDSIZE": 8}, BYPASS, {"S1CDMax": 31}, False),
    ("8", {"SSIDSIZE": 0}, S1, {"S1CDMax": 31}, False),
    ("8", {"SSIDSIZE": 0}, BOTH, {"S1CDMax": 1}, False),
    # 9: two-level CD tables
    ("9", {"CD2L": 0}, S1, {"S1CDMax": 3, "S1DSS": 1, "S1Fmt": 1}, True),
    ("9", {"CD2L": 0}, BOTH, {"S1CDMax": 3, "S1DSS": 1, "S1Fmt": 2}, True),
    ("9", {"CD2L": 0}, S1, {"S1CDMax": 3, "S1DSS": 1, "S1Fmt": 0}, False),
    ("9", {"CD2L": 0}, S1, {"S1CDMax": 3, "S1DSS": 1, "S1Fmt": 3}, False),
    ("9", {"CD2L": 0}, S1, {"S1CDMax": 0, "S1Fmt": 1}, False),
    ("9", {"CD2L": 0}, BOTH, {"S1CDMax": 0, "S1Fmt": 2}, False),
    ("9", {"CD2L": 0, "SSIDSIZE": 0}, S1, {"S1CDMax": 3, "S1Fmt": 2}, False),
    ("9", {"CD2L": 0}, S2, {"S1CDMax": 3, "S1Fmt": 1}, False),
    ("9", {"CD2L": 1}, S1, {"S1CDMax": 3, "S1DSS": 1, "S1Fmt": 1}, False),
    # 10: S1ContextPtr
    ("10", {"OAS": 4}, S1, {"S1ContextPtr": 1 << 44}, True),
    ("10", {"OAS": 2}, S1, {"S1ContextPtr": 1 << 40}, True),
    ("10", {"OAS": 2}, S1, {"S1ContextPtr": 1 << 51}, True),
    ("10", {"OAS": 4}, S2, {"S1ContextPtr": 1 << 44}, False),
    ("10", {"OAS": 4}, BYPASS, {"S1ContextPtr": 1 << 44}, False),
    # 12: S2S
    ("12", MODEL1, S2, {"S2S": 1}, True),
    ("12", MODEL1, BOTH, {"S2S": 1}, True),
    ("12", MODEL1, S2, {"S2S": 0}, False),
    ("12", MODEL1, S1, {"S2S": 1}, False),
    ("12", MODEL2, S2, {"S2S": 0}, True),
    ("12", MODEL2, BOTH, {"S2S": 0}, True),
    ("12", MODEL2, S2, {"S2S": 1}, False),
    ("12", MODEL2, BYPASS, {"S2S": 0}, False),
    # 13: table format
    ("13", {}, S2, {"S2AA64": 0}, True),
    ("13", {}, BOTH, {"S2AA64": 0}, True),
    ("13", {}, S1, {"S2AA64": 0}, False),
    ("13", {"TTF": 1}, S2, {"S2AA64": 1}, True),
    ("13", {"TTF": 3}, S2, {"S2AA64": 1}, False),
    ("13", {"TTF": 3}, S2, {"S2AA64": 0, "S2FWB": 1}, True),
    ("13", {"TTF": 3}, S2, {"S2AA64": 0, "S2HA": 1}, True),
    ("13", {"TTF": 3}, S2, {"S2AA64": 0, "S2HD": 1}, True),
    # 14: HTTU
    ("14", {"HTTU": 0}, S2, {"S2HA": 1}, True),
    ("14", {"HTTU": 0}, S2, {"S2HD": 1}, True),
    ("14", {"HTTU": 0}, BOTH, {"S2HA": 1, "S2HD": 1}, True),
    ("14", {"HTTU": 0}, S1, {"S2HA": 1, "S2HD": 1}, False),
    ("14", {"HTTU": 1}, S2, {"S2HA": 1}, False),
    ("14", {"HTTU": 1}, S2, {"S2HA": 1, "S2HD": 1}, True),
    ("14", {"HTTU": 1}, BOTH, {"S2HD": 1}, True),
    ("14", {"HTTU": 2}, BOTH, {"S2HA": 1, "S2HD": 1}, False),
    ("14", {"HTTU": 2}, BOTH, {"S2HD": 1}, False),
    ("14", {"HTTU": 3}, S2, {"S2HAFT": 1}, True),
    ("14", {"HTTU": 3}, S2, {"S2HAFT": 1, "S2HA": 1}, False),
    ("14", {"HTTU": 2}, S2, {"S2HAFT": 1}, False),
    # 15: granule
    ("15", {}, S2, {"S2TG": 3}, True),
    ("15", {}, BOTH, {"S2TG": 3}, True),
    ("15", {}, S1, {"S2TG": 3}, False),
    ("15", {"GRAN4K": 0}, S2, {}, True),
    ("15", {"GRAN64K": 0}, S2, {"S2TG": 1}, True),
    ("15", {"GRAN16K": 0}, S2, {"S2TG": 2}, True),
    # 16: S2TTB
    ("16", {}, S2, {"S2PS": 2, "S2TTB": 1 << 40}, True),
    ("16", {}, S2, {"S2PS": 0, "S2TTB": 1 << 32}, True),
    ("16", {}, BOTH, {"S2PS": 3, "S2TTB": 1 << 42}, True),
    ("16", {"OAS": 2}, S2, {"S2PS": 5, "S2TTB": 1 << 40}, True),
    ("16", {"OAS": 6}, S2, {"S2PS": 6, "S2TTB": 1 << 48}, True),
    ("16", {"OAS": 6}, BOTH, {"S2PS": 6, "S2TTB": 1 << 51}, True),
    ("16", {}, S1, {"S2PS": 0, "S2TTB": 1 << 47}, False),
    # 18: S2ENDI
    ("18", {"TTENDIAN": 2}, S2, {"S2ENDI": 1}, True),
    ("18", {"TTENDIAN": 2}, BOTH, {"S2ENDI": 0}, False),
    ("18", {"TTENDIAN": 3}, S2, {"S2ENDI": 0}, True),
    ("18", {"TTENDIAN": 2}, S1, {"S2ENDI": 1}, False),
    # 19: S2VMID
    ("19", {"VMID16": 0}, S1, {"S2VMID": 0x100}, True),
    ("19", {"VMID16": 0}, S2, {"S2VMID": 0x8000}, True),
    ("19", {"VMID16": 0}, BOTH, {"S2VMID": 0x100}, True),
    ("19", {"VMID16": 0}, BOTH, {"S2VMID": 0xFF}, False),
    ("19", {"VMID16": 0}, BYPASS, {"S2VMID": 0x100}, False),
    ("19", {"VMID16": 0}, S1, {"S2VMID": 0x100, "STRW": 2}, False),
    ("19", {"VMID16": 0} | NO_S2, S1, {"S2VMID": 0x100}, False),
    ("19", {"VMID16": 1}, S1, {"S2VMID": 0xFFFF}, False),
    # not errors
    ("not", {}, S2, {"S2PS": 7}, False),
    ("not", {"OAS": 4}, S2, {"S2PS": 6}, False),
    ("not", {"OAS": 4}, BOTH, {"S2PS": 7}, False),
    ("not", {}, BOTH, {"IMPDEF": 0xFFF, "SW_RESERVED": 15, "CONT": 15}, False),
    ("not", {}, BYPASS, {"IMPDEF": 0xFFF, "SW_RESERVED": 15}, False),
    ("not", {"ATTR_PERMS_OVR": 0, "ATTR_TYPES_OVR": 0}, BOTH,
     {"MTCFG": 1, "MemAttr": 12, "ALLOCCFG": 15, "SHCFG": 2, "PRIVCFG": 2, "INSTCFG": 2}, False),
    ("not", {}, BOTH, {"S2NSW": 1, "S2NSA": 1, "S_S2TTB": 0xF_0000_0000_0000}, False),
]


def build(config: int, ste: dict, **ids) -> Machine:
    """A stream for which everything but the row is in order."""
    m = Machine(nested=config in (S2, BOTH), **ids)
    m.s1.put(AT, 3, s1_leaf(AT))
    if m.nested:
        m.s2.put(AT, 3, s2_leaf(AT + SHIFT))
    base = {"Config": config}
    if m.impl.STALL_MODEL == 2:
        base["S2S"] = 1
    m.ste(**(base | ste))
    m.cd(S=int(m.impl.STALL_MODEL == 2), ENDI=int(m.impl.TTENDIAN == 3))
    return m


@pytest.mark.parametrize(("row", "ids", "config", "ste", "illegal"), ROWS)
@pytest.mark.parametrize("ssid", [None, 3])
def test_checklist(row, ids, config, ste, illegal, ssid):
    m = build(config, ste, **ids)
    if illegal:
        some = {} if ssid is None else {"SSV": 1, "SubstreamID": ssid}
        ends(m, record(E.C_BAD_STE, **some), AT, ssid=ssid)
        return
    result, events = m.go(AT)
    assert events == []
    bypassed = config == BYPASS or (config == S1 and ste.get("S1DSS") == 1)
    assert result.ending is (Ending.BYPASS if bypassed else Ending.TRANSLATED)
    assert result.pa == AT + (SHIFT if m.nested else 0)


@pytest.mark.parametrize("config", range(8))
@pytest.mark.parametrize("valid", [0, 1])
def test_valid_and_config(config, valid):
    """V=0 is C_BAD_STE whatever Config says; with V=1 Config[2]=0 is silent."""
    m = build(BOTH, {"V": valid, "Config": config})
    if not valid:
        ends(m, record(E.C_BAD_STE), AT)
    elif config < 4:
        ends(m, None, AT)
    else:
        assert record(E.C_BAD_STE) not in m.go(AT)[1]


def test_context_pointer_just_below_oas():
    m = build(S1, {}, OAS=4)
    top = (1 << 44) - 64
    m.ste(S1ContextPtr=top)
    m.cd(top)
    assert m.access(AT).ending is Ending.TRANSLATED


def test_context_pointer_above_ias():
    """Row 11: C_BAD_STE or the untruncated IPA to stage 2 (F_TRANSLATION, CLASS=CD)."""
    m = build(BOTH, {"S1ContextPtr": 1 << 44}, OAS=4)
    result, events = m.go(AT)
    assert result.ending is Ending.ABORT
    assert events in ([record(E.C_BAD_STE)],
                      [fault(E.F_TRANSLATION, AT, S2=1, CLASS=0, IPA=1 << 44)])


@pytest.mark.parametrize("bits", [40, 48])
def test_s2ttb_just_below_the_limit(bits):
    """Row 16: the limit is min(S2PS, OAS); 48 bits for 4 KB, all of S2PS for 64 KB."""
    top = (1 << bits) - (1 << 13)
    m = build(S2, {"S2TTB": top, "S2PS": {40: 2, 48: 5}[bits]})
    ends(m, fault(E.F_TRANSLATION, AT, S2=1, IPA=AT), AT)  # the table is empty, the STE legal


def test_s2ttb_of_64k_may_have_52_bits():
    m = build(S2, {"S2TG": 1, "S2T0SZ": 24, "S2SL0": 1, "S2PS": 6, "S2TTB": 1 << 50}, OAS=6)
    ends(m, fault(E.F_TRANSLATION, AT, S2=1, IPA=AT), AT)


def test_dirty_without_access_flag():
    """S2HD=1 with S2HA=0 behaves as both 0: AF=0 is a fault, DBM no permission."""
    m = build(S2, {"S2HD": 1})
    m.s2.put(AT, 3, s2_leaf(AT + SHIFT, af=0))
    ends(m, fault(E.F_ACCESS, AT, S2=1, IPA=AT), AT)
    m.s2.put(AT, 3, s2_leaf(AT + SHIFT, s2ap=1, dbm=1))
    ends(m, fault(E.F_PERMISSION, AT, write=True, S2=1, IPA=AT), AT, True)
