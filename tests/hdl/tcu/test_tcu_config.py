"""Stream table, STE, substreams and CDs (reference 1.6, 2, 3)."""

from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from tcu_harness import RAM_END, Access
from tcu_tables import CONTEXT, HIGH, machine, page, put_leaf, put_ste, stage1

from hdl.config import Config, ConfigError
from hdl.streams import Outcome
from hdl.tcu.config.cd_check import CdCheck
from hdl.tcu.config.ste_check import SteCheck
from hdl.tcu.config.stream_table import StreamTable
from spec.context import CD, L1CD
from spec.events import EventType
from spec.impl import PRESETS
from spec.registers import GBPA, StallModel
from spec.stream_table import L1STD, STE, SteConfig, StrtabFmt, effective_split

BASE, TINY, QEMU = PRESETS["base"], PRESETS["tiny"], PRESETS["qemu"]
ATS = replace(BASE, ATS=1)
FORCED = replace(BASE, STALL_MODEL=StallModel.STALL)


def outcome(access: Access) -> tuple:
    return access.outcome, access.event.TYPE if access.event else None


ABORT = Outcome.ABORT


def test_disabled_smmu_follows_gbpa():
    for gbpa, expected in ((GBPA.RESET, Outcome.TRANSLATED), (GBPA.pack(ABORT=1), ABORT)):
        it = machine(smmuen=0, gbpa=gbpa)
        inside, beyond = it.run([Access(0x1234, ssid=3), Access(1 << 48)])
        assert outcome(inside) == (expected, None)
        assert outcome(beyond) == (ABORT, None)
        assert not inside.response.cacheable


def test_override_attributes():
    it = machine()
    put_ste(it, 0, Config=SteConfig.BYPASS, SHCFG=1)
    put_ste(it, 1, Config=SteConfig.BYPASS, SHCFG=3, PRIVCFG=3)
    put_ste(it, 2, Config=SteConfig.BYPASS, SHCFG=3, MTCFG=1, MemAttr=1)
    put_ste(it, 3, Config=SteConfig.BYPASS, SHCFG=3, MTCFG=1, MemAttr=0xF, ALLOCCFG=0b1010)
    got = it.run(Access(0x5000, sid) for sid in range(4))
    assert all(a.pa == 0x5000 and a.response.bypass and a.response.cacheable for a in got)
    assert [(a.response.attrs.mair, a.response.attrs.sh) for a in got] == [
        (0xFF, 0), (0xFF, 3), (0x04, 2), (0xDD, 3)]
    assert got[1].response.attrs.privcfg == 3


def test_linear_table_bounds():
    it = machine(log2size=3)
    it.strtab_base |= 0x40  # below the table's size: counts as 0
    it.strtab_fmt = 2       # reserved: linear
    it.memory.put(it.strtab_base - 0x40 + 7 * 64, STE.pack(V=1, Config=0b100), 64)
    last, beyond, far, zero = it.run(Access(0, sid) for sid in (7, 8, 1 << 16, 0))
    assert outcome(last) == (Outcome.TRANSLATED, None)
    assert outcome(beyond) == outcome(far) == (ABORT, EventType.C_BAD_STREAMID)
    assert outcome(zero) == (ABORT, EventType.C_BAD_STE)
    it.cr2_recinvsid = 0
    beyond, = it.run([Access(0, 8)])
    assert outcome(beyond) == (ABORT, None)


# (SPLIT, LOG2SIZE, Span, StreamID, out of range)
SPANS = [
    (8, 16, 9, 0x1FF, False), (8, 16, 9, 0x100, False), (8, 16, 0, 0x100, True),
    (8, 16, 1, 0x100, False), (8, 16, 1, 0x101, True), (8, 16, 10, 0x100, True),
    (8, 16, 12, 0x100, True), (8, 16, 31, 0x100, True), (8, 16, 8, 0x17F, False),
    (8, 16, 8, 0x180, True), (6, 16, 7, 0x3F, False), (10, 16, 11, 0x3FF, False),
    (7, 16, 7, 0xABCD, False), (7, 16, 8, 0x3F, True),  # reserved SPLIT acts as 6
    (10, 9, 11, 0x1FF, False), (10, 9, 11, 0x200, True),  # one L1 descriptor
    (8, 18, 9, 0xFFFF, False), (8, 18, 9, 0x1_0000, True),  # beyond SIDSIZE
]


def test_two_level_table():
    base, second = 0x9_8765_0000_0000, 0xC_1234_5678_0000
    dut = StreamTable(BASE)

    async def process(ctx):
        for case in SPANS:
            split, log2size, span, sid, outside = case
            bits = effective_split(split)
            ctx.set(dut.sid, sid)
            ctx.set(dut.base, base | 0x40 if log2size - bits > 3 else base)
            ctx.set(dut.log2size, log2size)
            ctx.set(dut.split, split)
            ctx.set(dut.fmt, StrtabFmt.TWO_LEVEL)
            junk = 64 if span > 1 else 0  # below the L2 table's size: counts as 0
            ctx.set(dut.l1std, L1STD.pack(Span=span, L2Ptr=second | junk))
            assert bool(ctx.get(dut.outside) | ctx.get(dut.l1_outside)) == outside, case
            if not outside:
                assert ctx.get(dut.addr) == base + 8 * (sid >> bits), case
                assert ctx.get(dut.ste) == second + 64 * (sid % (1 << bits)), case

    sim = Simulator(dut)
    sim.add_testbench(process)
    sim.run()


def test_stream_table_aborts_name_the_address():
    it = machine(log2size=12)
    it.strtab_base, it.strtab_fmt, it.strtab_split = it.memory.alloc(0x1000), 1, 8
    it.memory.put(it.strtab_base + 8, L1STD.pack(Span=9, L2Ptr=RAM_END))
    it.memory.put(it.strtab_base + 16, L1STD.pack(Span=9, L2Ptr=1 << 50))
    entry, above = it.run([Access(0, 0x134, ssid=5), Access(0, 0x234)])
    assert outcome(entry) == outcome(above) == (ABORT, EventType.F_STE_FETCH)
    assert entry.event.FetchAddr == RAM_END + 0x34 * 64
    assert (entry.event.SSV, entry.event.SubstreamID) == (1, 5)
    assert above.event.FetchAddr == (1 << 50) + 0x34 * 64


S2 = {"V": 1, "Config": 6, "S2AA64": 1, "S2T0SZ": 24, "S2SL0": 1, "S2PS": 2, "S2R": 1}

# (implementation, fields, ILLEGAL)
STES = [
    (BASE, {}, True),
    (BASE, {"V": 1, "Config": 0, "S2TG": 3, "STRW": 1}, False),
    (BASE, {"V": 1, "Config": 4, "STRW": 1, "S2TG": 3, "S1CDMax": 31}, False),
    (TINY, {"V": 1, "Config": 6}, True),
    (TINY, {"V": 1, "Config": 7}, True),
    (BASE, {"V": 1, "Config": 5}, False),
    (BASE, {"V": 1, "Config": 5, "STRW": 1}, True),
    (BASE, {"V": 1, "Config": 5, "STRW": 2}, False),
    (TINY, {"V": 1, "Config": 5, "STRW": 3}, False),
    (BASE, {"V": 1, "Config": 5, "S1CDMax": 20}, False),
    (BASE, {"V": 1, "Config": 5, "S1CDMax": 21}, True),
    (QEMU, {"V": 1, "Config": 5, "S1CDMax": 31}, False),
    (TINY, {"V": 1, "Config": 5, "S1CDMax": 3, "S1Fmt": 1}, True),
    (TINY, {"V": 1, "Config": 5, "S1CDMax": 3, "S1Fmt": 3}, False),
    (TINY, {"V": 1, "Config": 5, "S1Fmt": 2}, False),
    (BASE, {"V": 1, "Config": 5, "S1ContextPtr": 1 << 48}, True),
    (BASE, {**S2, "Config": 7, "S1ContextPtr": 1 << 48}, False),
    (BASE, {"V": 1, "Config": 5, "S1STALLD": 1}, False),
    (QEMU, {"V": 1, "Config": 5, "S1STALLD": 1}, True),
    (FORCED, {"V": 1, "Config": 5, "S1STALLD": 1}, True),
    (FORCED, {"V": 1, "Config": 5}, False),
    (FORCED, {**S2}, True),
    (FORCED, {**S2, "S2S": 1}, False),
    (BASE, S2, False),
    (BASE, {**S2, "S2AA64": 0}, True),
    (BASE, {**S2, "S2S": 1}, False),
    (QEMU, {**S2, "S2S": 1}, True),
    (BASE, {**S2, "S2HA": 1, "S2HD": 1}, False),
    (QEMU, {**S2, "S2HA": 1}, True),
    (QEMU, {**S2, "S2ENDI": 1}, True),
    (BASE, {**S2, "S2ENDI": 1, "STRW": 1}, False),
    (BASE, {**S2, "S2TG": 3}, True),
    (BASE, {**S2, "S2TTB": 1 << 40}, True),
    (BASE, {**S2, "S2TTB": 1 << 40, "S2PS": 7}, False),
    (BASE, {**S2, "S2TTB": 1 << 48, "S2PS": 7}, True),
    (BASE, {**S2, "S2T0SZ": 15, "S2SL0": 2}, True),
    (BASE, {**S2, "S2T0SZ": 16, "S2SL0": 2, "S2PS": 5}, False),
    (BASE, {**S2, "S2T0SZ": 40, "S2SL0": 0}, True),
    (BASE, {**S2, "S2T0SZ": 21}, False),              # 16 concatenated tables
    (BASE, {**S2, "S2T0SZ": 20}, True),               # 32
    (BASE, {**S2, "S2T0SZ": 33}, False),
    (BASE, {**S2, "S2T0SZ": 34}, True),               # starts too high
    (BASE, {**S2, "S2SL0": 3}, True),
    (BASE, {**S2, "S2TG": 2, "S2T0SZ": 24, "S2SL0": 1}, False),
    (BASE, {**S2, "S2TG": 1, "S2T0SZ": 24, "S2SL0": 1}, False),
    (BASE, {**S2, "S2TG": 1, "S2T0SZ": 24, "S2SL0": 0}, True),
    (BASE, {"V": 1, "Config": 5, "EATS": 2}, False),
    (ATS, {"V": 1, "Config": 5, "EATS": 2}, True),
    (ATS, {"V": 1, "Config": 4, "EATS": 2}, False),
    (ATS, {**S2, "Config": 7, "EATS": 2}, False),
    (ATS, {**S2, "Config": 7, "EATS": 2, "S2S": 1}, True),
    (ATS, {**S2, "EATS": 1, "S2S": 1}, True),
    (ATS, {**S2, "EATS": 1}, False),
    (ATS, {"V": 1, "Config": 5, "EATS": 3}, False),
]

CDS = [
    (BASE, {}, {}, False),
    (BASE, {"V": 0}, {}, True),
    (BASE, {"S": 1}, {}, False),
    (BASE, {"S": 1}, {"S1STALLD": 1}, True),
    (FORCED, {"S": 1}, {}, False),
    (FORCED, {"S": 0}, {}, True),
    (QEMU, {"S": 1}, {}, True),
    (BASE, {"A": 0}, {}, False),
    (QEMU, {"A": 0}, {}, True),
    (BASE, {"ENDI": 1}, {}, False),
    (QEMU, {"ENDI": 1}, {}, True),
    (QEMU, {"ENDI": 1, "EPD0": 1, "EPD1": 1}, {}, False),
    (BASE, {"AA64": 0}, {}, True),
    (BASE, {}, {"Config": 7, "S2AA64": 0}, True),
    (QEMU, {"HA": 1}, {}, True),
    (BASE, {"HD": 1}, {}, False),
    (TINY, {"ASID": 0x100}, {}, True),
    (BASE, {"ASID": 0x100}, {}, False),
    (BASE, {"T0SZ": 15}, {}, True),
    (BASE, {"T0SZ": 15, "EPD0": 1}, {}, False),
    (BASE, {"T0SZ": 40}, {}, True),
    (BASE, {"T1SZ": 15}, {}, True),
    (BASE, {"T1SZ": 15, "EPD1": 1}, {}, False),
    (BASE, {"TG0": 3}, {}, True),
    (BASE, {"TG1": 0}, {}, True),
    (BASE, {"TG1": 3}, {}, False),
    (TINY, {"TG1": 3, "ASID": 1}, {}, True),
    (BASE, {"TTB0": 1 << 48}, {}, True),
    (BASE, {"TTB1": 1 << 44, "IPS": 4}, {}, True),
    (BASE, {"TTB1": 1 << 44, "IPS": 4, "EPD1": 1}, {}, False),
    (BASE, {"IPS": 7}, {}, False),
]


def decide(dut, cases) -> None:
    """Checks combinational (inputs, output, expected, name) cases."""
    async def process(ctx):
        for values, expected, name in cases:
            for port, value in values.items():
                ctx.set(getattr(dut, port), value)
            assert ctx.get(dut.bad) == expected, name
    sim = Simulator(dut)
    sim.add_testbench(process)
    sim.run()


@pytest.mark.parametrize("impl", [BASE, TINY, QEMU, ATS, FORCED],
                         ids=["base", "tiny", "qemu", "ats", "forced"])
def test_illegal_structures(impl):
    decide(SteCheck(impl), [({"ste": STE.pack(**fields)}, bad, fields)
                            for which, fields, bad in STES if which is impl])
    decide(CdCheck(impl), [
        ({"cd": CD.pack(**{**CONTEXT, **fields}), "ste": {"Config": 5, "S2AA64": 1, **ste}},
         bad, fields) for which, fields, ste, bad in CDS if which is impl])


def test_el2_world_ignores_the_upper_half_and_asid():
    decide(CdCheck(TINY), [
        ({"el2": 1, "ste": {"Config": 5},
          "cd": CD.pack(**{**CONTEXT, "ASID": 0xFFFF, "T1SZ": 0, "TG1": 0, **fields})}, bad, fields)
        for fields, bad in (({}, False), ({"EPD0": 1}, False), ({"EPD0": 1, "T0SZ": 0}, True))])


C_BAD, OFF = EventType.C_BAD_SUBSTREAMID, EventType.F_STREAM_DISABLED

# (S1DSS, SubstreamID or None, event, index of the CD, None for a bypass)
SUBSTREAMS = [
    (0, None, OFF, None), (3, None, OFF, None), (1, None, None, None), (2, None, None, 0),
    (0, 0, None, 0), (1, 0, None, 0), (3, 0, None, 0), (2, 0, OFF, None),
    (0, 3, None, 3), (2, 3, None, 3), (0, 4, C_BAD, None), (2, 0x80004, C_BAD, None),
]


def test_substream_decision():
    it = machine()
    cds = it.memory.alloc(4 * 64)
    for n in range(4):
        ttb = it.memory.alloc(0x1000)
        put_leaf(it, ttb, 0x1000, page(0x10_0000 * (n + 1)))
        it.memory.put(cds + 64 * n, CD.pack(**{**CONTEXT, "TTB0": ttb}), 64)
    for dss in range(4):
        put_ste(it, dss, Config=5, S1CDMax=2, S1DSS=dss, S1ContextPtr=cds | 64, S1Fmt=3)
    stage1(it, 4)
    put_ste(it, 5, Config=4)
    got = it.run([*(Access(0x1000, dss, ssid=ssid) for dss, ssid, *_ in SUBSTREAMS),
                  Access(0x1000, 4, ssid=0), Access(0x1000, 5, ssid=0)])
    for access, (dss, ssid, event, index) in zip(got, SUBSTREAMS, strict=False):
        assert (access.event and access.event.TYPE) == event, (dss, ssid)
        if event is None:
            assert access.pa == (0x1000 if index is None else 0x10_0000 * (index + 1))
    assert [outcome(a) for a in got[-2:]] == [(ABORT, C_BAD)] * 2
    assert got[10].event.SubstreamID == 4


def test_two_level_cd_tables():
    it = machine()
    for sid, (fmt, bits) in enumerate(((1, 6), (2, 10))):
        l1, leaf = it.memory.alloc(8 << 20 - bits), it.memory.alloc(64 << bits)
        put_ste(it, sid, Config=5, S1CDMax=20, S1Fmt=fmt, S1ContextPtr=l1)
        ssid = (5 << bits) + 3
        ttb = it.memory.alloc(0x1000)
        put_leaf(it, ttb, 0x1000, page(0x20_0000))
        it.memory.put(leaf + 3 * 64, CD.pack(**{**CONTEXT, "TTB0": ttb}), 64)
        it.memory.put(l1 + 5 * 8, L1CD.pack(V=1, L2Ptr=leaf))
        it.memory.put(l1 + 6 * 8, L1CD.pack(V=0, L2Ptr=leaf))
        it.memory.put(l1 + 7 * 8, L1CD.pack(V=1, L2Ptr=1 << 48))
        it.memory.put(l1 + 8 * 8, L1CD.pack(V=1, L2Ptr=RAM_END))
        got = it.run([Access(0x1000, sid, ssid=ssid + (n << bits)) for n in range(4)]
                     + [Access(0x1000, sid, ssid=ssid + 1)])
        assert got[0].pa == 0x20_0000
        assert [outcome(a)[1] for a in got[1:]] == [
            C_BAD, C_BAD, EventType.F_CD_FETCH, EventType.C_BAD_CD]
        assert got[3].event.FetchAddr == RAM_END + 3 * 64


def test_a_world_without_e2h_has_one_half_and_one_privilege():
    for e2h, read, high in ((0, True, False), (1, False, True)):
        it = machine(cr2_e2h=e2h)
        ttb = stage1(it, ste={"STRW": 2}, PAN=1)
        put_leaf(it, ttb, 0x1000, page(0x7000, AP=0))
        put_leaf(it, ttb + 0x1000, HIGH, page(0x8000))
        low, upper = it.run([Access(0x1000), Access(HIGH)])
        assert (low.outcome == Outcome.TRANSLATED) == read
        assert (upper.outcome == Outcome.TRANSLATED) == high


def test_features_the_walker_lacks_are_refused():
    for field in ({"TTF": 3}, {"HTTU": 3}, {"DS": 1}):
        with pytest.raises(ConfigError, match=next(iter(field))):
            Config(impl=replace(BASE, **field))
