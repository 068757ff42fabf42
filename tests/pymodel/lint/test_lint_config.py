"""Changes of configuration structures, address space tags, and contents of structures."""

from __future__ import annotations

import pytest
from lint_rig import (
    CDTAB,
    L1CDS,
    L2TAB,
    LEAFCDS,
    NCDTAB,
    PAGE,
    POOL,
    STRTAB,
    VA,
    Desk,
    ste1,
    ste2,
)

from spec import commands as c
from spec import registers as r
from spec.context import CD, L1CD
from spec.stream_table import L1STD, STE, SteConfig, SteS1Fmt

STE1 = c.CFGI_STE.make(StreamID=1, Leaf=1)
CD1 = c.CFGI_CD.make(StreamID=1, SSV=1, SubstreamID=1, Leaf=1)
ASID1 = c.TLBI_NH_ASID.make(ASID=0x11)


def words(desk: Desk, address: int, structure, *numbers: int) -> None:
    """Write some doublewords of a structure, in this order."""
    for n in numbers:
        desk.put(address + 8 * n, structure.words()[n])


def replace(desk: Desk, address: int, structure, *commands, first=True, between=True) -> None:
    """The safe way (reference 9.3), with steps left out on demand."""
    if first:
        desk.put(address, 0)
        if between:
            desk.issue(*commands)
    words(desk, address, structure, *range(1, 8), 0)
    desk.issue(*commands)


def other(desk: Desk) -> CD:
    """A CD for other tables under another ASID."""
    return desk.context(2, MAIR0=0xFF44)


STE_CASES = [
    ("STE disabled", lambda d: (d.put(d.ste(1), 1), d.issue(STE1)), set()),
    ("STE disabled without CFGI", lambda d: (d.put(d.ste(1), 1), d.issue()), {"cfgi.missing"}),
    ("STE disabled, CFGI of another", lambda d: (
        d.put(d.ste(1), 1), d.issue(STE1.replace(StreamID=2))), {"cfgi.missing"}),
    ("STE disabled, CFGI_CD", lambda d: (d.put(d.ste(1), 1), d.issue(CD1)), {"cfgi.missing"}),
    ("STE disabled, TLBI", lambda d: (d.put(d.ste(1), 1), d.issue(c.TLBI_NSNH_ALL.make())),
     {"cfgi.missing"}),
    ("STE disabled, range of CFGI", lambda d: (
        d.put(d.ste(1), 1), d.issue(c.CFGI_STE_RANGE.make(StreamID=0, Range=1))), set()),
    ("STE disabled without SYNC", lambda d: (d.put(d.ste(1), 1), d.post(STE1)),
     {"sync.missing"}),
    ("STE used after a SYNC", lambda d: (
        d.put(d.ste(1), 1), d.issue(), d.access(), d.issue(STE1)), {"cfgi.missing"}),
    ("new STE where nothing was used", lambda d: (
        replace(d, d.ste(9), ste1(), STE1.replace(StreamID=9))), set()),
    ("new STE without CFGI", lambda d: d.write(d.ste(9), ste1().to_bytes()), {
        "cfgi.missing", "entry.torn"}),
    ("STE replaced safely", lambda d: replace(d, d.ste(1), ste2(d.roots[2], 2), STE1), set()),
    ("STE replaced in place", lambda d: replace(
        d, d.ste(1), ste2(d.roots[2], 2), STE1, first=False), {"entry.torn"}),
    ("STE replaced without CFGI after V=0", lambda d: replace(
        d, d.ste(1), ste2(d.roots[2], 2), STE1, between=False), {"entry.torn"}),
    ("one live doubleword", lambda d: (
        d.put(d.ste(1) + 8, ste1(S1DSS=0).words()[1]), d.issue(STE1)), set()),
    ("ignored bits", lambda d: d.put(d.ste(1) + 24, ste2(0x1000, 2).words()[3]), set()),
    ("hitless: ignored bits, one doubleword", lambda d: (
        words(d, d.ste(2), ste1(S1CIR=1, S2VMID=2), 1), d.issue(STE1.replace(StreamID=2)),
        words(d, d.ste(2), ste1(S1CIR=1), 0), d.issue(STE1.replace(StreamID=2))), set()),
    ("CONT hint", lambda d: d.flip(d.ste(1) + 8, STE.CONT.mask >> 64), set()),
]

CD_CASES = [
    ("CD cleared", lambda d: (d.put(d.cd(1), 0), d.issue(CD1)), set()),
    ("CD cleared without CFGI", lambda d: (d.put(d.cd(1), 0), d.issue()), {"cfgi.missing"}),
    ("CD cleared, CFGI of another", lambda d: (
        d.put(d.cd(1), 0), d.issue(CD1.replace(SubstreamID=2))), {"cfgi.missing"}),
    ("CD cleared, CFGI_CD_ALL", lambda d: (
        d.put(d.cd(1), 0), d.issue(c.CFGI_CD_ALL.make(StreamID=1))), set()),
    ("CD cleared, CFGI_STE", lambda d: (d.put(d.cd(1), 0), d.issue(STE1)), set()),
    ("CD added", lambda d: replace(d, d.cd(2), other(d), CD1.replace(SubstreamID=2),
                                   first=False), set()),
    ("CD added without CFGI", lambda d: d.write(d.cd(2), other(d).to_bytes()),
     {"cfgi.missing"}),
    ("CD replaced safely", lambda d: replace(d, d.cd(1), other(d), CD1), set()),
    ("CD replaced in place", lambda d: replace(d, d.cd(1), other(d), CD1, first=False),
     {"entry.torn"}),
    ("CD changed again after V=1", lambda d: (
        d.write(d.cd(2), other(d).to_bytes()), d.flip(d.cd(2) + 24, 1),
        d.flip(d.cd(2), CD.R.mask), d.issue(CD1.replace(SubstreamID=2))), {"entry.torn"}),
    ("quiesced CD", lambda d: (d.flip(d.cd(1), CD.EPD0.mask), d.issue(CD1)), set()),
    ("nested CD without CFGI", lambda d: d.put(NCDTAB, 0), {"cfgi.missing"}),
    ("nested CD", lambda d: (d.put(NCDTAB, 0), d.issue(c.CFGI_CD.make(StreamID=3, Leaf=1))),
     set()),
    ("leaf CD without CFGI", lambda d: d.put(LEAFCDS + 64, 0), {"cfgi.missing"}),
    ("unreachable CD", lambda d: d.write(CDTAB + 4 * 64, other(d).to_bytes()), set()),
    ("L1CD added", lambda d: (
        d.put(L1CDS + 8, L1CD.pack(V=1, L2Ptr=LEAFCDS + PAGE)),
        d.issue(c.CFGI_CD.make(StreamID=4, SSV=1, SubstreamID=64))), set()),
    ("L1CD added, CFGI of the leaf only", lambda d: (
        d.put(L1CDS + 8, L1CD.pack(V=1, L2Ptr=LEAFCDS + PAGE)),
        d.issue(c.CFGI_CD.make(StreamID=4, SSV=1, SubstreamID=64, Leaf=1))), {"cfgi.missing"}),
    ("L1CD removed, one CFGI_CD", lambda d: (
        d.put(L1CDS, 0), d.issue(c.CFGI_CD.make(StreamID=4, SSV=1, SubstreamID=1))), set()),
    ("L1CD removed, table reused", lambda d: (
        d.put(L1CDS, 0), d.write(LEAFCDS, b"data"), d.issue(c.CFGI_CD_ALL.make(StreamID=4))),
     {"reuse"}),
]

TAG_CASES = [
    ("ASID reused after TLBI", lambda d: (
        replace(d, d.cd(1), d.context(2, ASID=0x11), CD1, ASID1), d.access()), set()),
    ("ASID reused", lambda d: (
        replace(d, d.cd(1), d.context(2, ASID=0x11), CD1), d.access()), {"tag.reuse"}),
    ("ASID reused for the same tables", lambda d: (
        replace(d, d.cd(1), d.context(1, S=1), CD1), d.access()), set()),
    ("ASID reused for the same tables, changed meanwhile", lambda d: (
        d.put(d.cd(1), 0), d.issue(CD1), d.put(d.leaf(), 0),
        replace(d, d.cd(1), d.context(1), CD1), d.access()), {"tag.reuse"}),
    ("ASID reused with other attributes", lambda d: (
        replace(d, d.cd(1), d.context(1, MAIR0=0x44), CD1), d.access()), {"tag.reuse"}),
    ("one ASID for two", lambda d: (
        replace(d, d.cd(2), d.context(2, ASID=0x11), CD1.replace(SubstreamID=2), first=False),
        d.access(ssid=2)), {"tag.shared"}),
    ("one address space for two", lambda d: (
        replace(d, d.cd(2), d.context(1), CD1.replace(SubstreamID=2), first=False),
        d.access(ssid=2)), set()),
    ("VMID reused", lambda d: (
        replace(d, d.ste(2), ste2(d.flat, 2), STE1.replace(StreamID=2)),
        d.access(2, VA)), {"tag.reuse"}),
    ("VMID reused after TLBI", lambda d: (
        replace(d, d.ste(2), ste2(d.flat, 2), STE1.replace(StreamID=2),
                c.TLBI_S12_VMALL.make(VMID=2)), d.access(2, VA)), set()),
    ("tables freed after the CD is gone", lambda d: (
        d.put(d.cd(1), 0), d.issue(CD1), d.write(d.roots[1], b"data")), set()),
    ("tables freed before", lambda d: (
        d.put(d.cd(1), 0), d.write(d.roots[1], b"data"), d.issue(CD1)), {"reuse"}),
]


@pytest.mark.parametrize(("name", "act", "expected"), STE_CASES + CD_CASES + TAG_CASES,
                         ids=[case[0] for case in STE_CASES + CD_CASES + TAG_CASES])
def test_configuration_change(name, act, expected):
    desk = Desk()
    desk.use()
    assert desk.rules() == set()
    act(desk)
    assert desk.rules() == expected


NEW = L1STD.pack(Span=7, L2Ptr=L2TAB + 0x1000)
L1STD_CASES = [
    ("added", NEW, c.CFGI_STE.make(StreamID=64), set()),
    ("added, CFGI of the leaf", NEW, c.CFGI_STE.make(StreamID=64, Leaf=1), {"cfgi.missing"}),
    ("added, CFGI elsewhere", NEW, c.CFGI_STE.make(StreamID=1), {"cfgi.missing"}),
    ("misaligned", NEW + 64, c.CFGI_STE.make(StreamID=64), {"table.align"}),
    ("Span too large", L1STD.pack(Span=8, L2Ptr=L2TAB + 0x2000), c.CFGI_STE.make(StreamID=64),
     {"l1std"}),
    ("RES0", NEW | 1 << 5, c.CFGI_STE.make(StreamID=64), {"l1std"}),
]


@pytest.mark.parametrize(("name", "value", "command", "expected"), L1STD_CASES,
                         ids=[case[0] for case in L1STD_CASES])
def test_level_1_stream_table(name, value, command, expected):
    desk = Desk(two_level=True)
    desk.use()
    desk.put(STRTAB + 8, value)
    desk.issue(command)
    assert desk.rules() == expected


def test_replaced_second_level_table():
    """Every STE under it is another one."""
    def run(*commands):
        desk = Desk(two_level=True)
        desk.use()
        desk.put(STRTAB, L1STD.pack(Span=7, L2Ptr=L2TAB + 0x1000))
        desk.issue(*commands)
        return desk.rules()

    assert run(c.CFGI_STE_RANGE.make(Range=31)) == set()
    assert run(c.CFGI_STE.make(StreamID=1)) == {"cfgi.missing"}
    assert run(*(c.CFGI_STE.make(StreamID=n) for n in (1, 2, 3, 4))) == set()


def test_changes_while_disabled_still_need_invalidation():
    """Caches keep what they hold while SMMUEN=0 (reference 1.4)."""
    def run(*commands, access=True):
        desk = Desk()
        desk.use()
        desk.wr(r.CR0, r.CR0.pack(CMDQEN=1))
        desk.write(desk.ste(1), bytes(64))
        desk.put(desk.leaf(2), 0)
        desk.issue(*commands)
        desk.wr(r.CR0, r.CR0.pack(CMDQEN=1, SMMUEN=1))
        if access:
            desk.access(1)
            desk.access(2)
        return desk.rules()

    assert run(c.CFGI_STE_RANGE.make(Range=31), c.TLBI_NSNH_ALL.make()) == set()
    assert run(c.CFGI_STE_RANGE.make(Range=31)) == {"tlbi.missing"}
    assert run(c.TLBI_NSNH_ALL.make()) == {"cfgi.missing"}


def test_another_stream_table_needs_cfgi_all():
    def run(*commands):
        desk = Desk()
        desk.use()
        desk.wr(r.CR0, r.CR0.pack(CMDQEN=1))
        desk.wr(r.STRTAB_BASE, r.STRTAB_BASE.pack(ADDR=POOL - 0x4000))
        desk.issue(*commands)
        desk.wr(r.CR0, r.CR0.pack(CMDQEN=1, SMMUEN=1))
        return desk.rules()

    assert run(c.CFGI_STE_RANGE.make(Range=31)) == set()
    assert run() == {"cfgi.missing"}


CONTENTS = [
    ("V=0", STE(0), set()),
    ("abort, anything", STE.make(V=1, S1Fmt=3, S2TG=3), set()),
    ("bypass", STE.make(V=1, Config=SteConfig.BYPASS, SHCFG=1), set()),
    ("bypass, ignored fields", STE.make(V=1, Config=4, S1Fmt=3, S1CDMax=31, S2TG=3), set()),
    ("bypass, RES0", STE(ste1().replace(Config=4).value | 1 << 58), {"ste"}),
    ("later field", ste1(S1MPAM=1), {"ste"}),
    ("ILLEGAL", ste1(S1CDMax=21), {"ste"}),
    ("S1Fmt reserved", ste1(S1Fmt=3), {"ste"}),
    ("S1Fmt without substreams", ste1(S1Fmt=3, S1CDMax=0), set()),
    ("S1DSS reserved", ste1(S1DSS=3), {"ste"}),
    ("S1CSH reserved", ste1(S1CSH=1), {"ste"}),
    ("EATS without ATS", ste1(EATS=1), {"ste"}),
    ("PRIVCFG 1", ste1(PRIVCFG=1), set()),
    ("CD table misaligned", ste1(S1ContextPtr=CDTAB + 64), {"table.align"}),
    ("single CD", ste1(S1ContextPtr=CDTAB + 64, S1CDMax=0), set()),
    ("L1 table misaligned", ste1(S1ContextPtr=L1CDS + 64, S1Fmt=SteS1Fmt.L2_4K, S1CDMax=10),
     {"table.align"}),
    ("S2TTB misaligned", ste2(0x10_0040, 2), {"table.align"}),
    ("S2PS reserved", ste2(0x10_0000, 2, S2PS=7), {"ste"}),
    ("S2SH0 reserved", ste2(0x10_0000, 2, S2SH0=1), {"ste"}),
    ("S1ContextPtr above IAS", ste2(0x10_0000, 2, Config=7, S1ContextPtr=1 << 50), {"ste"}),
]


@pytest.mark.parametrize("how", ["read", "named"])
@pytest.mark.parametrize(("name", "ste", "expected"), CONTENTS, ids=[x[0] for x in CONTENTS])
def test_ste_contents(name, ste, expected, how):
    """Found when a transaction reads it, or when a CFGI names it."""
    desk = Desk(enable=how == "named")
    if how == "read":
        desk.write(desk.ste(9), ste.to_bytes())
        desk.start()
        desk.access(9)
    else:
        replace(desk, desk.ste(9), ste, c.CFGI_STE.make(StreamID=9, Leaf=1))
    assert desk.rules() == expected


CD_CONTENTS = [
    ("good", {}, set()), ("V=0", {"V": 0, "TG0": 3}, set()), ("ILLEGAL", {"TG0": 3}, {"cd"}),
    ("half that is off", {"TG1": 0, "SH1": 1, "T1SZ": 63}, set()),
    ("SH0 reserved", {"SH0": 1}, {"cd"}), ("IPS reserved", {"IPS": 7}, {"cd"}),
    ("E0PD without it", {"E0PD0": 1}, {"cd"}), ("later field", {"PIE": 1}, {"cd"}),
    ("ASID", {"ASID": 0xFFFF}, set()),
    ("TTB misaligned", {"TTB0": 0x10_0040}, {"table.align"}),
    ("TTB0 above IPS", {"TTB0": 1 << 44}, {"cd"}),
]


@pytest.mark.parametrize(("name", "fields", "expected"), CD_CONTENTS,
                         ids=[x[0] for x in CD_CONTENTS])
def test_cd_contents(name, fields, expected):
    desk = Desk()
    desk.use()
    replace(desk, desk.cd(2), desk.context(2, **fields), CD1.replace(SubstreamID=2), first=False)
    assert desk.rules() == expected


@pytest.mark.parametrize(("value", "expected"), [
    (L1CD.pack(V=1, L2Ptr=LEAFCDS + PAGE), set()), (2, set()),
    (L1CD.pack(V=1, L2Ptr=LEAFCDS + PAGE) | 2, {"l1cd"}),
    (L1CD.pack(V=1, L2Ptr=1 << 51), {"l1cd"})])
def test_l1cd_contents(value, expected):
    desk = Desk()
    desk.use()
    desk.put(L1CDS + 8, value)
    desk.issue(c.CFGI_CD.make(StreamID=4, SSV=1, SubstreamID=64))
    assert desk.rules() == expected


def test_findings_name_the_place():
    desk = Desk()
    desk.use()
    desk.put(desk.cd(1), 0)
    desk.lint.finish()
    finding, = desk.lint.findings
    assert (finding.rule, finding.section) == ("cfgi.missing", "2.2")
    assert finding.where == f"CD of StreamID 0x1 SubstreamID 0x1 at {desk.cd(1):#x}"
