"""Command decoder: legality of every opcode and meaning of every operand (reference 6.1 to 6.4)."""

from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from queue_bench import invalidation

from hdl.config import Config
from hdl.tcu.queues.decode import CommandDecoder, CommandKind
from spec import commands as c

# Reference 6.2 for each preset: base has both stages, HYP, RIL and stalls; tiny has stage 1 only;
# qemu has both stages, no HYP, and no stalls; qemu-s2 has stage 2 only.
ALWAYS = {0x01, 0x02, 0x03, 0x04, 0x30, 0x46}
STAGE1 = {0x05, 0x06, 0x10, 0x11, 0x12, 0x13}
EL2 = {0x20, 0x21, 0x22, 0x23}
STAGE2 = {0x28, 0x2A}
STALLS = {0x44, 0x45}
LEGAL = {
    "tiny": ALWAYS | STAGE1,
    "base": ALWAYS | STAGE1 | EL2 | STAGE2 | STALLS,
    "full": ALWAYS | STAGE1 | EL2 | STAGE2 | STALLS,
    "qemu": ALWAYS | STAGE1 | STAGE2,
    "qemu-s2": ALWAYS | STAGE2,
}


def decode(cases, preset="base", **changes):
    """(kind, operation, invalidation fields, stall, sync) of each (command, e2h, vmw)."""
    impl = Config.preset(preset).impl
    dut = CommandDecoder(replace(impl, **changes))
    results = []

    async def testbench(ctx):
        for command, e2h, vmw in cases:
            ctx.set(dut.command, command if isinstance(command, int) else command.value)
            ctx.set(dut.e2h, e2h)
            ctx.set(dut.vmw, vmw)
            inv, stall, sync = (ctx.get(x) for x in (dut.inv, dut.stall, dut.sync))
            results.append((ctx.get(dut.kind), *invalidation(inv),
                            (stall.action.name, stall.sid, stall.stag),
                            (sync.irq, sync.sev, sync.msi, sync.addr, sync.data)))

    sim = Simulator(dut)
    sim.add_testbench(testbench)
    sim.run()
    return results


@pytest.mark.parametrize("preset", LEGAL)
def test_legality(preset):
    results = decode([(opcode, 0, 0) for opcode in range(256)], preset)
    legal = {n for n, result in enumerate(results) if result[0] != CommandKind.ILLEGAL}
    assert legal == LEGAL[preset]


SID, SSID = 0xBEEF, 0xABCDE
INVALIDATIONS = [
    (c.CFGI_STE.make(StreamID=SID, Leaf=1), "CFGI_STE", {"sid": SID, "leaf": 1}),
    (c.CFGI_STE_RANGE.make(StreamID=SID, Range=31), "CFGI_STE", {"sid": SID, "mask": 32}),
    (c.CFGI_STE_RANGE.make(StreamID=SID, Range=0), "CFGI_STE", {"sid": SID, "mask": 1}),
    (c.CFGI_CD.make(StreamID=SID, SubstreamID=SSID), "CFGI_CD", {"sid": SID, "ssid": SSID}),
    (c.CFGI_CD_ALL.make(StreamID=SID), "CFGI_CD_ALL", {"sid": SID}),
    (c.TLBI_NSNH_ALL.make(), "TLBI_NSNH_ALL", {}),
    (c.TLBI_NH_ALL.make(VMID=0x1234), "TLBI_VMALL", {"vmid": 0x1234}),
    (c.TLBI_NH_ASID.make(VMID=1, ASID=0xFFFF), "TLBI_ASID", {"vmid": 1, "asid": 0xFFFF}),
    # Reference 12, vector 9.
    (0x12345701 << 64 | 0x0005_0000_0010_4012, "TLBI_VA",
     {"asid": 5, "addr": 0x1234_5000, "leaf": 1, "tg": 1, "num": 4, "scale": 1, "ttl": 3}),
    (c.TLBI_NH_VA.make(VA=0xFFFF_8000_0000_0000, NUM=3, SCALE=63, TTL=2), "TLBI_VA",
     {"addr": 0xFFFF_8000_0000_0000}),
    (c.TLBI_NH_VAA.make(VMID=7, VA=0x1000, TG=3, SCALE=63), "TLBI_VAA",
     {"vmid": 7, "addr": 0x1000, "tg": 3, "scale": 63}),
    (c.TLBI_NH_VAA.make(VA=0x4000, TG=2, NUM=1, TTL=1), "TLBI_VAA",
     {"addr": 0x4000, "tg": 2, "num": 1}),
    (c.TLBI_NH_VAA.make(VA=0x4000, TG=1, TTL=1), "TLBI_VAA",
     {"addr": 0x4000, "tg": 1, "ttl": 1}),
    (c.TLBI_S12_VMALL.make(VMID=2), "TLBI_S12_VMALL", {"vmid": 2}),
    (c.TLBI_S2_IPA.make(VMID=2, IPA=0xF_FFFF_FFFF_F000), "TLBI_S2_IPA",
     {"vmid": 2, "addr": 0xF_FFFF_FFFF_F000}),
    (c.TLBI_EL2_ALL.make(), "TLBI_EL2_ALL", {"el2": 1}),
    (c.TLBI_EL2_ASID.make(ASID=9), "TLBI_ASID", {"el2": 1, "asid": 9}),
    (c.TLBI_EL2_VAA.make(VA=0x2000), "TLBI_VAA", {"el2": 1, "addr": 0x2000}),
]


def test_invalidations():
    results = decode([(command, 1, 0) for command, _, _ in INVALIDATIONS])
    for (command, op, fields), result in zip(INVALIDATIONS, results, strict=True):
        assert result[:3] == (CommandKind.INVALIDATE, op, fields), command


def test_el2_without_e2h_has_no_asid():
    command = c.TLBI_EL2_VA.make(ASID=9, VA=0x3000)
    without, with_ = decode([(command, 0, 0), (command, 1, 0)])
    assert (without[1], with_[1]) == ("TLBI_VAA", "TLBI_VA")


def test_small_implementation():
    """Bits that tiny does not have are not passed on: VMID, upper ASID, range form."""
    command = c.TLBI_NH_VA.make(VMID=0xFF, ASID=0x1234, VA=0x1000, TG=1)
    (result,) = decode([(command, 0, 0)], "tiny")
    assert result[:3] == (CommandKind.INVALIDATE, "TLBI_VA", {"asid": 0x34, "addr": 0x1000})


def test_vmid_wildcard():
    (result,) = decode([(c.TLBI_NH_ALL.make(VMID=3), 0, 2)], VMW=1)
    assert result[2] == {"vmid": 3, "vmw": 2}


@pytest.mark.parametrize(("preset", "command", "kind"), [
    # SSec is illegal for the commands that have it, whatever else they say.
    ("base", c.CFGI_STE.make(SSec=1), CommandKind.ILLEGAL),
    ("base", c.CFGI_STE.make(SSec=1, StreamID=0xFFFF_FFFF), CommandKind.ILLEGAL),
    ("base", c.CFGI_STE_RANGE.make(SSec=1, Range=31), CommandKind.ILLEGAL),
    ("base", c.CFGI_CD.make(SSec=1), CommandKind.ILLEGAL),
    ("base", c.PREFETCH_CONFIG.make(SSec=1), CommandKind.ILLEGAL),
    ("base", c.RESUME.make(SSec=1), CommandKind.ILLEGAL),
    ("base", c.STALL_TERM.make(SSec=1), CommandKind.ILLEGAL),
    ("base", int(c.TLBI_NSNH_ALL.make().value | 1 << 10), CommandKind.INVALIDATE),
    # The range form that covers nothing sensible.
    ("base", c.TLBI_NH_VA.make(TG=1), CommandKind.ILLEGAL),
    ("base", c.TLBI_NH_VA.make(TG=3, VA=0x1000), CommandKind.ILLEGAL),
    ("base", c.TLBI_S2_IPA.make(TG=2, TTL=1), CommandKind.ILLEGAL),
    ("base", c.TLBI_EL2_VAA.make(TG=2), CommandKind.ILLEGAL),
    ("base", c.TLBI_NH_VA.make(TG=2, TTL=2), CommandKind.INVALIDATE),
    ("base", c.TLBI_NH_VA.make(TG=1, TTL=1), CommandKind.INVALIDATE),
    ("base", c.TLBI_NH_VA.make(TG=1, SCALE=32), CommandKind.INVALIDATE),
    ("tiny", c.TLBI_NH_VA.make(TG=1), CommandKind.INVALIDATE),
    # Identifiers beyond the implemented size: consumed without effect.
    ("base", c.CFGI_STE.make(StreamID=0x1_0000), CommandKind.NOTHING),
    ("base", c.CFGI_STE_RANGE.make(StreamID=0x1_0000, Range=31), CommandKind.INVALIDATE),
    ("base", c.CFGI_CD_ALL.make(StreamID=0x8000_0000), CommandKind.NOTHING),
    ("tiny", c.CFGI_CD.make(SubstreamID=0x100), CommandKind.NOTHING),
    ("tiny", c.CFGI_CD.make(SubstreamID=0xFF), CommandKind.INVALIDATE),
    ("base", c.STALL_TERM.make(StreamID=0x1_0000), CommandKind.NOTHING),
    ("base", c.PREFETCH_CONFIG.make(StreamID=1), CommandKind.NOTHING),
    ("base", c.PREFETCH_ADDR.make(StreamID=1), CommandKind.NOTHING),
    # Completion signals.
    ("base", c.SYNC.make(CS=0), CommandKind.SYNC),
    ("base", c.SYNC.make(CS=2), CommandKind.SYNC),
    ("base", c.SYNC.make(CS=3), CommandKind.ILLEGAL),
])
def test_operand_rules(preset, command, kind):
    (result,) = decode([(command, 0, 0)], preset)
    assert result[0] == kind


def test_stall_commands():
    vectors = [
        (0x0000_0042_0000_1044, ("RETRY", 0x42, 0)),          # reference 12, vector 11
        (0x0000_0042_0000_2044, ("ABORT", 0x42, 0)),
        (c.RESUME.make(StreamID=1, STAG=0xFFFF), ("RAZWI", 1, 0xFFFF)),
        (c.RESUME.make(StreamID=1, STAG=2, Ac=1, Ab=1), ("RETRY", 1, 2)),
        (c.STALL_TERM.make(StreamID=3), ("TERM", 3, 0)),
    ]
    for (_, expected), result in zip(vectors, decode([(v[0], 0, 0) for v in vectors]),
                                     strict=True):
        assert result[0] == CommandKind.STALL
        assert result[3] == expected
    (result,) = decode([(c.RESUME.make(StreamID=1), 0, 0)], TERM_MODEL=1)
    assert result[3] == ("ABORT", 1, 0)


def test_sync_signals():
    high = c.SYNC.make(CS=1, MSIAddr=1 << 50, MSIData=7)
    vectors = [
        (0x0FC0_2046, (0, 0, 0, 0, 0)),                       # Linux: CS=2 without SEV
        (0x9000 << 64 | 0x1122_3344_0FC0_1046, (1, 0, 1, 0x9000, 0x1122_3344)),
        (c.SYNC.make(CS=1), (1, 0, 0, 0, 0)),                 # no address: wired only
        (c.SYNC.make(CS=0, MSIAddr=0x9000), (0, 0, 0, 0x9000, 0)),
        (high, (1, 0, 1, 0, 7)),                              # cut to OAS after the test for 0
    ]
    for (command, expected), result in zip(vectors, decode([(v[0], 0, 0) for v in vectors]),
                                           strict=True):
        assert result[4] == expected, command
    (result,) = decode([(c.SYNC.make(CS=2), 0, 0)], SEV=1)
    assert result[4][1] == 1
    (result,) = decode([(vectors[1][0], 0, 0)], "qemu")       # MSI=0
    assert result[4][:3] == (1, 0, 0)
