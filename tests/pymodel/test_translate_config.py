# ruff: noqa: C408 - the keyword form reads best for fields
"""Stream table and STE checklist: tables of cases (reference 2)."""

import pytest
from translate_rig import (
    HOLE,
    NESTED,
    S1,
    S2,
    SID,
    STRTAB,
    Rig,
    event,
    implementation,
    name,
    put,
)

from pymodel.state import SmmuState
from pymodel.transaction import Ending
from spec.stream_table import STE

BYPASS_STE = STE.make(V=1, Config=4, SHCFG=1).to_bytes()
L2 = 0x4020_0000


def two_level(**state: int) -> Rig:
    rig = Rig()
    rig.state = SmmuState(smmuen=True, recinvsid=True, strtab_base=STRTAB, strtab_fmt=1,
                          strtab_log2size=16, strtab_split=8)
    for field, value in state.items():
        setattr(rig.state, field, value)
    return rig


@pytest.mark.parametrize(("log2size", "sid", "expected"), [
    (8, 255, "BYPASS"), (8, 256, "C_BAD_STREAMID"), (0, 0, "BYPASS"), (0, 1, "C_BAD_STREAMID"),
    (20, 65535, "BYPASS"),             # capped at SIDSIZE
    (20, 65536, "C_BAD_STREAMID"),
    (8, 2**32 - 1, "C_BAD_STREAMID"),
])
@pytest.mark.parametrize("fmt", [0, 2, 3])
def test_linear(log2size, sid, expected, fmt):
    rig = Rig()
    rig.state.strtab_log2size, rig.state.strtab_fmt = log2size, fmt
    rig.memory.write(STRTAB + (sid & 0xFFFF) * 64, BYPASS_STE)
    assert name(rig.go(0x1000, sid=sid)) == expected


def test_linear_base_is_aligned_to_the_written_size():
    rig = Rig()
    rig.state.strtab_base = STRTAB + 64 * 255
    rig.memory.write(STRTAB + SID * 64, BYPASS_STE)
    assert rig.go(0).ending is Ending.BYPASS


@pytest.mark.parametrize(("split", "shift"), [(6, 6), (8, 8), (10, 10), (7, 6), (0, 6), (16, 6)])
def test_split(split, shift):
    rig = two_level(strtab_split=split)
    sid = 0x1234
    put(rig.memory, STRTAB + (sid >> shift) * 8, L2 | (shift + 1))
    rig.memory.write(L2 + (sid & ((1 << shift) - 1)) * 64, BYPASS_STE)
    assert rig.go(0, sid=sid).ending is Ending.BYPASS


@pytest.mark.parametrize(("span", "index", "expected"), [
    (0, 0, "C_BAD_STREAMID"), (1, 0, "BYPASS"), (1, 1, "C_BAD_STREAMID"),
    (4, 7, "BYPASS"), (4, 8, "C_BAD_STREAMID"),
    (9, 255, "BYPASS"), (10, 0, "C_BAD_STREAMID"), (11, 0, "C_BAD_STREAMID"),
    (12, 0, "C_BAD_STREAMID"), (31, 0, "C_BAD_STREAMID"),
])
def test_span(span, index, expected):
    rig = two_level()
    put(rig.memory, STRTAB + 3 * 8, L2 | span)
    rig.memory.write(L2 + index * 64, BYPASS_STE)
    assert name(rig.go(0, sid=3 << 8 | index)) == expected


def test_l2_pointer_is_aligned_to_the_span():
    rig = two_level()
    put(rig.memory, STRTAB, (L2 + 64 * 5) | 9)
    rig.memory.write(L2 + 7 * 64, BYPASS_STE)
    assert rig.go(0, sid=7).ending is Ending.BYPASS


def test_log2size_below_split_is_one_descriptor():
    rig = two_level(strtab_log2size=4)
    put(rig.memory, STRTAB, L2 | 9)
    rig.memory.write(L2 + 15 * 64, BYPASS_STE)
    assert rig.go(0, sid=15).ending is Ending.BYPASS
    assert name(rig.go(0, sid=16)) == "C_BAD_STREAMID"


def test_recinvsid_and_records():
    rig = Rig()
    got = event(rig.go(0x99, sid=300, ssid=7))
    assert dict(got.items()) == {
        "TYPE": 2, "StreamID": 300, "SSV": 1, "SubstreamID": 7}
    rig.state.recinvsid = False
    result = rig.go(0, sid=300)
    assert (result.ending, result.event) == (Ending.ABORT, None)


@pytest.mark.parametrize(("base", "fetch"), [(HOLE, HOLE + SID * 64), (1 << 48, (1 << 48) + 320)])
def test_ste_fetch(base, fetch):
    rig = Rig()
    rig.state.strtab_base = base
    got = event(rig.go(0))
    assert (type(got).__name__, got.FetchAddr) == ("F_STE_FETCH", fetch)


def test_l1std_and_l2_aborts():
    rig = two_level(strtab_base=HOLE)
    assert event(rig.go(0, sid=0x201)).FetchAddr == HOLE + 16
    rig = two_level()
    put(rig.memory, STRTAB, HOLE | 9)
    assert event(rig.go(0, sid=3)).FetchAddr == HOLE + 192


def test_abort_ste_has_no_event_whatever_else_it_says():
    rig = Rig()
    for config in range(4):
        rig.memory.write(STRTAB + SID * 64,
                         ((1 << 512) - 1 ^ 7 << 1 | config << 1).to_bytes(64, "little"))
        result = rig.go(0, ssid=3)
        assert (result.ending, result.event) == (Ending.ABORT, None)


STAGE2 = dict(S2AA64=1, S2T0SZ=24, S2SL0=1, S2PS=5, S2R=1, S2TTB=0x4300_0000)

# (fields changed, ID fields changed, ILLEGAL) with the row of reference 2.7.
STE_CASES = [
    (dict(V=0), {}, True),                                                  # 1
    (dict(V=0, Config=0), {}, True),
    (dict(Config=S1), dict(S1P=0, HYP=0, ArchMinorRev=1), True),            # 2
    (dict(Config=S2), dict(S2P=0, HYP=0), True),
    (dict(Config=NESTED), dict(S2P=0, HYP=0), True),
    (dict(EATS=2), {}, False),                                              # 3
    (dict(EATS=2), dict(ATS=1), True),
    (dict(Config=NESTED, EATS=2), dict(ATS=1), False),
    (dict(Config=NESTED, EATS=2, S2S=1), dict(ATS=1), True),
    (dict(Config=NESTED, EATS=2), dict(ATS=1, NS1ATS=1), True),
    (dict(Config=4, EATS=2), dict(ATS=1), False),
    (dict(Config=S2, EATS=1, S2S=1), dict(ATS=1), True),                    # 4
    (dict(EATS=1), dict(ATS=1), False),
    (dict(STRW=1), {}, True),                                               # 6
    (dict(STRW=3), {}, True),
    (dict(STRW=2), {}, False),
    (dict(STRW=3, Config=NESTED), {}, False),
    (dict(STRW=3), dict(HYP=0, ArchMinorRev=1), False),
    (dict(S1STALLD=1), {}, False),                                          # 7
    (dict(S1STALLD=1), dict(STALL_MODEL=1, STALL_MAX=0), True),
    (dict(S1STALLD=1), dict(STALL_MODEL=2), True),
    (dict(S1STALLD=1, Config=4), dict(STALL_MODEL=1, STALL_MAX=0), False),
    (dict(S1CDMax=20), {}, False),                                          # 8
    (dict(S1CDMax=21), {}, True),
    (dict(S1CDMax=31), dict(SSIDSIZE=0), False),
    (dict(S1CDMax=21, Config=S2), {}, False),
    (dict(S1CDMax=3, S1Fmt=1), dict(CD2L=0), True),                         # 9
    (dict(S1CDMax=3, S1Fmt=2), dict(CD2L=0), True),
    (dict(S1CDMax=3, S1Fmt=3), dict(CD2L=0), False),
    (dict(S1CDMax=0, S1Fmt=1), dict(CD2L=0), False),
    (dict(S1ContextPtr=1 << 48), {}, True),                                 # 10
    (dict(S1ContextPtr=1 << 48, Config=NESTED), {}, False),                 # 11
    (dict(S1ContextPtr=1 << 48, Config=S2), {}, False),
    (dict(Config=S2, S2S=1), {}, False),                                    # 12
    (dict(Config=S2, S2S=1), dict(STALL_MODEL=1, STALL_MAX=0), True),
    (dict(Config=S2, S2S=0), dict(STALL_MODEL=2), True),
    (dict(Config=S2, S2AA64=0), {}, True),                                  # 13
    (dict(Config=S1, S2AA64=0), {}, False),
    (dict(Config=S2, S2HA=1), dict(HTTU=0), True),                          # 14
    (dict(Config=S2, S2HD=1), dict(HTTU=0), True),
    (dict(Config=S2, S2HD=1, S2HA=1), dict(HTTU=1), True),
    (dict(Config=S2, S2HA=1), dict(HTTU=1), False),
    (dict(Config=S2, S2HD=1), {}, False),
    (dict(Config=S2, S2TG=3), {}, True),                                    # 15
    (dict(Config=S2, S2TG=2, S2SL0=1), dict(GRAN16K=0), True),
    (dict(Config=S2, S2PS=0, S2TTB=1 << 32), {}, True),                     # 16
    (dict(Config=S2, S2PS=1, S2TTB=1 << 32), {}, False),
    (dict(Config=S2, S2PS=7, S2TTB=1 << 47), {}, False),
    (dict(Config=S2, S2PS=7, S2TTB=1 << 48), {}, True),
    (dict(Config=S2, S2PS=6, S2TTB=1 << 48), dict(OAS=6), True),            # 4 KB: 48 bits
    (dict(Config=S2, S2PS=6, S2TTB=1 << 48, S2TG=1, S2SL0=1), dict(OAS=6), False),
    (dict(Config=S2, S2T0SZ=15, S2SL0=2), {}, True),                        # 17
    (dict(Config=S2, S2T0SZ=16, S2SL0=2), {}, False),
    (dict(Config=S2, S2T0SZ=39, S2SL0=0), {}, False),
    (dict(Config=S2, S2T0SZ=40, S2SL0=0), {}, True),
    (dict(Config=S2, S2T0SZ=40, S2SL0=3), dict(STT=1), False),
    (dict(Config=S2, S2SL0=3), {}, True),
    (dict(Config=S2, S2T0SZ=21, S2SL0=1), {}, False),                       # 16 tables
    (dict(Config=S2, S2T0SZ=20, S2SL0=1), {}, True),                        # 32 tables
    (dict(Config=S2, S2T0SZ=33, S2SL0=1), {}, False),                       # IA 31
    (dict(Config=S2, S2T0SZ=34, S2SL0=1), {}, True),                        # IA 30: L1 too high
    (dict(Config=S2, S2T0SZ=24, S2SL0=2), dict(OAS=3), True),               # L0 needs 44 bits
    (dict(Config=S2, S2TG=2, S2T0SZ=24, S2SL0=2), dict(OAS=2), True),       # L1 16K needs 42
    (dict(Config=S2, S2TG=1, S2T0SZ=21, S2SL0=2), dict(OAS=3), True),       # L1 64K needs 44
    (dict(Config=S2, S2TG=1, S2T0SZ=12, S2SL0=2), dict(OAS=6), False),
    (dict(Config=S2, S2TG=1, S2T0SZ=15, S2SL0=2), {}, True),                # IAS 48
    (dict(Config=S2, S2ENDI=1), {}, False),                                 # 18
    (dict(Config=S2, S2ENDI=1), dict(TTENDIAN=2), True),
    (dict(Config=S2, S2ENDI=0), dict(TTENDIAN=3), True),
    (dict(Config=S2, S2VMID=256), dict(VMID16=0), True),                    # 19
    (dict(Config=S1, S2VMID=256), dict(VMID16=0), True),
    (dict(Config=S1, S2VMID=256, STRW=2), dict(VMID16=0), False),
    (dict(Config=4, S2VMID=256), dict(VMID16=0), False),
]


@pytest.mark.parametrize(("fields", "ids", "illegal"), STE_CASES)
def test_ste_checklist(fields, ids, illegal):
    rig = Rig(implementation(**ids))
    rig.ste |= STAGE2 | fields
    if rig.impl.STALL_MODEL == 2:
        rig.cd["S"] = 1
        rig.ste.setdefault("S2S", 1)
    result = rig.run(0x1000)
    assert (name(result) == "C_BAD_STE") == illegal
    if illegal:
        assert dict(event(result).items()) == {
            "TYPE": 4, "StreamID": SID, "SSV": 0, "SubstreamID": 0}
