"""Second reading of fault classes and priorities (reference 4.2, 4.6, 4.8): whole records."""

from __future__ import annotations

import pytest

from spec.context import L1CD
from tests.second_reading.machine import (
    SHIFT,
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

VA = 0x12_3456_7ABC
PAGE = VA & ~0xFFF
OUT = 0x9000_0000       # IPA of the final page
IPA = OUT | 0xABC
FAR = 1 << 42           # beyond S2PS and IPS of `build`
CD, TT, IN = 0, 1, 2


def build(nested: bool = True, pnu: bool = False, **ids) -> Machine:
    """A good stream, 42-bit output at both stages, two-level CD table, everything in 2 MB apart.

    `pnu` makes the page accessible to privileged accesses only: they may then execute it too.
    """
    m = Machine(nested=nested, **ids)
    m.l1cd = m.take(64)
    m.gap()
    m.cd_at = m.take(4096)
    m.store(m.l1cd, L1CD.make(V=1, L2Ptr=m.cd_at))
    m.s1.put(VA, 2, 0)
    m.gap()
    m.s1.put(VA, 3, s1_leaf(OUT, ap=0 if pnu else 1))
    if nested:
        m.s2.put(OUT, 3, s2_leaf(OUT + SHIFT))
    m.fields = {"S1ContextPtr": m.l1cd, "S1CDMax": 8, "S1Fmt": 1, "S1DSS": 2}
    if nested:
        m.fields["S2PS"] = 3
    m.ste(**m.fields)
    m.cd(IPS=3)
    return m


def places(m: Machine) -> dict[str, tuple[int, int]]:
    """What stage 2 translates on the way: address and CLASS."""
    return {
        "l1cd": (m.l1cd, CD), "cd": (m.cd_at, CD),
        "ttb": (m.s1.slot(VA, 1), TT), "level2": (m.s1.slot(VA, 2), TT),
        "level3": (m.s1.slot(VA, 3), TT), "output": (OUT, IN),
    }


ACCESS = [
    {}, {"write": True}, {"pnu": True}, {"ind": True}, {"pnu": True, "ind": True},
    {"write": True, "pnu": True}, {"write": True, "ind": True},
]
PLACES = ["l1cd", "cd", "ttb", "level2", "level3", "output"]

# Stage-2 leaf that breaks a fetch of the place and the final access, and the event
S2_BREAKS = [
    (lambda ipa: 0, E.F_TRANSLATION),
    (lambda ipa: ipa + SHIFT | 1, E.F_TRANSLATION),            # reserved at level 3
    (lambda ipa: s2_leaf(FAR), E.F_ADDR_SIZE),
    (lambda ipa: s2_leaf(ipa + SHIFT, af=0), E.F_ACCESS),
    (lambda ipa: s2_leaf(FAR, af=0, s2ap=0), E.F_ADDR_SIZE),
    (lambda ipa: s2_leaf(ipa + SHIFT, af=0, s2ap=0), E.F_ACCESS),
    (lambda ipa: s2_leaf(ipa + SHIFT, s2ap=0, xn=2), E.F_PERMISSION),
]


@pytest.mark.parametrize("more", ACCESS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("leaf", "event"), S2_BREAKS)
def test_stage2_faults(place, leaf, event, more):
    """4.8: S2=1, CLASS and IPA of what was translated; the access bits are the client's."""
    m = build(pnu=more.get("pnu", False))
    at, what = places(m)[place]
    page = at & ~0xFFF
    m.s2.put(page, 3, leaf(page))
    extra = {"TTRnW": 1} if event is E.F_PERMISSION and what == TT else {}
    ends(m, fault(event, VA, S2=1, CLASS=what, IPA=page, **extra, **more), VA, **more)


@pytest.mark.parametrize("more", ACCESS)
@pytest.mark.parametrize("place", PLACES[:-1])
@pytest.mark.parametrize("leaf", [{"s2ap": 1}, {"s2ap": 1, "xn": 2}, {"s2ap": 3, "xn": 1}])
def test_fetches_are_data_reads(place, leaf, more):
    """Structures and tables need data read at stage 2, whatever the client does."""
    m = build(pnu=more.get("pnu", False))
    page = places(m)[place][0] & ~0xFFF
    m.s2.put(page, 3, s2_leaf(page + SHIFT, **leaf))
    translated(m, VA, IPA + SHIFT, **more)
    m.s2.put(page, 3, s2_leaf(page + SHIFT, s2ap=2))
    what = places(m)[place][1]
    extra = {"TTRnW": 1} if what == TT else {}
    ends(m, fault(E.F_PERMISSION, VA, S2=1, CLASS=what, IPA=page, **extra, **more), VA, **more)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("attr", [0x0, 0x1, 0x2, 0x3, 0x5, 0xF])
@pytest.mark.parametrize("ptw", [0, 1])
def test_ptw(place, attr, ptw):
    """S2PTW=1: a stage-1 table or CD in Device memory is F_PERMISSION, CLASS TT or CD (4.6)."""
    m = build()
    m.ste(**m.fields, S2PTW=ptw)
    at, what = places(m)[place]
    m.s2.put(at & ~0xFFF, 3, s2_leaf((at & ~0xFFF) + SHIFT, attr=attr))
    if ptw and attr < 4 and what != IN:
        extra = {"TTRnW": 1} if what == TT else {}
        ends(m, fault(E.F_PERMISSION, VA, S2=1, CLASS=what, IPA=at & ~0xFFF, **extra), VA)
    else:
        translated(m, VA, IPA + SHIFT)


# Stage-1 descriptor (level, value), access, event: S2=0, CLASS=IN at every level (4.8)
S1_BREAKS = [
    (1, 0, {}, E.F_TRANSLATION),
    (2, 0, {}, E.F_TRANSLATION),
    (3, 0, {}, E.F_TRANSLATION),
    (1, 2, {}, E.F_TRANSLATION),
    (2, 2, {}, E.F_TRANSLATION),
    (3, 2, {}, E.F_TRANSLATION),
    (3, s1_leaf(OUT) & ~2, {}, E.F_TRANSLATION),
    (1, FAR | 3, {}, E.F_ADDR_SIZE),
    (2, FAR | 3, {}, E.F_ADDR_SIZE),
    (3, s1_leaf(FAR), {}, E.F_ADDR_SIZE),
    (2, s1_leaf(FAR, 2), {}, E.F_ADDR_SIZE),
    (1, s1_leaf(FAR, 1), {}, E.F_ADDR_SIZE),
    (3, s1_leaf(FAR, af=0, ap=0), {}, E.F_ADDR_SIZE),
    (3, s1_leaf(OUT, af=0), {}, E.F_ACCESS),
    (2, s1_leaf(0x8000_0000, 2, af=0), {}, E.F_ACCESS),
    (3, s1_leaf(OUT, af=0, ap=0), {}, E.F_ACCESS),
    (3, s1_leaf(OUT, ap=0), {}, E.F_PERMISSION),
    (3, s1_leaf(OUT, ap=3), {"write": True}, E.F_PERMISSION),
    (3, s1_leaf(OUT, ap=2), {"pnu": True, "write": True}, E.F_PERMISSION),
    (3, s1_leaf(OUT, uxn=1), {"ind": True}, E.F_PERMISSION),
    (3, s1_leaf(OUT, ap=0, pxn=1), {"ind": True, "pnu": True}, E.F_PERMISSION),
]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("level", "value", "more", "event"), S1_BREAKS)
def test_stage1_faults(nested, level, value, more, event):
    m = build(nested)
    m.s1.put(VA, level, value)
    ends(m, fault(event, VA, **more), VA, **more)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("more", ACCESS)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_stage1_walk_abort(nested, level, more):
    """F_WALK_EABT on a stage-1 descriptor: S2=0, CLASS=TT, FetchAddr = PA."""
    m = build(nested)
    at = m.pa(m.s1.slot(VA, level))
    m.memory.poisoned.add(at >> 12)
    ends(m, fault(E.F_WALK_EABT, VA, CLASS=TT, FetchAddr=at, **more), VA, **more)


@pytest.mark.parametrize("place", ["l1cd", "cd", "level3", "output"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_stage2_walk_abort(place, level):
    """F_WALK_EABT on a stage-2 descriptor: S2=1, CLASS of what was being translated."""
    m = build()
    at, what = places(m)[place]
    slot = m.s2.slot(at, level)
    m.memory.poisoned.add(slot >> 12)
    if level < 3:  # the first fetch through that table is the one that meets it
        first = m.l1cd if level == 1 or m.s2.slot(m.l1cd, 2) >> 12 == slot >> 12 else at
        slot, what = m.s2.slot(first, level), CD if first == m.l1cd else what
    ends(m, fault(E.F_WALK_EABT, VA, S2=1, CLASS=what, FetchAddr=slot), VA)


@pytest.mark.parametrize("more", ACCESS)
@pytest.mark.parametrize(("leaf", "event"), S2_BREAKS)
def test_stage2_only(leaf, event, more):
    m = build()
    m.ste(Config=6, S2PS=3)
    m.s2.put(OUT, 3, leaf(OUT))
    ends(m, fault(event, IPA, S2=1, IPA=OUT, **more), IPA, **more)


def test_stage2_input_range():
    """IPA at or above 2^IA: F_TRANSLATION, S2=1 (4.7), from a stage-1 result and directly."""
    m = build()
    m.s1.put(VA, 3, s1_leaf(1 << 40))
    ends(m, fault(E.F_TRANSLATION, VA, S2=1, IPA=1 << 40), VA)
    m.s1.put(VA, 1, (1 << 40) | 3)  # and the address of a table
    at = (1 << 40) + 8 * ((VA >> 21) & 511)
    ends(m, fault(E.F_TRANSLATION, VA, S2=1, CLASS=TT, IPA=at & ~0xFFF), VA)
    m.ste(Config=6, S2PS=3)
    ends(m, fault(E.F_TRANSLATION, 1 << 40, S2=1, IPA=1 << 40), 1 << 40)


def test_input_address_is_complete():
    """InputAddr: top byte and low bits included, whatever TBI says (4.8)."""
    m = build()
    m.cd(IPS=3, TBI0=1)
    addr = 0xA5 << 56 | (VA + 0x1000)
    ends(m, fault(E.F_TRANSLATION, addr), addr)
    m.s2.put(OUT, 3, 0)
    addr = 0x5A << 56 | VA
    ends(m, fault(E.F_TRANSLATION, addr, S2=1, IPA=OUT), addr)


# PRIVCFG, INSTCFG, access, PnU, InD of the record (4.8: after the overrides)
OVERRIDDEN = [
    (3, 0, {}, 1, 0), (2, 0, {"pnu": True}, 0, 0), (1, 0, {"pnu": True}, 1, 0),
    (0, 3, {}, 0, 1), (0, 2, {"ind": True}, 0, 0), (0, 1, {"ind": True}, 0, 1),
    (0, 3, {"write": True}, 0, 0), (3, 3, {}, 1, 1), (3, 3, {"write": True}, 1, 0),
]


@pytest.mark.parametrize(("privcfg", "instcfg", "more", "pnu", "ind"), OVERRIDDEN)
@pytest.mark.parametrize("place", ["cd", "level3", "output"])
def test_overridden_access_in_record(place, privcfg, instcfg, more, pnu, ind):
    m = build(pnu=bool(pnu))
    m.ste(**m.fields, PRIVCFG=privcfg, INSTCFG=instcfg)
    at, what = places(m)[place]
    m.s2.put(at & ~0xFFF, 3, 0)
    want = fault(E.F_TRANSLATION, VA, write="write" in more, pnu=pnu, ind=ind, S2=1, CLASS=what,
                 IPA=at & ~0xFFF)
    ends(m, want, VA, **more)


def poison(m, pa, on):
    (m.memory.poisoned.add if on else m.memory.poisoned.discard)(pa >> 12)


def test_priority_chain():
    """All is broken at once; each repair uncovers the next event of 4.2 and 7.3.22 (nested)."""
    m = Machine(nested=True)
    far = Tables(m, 12, 39, 1)
    table = m.take(64 << 3)
    m.gap()
    fields = {"S1ContextPtr": table, "S1CDMax": 3, "S2PS": 3}
    strtab = 0x120_0000
    cd = table + 64
    at1 = far.slot(VA, 1)
    leaf = {"ap": 0, "af": 0}

    def mapping(address, **how):
        m.s2.put(address & ~0xFFF, 3, s2_leaf((address & ~0xFFF) + SHIFT, **how))

    def s2(number, at, what, **more):
        return fault(number, VA, ssid=1, S2=1, CLASS=what, IPA=at & ~0xFFF, **more)

    def s1(number, **more):
        return fault(number, VA, ssid=1, **more)

    sub = {"SSV": 1, "SubstreamID": 1}
    # broken: the stream table, the STE, the CD page at stage 2 and in memory, the CD, the table
    poison(m, strtab, True)
    poison(m, m.pa(cd), True)
    poison(m, m.pa(at1), True)
    m.s2.put(cd & ~0xFFF, 3, 0)
    m.s2.put(at1 & ~0xFFF, 3, 0)
    ends(m, record(E.C_BAD_STREAMID, 64, **sub), VA, sid=64, ssid=1)
    ends(m, record(E.F_STE_FETCH, FetchAddr=strtab + 64 * 5, **sub), VA, ssid=1)
    poison(m, strtab, False)
    ends(m, record(E.C_BAD_STE, SSV=1, SubstreamID=9), VA, ssid=9)  # before the bad SSID
    ends(m, record(E.C_BAD_STE), VA)                                # before S1DSS=0
    m.ste(**fields)
    ends(m, record(E.C_BAD_SUBSTREAMID, SubstreamID=9), VA, ssid=9)
    ends(m, record(E.F_STREAM_DISABLED), VA)
    ends(m, s2(E.F_TRANSLATION, cd, CD), VA, ssid=1)
    mapping(cd)
    ends(m, record(E.F_CD_FETCH, FetchAddr=m.pa(cd), **sub), VA, ssid=1)
    poison(m, m.pa(cd), False)
    ends(m, record(E.C_BAD_CD, **sub), VA, ssid=1)
    m.cd(cd, TTB0=far.base, IPS=3)
    bad = 1 << 39 | VA
    ends(m, fault(E.F_TRANSLATION, bad, ssid=1), bad, ssid=1)  # before any descriptor is read
    ends(m, s2(E.F_TRANSLATION, at1, TT), VA, ssid=1)
    mapping(at1)
    ends(m, s1(E.F_WALK_EABT, CLASS=TT, FetchAddr=m.pa(at1)), VA, ssid=1)
    poison(m, m.pa(at1), False)
    ends(m, s1(E.F_TRANSLATION), VA, ssid=1)
    far.put(VA, 1, FAR | 3)
    ends(m, s1(E.F_ADDR_SIZE), VA, ssid=1)
    far.put(VA, 3, s1_leaf(FAR, **leaf))
    at3 = far.slot(VA, 3)
    mapping(at3, s2ap=0)
    ends(m, s2(E.F_PERMISSION, at3, TT, TTRnW=1), VA, ssid=1)
    mapping(at3)
    ends(m, s1(E.F_ADDR_SIZE), VA, ssid=1)
    m.s2.put(OUT, 3, 0)
    far.put(VA, 3, s1_leaf(OUT, **leaf))
    ends(m, s1(E.F_ACCESS), VA, ssid=1)
    far.put(VA, 3, s1_leaf(OUT, ap=0))
    ends(m, s1(E.F_PERMISSION), VA, ssid=1)
    far.put(VA, 3, s1_leaf(OUT))
    final_stage2(m, s2)
    translated(m, VA, IPA + SHIFT, ssid=1)


def final_stage2(m, s2):
    """The end of the chain: the output's own stage-2 walk."""
    slot = m.s2.slot(OUT, 3)
    poison(m, slot, True)
    want = fault(E.F_WALK_EABT, VA, ssid=1, S2=1, FetchAddr=slot)
    ends(m, want, VA, ssid=1)
    poison(m, slot, False)
    ends(m, s2(E.F_TRANSLATION, OUT, IN), VA, ssid=1)
    for leaf, event in S2_BREAKS[4:]:
        m.s2.put(OUT, 3, leaf(OUT))
        ends(m, s2(event, OUT, IN), VA, ssid=1)
    m.s2.put(OUT, 3, s2_leaf(OUT + SHIFT))
