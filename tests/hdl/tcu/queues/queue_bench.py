"""Register file and queue engine joined, with memory, consumers and software around them."""

from collections.abc import Callable, Coroutine
from dataclasses import replace

from amaranth import Module
from amaranth.lib import data
from amaranth.lib.wiring import connect
from register_bench import TIMEOUT, BlockMemory, RegisterBus, simulate

from hdl.config import Config
from hdl.regs.file import RegisterFile
from hdl.streams import Invalidation
from hdl.tcu.queues.engine import QueueEngine
from spec import registers as r
from spec.commands import COMMAND_BYTES, TLBI_NH_ASID, Command
from spec.events import EVENT_BYTES, Event

CMDQ, EVTQ = 0x10_0000, 0x20_0000


INVALIDATION_FIELDS = [name for name, _ in data.Layout.cast(Invalidation) if name != "op"]


def invalidation(value) -> tuple[str, dict[str, int]]:
    """A sampled Invalidation as its operation and its nonzero fields."""
    return value.op.name, {n: value[n] for n in INVALIDATION_FIELDS if value[n]}


class QueueBench:
    """One run: `await` its methods in a test; `log` tells what happened, in order.

    Entries of `log`: ("inv", operation, fields), ("stall", (action, sid, stag)),
    ("write", address, bytes), ("irq", name), ("sev",), ("sync", consumer),
    ("verdict", stag, recorded).
    """

    def __init__(self, *, preset="base", features=None, consumers=2, log2cmdq=3, log2evtq=2,
                 hold=2, **memory):
        config = Config.preset(preset)
        config = config.with_(impl=replace(config.impl, **(features or {})))
        self.regs = RegisterFile(config)
        self.engine = QueueEngine(config, consumers=consumers)
        self.memory = BlockMemory(self.engine.read, self.engine.write, **memory)
        self.memory.on_write = lambda address, data: self.log.append(("write", address, data))
        self.log2cmdq, self.log2evtq, self.hold = log2cmdq, log2evtq, hold
        self.log: list[tuple] = []
        self.prod = 0
        self.accept = True       # consumers take invalidations
        self.acknowledge = True  # consumers acknowledge synchronisations

    def run(self, script: Callable[["QueueBench"], Coroutine]) -> "QueueBench":
        m = Module()
        m.submodules.regs, m.submodules.engine = self.regs, self.engine
        connect(m, self.regs.queues, self.engine.regs)

        async def testbench(ctx):
            self.ctx, self.bus = ctx, RegisterBus(ctx, self.regs.cfg)
            await script(self)

        simulate(m, testbench, self.memory.serve_reads, self.memory.serve_writes, self._consume,
                 *(self._synchronise(n) for n in range(self.engine.consumers)))
        return self

    def kinds(self, *wanted: str) -> list[tuple]:
        """The entries of the log of these kinds."""
        return [entry for entry in self.log if entry[0] in wanted]

    # The rest of the SMMU.

    async def _consume(self, ctx):
        engine, irq = self.engine, self.engine.irq
        while True:
            ctx.set(engine.inv.ready, self.accept)
            ctx.set(engine.stall_cmd.ready, self.accept)
            _, _, inv, command, stall, stalled, verdict, sev, *pulses = await ctx.tick().sample(
                engine.inv.valid & engine.inv.ready, engine.inv.payload,
                engine.stall_cmd.valid & engine.stall_cmd.ready, engine.stall_cmd.payload,
                engine.verdict, engine.sev, irq.evtq, irq.gerror, irq.cmdq_sync, irq.priq)
            if inv:
                self.log.append(("inv", *invalidation(command)))
            if stall:
                self.log.append(("stall", (stalled.action.name, stalled.sid, stalled.stag)))
            if sev:
                self.log.append(("sev",))
            if verdict.valid:
                self.log.append(("verdict", verdict.stag, verdict.recorded))
            for name, pulse in zip(("evtq", "gerror", "cmdq_sync", "priq"), pulses, strict=True):
                if pulse:
                    self.log.append(("irq", name))

    def _synchronise(self, number: int):
        async def testbench(ctx):
            sync, age = self.engine.syncs[number], 0
            hold = self.hold + 8 * number
            while True:
                _, _, req = await ctx.tick().sample(sync.req)
                age = age + 1 if req and self.acknowledge else 0
                if age == hold:
                    self.log.append(("sync", number))
                ctx.set(sync.ack, req and age >= hold)
        return testbench

    # Software.

    async def start(self, *, evtq=True, irqs=True, msis=False):
        """Queues on, in the order of reference 9.2."""
        bus = self.bus
        await bus.store(r.CMDQ_BASE, ADDR=CMDQ, LOG2SIZE=self.log2cmdq)
        await bus.store(r.CMDQ_PROD, self.prod)
        await bus.store(r.CMDQ_CONS, self.prod)
        await self.enable(CMDQEN=1)
        await bus.store(r.EVENTQ_BASE, ADDR=EVTQ, LOG2SIZE=self.log2evtq)
        await bus.store(r.EVENTQ_PROD, 0)
        await bus.store(r.EVENTQ_CONS, 0)
        await self.enable(CMDQEN=1, EVENTQEN=int(evtq))
        if msis:
            for cfg0, cfg1, address in ((r.GERROR_IRQ_CFG0, r.GERROR_IRQ_CFG1, 0x8000),
                                        (r.EVENTQ_IRQ_CFG0, r.EVENTQ_IRQ_CFG1, 0x8004)):
                await bus.store(cfg0, ADDR=address)
                await bus.store(cfg1, DATA=address + 0x1111_0000)
        if irqs:
            await self.interrupts(GERROR_IRQEN=1, EVENTQ_IRQEN=1)

    async def enable(self, **fields: int):
        """CR0, and wait for CR0ACK to equal it."""
        await self.bus.store(r.CR0, **fields)
        await self.bus.poll(r.CR0ACK, **dict(r.CR0(r.CR0.pack(**fields)).items()))

    async def interrupts(self, **fields: int):
        await self.bus.store(r.IRQ_CTRL, **fields)
        await self.bus.poll(r.IRQ_CTRLACK, **dict(r.IRQ_CTRL(r.IRQ_CTRL.pack(**fields)).items()))

    def slot(self, index: int) -> int:
        """Address of the command queue entry of an index."""
        return CMDQ + COMMAND_BYTES * (index % (1 << self.log2cmdq))

    def wrap(self, index: int) -> int:
        """A command queue index with its wrap bit."""
        return index % (2 << self.log2cmdq)

    async def send(self, *commands: Command | int):
        """Put commands in the queue and ring the doorbell; there must be room."""
        for command in commands:
            value = command if isinstance(command, int) else command.value
            self.memory.poke(self.slot(self.prod), value.to_bytes(COMMAND_BYTES, "little"))
            self.prod = self.wrap(self.prod + 1)
        await self.bus.store(r.CMDQ_PROD, WR=self.prod)

    async def drained(self):
        """Wait until the command queue is empty."""
        await self.bus.poll(r.CMDQ_CONS, RD=self.prod)

    async def issue(self, *commands: Command | int):
        """Send and wait, in pieces that fit the queue."""
        room = 1 << self.log2cmdq
        for first in range(0, len(commands), room):
            await self.send(*commands[first:first + room])
            await self.drained()

    async def idle(self, cycles: int = 30):
        for _ in range(cycles):
            await self.ctx.tick()

    async def record(self, event: Event | int, stall: bool = False):
        """Hand a record to the event queue; returns when it is accepted."""
        ctx, port = self.ctx, self.engine.event
        ctx.set(port.payload.record, event if isinstance(event, int) else event.value)
        ctx.set(port.payload.stall, stall)
        ctx.set(port.valid, 1)
        for _ in range(TIMEOUT):
            _, _, taken = await ctx.tick().sample(port.ready)
            if taken:
                break
        else:
            raise AssertionError("the event queue never took the record")
        ctx.set(port.valid, 0)

    def event(self, index: int) -> int:
        """The event queue entry of an index, as an integer."""
        address = EVTQ + EVENT_BYTES * (index % (1 << self.log2evtq))
        return int.from_bytes(self.memory.peek(address, EVENT_BYTES), "little")


def numbered(n: int) -> Command:
    """A command that can be told from others in the log."""
    return TLBI_NH_ASID.make(ASID=n, VMID=1)


def asids(bench: QueueBench) -> list[int]:
    return [fields.get("asid", 0) for _, _, fields in bench.kinds("inv")]
