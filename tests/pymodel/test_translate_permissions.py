# ruff: noqa: C408 - the keyword form reads best for fields
"""The permission matrix of both stages, written out (reference 4.6)."""

import itertools

import pytest
from translate_rig import AF, PAGE, RAM_BASE, S2, Rig, event, implementation, name

UXN, PXN, DBM = 1 << 54, 1 << 53, 1 << 51
ACCESSES = {"ur": dict(), "uw": dict(write=True), "ux": dict(ind=True),
            "pr": dict(pnu=True), "pw": dict(write=True, pnu=True), "px": dict(ind=True, pnu=True)}


def allowed(rig: Rig, addr: int = 0) -> str:
    """The accesses that are allowed, as words in the order of ACCESSES."""
    rig.commit()
    out = []
    for access, fields in ACCESSES.items():
        got = name(rig.go(addr, explain=True, **fields))
        assert got in ("TRANSLATED", "F_PERMISSION"), got
        if got == "TRANSLATED":
            out.append(access)
    return " ".join(out)


# AP[2:1], further leaf bits, CD fields, table bits, what is allowed.
STAGE1 = [
    (0, 0, {}, 0, "ux pr pw px"),
    (1, 0, {}, 0, "ur uw ux pr pw"),           # unprivileged-writable: no privileged execution
    (2, 0, {}, 0, "ux pr px"),
    (3, 0, {}, 0, "ur ux pr px"),
    (0, UXN, {}, 0, "pr pw px"), (1, UXN, {}, 0, "ur uw pr pw"),
    (2, PXN, {}, 0, "ux pr"), (3, UXN | PXN, {}, 0, "ur pr"),
    # WXN
    (0, 0, dict(WXN=1), 0, "ux pr pw"), (1, 0, dict(WXN=1), 0, "ur uw pr pw"),
    (2, 0, dict(WXN=1), 0, "ux pr px"), (3, 0, dict(WXN=1), 0, "ur ux pr px"),
    (1, 0, dict(UWXN=1), 0, "ur uw ux pr pw"),
    # PAN
    (0, 0, dict(PAN=1), 0, "ux pr pw px"), (1, 0, dict(PAN=1), 0, "ur uw ux"),
    (2, 0, dict(PAN=1), 0, "ux pr px"), (3, 0, dict(PAN=1), 0, "ur ux px"),
    # Tables: [61] no unprivileged access, [62] no write access, [60] UXN, [59] PXN.
    (1, 0, {}, 1 << 61, "ux pr pw px"), (1, 0, {}, 2 << 61, "ur ux pr px"),
    (1, 0, {}, 3 << 61, "ux pr px"), (3, 0, {}, 1 << 60, "ur pr px"),
    (3, 0, {}, 1 << 59, "ur ux pr"), (1, 0, dict(PAN=1), 1 << 61, "ux pr pw px"),
    (1, 0, dict(HAD0=1), 0xF << 59, "ur uw ux pr pw"),
    (1, 0, dict(HAD1=1), 0xF << 59, "pr"),
    # Writable-clean counts as writable, for WXN too.
    (3, DBM, dict(HA=1, HD=1), 0, "ur uw ux pr pw"), (3, DBM, dict(HA=1), 0, "ur ux pr px"),
    (3, DBM, dict(HA=1, HD=1, WXN=1), 0, "ur uw pr pw"),
    (2, DBM, dict(HA=1, HD=1, WXN=1), 0, "ux pr pw"),
    (3, DBM, dict(HA=1, HD=1), 2 << 61, "ur ux pr px"),
    # EPAN is not implemented here.
    (0, 0, dict(PAN=1, EPAN=1), 0, "ux pr pw px"),
    # The EL2 world without E2H: AP[2] and one XN.
    (0, 0, dict(el2=1), 0, "ur uw ux pr pw px"), (2, PXN, dict(el2=1), 0, "ur ux pr px"),
    (1, UXN, dict(el2=1, PAN=1), 1 << 61 | 1 << 59, "ur uw pr pw"),
    (1, 0, dict(el2=1, WXN=1), 0, "ur uw pr pw"), (0, 0, dict(el2=1), 1 << 60, "ur uw pr pw"),
    (0, 0, dict(el2=1), 2 << 61, "ur ux pr px"),
]


@pytest.mark.parametrize(("ap", "leaf", "fields", "path", "expected"), STAGE1)
def test_stage1(ap, leaf, fields, path, expected):
    rig = Rig()
    rig.ste["STRW"] = 2 * fields.get("el2", 0)
    rig.cd |= {k: v for k, v in fields.items() if k != "el2"}
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, RAM_BASE | PAGE | AF | ap << 6 | leaf, path=path)
    assert allowed(rig) == expected


def test_e2h_world_is_like_el1():
    rig = Rig()
    rig.ste["STRW"], rig.state.e2h = 2, True
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, RAM_BASE | PAGE | AF | 2 << 6)
    assert allowed(rig) == "ux pr px"


def test_epan():
    rig = Rig(implementation(EPAN=1))
    rig.cd |= dict(PAN=1, EPAN=1)
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, RAM_BASE | PAGE | AF)
    assert allowed(rig) == "ux px"
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, RAM_BASE | PAGE | AF | UXN)
    assert allowed(rig) == "pr pw px"


# S2AP, XN[54:53], XNX, what is allowed.
STAGE2 = [
    (3, 0, 1, "ur uw ux pr pw px"), (1, 0, 1, "ur ux pr px"), (2, 0, 1, "uw ux pw px"),
    (0, 0, 1, "ux px"),                     # execute-only
    (3, 1, 1, "ur uw ux pr pw"), (3, 2, 1, "ur uw pr pw"), (3, 3, 1, "ur uw pr pw px"),
    (3, 1, 0, "ur uw ux pr pw px"), (3, 2, 0, "ur uw pr pw"), (3, 3, 0, "ur uw pr pw"),
]


@pytest.mark.parametrize(("s2ap", "xn", "xnx", "expected"), STAGE2)
def test_stage2(s2ap, xn, xnx, expected):
    rig = Rig(implementation(XNX=xnx, ArchMinorRev=2 if xnx else 0))
    table = rig.stage2(config=S2)
    rig.map(table, 0, 48, 12, 0, RAM_BASE | PAGE | AF | s2ap << 6 | xn << 53)
    assert allowed(rig) == expected


def test_both_stages_must_allow():
    rig = Rig()
    table = rig.stage2()
    for page in range(0x4010_0000, 0x4200_0000, 0x20_0000):
        rig.map(table, 0, 48, 12, page, page | 1 | AF | 3 << 6, 2)
    for ap, s2ap in itertools.product(range(4), range(4)):
        ipa = 0x9_0000_0000
        rig.map(rig.cd["TTB0"], 0, 48, 12, 0, ipa | PAGE | AF | ap << 6)
        rig.map(table, 0, 48, 12, ipa, RAM_BASE | PAGE | AF | s2ap << 6)
        stage2 = {"ux", "px"} | ({"ur", "pr"} if s2ap & 1 else set()) | (
            {"uw", "pw"} if s2ap & 2 else set())
        both = set(STAGE1[ap][4].split()) & stage2
        assert set(allowed(rig).split()) == both


@pytest.mark.parametrize(("privcfg", "instcfg", "write", "pnu", "ind", "seen"), [
    (0, 0, False, True, True, (1, 1)), (1, 1, False, True, True, (1, 1)),
    (2, 2, False, True, True, (0, 0)), (3, 3, False, False, False, (1, 1)),
    (3, 3, True, False, False, (1, 0)), (0, 0, True, False, True, (0, 0)),
])
def test_overrides(privcfg, instcfg, write, pnu, ind, seen):
    for ovr in (0, 1):
        rig = Rig(implementation(ATTR_PERMS_OVR=ovr))
        rig.ste |= dict(PRIVCFG=privcfg, INSTCFG=instcfg)
        got = event(rig.run(0x1000, write=write, pnu=pnu, ind=ind))
        assert (got.PnU, got.InD) == (seen if ovr else (int(pnu), int(ind and not write)))
        rig.cd["EPD0"] = 0
        rig.map(rig.cd["TTB0"], 0, 48, 12, 0x1000, RAM_BASE | PAGE | AF | 3 << 6)
        if not write:
            attrs = rig.run(0x1000, pnu=pnu, ind=ind).attrs
            assert (attrs.pnu, attrs.ind) == (seen if ovr else (pnu, ind))
