"""Register writes, queue indices and commands."""

from __future__ import annotations

import pytest
from lint_rig import CMDQ, POOL, SLOTS, STRTAB, VA, Desk

from pymodel.lint import RULES, Lint, LintError, WatchedMemory
from pymodel.memory import SharedMemory
from pymodel.observer import RegisterWrite
from pymodel.smmu import Smmu
from spec import commands as c
from spec import registers as r
from spec.codes import TGCode
from spec.impl import PRESETS

ON = r.CR0.pack(CMDQEN=1, EVENTQEN=1, SMMUEN=1)


def restart(register, value):
    """Disable everything, write one register, enable again."""
    def act(desk: Desk) -> None:
        desk.wr(r.CR0, 0)
        desk.wr(register, value)
        desk.wr(r.CR0, r.CR0.pack(CMDQEN=1))
        desk.issue(c.CFGI_STE_RANGE.make(Range=31))
        desk.wr(r.CR0, ON)
    return act


def overflow(desk: Desk) -> None:
    for sid in range(20, 26):
        desk.write(desk.ste(sid), bytes(64))
        desk.access(sid)
    assert desk.rd(r.EVENTQ_PROD) >> 31
    desk.write(desk.ste(20), bytes(64))


CASES = [
    ("no register", lambda d: d.smmu.write(0xE00, 4, 1), {"reg.unknown"}),
    ("read-only", lambda d: d.wr(r.IDR0, 1), {"reg.read-only"}),
    ("STRTAB_BASE while on", lambda d: d.wr(r.STRTAB_BASE, POOL), {"reg.guard"}),
    ("half of STRTAB_BASE while on",
     lambda d: d.smmu.write(r.STRTAB_BASE.OFFSET + 4, 4, 1), {"reg.guard"}),
    ("CR2 while on", lambda d: d.wr(r.CR2, 2), {"reg.guard"}),
    ("CR1 while on", lambda d: d.wr(r.CR1, 0xD75), {"reg.guard"}),
    ("CMDQ_BASE while on", lambda d: d.wr(r.CMDQ_BASE, POOL), {"reg.guard"}),
    ("CMDQ_CONS while on", lambda d: d.wr(r.CMDQ_CONS, 0), {"reg.guard"}),
    ("EVENTQ_PROD while on", lambda d: d.wr(r.EVENTQ_PROD, 0), {"reg.guard"}),
    ("EVENTQ_IRQ_CFG1 while on", lambda d: (
        d.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(EVENTQ_IRQEN=1)), d.wr(r.EVENTQ_IRQ_CFG1, 1)),
     {"reg.guard"}),
    ("EVENTQ_IRQ_CFG1 before", lambda d: (
        d.wr(r.EVENTQ_IRQ_CFG1, 1), d.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(EVENTQ_IRQEN=1))), set()),
    ("CR1 while off", restart(r.CR1, 0xD75), set()),
    ("CR1 reserved code", restart(r.CR1, 3), {"reg.encoding"}),
    ("CR1 RES0", restart(r.CR1, 1 << 20), {"reg.reserved"}),
    ("CR2 hint without BTM", restart(r.CR2, 6), set()),
    ("CR2 without ATSRECERR", restart(r.CR2, 8), {"reg.reserved"}),
    ("CR0 without PRI", lambda d: d.wr(r.CR0, ON | r.CR0.PRIQEN.mask), {"reg.reserved"}),
    ("CR0 the same again", lambda d: d.wr(r.CR0, ON), set()),
    ("GBPA", lambda d: d.wr(r.GBPA, r.GBPA.pack(Update=1, ABORT=1, SHCFG=1)), set()),
    ("GBPA without Update", lambda d: d.wr(r.GBPA, r.GBPA.pack(ABORT=1)), {"gbpa.update"}),
    ("GERRORN inactive", lambda d: d.wr(r.GERRORN, 1), {"gerror.toggle"}),
    ("STRTAB_BASE misaligned", restart(r.STRTAB_BASE, POOL + 64), {"base.align"}),
    ("STRTAB_BASE above OAS", restart(r.STRTAB_BASE, STRTAB | 1 << 50), {"base.size"}),
    ("LOG2SIZE above SIDSIZE", restart(r.STRTAB_BASE_CFG, 17), {"base.align", "base.size"}),
    ("FMT reserved", restart(r.STRTAB_BASE_CFG, r.STRTAB_BASE_CFG.pack(LOG2SIZE=6, FMT=2)),
     {"reg.encoding"}),
    ("SPLIT reserved", restart(r.STRTAB_BASE_CFG, r.STRTAB_BASE_CFG.pack(
        LOG2SIZE=6, FMT=1, SPLIT=7)), {"reg.encoding"}),
    ("CMDQ_BASE misaligned", restart(r.CMDQ_BASE, r.CMDQ_BASE.pack(
        ADDR=CMDQ + 32, LOG2SIZE=SLOTS)), {"base.align"}),
    ("EVENTQ_BASE too large", restart(r.EVENTQ_BASE, r.EVENTQ_BASE.pack(
        ADDR=1 << 30, LOG2SIZE=17)), {"base.size"}),
    # Queues
    ("PROD by one queue", lambda d: d.post(*[c.SYNC.make()] * (1 << SLOTS)), set()),
    ("PROD without the wrap bit", lambda d: (
        d.post(*[c.SYNC.make()] * 23), d.wr(r.CMDQ_PROD, 0)), {"cmdq.backwards"}),
    ("PROD too far from empty", lambda d: d.wr(r.CMDQ_PROD, d.prod + 33), {"cmdq.backwards"}),
    ("PROD too far", lambda d: (
        d.post(0xFF, *[c.SYNC.make()] * 20), d.wr(r.CMDQ_PROD, (d.prod + 20) % 64)),
     {"cmd.illegal", "cmdq.overrun"}),
    ("PROD back", lambda d: d.wr(r.CMDQ_PROD, d.prod - 1), {"cmdq.backwards"}),
    ("PROD the same", lambda d: d.wr(r.CMDQ_PROD, d.prod), set()),
    ("EVENTQ_CONS beyond", lambda d: d.wr(r.EVENTQ_CONS, 1), {"evtq.cons"}),
    ("EVENTQ_CONS", lambda d: (d.access(40), d.wr(r.EVENTQ_CONS, d.rd(r.EVENTQ_PROD))), set()),
    ("EVENTQ_CONS back", lambda d: (
        d.access(1, 0), d.wr(r.EVENTQ_CONS, 1), d.wr(r.EVENTQ_CONS, 0)), {"evtq.cons"}),
    ("overflow acknowledged without one",
     lambda d: d.wr(r.EVENTQ_CONS, r.EVENTQ_CONS.OVACKFLG.mask), {"evtq.overflow"}),
    # Commands
    ("unknown opcode", lambda d: d.post(0xFF), {"cmd.illegal"}),
    ("no ATS", lambda d: d.post(c.ATC_INV.pack()), {"cmd.illegal"}),
    ("SYNC CS=3", lambda d: d.post(c.SYNC.pack(CS=3)), {"cmd.illegal"}),
    ("empty range", lambda d: d.post(c.TLBI_NH_VA.make(TG=TGCode.G4K)), {"tlbi.empty"}),
    ("range misaligned to its level", lambda d: d.post(c.TLBI_NH_VA.make(
        TG=TGCode.G4K, NUM=1, TTL=2, VA=VA)), {"tlbi.align"}),
    ("range misaligned to its granule", lambda d: d.post(c.TLBI_NH_VA.make(
        TG=TGCode.G64K, NUM=1, VA=0x1000)), {"tlbi.align"}),
    ("range", lambda d: d.post(c.TLBI_NH_VA.make(TG=TGCode.G64K, NUM=1, VA=0x10000)), set()),
    ("TTL reserved", lambda d: d.post(c.TLBI_NH_VA.make(TG=TGCode.G16K, NUM=1, TTL=1)),
     {"cmd.reserved"}),
    ("RES0", lambda d: d.post(c.TLBI_NSNH_ALL.make().value | 1 << 60), {"cmd.reserved"}),
    ("later field", lambda d: d.post(c.TLBI_NH_VA.make(TTL128=1)), {"cmd.reserved"}),
    ("MSH reserved", lambda d: d.post(c.SYNC.make(MSH=1)), {"cmd.reserved"}),
    ("StreamID", lambda d: d.post(c.CFGI_STE.make(StreamID=1 << 16)), {"cmd.range"}),
    ("CFGI_ALL has no StreamID", lambda d: d.post(
        c.CFGI_STE_RANGE.make(StreamID=1 << 20, Range=31)), set()),
    ("IPA", lambda d: d.post(c.TLBI_S2_IPA.make(IPA=1 << 50)), {"cmd.range"}),
    ("unknown ASID", lambda d: d.post(c.TLBI_NH_ASID.make(ASID=0xFFFF)), set()),
    ("no memory", lambda d: (restart(r.CMDQ_BASE, r.CMDQ_BASE.pack(
        ADDR=1 << 40, LOG2SIZE=SLOTS)), d.wr(r.CR0, 0), d.wr(
            r.CMDQ_BASE, r.CMDQ_BASE.pack(ADDR=1 << 40, LOG2SIZE=SLOTS)),
        d.wr(r.CR0, r.CR0.pack(CMDQEN=1)), d.wr(r.CMDQ_PROD, d.prod + 1)), {"cmd.fetch"}),
]


@pytest.mark.parametrize(("name", "act", "expected"), CASES, ids=[case[0] for case in CASES])
def test_register_write(name, act, expected):
    desk = Desk()
    act(desk)
    assert desk.rules() == expected


@pytest.mark.parametrize(("fields", "command"), [
    ({"RIL": 0, "ArchMinorRev": 1}, c.TLBI_NH_VA.make(TG=1, NUM=1)),
    ({"ASID16": 0}, c.TLBI_NH_ASID.make(ASID=0x100)),
    ({"SSIDSIZE": 8}, c.CFGI_CD.make(SSV=1, SubstreamID=256))])
def test_command_beyond_the_implementation(fields, command):
    desk = Desk(**fields)
    desk.post(command)
    assert desk.rules() in ({"cmd.reserved"}, {"cmd.range"})


@pytest.mark.parametrize(("enables", "named"), [
    ({"CMDQEN": 1}, "CMDQ_BASE, CMDQ_PROD, CMDQ_CONS"),
    ({"EVENTQEN": 1}, "EVENTQ_BASE, EVENTQ_PROD, EVENTQ_CONS"),
    ({"SMMUEN": 1}, "STRTAB_BASE, STRTAB_BASE_CFG")])
def test_enabled_before_programmed(enables, named):
    desk = Desk(enable=False)
    desk.wr(r.CR0, r.CR0.pack(**enables))
    assert [f.rule for f in desk.lint.findings] == ["enable.base"]
    assert named in desk.lint.findings[0].text


def test_enabled_with_inconsistent_indices():
    desk = Desk(enable=False)
    desk.queues()
    desk.wr(r.CMDQ_PROD, 33)
    desk.wr(r.EVENTQ_CONS, 1)
    desk.wr(r.CR0, r.CR0.pack(CMDQEN=1, EVENTQEN=1))
    assert desk.rules() == {"cmdq.overrun", "evtq.cons"}


def test_change_before_the_acknowledge():
    """The model acknowledges inside the write, so only its observers can be too early."""
    desk = Desk()
    desk.lint.on_register_write(RegisterWrite(
        r.CR0, r.CR0.OFFSET, 4, 0, mask=0xFFFFFFFF, old=ON, new=ON, guarded=1))
    assert desk.rules() == {"cr0.ack"}


def test_event_queue_overflow():
    """Software may have missed one overflow, when it came after PROD was read; not two times."""
    desk = Desk()
    for _ in range(5):
        desk.access(1, 0)
    prod = r.EVENTQ_PROD(desk.rd(r.EVENTQ_PROD))
    assert prod.OVFLG
    desk.wr(r.EVENTQ_CONS, prod.WR - 1)
    assert desk.rules() == set()
    desk.wr(r.EVENTQ_CONS, prod.WR)
    assert desk.rules() == {"evtq.overflow"}
    desk.lint.findings.clear()
    desk.wr(r.EVENTQ_CONS, r.EVENTQ_CONS.pack(RD=prod.WR, OVACKFLG=1))
    assert desk.rules() == set()


def test_slots_that_are_not_consumed():
    """Only while the queue runs: a stopped one is repaired in place (reference 6.5)."""
    desk = Desk()
    desk.post(0xFF, c.SYNC.make())
    desk.lint.findings.clear()
    at = CMDQ + 16 * (desk.prod - 2)
    desk.write(at, c.SYNC.make().to_bytes())
    desk.wr(r.CMDQ_PROD, desk.prod - 1)
    desk.wr(r.CMDQ_PROD, desk.prod)
    assert desk.rules() == set()

    class Meddler(Lint):
        """Writes into the queue while the SMMU is at it."""

        def on_command(self, command, invalidation):
            if isinstance(command, c.TLBI_NSNH_ALL):
                desk.write(CMDQ + 16 * ((desk.prod - 1) % 32), bytes(16))

    Meddler(desk.smmu, desk.memory)
    desk.wr(r.GERRORN, 1)
    desk.post(c.TLBI_NSNH_ALL.make(), c.SYNC.make())
    assert "cmdq.overwrite" in desk.rules()


def test_check_lists_all_findings():
    desk = Desk()
    desk.wr(r.IDR0, 1)
    desk.wr(r.GERRORN, 1)
    with pytest.raises(LintError, match=r"(?s)\[reg.read-only\] IDR0.*\[gerror.toggle\] GERRORN"):
        desk.lint.check()


def test_findings_are_kept_once():
    desk = Desk()
    desk.wr(r.IDR0, 1)
    desk.wr(r.IDR0, 1)
    assert len(desk.lint.findings) == 1


def test_shared_memory_needs_a_wrapper():
    memory = SharedMemory(memoryview(bytearray(1 << 20)))
    smmu = Smmu(PRESETS["base"], memory)
    with pytest.raises(TypeError, match="WatchedMemory"):
        Lint(smmu, memory)
    watched = WatchedMemory(memory)
    smmu = Smmu(PRESETS["base"], watched)
    seen = []
    watched.watch = lambda *write: seen.append(write)
    Lint(smmu, watched)
    watched.write(0, b"\1")
    assert watched.cas64(0, 1, 2)
    assert not watched.cas64(0, 1, 3)
    assert seen == [(0, b"\0", b"\1"), (0, bytes([1, *[0] * 7]), bytes([2, *[0] * 7]))]


def test_every_rule_has_a_section():
    assert all(RULES.values())
