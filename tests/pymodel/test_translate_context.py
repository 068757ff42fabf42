# ruff: noqa: C408 - the keyword form reads best for fields
"""SubstreamIDs, CD tables, CD checklist: tables of cases (reference 3)."""

import pytest
from translate_rig import (
    AF,
    CDTAB,
    HOLE,
    PAGE,
    RAM_BASE,
    S2,
    SID,
    Rig,
    event,
    implementation,
    name,
    put,
)

from spec.context import CD

BADSUB, DISABLED, OFF = "C_BAD_SUBSTREAMID", "F_STREAM_DISABLED", "stage 1 off"

# STE fields, ssid, the CD used or what else happens (reference 3.1).
SUBSTREAM_CASES = [
    (dict(Config=4), None, OFF), (dict(Config=4), 0, BADSUB), (dict(Config=4), 9, BADSUB),
    (dict(Config=S2), None, OFF), (dict(Config=S2), 0, BADSUB),
    (dict(S1CDMax=0), None, 0), (dict(S1CDMax=0), 0, BADSUB), (dict(S1CDMax=0), 1, BADSUB),
    (dict(S1CDMax=4, S1DSS=0), None, DISABLED), (dict(S1CDMax=4, S1DSS=0), 0, 0),
    (dict(S1CDMax=4, S1DSS=0), 15, 15), (dict(S1CDMax=4, S1DSS=0), 16, BADSUB),
    (dict(S1CDMax=4, S1DSS=3), None, DISABLED), (dict(S1CDMax=4, S1DSS=3), 0, 0),
    (dict(S1CDMax=4, S1DSS=1), None, OFF), (dict(S1CDMax=4, S1DSS=1), 0, 0),
    (dict(S1CDMax=4, S1DSS=1), 16, BADSUB),
    (dict(S1CDMax=4, S1DSS=2), None, 0), (dict(S1CDMax=4, S1DSS=2), 0, DISABLED),
    (dict(S1CDMax=4, S1DSS=2), 1, 1), (dict(S1CDMax=4, S1DSS=2), 16, BADSUB),
    (dict(S1CDMax=7, S1Fmt=1), 63, 63), (dict(S1CDMax=7, S1Fmt=1), 64, 64),
    (dict(S1CDMax=11, S1Fmt=2), 1023, 1023), (dict(S1CDMax=11, S1Fmt=2), 1024, 1024),
    (dict(S1CDMax=3, S1Fmt=1), 7, 7), (dict(S1CDMax=3, S1Fmt=2), 8, BADSUB),
    (dict(S1CDMax=4, S1Fmt=3), 9, 9),
]


def place_cds(rig: Rig) -> None:
    """A CD for every SubstreamID whose IPS-independent mark is its own TTB0: page 0 maps to
    SubstreamID x 4 KB above 1 GB."""
    fmt = rig.ste.get("S1Fmt", 0) if rig.ste.get("S1CDMax", 0) else 0
    leaf_bits = {1: 6, 2: 10}.get(fmt, 30)
    tables: dict[int, int] = {}
    for index in (0, 1, 7, 9, 15, 63, 64, 1023, 1024):
        table = rig.page()
        rig.map(table, 0, 48, 12, 0, (RAM_BASE + index * 4096) | PAGE | AF | 1 << 6)
        upper = index >> leaf_bits
        if fmt in (1, 2):
            if upper not in tables:
                tables[upper] = rig.page()
                put(rig.memory, CDTAB + upper * 8, tables[upper] | 1)
            base = tables[upper]
        else:
            base = CDTAB
        rig.memory.write(base + (index & ((1 << leaf_bits) - 1)) * 64,
                         CD.make(**rig.cd | dict(TTB0=table)).to_bytes())


@pytest.mark.parametrize(("fields", "ssid", "expected"), SUBSTREAM_CASES)
def test_substream_decision(fields, ssid, expected):
    rig = Rig()
    rig.ste |= dict(S2AA64=1, S2T0SZ=24, S2SL0=1, S2PS=5, S2R=1, S2TTB=0x4300_0000) | fields
    rig.commit()
    place_cds(rig)
    result = rig.go(0x10, ssid=ssid)
    if expected == OFF:
        assert name(result) == ("F_TRANSLATION" if rig.ste["Config"] == S2 else "BYPASS")
    elif isinstance(expected, int):
        assert result.pa == RAM_BASE + expected * 4096 + 0x10
    else:
        got = event(result)
        assert type(got).__name__ == expected
        fields = {"TYPE": got.TYPE, "StreamID": SID}
        if expected == BADSUB:
            fields["SubstreamID"] = ssid or 0
        assert dict(got.items()) == fields


def test_without_ssid_support_cd_max_and_format_are_ignored():
    rig = Rig(implementation(SSIDSIZE=0))
    rig.ste |= dict(S1CDMax=9, S1Fmt=1, S1DSS=1)
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, RAM_BASE | PAGE | AF | 1 << 6)
    assert rig.run(0).pa == RAM_BASE
    assert name(rig.go(0, ssid=0)) == BADSUB


@pytest.mark.parametrize(("l1cd", "expected"), [
    (0, BADSUB), (1 << 48 | 1, BADSUB), (HOLE | 1, "F_CD_FETCH")])
@pytest.mark.parametrize("ssid", [None, 70])
def test_l1cd(l1cd, expected, ssid):
    rig = Rig()
    rig.ste |= dict(S1CDMax=8, S1Fmt=1, S1DSS=2)
    rig.commit()
    put(rig.memory, CDTAB + (8 if ssid else 0), l1cd)
    got = event(rig.go(0, ssid=ssid))
    assert type(got).__name__ == expected
    if expected == BADSUB:
        assert got.SubstreamID == (ssid or 0)
    else:
        assert got.FetchAddr == HOLE + (6 * 64 if ssid else 0)
        assert (got.SSV, got.SubstreamID) == (int(ssid is not None), ssid or 0)


def test_64k_leaf_pointer_is_aligned():
    rig = Rig()
    rig.ste |= dict(S1CDMax=8, S1Fmt=2)
    rig.commit()
    leaf = rig.page()
    put(rig.memory, CDTAB, leaf | 0xF000 | 1)
    rig.memory.write(leaf + 64 * 3, CD.make(**rig.cd).to_bytes())
    assert name(rig.go(0, ssid=3)) == "F_TRANSLATION"


def test_cd_fetch_abort():
    rig = Rig()
    rig.ste |= dict(S1ContextPtr=HOLE)
    got = event(rig.run(0))
    assert dict(got.items())["FetchAddr"] == HOLE
    assert type(got).__name__ == "F_CD_FETCH"


# (CD fields, STE fields, ID fields, ILLEGAL) with the row of reference 3.3.
CD_CASES = [
    (dict(V=0), {}, {}, True),                                              # 1
    (dict(S=1), dict(S1STALLD=1), {}, True),                                # 2
    (dict(S=1), {}, {}, False),
    (dict(A=0), {}, {}, False),                                             # 3
    (dict(A=0), {}, dict(TERM_MODEL=1), True),
    (dict(S=1), {}, dict(STALL_MODEL=1, STALL_MAX=0), True),                # 4
    (dict(S=0), {}, dict(STALL_MODEL=2), True),                             # 5
    (dict(ENDI=1), {}, {}, False),                                          # 6
    (dict(ENDI=1), {}, dict(TTENDIAN=2), True),
    (dict(ENDI=0), {}, dict(TTENDIAN=3), True),
    (dict(ENDI=1, EPD0=1, EPD1=1), {}, dict(TTENDIAN=2), False),
    (dict(AA64=0), {}, {}, True),                                           # 7, 8
    (dict(HA=1), {}, dict(HTTU=0), True),                                   # 9
    (dict(HD=1), {}, dict(HTTU=0), True),
    (dict(HD=1, HA=1), {}, dict(HTTU=1), True),
    (dict(HD=1), {}, {}, False),
    (dict(ASID=256), {}, dict(ASID16=0), True),                             # 10
    (dict(ASID=256), dict(STRW=2), dict(ASID16=0), False),
    (dict(T0SZ=15), {}, {}, True),                                          # 11
    (dict(T0SZ=39), {}, {}, False),
    (dict(T0SZ=40), {}, {}, True),
    (dict(T0SZ=48), {}, dict(STT=1), False),
    (dict(T0SZ=48, TG0=1), {}, dict(STT=1), True),
    (dict(T0SZ=12, TG0=1), {}, dict(VAX=1), False),
    (dict(T0SZ=12, TG0=0), {}, dict(VAX=1), True),
    (dict(T0SZ=15, EPD0=1), {}, {}, False),
    (dict(EPD1=0, TG1=2, T1SZ=15), {}, {}, True),
    (dict(EPD1=1, TG1=2, T1SZ=15), {}, {}, False),
    (dict(TG0=3), {}, {}, True),                                            # 12
    (dict(TG0=2), {}, dict(GRAN16K=0), True),
    (dict(EPD1=0, TG1=0, T1SZ=16), {}, {}, True),
    (dict(EPD1=0, TG1=1, T1SZ=16), {}, {}, False),
    (dict(TTB0=1 << 32, IPS=0), {}, {}, True),                              # 13
    (dict(TTB0=1 << 32, IPS=1), {}, {}, False),
    (dict(TTB0=1 << 47, IPS=7), {}, {}, False),
    (dict(TTB0=1 << 48, IPS=7), {}, {}, True),
    (dict(TTB0=1 << 48, IPS=6), {}, dict(OAS=6), True),
    (dict(TTB0=1 << 48, IPS=6, TG0=1), {}, dict(OAS=6), False),
    (dict(TTB0=1 << 48, EPD0=1), {}, {}, False),
    (dict(EPD1=0, TG1=2, T1SZ=16, TTB1=1 << 48), {}, {}, True),
    # The EL2 world without E2H has only TT0, and EPD0 does not count.
    (dict(EPD1=0, TG1=0, T1SZ=63), dict(STRW=2), {}, False),
    (dict(EPD0=1, T0SZ=15), dict(STRW=2), {}, True),
    # Not errors.
    (dict(EPD0=1, EPD1=1), {}, {}, False),
    (dict(UWXN=1, NSCFG0=1, NSCFG1=1), {}, {}, False),
]


@pytest.mark.parametrize(("fields", "ste", "ids", "illegal"), CD_CASES)
def test_cd_checklist(fields, ste, ids, illegal):
    rig = Rig(implementation(**ids))
    rig.ste |= ste
    rig.cd |= fields
    result = rig.run(0x1000)
    assert (name(result) == "C_BAD_CD") == illegal
    if illegal:
        assert dict(event(result).items()) == {
            "TYPE": 10, "StreamID": SID, "SSV": 0, "SubstreamID": 0}


def test_a_bad_tt1_breaks_accesses_through_tt0():
    rig = Rig()
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, RAM_BASE | PAGE | AF | 1 << 6)
    assert rig.run(0).pa == RAM_BASE
    rig.cd |= dict(EPD1=0, TG1=2, T1SZ=1)
    assert name(rig.run(0)) == "C_BAD_CD"


def test_e2h_world_checks_the_upper_half_again():
    rig = Rig()
    rig.ste["STRW"] = 2
    rig.cd |= dict(EPD1=0, TG1=0)
    assert name(rig.run(0)) == "F_TRANSLATION"
    rig.state.e2h = True
    assert name(rig.go(0)) == "C_BAD_CD"
