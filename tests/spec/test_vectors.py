"""The test vectors of reference 12, by their numbers there."""

import pytest

from pymodel.ring import Ring
from spec import commands as c
from spec.codes import (
    FetchCacheability,
    Shareability,
    SizeCode,
    TG0Code,
    TGCode,
    WalkCacheability,
)
from spec.context import CD
from spec.events import F_TRANSLATION, FaultClass
from spec.registers import STRTAB_BASE_CFG
from spec.stream_table import (
    L1STD,
    L1STD_BYTES,
    STE,
    STE_BYTES,
    SteConfig,
    SteEATS,
    SteS1DSS,
    SteS1Fmt,
    StrtabFmt,
    effective_split,
)
from spec.vmsa import index, s2_concatenated, s2_start_level, start_level, start_table_bytes

WB = WalkCacheability.WB_RA_WA


def test_1_stream_table_format():
    assert STRTAB_BASE_CFG.pack(FMT=StrtabFmt.TWO_LEVEL, SPLIT=8, LOG2SIZE=16) == 0x0001_0210


def test_2_stream_table_indices():
    split = effective_split(8)
    l1, l2 = divmod(0x1234, 1 << split)
    assert (l1, l1 * L1STD_BYTES, l2, l2 * STE_BYTES) == (0x12, 0x90, 0x34, 0xD00)


def test_3_l1std():
    assert L1STD.pack(L2Ptr=0x8000_4000, Span=9) == 0x8000_4009


def test_4_ste_dw0():
    ste = STE.make(V=1, Config=SteConfig.S1, S1Fmt=SteS1Fmt.L2_64K, S1ContextPtr=0x8000_1000,
                   S1CDMax=16)
    assert ste.words()[0] == 0x8000_0000_8000_102B


def test_5_ste_dw1():
    ste = STE.make(S1DSS=SteS1DSS.SSID0, S1CIR=FetchCacheability.WB_RA,
                   S1COR=FetchCacheability.WB_RA, S1CSH=Shareability.INNER, EATS=SteEATS.FULL)
    assert ste.words()[1] == 0x0000_0000_1000_00D6


def test_6_ste_dw2():
    ste = STE.make(S2VMID=3, S2T0SZ=24, S2SL0=1, S2IR0=WB, S2OR0=WB, S2SH0=Shareability.INNER,
                   S2TG=TG0Code.G4K, S2PS=SizeCode.B40, S2AA64=1, S2PTW=1, S2R=1)
    assert ste.words()[2] == 0x044A_3558_0000_0003


def test_7_cd_dw0():
    cd = CD.make(ASID=7, T0SZ=16, TG0=TG0Code.G4K, IR0=WB, OR0=WB, SH0=Shareability.INNER, EPD1=1,
                 V=1, IPS=SizeCode.B48, AA64=1, R=1, A=1, ASET=1)
    assert cd.words()[0] == 0x0007_E205_C000_3510


def test_8_cfgi_ste():
    assert c.CFGI_STE.make(StreamID=0x123, Leaf=1).words() == [0x0000_0123_0000_0003, 1]


def test_9_tlbi_nh_va_range():
    command = c.TLBI_NH_VA.make(ASID=5, VMID=0, VA=0x1234_5000, NUM=4, SCALE=1, TG=TGCode.G4K,
                                TTL=3, Leaf=1)
    assert command.words() == [0x0005_0000_0010_4012, 0x1234_5701]


def test_10_sync_msi():
    command = c.SYNC.make(CS=c.SyncCS.IRQ, MSH=Shareability.INNER, MSIAttr=0xF,
                          MSIData=0x1122_3344)
    assert command.words()[0] == 0x1122_3344_0FC0_1046


def test_11_resume():
    assert c.RESUME.make(StreamID=0x42, Ac=1).words()[0] == 0x0000_0042_0000_1044
    assert c.RESUME.make(StreamID=0x42, Ab=1).words()[0] == 0x0000_0042_0000_2044


def test_12_pri_resp():
    command = c.PRI_RESP.make(StreamID=0x42, SubstreamID=7, SSV=1, PRGIndex=0x1F,
                              Resp=c.PriResponse.SUCCESS)
    assert command.words() == [0x0000_0042_0000_7841, 0x201F]


@pytest.mark.parametrize(("number", "fields", "w3"), [
    (13, {"RnW": 1, "CLASS": FaultClass.IN}, 0x0000_0208),
    (14, {"S2": 1, "CLASS": FaultClass.TT}, 0x0000_0180),
    (15, {"RnW": 1, "PnU": 1, "S2": 1, "CLASS": FaultClass.IN}, 0x0000_028A),
])
def test_event_word_3(number, fields, w3):
    assert F_TRANSLATION.pack(**fields) >> 96 & 0xFFFF_FFFF == w3, number


@pytest.mark.parametrize(("number", "g", "indices"), [
    (16, 12, [0x24, 0xD1, 0xB3, 0x189]),
    (17, 14, [0x0, 0x123, 0x22B, 0x1E2]),
    (18, 16, [0x4, 0x11A2, 0x1678]),
])
def test_walk_indices(number, g, indices):
    va, first = 0x1234_5678_9ABC, start_level(g, 48)
    assert [index(g, level, va, 48 if level == first else None)
            for level in range(first, 4)] == indices, number


def test_19_concatenated_start():
    level = s2_start_level(12, 1)
    assert level == 1
    assert s2_concatenated(12, level, 40) == 2
    assert index(12, level, (1 << 40) - 1, 40) == (1 << 10) - 1
    assert start_table_bytes(12, level, 40) == 8192


def test_20_queue_indices():
    ring = Ring(base=0, log2size=3, entry=16)
    assert ring.full(0x9, 0x1)
    assert ring.used(0x9, 0x1) == 8
    assert ring.empty(0x1, 0x1)
    assert ring.used(0x2, 0xF) == 3
