"""Register file: what exists, what is stored, and when (reference 1)."""

import pytest
from register_bench import RegisterBus, simulate

from hdl.config import Config
from hdl.regs.file import RegisterFile
from hdl.regs.guard import Guarded, guarded
from spec import registers as r
from spec.fields import Register

ONES32, ONES64 = 2**32 - 1, 2**64 - 1
OAS48 = (1 << 48) - 1

# Bits that stick when all ones are written after reset, preset base. 0 for all others: read-only,
# or of features that base does not have. Typed from reference 1.4 to 1.10.
STORED = {
    "CR0": 0x0D, "CR1": 0xFFF, "CR2": 0x3, "AGBPA": ONES32, "IRQ_CTRL": 0x5, "GERRORN": 0x1B5,
    "GBPA": 0x001F_3F1F,
    "GERROR_IRQ_CFG0": OAS48 & ~3, "GERROR_IRQ_CFG1": ONES32, "GERROR_IRQ_CFG2": 0x3F,
    "STRTAB_BASE": 1 << 62 | OAS48 & ~0x3F, "STRTAB_BASE_CFG": 0x3_07FF,
    "CMDQ_BASE": 1 << 62 | OAS48 & ~0x1F | 0x1F, "CMDQ_PROD": 0xF_FFFF,
    "CMDQ_CONS": 0x7F01_FFFF, "EVENTQ_BASE": 1 << 62 | OAS48 & ~0x1F | 0x1F,
    "EVENTQ_IRQ_CFG0": OAS48 & ~3, "EVENTQ_IRQ_CFG1": ONES32, "EVENTQ_IRQ_CFG2": 0x3F,
    "EVENTQ_PROD": 0x8001_FFFF, "EVENTQ_CONS": 0x800F_FFFF,
}
IDENTITY = {"IDR0": "idr0", "IDR1": "idr1", "IDR3": "idr3", "IDR5": "idr5", "IIDR": "iidr",
            "AIDR": "aidr"}
CONSTANTS = {"CIDR0": 0x0D, "CIDR1": 0xF0, "CIDR2": 0x05, "CIDR3": 0xB1}


def run(check, preset="base", *background):
    """Run `check(bus, dut, ctx)` on a register file whose queues are at rest."""
    dut = RegisterFile(Config.preset(preset))

    async def testbench(ctx):
        await check(RegisterBus(ctx, dut.cfg), dut, ctx)

    async def drain(ctx):
        """Acknowledges the fall of SMMUEN after a while."""
        age = 0
        while True:
            _, _, req = await ctx.tick().sample(dut.queues.drain.req)
            age = age + 1 if req else 0
            ctx.set(dut.queues.drain.ack, age > 5)

    simulate(dut, testbench, drain, *background)


@pytest.mark.parametrize("preset", ["tiny", "base", "full", "qemu"])
def test_reset(preset):
    impl = Config.preset(preset).impl

    async def check(bus, dut, ctx):
        for register in r.SMMU:
            name = register.__name__
            expected = CONSTANTS.get(name, 0)
            if name in IDENTITY:
                expected = getattr(impl, IDENTITY[name])
            elif name == "GBPA":
                expected = 0x1000
            assert (await bus.load(register)).value == expected, name

    run(check, preset)


def test_every_bit():
    """All ones to the whole of both pages: what exists sticks, everything else stays."""
    async def check(bus, dut, ctx):
        impl = dut.impl
        # The index registers keep only the bits of the largest queue, so the bases come first;
        # the enables last, since they guard the others.
        last = [r.CR0, r.IRQ_CTRL]
        for register in [x for x in r.SMMU if x not in last] + last:
            await bus.write(register.OFFSET, ONES64, register.size())
        for register in r.SMMU:
            name = register.__name__
            if name in IDENTITY or name in CONSTANTS:
                continue
            expected = STORED.get(name, 0)
            if name in ("CR0ACK", "IRQ_CTRLACK"):
                expected = STORED[name.removesuffix("ACK")]
            assert (await bus.load(register)).value == expected, name
        assert (await bus.load(r.IDR0)).value == impl.idr0

    run(check)


def test_unused_space():
    """Undefined offsets of both pages, among them the page-0 twins of page-1 registers."""
    used = {register.OFFSET // 8 for register in r.SMMU}
    offsets = [o for o in range(0, 0x250, 8) if o // 8 not in used]
    offsets += [0x0A8, 0x0C8, 0xE00, 0x1000, 0x8000, 0x8020, 0xFFF8, 0x10000, 0x10020, 0x100A0,
                0x100B0, 0x1FFF8]

    async def check(bus, dut, ctx):
        for offset in offsets:
            await bus.write(offset, ONES64, 8)
            assert await bus.read(offset, 8) == 0, hex(offset)
        assert (await bus.load(r.CR0)).value == 0
        assert (await bus.load(r.EVENTQ_CONS)).value == 0

    run(check)


def test_access_sizes():
    async def check(bus, dut, ctx):
        base = r.STRTAB_BASE.OFFSET
        # Halves of a 64-bit register do not disturb each other.
        await bus.write(base + 4, 0x4000_1234)
        assert await bus.read(base, 8) == 0x4000_1234_0000_0000
        await bus.write(base, 0x89AB_CDC0)
        assert await bus.read(base, 8) == 0x4000_1234_89AB_CDC0
        assert await bus.read(base + 4) == 0x4000_1234
        await bus.write(base, 0x4000_0001_0000_0040, 8)
        assert await bus.read(base) == 0x40
        # One 64-bit access to two 32-bit registers reaches both.
        await bus.write(r.GERROR_IRQ_CFG1.OFFSET, 0x0000_0001_1234_5678, 8)
        assert await bus.read(r.GERROR_IRQ_CFG1.OFFSET) == 0x1234_5678
        assert await bus.read(r.GERROR_IRQ_CFG2.OFFSET) == 1
        # Other sizes and unaligned accesses do nothing and read 0.
        for strobe in (0x01, 0x03, 0x1F, 0xF8, 0x3C, 0x0E, 0x00):
            await bus.write(base, ONES64, 8, strobe=strobe)
            assert await bus.read(base, 8) == 0x4000_0001_0000_0040
        await bus.write(base + 2, ONES64, 4, strobe=0x0F)
        assert await bus.read(base, 8) == 0x4000_0001_0000_0040
        assert await bus.read(base + 2, 2) == 0

    run(check)


GUARDS = {
    r.CR1: [(0xFC0, ["SMMUEN"]), (0x03F, ["CMDQEN", "EVENTQEN"])],
    r.CR2: [(0x3, ["SMMUEN"])],
    r.STRTAB_BASE: [(STORED["STRTAB_BASE"], ["SMMUEN"])],
    r.STRTAB_BASE_CFG: [(STORED["STRTAB_BASE_CFG"], ["SMMUEN"])],
    r.CMDQ_BASE: [(STORED["CMDQ_BASE"], ["CMDQEN"])],
    r.CMDQ_CONS: [(STORED["CMDQ_CONS"], ["CMDQEN"])],
    r.EVENTQ_BASE: [(STORED["EVENTQ_BASE"], ["EVENTQEN"])],
    r.EVENTQ_PROD: [(STORED["EVENTQ_PROD"], ["EVENTQEN"])],
    r.GERROR_IRQ_CFG0: [(STORED["GERROR_IRQ_CFG0"], ["GERROR_IRQEN"])],
    r.GERROR_IRQ_CFG1: [(ONES32, ["GERROR_IRQEN"])],
    r.GERROR_IRQ_CFG2: [(0x3F, ["GERROR_IRQEN"])],
    r.EVENTQ_IRQ_CFG0: [(STORED["EVENTQ_IRQ_CFG0"], ["EVENTQ_IRQEN"])],
    r.EVENTQ_IRQ_CFG1: [(ONES32, ["EVENTQ_IRQEN"])],
    r.EVENTQ_IRQ_CFG2: [(0x3F, ["EVENTQ_IRQEN"])],
    r.CMDQ_PROD: [(0xF_FFFF, [])],
    r.EVENTQ_CONS: [(0x800F_FFFF, [])],
    r.GERRORN: [(0x1B5, [])],
}
ENABLES = [(r.CR0, r.CR0ACK, name) for name in ("SMMUEN", "CMDQEN", "EVENTQEN")] + [
    (r.IRQ_CTRL, r.IRQ_CTRLACK, name) for name in ("GERROR_IRQEN", "EVENTQ_IRQEN")]


@pytest.mark.parametrize(("enable", "ack", "name"), ENABLES, ids=[e[2] for e in ENABLES])
def test_guards(enable, ack, name):
    """With one enable on, exactly the fields it guards ignore writes."""
    async def check(bus, dut, ctx):
        await bus.store(enable, **{name: 1})
        await bus.poll(ack, **{name: 1})
        for register, groups in GUARDS.items():
            await bus.write(register.OFFSET, ONES64, register.size())
            open_bits = sum(mask for mask, names in groups if name not in names)
            assert (await bus.load(register)).value == open_bits, register.__name__

    run(check)


def test_guard_needs_acknowledge():
    """An enable guards from the moment it is written 1 until its acknowledge shows 0."""
    async def check(bus, dut, ctx):
        ctx.set(dut.queues.cmdq.busy, 1)
        await bus.store(r.CR0, CMDQEN=1)
        await bus.poll(r.CR0ACK, CMDQEN=1)
        await bus.store(r.CR0, 0)
        assert (await bus.load(r.CR0)).CMDQEN == 0
        assert (await bus.load(r.CR0ACK)).CMDQEN == 1
        await bus.store(r.CMDQ_BASE, ONES64 & r.CMDQ_BASE.ADDR.mask)
        assert (await bus.load(r.CMDQ_BASE)).value == 0
        # A second change while the first is in progress is ignored, other fields are not.
        await bus.store(r.CR0, CMDQEN=1, EVENTQEN=1)
        await bus.poll(r.CR0ACK, EVENTQEN=1)
        assert (await bus.load(r.CR0)).value == r.CR0.pack(EVENTQEN=1)
        ctx.set(dut.queues.cmdq.busy, 0)
        await bus.poll(r.CR0ACK, CMDQEN=0)
        await bus.store(r.CMDQ_BASE, LOG2SIZE=3)
        assert (await bus.load(r.CMDQ_BASE)).LOG2SIZE == 3

    run(check)


def test_translation_enable():
    """SMMUEN rises at once; it falls for new transactions at once, in CR0ACK after the drain."""
    async def check(bus, dut, ctx):
        await bus.store(r.CR0, SMMUEN=1)
        await bus.poll(r.CR0ACK, SMMUEN=1)
        assert ctx.get(dut.state.smmuen)
        await bus.store(r.CR0, 0)
        assert not ctx.get(dut.state.smmuen)
        assert (await bus.load(r.CR0ACK)).SMMUEN == 1
        await bus.poll(r.CR0ACK, SMMUEN=0)

    run(check)


def test_bypass_attributes():
    async def check(bus, dut, ctx):
        await bus.store(r.GBPA, ABORT=1)          # without Update: ignored
        assert (await bus.load(r.GBPA)).value == 0x1000
        await bus.store(r.GBPA, ABORT=1, SHCFG=3, Update=1)
        value = await bus.poll(r.GBPA, Update=0)
        assert (value.ABORT, value.SHCFG) == (1, 3)
        assert ctx.get(dut.state.gbpa) == value.value

    run(check)


def test_state():
    async def check(bus, dut, ctx):
        await bus.store(r.STRTAB_BASE, ADDR=0x12_3456_7000, RA=1)
        await bus.store(r.STRTAB_BASE_CFG, LOG2SIZE=16, SPLIT=8, FMT=1)
        await bus.store(r.CR2, E2H=1, RECINVSID=1)
        state = dut.state
        assert ctx.get(state.strtab_base) == 0x12_3456_7000
        assert [ctx.get(x) for x in (state.strtab_log2size, state.strtab_split, state.strtab_fmt,
                                     state.cr2_e2h, state.cr2_recinvsid)] == [16, 8, 1, 1, 1]
        # A queue is never larger than the implementation's limit; the register keeps the value.
        await bus.store(r.CMDQ_BASE, LOG2SIZE=31, ADDR=0x1000)
        assert (await bus.load(r.CMDQ_BASE)).LOG2SIZE == 31
        assert ctx.get(dut.queues.cmdq.log2size) == dut.impl.CMDQS
        # An index the SMMU writes shows only the bits of the queue's size.
        await bus.store(r.CMDQ_BASE, LOG2SIZE=3)
        await bus.store(r.CMDQ_CONS, RD=0xFFFF)
        assert (await bus.load(r.CMDQ_CONS)).RD == 0xF

    run(check)


ERRORS = {"CMDQ_ERR": ("cmdq", "fail"), "EVENTQ_ABT_ERR": ("evtq", "abort"),
          "MSI_CMDQ_ABT_ERR": ("irq", "sync_abort"), "MSI_EVENTQ_ABT_ERR": ("irq", "evtq_abort"),
          "MSI_GERROR_ABT_ERR": ("irq", "gerror_abort")}


@pytest.mark.parametrize("name", ERRORS)
def test_global_error(name):
    """Toggles when inactive, once until acknowledged; one interrupt for each activation."""
    async def check(bus, dut, ctx):
        block, pulse = ERRORS[name]
        signal = getattr(getattr(dut.queues, block), pulse)

        async def happen() -> int:
            ctx.set(signal, 1)
            await ctx.tick()
            ctx.set(signal, 0)
            interrupts = 0
            for _ in range(4):
                interrupts += ctx.get(dut.queues.irq.gerror)
                await ctx.tick()
            return interrupts

        bit, once = r.GERROR.FIELDS[name].mask, int(name != "MSI_GERROR_ABT_ERR")
        assert await happen() == once
        assert (await bus.load(r.GERROR)).value == bit
        assert await happen() == 0
        assert (await bus.load(r.GERROR)).value == bit
        await bus.store(r.GERRORN, bit)
        assert await happen() == once
        assert (await bus.load(r.GERROR)).value == 0
        assert (await bus.load(r.GERRORN)).value == bit

    run(check)


def test_guard_texts():
    """Every ordinary register has a guard that can be understood, others are refused."""
    for register in r.SMMU:
        if register.__name__ in STORED and register not in (r.CR0, r.IRQ_CTRL, r.GBPA):
            assert guarded(register)

    class Odd(Register):
        GUARD = "on Sundays"

    with pytest.raises(ValueError, match="on Sundays"):
        guarded(Odd)
    assert guarded(r.CR2) == [Guarded(0xF, ("SMMUEN",))]
