# ruff: noqa: C408 - the keyword form reads best for fields
"""Stall, terminate, record; SMMU disabled; explanations (reference 4.2, 4.9)."""

import pytest
from translate_rig import AF, PAGE, RAM_BASE, S2, SID, Rig, event, implementation, name

from pymodel.transaction import Ending
from spec.context import CD
from spec.events import F_ADDR_SIZE, F_TRANSLATION

# CD.S, R, A -> ending, recorded, Stall.
STAGE1 = [
    (0, 0, 0, "RAZWI", False), (0, 0, 1, "ABORT", False), (0, 1, 0, "RAZWI", True),
    (0, 1, 1, "ABORT", True), (1, 0, 0, "STALLED", True), (1, 0, 1, "STALLED", True),
    (1, 1, 1, "STALLED", True),
]


@pytest.mark.parametrize(("s", "r", "a", "ending", "recorded"), STAGE1)
@pytest.mark.parametrize("fault", ["F_TRANSLATION", "F_ADDR_SIZE", "F_ACCESS", "F_PERMISSION"])
def test_stage1(s, r, a, ending, recorded, fault):
    rig = Rig()
    rig.cd |= dict(S=s, R=r, A=a, IPS=2)
    leaf = {"F_TRANSLATION": 0, "F_ADDR_SIZE": 1 << 41 | PAGE | AF, "F_ACCESS": PAGE | 1 << 6,
            "F_PERMISSION": PAGE | AF}[fault]
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, leaf)
    result = rig.run(0, write=True)
    assert result.ending is Ending[ending]
    assert (result.event is not None) == recorded
    if recorded:
        got = event(result)
        assert (type(got).__name__, got.Stall, got.STAG) == (fault, s, 0)


@pytest.mark.parametrize(("s", "r", "ending", "recorded"), [
    (0, 0, "ABORT", False), (0, 1, "ABORT", True), (1, 0, "STALLED", True),
    (1, 1, "STALLED", True)])
def test_stage2(s, r, ending, recorded):
    """CD bits of a nested stream do not matter for a fault of stage 2."""
    for config in (6, 7):
        rig = Rig()
        rig.cd |= dict(S=1 - s, R=1 - r, A=0)
        rig.stage2(config=config, S2S=s, S2R=r)
        result = rig.run(0)
        assert result.ending is Ending[ending]
        assert (result.event is not None) == recorded


def test_other_faults_never_stall():
    rig = Rig()
    rig.cd |= dict(S=1, R=0, A=0, TTB0=0x1000)
    result = rig.run(0)
    assert (result.ending, name(result)) == (Ending.ABORT, "F_WALK_EABT")


def test_the_exact_record():
    rig = Rig()
    rig.ste |= dict(S1CDMax=4)
    rig.memory.write(0x4010_0000 + 64 * 3, bytes(64))
    rig.commit()
    rig.memory.write(0x4010_0000 + 64 * 3, CD.make(**rig.cd).to_bytes())
    result = rig.go(0xFF00_0000_1234_5678, ssid=3, write=True, pnu=True, ind=True)
    assert result.event == F_TRANSLATION.make(
        SSV=1, SubstreamID=3, StreamID=SID, PnU=1, CLASS=2,
        InputAddr=0xFF00_0000_1234_5678).to_bytes()
    # The same by hand: type, SSV, SSID; StreamID; 0; PnU, CLASS IN; address; 0.
    assert result.event.hex() == ("10380000" "05000000" "00000000" "02020000"
                                  "78563412" "000000ff" "00000000" "00000000")


def test_record_of_a_stage2_only_stream():
    rig = Rig()
    table = rig.stage2(config=S2, S2PS=0)
    rig.map(table, 0, 48, 12, 0x8765_4000, 1 << 32 | PAGE | AF | 3 << 6)
    assert rig.run(0x8765_4321).event == F_ADDR_SIZE.make(
        StreamID=SID, RnW=1, S2=1, CLASS=2, InputAddr=0x8765_4321, IPA=0x8765_4000).to_bytes()


@pytest.mark.parametrize(("gbpa", "addr", "expected"), [
    (0x1000, 0, Ending.BYPASS), (0x1000, (1 << 48) - 1, Ending.BYPASS),
    (0x1000, 1 << 48, Ending.ABORT), (0x10_1000, 0, Ending.ABORT)])
def test_disabled(gbpa, addr, expected):
    rig = Rig()
    rig.state.smmuen, rig.state.gbpa = False, gbpa
    for ssid in (None, 5):
        result = rig.go(addr, sid=0x1234_5678, ssid=ssid)
        assert (result.ending, result.event) == (expected, None)
        assert result.pa == (addr if expected is Ending.BYPASS else None)


def test_gbpa_overrides():
    rig = Rig()
    rig.state.smmuen = False
    rig.state.gbpa = 3 << 18 | 3 << 16 | 2 << 12 | 1 << 4 | 0x5
    attrs = rig.go(0).attrs
    assert (attrs.mair, attrs.sh, attrs.pnu, attrs.ind) == (0x44, 2, True, True)
    assert rig.go(0, write=True).attrs.ind is False
    rig.impl = implementation(ATTR_TYPES_OVR=0, ATTR_PERMS_OVR=0)
    attrs = rig.go(0, sh=3).attrs
    assert (attrs.mair, attrs.sh, attrs.pnu, attrs.ind) == (0xFF, 3, False, False)


def test_explanation_names_every_step():
    rig = Rig()
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0x1000, RAM_BASE | PAGE | AF | 1 << 6)
    result = rig.run(0x1000, explain=True)
    steps = [step.step for step in result.steps]
    assert steps == ["find_ste", "check_ste", "substream_decision", "find_cd", "check_cd",
                     "select_table", *["walk_stage1"] * 4, "check_permission",
                     "combine_attributes"]
    assert all(step.section for step in result.steps)
    walk = [step for step in result.steps if step.step == "walk_stage1"]
    assert [step.fields["level"] for step in walk] == [0, 1, 2, 3]
    assert walk[3].words == [RAM_BASE | PAGE | AF | 1 << 6]
    assert walk[3].fields["AF"] == 1
    assert [len(step.words) for step in result.steps[:4]] == [8, 0, 0, 8]
    fault = rig.go(0x2000, explain=True).steps[-1]
    assert (fault.step, fault.section, fault.fields["type"]) == ("fault", "4.6", "F_TRANSLATION")
    assert rig.go(0x1000).steps == []


def test_explanation_of_stage2_shows_descriptors_by_kind_and_updates():
    rig = Rig()
    table = rig.stage2(config=S2, S2HA=1)
    leaf = RAM_BASE | PAGE | 3 << 6
    rig.map(table, 0, 48, 12, 0x1000, leaf)
    walk = [s for s in rig.run(0x1000, explain=True).steps if s.step == "walk_stage2"]
    assert ["S2AP" in s.fields for s in walk] == [False, False, False, True, False]
    assert (walk[4].fields["update"], walk[4].words) == (True, [leaf | AF])
