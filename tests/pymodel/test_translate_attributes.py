# ruff: noqa: C408 - the keyword form reads best for fields
"""Output attributes, case by case (reference 2.6, 4.10)."""

import pytest
from translate_rig import AF, CDTAB, PAGE, RAM_BASE, S2, Rig, implementation

NSH, OSH, ISH = 0, 2, 3
DEVICE, NC, WT, WB = 0x04, 0x44, 0xBB, 0xFF


def seen(result) -> tuple[int, int]:
    return result.attrs.mair, result.attrs.sh


# STE fields, incoming type and shareability, output.
BYPASS = [
    ({}, WB, NSH, WB, NSH), ({}, WB, ISH, WB, ISH), ({}, WB, OSH, WB, OSH), ({}, WB, 1, WB, NSH),
    ({}, NC, NSH, NC, OSH), ({}, DEVICE, ISH, DEVICE, OSH), ({}, 0x4F, ISH, 0x4F, ISH),
    (dict(SHCFG=0), WB, ISH, WB, NSH), (dict(SHCFG=2), WB, ISH, WB, OSH),
    (dict(SHCFG=3), WB, NSH, WB, ISH), (dict(SHCFG=3), NC, NSH, NC, OSH),
    (dict(MTCFG=1, MemAttr=0x1), WB, ISH, DEVICE, OSH),
    (dict(MTCFG=1, MemAttr=0x3), WB, ISH, 0x0C, OSH),
    (dict(MTCFG=1, MemAttr=0x4), WB, ISH, 0x00, OSH),
    (dict(MTCFG=1, MemAttr=0x5), WB, ISH, NC, OSH),
    (dict(MTCFG=1, MemAttr=0xF), DEVICE, ISH, WB, ISH),
    (dict(MTCFG=1, MemAttr=0xA), WB, ISH, WT, ISH),
    (dict(MTCFG=1, MemAttr=0xF), 0xCC, ISH, 0xCC, ISH),   # hints stay: no allocate
    (dict(MTCFG=0, MemAttr=0x1), WB, ISH, WB, ISH),
    (dict(ALLOCCFG=0b0111), WB, ISH, WB, ISH),
    (dict(ALLOCCFG=0b1100), WB, ISH, 0xEE, ISH),          # read allocate only
    (dict(ALLOCCFG=0b1010), WB, ISH, 0xDD, ISH),
    (dict(ALLOCCFG=0b1111), WB, ISH, 0x77, ISH),          # transient
    (dict(ALLOCCFG=0b1001), WB, ISH, 0xCC, ISH),          # transient without allocation: none
    (dict(ALLOCCFG=0b1110), NC, ISH, NC, OSH),
]


@pytest.mark.parametrize(("fields", "memattr", "sh", "out", "out_sh"), BYPASS)
def test_bypass(fields, memattr, sh, out, out_sh):
    rig = Rig()
    rig.ste |= dict(Config=4, SHCFG=1) | fields
    assert seen(rig.run(0, memattr=memattr, sh=sh)) == (out, out_sh)
    # Stage 1 bypassed by S1DSS is the same.
    rig.ste |= dict(Config=5, S1CDMax=1, S1DSS=1)
    assert seen(rig.run(0, memattr=memattr, sh=sh)) == (out, out_sh)
    if fields:
        rig.impl = implementation(ATTR_TYPES_OVR=0)
        assert seen(rig.go(0, memattr=WB, sh=ISH)) == (WB, ISH)


# MAIR byte, leaf SH, incoming type, ALLOCCFG, output.
STAGE1 = [
    (WB, ISH, WB, 0, WB, ISH), (WB, OSH, DEVICE, 0, WB, OSH), (WB, NSH, NC, 0, WB, NSH),
    (WB, 1, WB, 0, WB, NSH), (NC, ISH, WB, 0, NC, OSH), (DEVICE, NSH, WB, 0, DEVICE, OSH),
    (0x0F, ISH, WB, 0, 0x0C, OSH), (0x01, ISH, WB, 0, 0x00, OSH),   # reserved Device codes
    (0xF0, ISH, WB, 0, 0xF3, ISH),                                  # reserved: inner WT transient
    (WB, ISH, 0xEE, 0, 0xEE, ISH),         # no write allocate of the input wins
    (0xDD, ISH, 0xEE, 0, 0xCC, ISH),
    (WB, ISH, 0x77, 0, 0x77, ISH),         # transient wins
    (WB, ISH, WB, 0b1100, 0xEE, ISH),
    (WB, ISH, DEVICE, 0b1100, WB, ISH),    # the input is not cacheable: its hints do not count
    (0xBB, ISH, 0xCF, 0, 0x8B, ISH),
]


@pytest.mark.parametrize(("byte", "sh", "memattr", "alloc", "out", "out_sh"), STAGE1)
def test_stage1(byte, sh, memattr, alloc, out, out_sh):
    rig = Rig()
    # SHCFG and MTCFG have no effect on a stream that stage 1 translates.
    rig.ste |= dict(ALLOCCFG=alloc, SHCFG=0, MTCFG=1, MemAttr=0)
    rig.cd |= dict(MAIR0=0, MAIR1=byte << 16)
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, RAM_BASE | PAGE | AF | 1 << 6 | sh << 8 | 6 << 2)
    assert seen(rig.run(0, memattr=memattr, sh=NSH)) == (out, out_sh)


# Incoming type and SH, S2FWB, stage-2 MemAttr and SH, output.
STAGE2 = [
    (WB, NSH, 0, 0xF, NSH, WB, NSH), (WB, NSH, 0, 0xF, ISH, WB, ISH),
    (WB, OSH, 0, 0xF, ISH, WB, OSH),
    (WB, NSH, 0, 0x5, NSH, NC, OSH), (NC, NSH, 0, 0xF, NSH, NC, OSH),
    (WB, ISH, 0, 0xA, ISH, WT, ISH), (WB, ISH, 0, 0x7, ISH, 0x4F, ISH),
    (WT, ISH, 0, 0xF, ISH, WT, ISH),
    (WB, ISH, 0, 0xB, ISH, 0xBF, ISH),
    (WB, ISH, 0, 0x1, ISH, 0x04, OSH), (DEVICE, ISH, 0, 0xF, ISH, DEVICE, OSH),
    (0x0C, ISH, 0, 0x1, ISH, 0x04, OSH), (0x00, ISH, 0, 0x3, ISH, 0x00, OSH),
    (WB, ISH, 0, 0x8, ISH, 0x00, OSH),                       # reserved
    (0xCC, ISH, 0, 0xF, ISH, 0xCC, ISH),                     # hints pass stage 2
    # Forced write-back
    (NC, ISH, 1, 0x6, ISH, WB, OSH), (DEVICE, ISH, 1, 0x6, ISH, WB, OSH),
    (WT, ISH, 1, 0x6, ISH, WB, ISH),
    (WB, ISH, 1, 0x5, ISH, NC, OSH), (DEVICE, ISH, 1, 0x5, ISH, DEVICE, OSH),
    (WT, ISH, 1, 0x7, NSH, WT, ISH), (DEVICE, ISH, 1, 0x7, ISH, DEVICE, OSH),
    (WB, ISH, 1, 0x1, ISH, 0x04, OSH), (0x00, ISH, 1, 0x3, ISH, 0x00, OSH),
    (0xCC, ISH, 1, 0x6, ISH, 0xCC, ISH),
]


@pytest.mark.parametrize(("memattr", "sh", "fwb", "code", "sh2", "out", "out_sh"), STAGE2)
def test_stage2(memattr, sh, fwb, code, sh2, out, out_sh):
    rig = Rig()
    table = rig.stage2(config=S2, S2FWB=fwb)
    leaf = RAM_BASE | PAGE | AF | 3 << 6 | code << 2 | sh2 << 8
    rig.map(table, 0, 48, 12, 0, leaf)
    assert seen(rig.run(0, memattr=memattr, sh=sh)) == (out, out_sh)
    # Nested: what stage 1 gives takes the place of the incoming attributes.
    rig = Rig()
    table = rig.stage2(S2FWB=fwb)
    rig.cd["MAIR0"] = memattr
    rig.map(rig.cd["TTB0"], 0, 48, 12, 0, 0x5000 | PAGE | AF | 1 << 6 | sh << 8)
    for block in range(CDTAB, 0x4200_0000, 0x20_0000):
        rig.map(table, 0, 48, 12, block, block >> 21 << 21 | 1 | AF | 3 << 6 | 7 << 2, 2)
    rig.map(table, 0, 48, 12, 0x5000, leaf)
    assert seen(rig.run(0)) == (out, out_sh)
