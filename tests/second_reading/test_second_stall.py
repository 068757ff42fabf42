"""Second reading of stall, terminate, record and of RESUME and STALL_TERM (reference 4.9, 6.3)."""

from __future__ import annotations

from itertools import product

import pytest

from pymodel.transaction import Ending
from spec import commands as c
from tests.second_reading.machine import (
    SHIFT,
    SID,
    E,
    Machine,
    ends,
    fault,
    record,
    s1_leaf,
    s2_leaf,
    translated,
)

VA = 0x12_3456_7000
OUT = 0x9000_0000
FAR = 1 << 42
ABORT, RAZWI, STALLED = Ending.ABORT, Ending.RAZWI, Ending.STALLED


def build(nested: bool = False, cd: dict | None = None, ste: dict | None = None,
          **more) -> Machine:
    """A good stream; output of both stages 42 bits."""
    m = Machine(nested=nested, **more)
    m.ste(**({"S2PS": 3} if nested else {}), **(ste or {}))
    m.cd(**({"IPS": 3} | (cd or {})))
    m.s1.put(VA, 3, s1_leaf(OUT))
    if nested:
        m.s2.put(OUT, 3, s2_leaf(OUT + SHIFT))
    return m


S1_FAULTS = [
    (0, E.F_TRANSLATION), (s1_leaf(FAR), E.F_ADDR_SIZE), (s1_leaf(OUT, af=0), E.F_ACCESS),
    (s1_leaf(OUT, ap=0), E.F_PERMISSION),
]
S2_FAULTS = [
    (0, E.F_TRANSLATION), (s2_leaf(FAR), E.F_ADDR_SIZE), (s2_leaf(OUT, af=0), E.F_ACCESS),
    (s2_leaf(OUT, s2ap=0), E.F_PERMISSION),
]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("leaf", "event"), S1_FAULTS)
@pytest.mark.parametrize("write", [False, True])
def test_stage1_faults(nested, leaf, event, write):
    """CD.S, R, A; STE.S2S and S2R have no say in a stage-1 fault."""
    for s, rec, a, s2s, s2r in product((0, 1), repeat=5):
        if not nested and (s2s or s2r):
            continue
        ste = {"S2S": s2s, "S2R": s2r} if nested else {}
        m = build(nested, {"S": s, "R": rec, "A": a}, ste)
        m.s1.put(VA, 3, leaf)
        want = fault(event, VA, write=write, Stall=s) if s or rec else None
        ending = STALLED if s else ABORT if a else RAZWI
        result = ends(m, want, VA, write, ending=ending)
        assert (result.event is None) == (want is None)


@pytest.mark.parametrize("place", ["cd", "ttb", "level3", "output"])
@pytest.mark.parametrize(("leaf", "event"), S2_FAULTS)
def test_stage2_faults(place, leaf, event):
    """STE.S2S and S2R, whatever is translated; never RAZ/WI; CD.S, R, A have no say."""
    for s2s, s2r, s, rec, a in product((0, 1), repeat=5):
        m = build(True, {"S": s, "R": rec, "A": a}, {"S2S": s2s, "S2R": s2r})
        at, what = {"cd": (m.cd_at, 0), "ttb": (m.s1.slot(VA, 1), 1),
                    "level3": (m.s1.slot(VA, 3), 1), "output": (OUT, 2)}[place]
        page = at & ~0xFFF
        m.s2.put(page, 3, leaf)
        extra = {"TTRnW": 1} if what == 1 and event is E.F_PERMISSION else {}
        want = fault(event, VA, Stall=s2s, S2=1, CLASS=what, IPA=page, **extra)
        ends(m, want if s2s or s2r else None, VA, ending=STALLED if s2s else ABORT)


@pytest.mark.parametrize("s2s", [0, 1])
@pytest.mark.parametrize("s2r", [0, 1])
def test_stage2_only(s2s, s2r):
    m = build(True, ste={"Config": 6, "S2S": s2s, "S2R": s2r})
    addr = OUT + 0x1008
    want = fault(E.F_TRANSLATION, addr, Stall=s2s, S2=1, IPA=OUT + 0x1000)
    ends(m, want if s2s or s2r else None, addr, ending=STALLED if s2s else ABORT)


# STALL_MODEL, CD.S: what becomes of a translation fault (4.9, 3.3 rows 4 and 5)
@pytest.mark.parametrize(("model", "s", "legal"), [
    (0, 0, True), (0, 1, True), (1, 0, True), (1, 1, False), (2, 0, False), (2, 1, True)])
@pytest.mark.parametrize("stage", [1, 2])
def test_stall_model(model, s, legal, stage):
    ids = {"STALL_MODEL": model} | ({"STALL_MAX": 0} if model == 1 else {})
    # where both stages are on, only the one under test is configured wrongly
    keep = int(model == 2)
    if stage == 1:
        m = build(cd={"S": s}, **ids)
        bad, want = record(E.C_BAD_CD), fault(E.F_TRANSLATION, VA, Stall=s)
        m.s1.put(VA, 3, 0)
    else:
        m = build(True, {"S": keep}, {"S2S": s}, **ids)
        bad = record(E.C_BAD_STE)
        want = fault(E.F_TRANSLATION, VA, Stall=s, S2=1, IPA=OUT)
        m.s2.put(OUT, 3, 0)
    ends(m, want if legal else bad, VA, ending=STALLED if legal and s else ABORT)


def test_s1stalld_forbids_stalls():
    m = build(cd={"S": 1}, ste={"S1STALLD": 1})
    ends(m, record(E.C_BAD_CD), VA)
    m.cd(S=0)
    translated(m, VA, OUT)


@pytest.mark.parametrize("s", [0, 1])
def test_others_never_stall(s):
    """Configuration errors and aborts end with abort and a record, whatever S, R, A are."""
    m = build(cd={"S": s, "R": 0, "A": 0})
    m.memory.poisoned.add(m.s1.slot(VA, 3) >> 12)
    ends(m, fault(E.F_WALK_EABT, VA, CLASS=1, FetchAddr=m.s1.slot(VA, 3)), VA)
    m.cd(S=s, R=0, A=0, V=0)
    ends(m, record(E.C_BAD_CD), VA)
    m.memory.poisoned.add(m.cd_at >> 12)
    ends(m, record(E.F_CD_FETCH, FetchAddr=m.cd_at), VA)
    ends(m, record(E.C_BAD_SUBSTREAMID, SubstreamID=2), VA, ssid=2)


# RESUME

def stall(m: Machine, page: int = 1, sid: int = SID, **more):
    """Stall on an unmapped page of its own; its record."""
    result, events = m.go(VA + (page << 12), sid=sid, **more)
    assert result.ending is STALLED
    assert len(events) == 1
    assert events[0].Stall == 1
    assert result.stag == events[0].STAG
    return events[0]


def ended(m: Machine) -> list[tuple[int, Ending]]:
    """Address and ending of what has completed since the last call."""
    out = [(done.txn.addr, done.result.ending) for done in m.smmu.completed]
    m.smmu.completed.clear()
    return out


ANSWERS = [
    ({"Ac": 0, "Ab": 1}, 0, ABORT), ({"Ac": 0, "Ab": 0}, 0, RAZWI),
    ({"Ac": 0, "Ab": 1}, 1, ABORT), ({"Ac": 0, "Ab": 0}, 1, ABORT),
]


@pytest.mark.parametrize(("answer", "term_model", "ending"), ANSWERS)
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("a", [0, 1])
def test_resume_terminate(answer, term_model, ending, stage, a):
    """Ac=0: Ab decides, for faults of both stages; TERM_MODEL=1: abort. CD.A plays no part."""
    m = build(stage == 2, {"S": 1, "A": a | term_model}, {"S2S": 1} if stage == 2 else {},
              TERM_MODEL=term_model)
    addr = VA + 0x1000
    if stage == 2:
        m.s1.put(addr, 3, s1_leaf(OUT + 0x1000))
    event = stall(m)
    assert event.S2 == stage - 1
    m.send(c.RESUME.make(StreamID=SID, STAG=event.STAG, **answer))
    assert ended(m) == [(addr, ending)]
    m.send(c.RESUME.make(StreamID=SID, STAG=event.STAG, **answer))
    assert (ended(m), m.error(), m.events()) == ([], 0, [])


@pytest.mark.parametrize("ab", [0, 1])
def test_resume_retry(ab):
    """Ac=1 (Ab ignored): the whole translation again with the configuration of now."""
    m = build(True, {"S": 1}, {"S2S": 1})
    addr = VA + 0x1000

    def retry(tag):
        m.send(c.RESUME.make(StreamID=SID, STAG=tag, Ac=1, Ab=ab))

    event = stall(m)
    retry(event.STAG)
    again = m.events()
    assert again == [fault(E.F_TRANSLATION, addr, Stall=1, STAG=again[0].STAG)]
    m.s1.put(addr, 3, s1_leaf(OUT + 0x1000))
    retry(again[0].STAG)
    again = m.events()
    assert again == [fault(E.F_TRANSLATION, addr, Stall=1, STAG=again[0].STAG, S2=1,
                           IPA=OUT + 0x1000)]
    assert ended(m) == []
    m.s2.put(OUT + 0x1000, 3, s2_leaf(OUT + SHIFT + 0x1000))
    retry(again[0].STAG)
    assert [done.result.pa for done in m.smmu.completed] == [OUT + SHIFT + 0x1000]
    assert ended(m) == [(addr, Ending.TRANSLATED)]
    assert m.events() == []


# What the stream is when the retry comes, how it ends, its record
RETRIES = [
    ({"ste": {"Config": 4}}, Ending.BYPASS, None),
    ({"ste": {"Config": 0}}, ABORT, None),
    ({"ste": {"V": 0}}, ABORT, record(E.C_BAD_STE)),
    ({"cd": {"V": 0}}, ABORT, record(E.C_BAD_CD)),
    ({"cd": {"S": 0, "A": 0, "R": 0}}, RAZWI, None),
    ({"cd": {"S": 0, "R": 1}}, ABORT, fault(E.F_TRANSLATION, VA + 0x1000)),
]


@pytest.mark.parametrize(("change", "ending", "want"), RETRIES)
def test_retry_sees_the_new_configuration(change, ending, want):
    m = build(cd={"S": 1})
    event = stall(m)
    m.ste(**change.get("ste", {}))
    m.cd(**({"S": 1} | change.get("cd", {})))
    m.send(c.RESUME.make(StreamID=SID, STAG=event.STAG, Ac=1))
    assert ended(m) == [(VA + 0x1000, ending)]
    assert m.events() == ([] if want is None else [want])


def test_resume_needs_the_right_name():
    """A STAG of another SID, or no stall at all: no effect, no error."""
    m = build(cd={"S": 1})
    m.ste(6)
    mine, other = stall(m, 1), stall(m, 2, sid=6)
    wrong = next(tag for tag in range(64) if tag not in (mine.STAG, other.STAG))
    for sid, tag in ((SID, wrong), (7, mine.STAG), (6, wrong)):
        for ac in (0, 1):
            m.send(c.RESUME.make(StreamID=sid, STAG=tag, Ac=ac, Ab=1))
    if mine.STAG != other.STAG:
        m.send(c.RESUME.make(StreamID=6, STAG=mine.STAG, Ab=1))
    assert (ended(m), m.error(), m.events()) == ([], 0, [])
    m.send(c.RESUME.make(StreamID=6, STAG=other.STAG, Ab=1))
    assert ended(m) == [(VA + 0x2000, ABORT)]
    m.send(c.RESUME.make(StreamID=SID, STAG=mine.STAG, Ab=1))
    assert ended(m) == [(VA + 0x1000, ABORT)]


def test_stall_term():
    """All stalls of the SID end with abort, no others."""
    m = build(cd={"S": 1})
    m.ste(6)
    for page in range(1, 4):
        stall(m, page)
    other = stall(m, 4, sid=6)
    m.send(c.STALL_TERM.make(StreamID=7))
    assert ended(m) == []
    m.send(c.STALL_TERM.make(StreamID=SID))
    assert sorted(ended(m)) == [(VA + (page << 12), ABORT) for page in range(1, 4)]
    m.send(c.RESUME.make(StreamID=6, STAG=other.STAG))
    assert ended(m) == [(VA + 0x4000, RAZWI)]
    assert m.error() == 0


@pytest.mark.parametrize("model", [0, 1, 2])
@pytest.mark.parametrize("ssec", [0, 1])
def test_stall_commands_need_the_model(model, ssec):
    """RESUME and STALL_TERM: CERROR_ILL if STALL_MODEL=1, or with SSec=1 (6.1, 6.2)."""
    ids = {"STALL_MODEL": model} | ({"STALL_MAX": 0} if model == 1 else {})
    for command in (c.RESUME, c.STALL_TERM):
        m = Machine(**ids)
        m.send(command.make(StreamID=3, SSec=ssec))
        assert m.error() == (c.CommandError.CERROR_ILL if model == 1 or ssec else 0)
