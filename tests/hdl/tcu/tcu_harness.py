"""A Translator with a memory, a requester and an event sink, under amaranth.sim."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from amaranth.sim import Simulator

from hdl.streams import InvOp, Outcome
from hdl.tcu.translate import Translator
from spec.events import Event, decode
from spec.impl import PRESETS, Implementation
from spec.registers import GBPA

RAM_END = 1 << 40  # reads from here up answer with an error


class Words:
    """Sparse memory of 64-bit words; absent words read 0."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.top = 0x8000_0000

    def alloc(self, size: int) -> int:
        """An aligned, zeroed block."""
        size = max(size, 64)
        self.top = -(-self.top // size) * size
        self.top += size
        return self.top - size

    def put(self, address: int, value: int, size: int = 8) -> None:
        for n in range(0, size, 8):
            self.words[address + n] = value >> 8 * n & (1 << 64) - 1

    def get(self, address: int) -> int:
        return self.words.get(address, 0)


@dataclass
class Access:
    """One transaction and what came of it."""

    addr: int
    sid: int = 1
    ssid: int | None = None
    write: bool = False
    pnu: bool = False
    ind: bool = False
    outcome: Any = None
    pa: int | None = None
    response: Any = None
    event: Event | None = None


@dataclass
class Machine:
    """Registers as the register file gives them, memory, and the implementation.

    Members
    -------
    requests
        Most requests without an answer.
    exclusive
        Memory knows exclusive accesses.
    caches, leaves
        Entries of each cache of configuration and tables, and of leaf descriptors.
    types
        Address and memory type of every access, in order.
    reads, broken
        Addresses of the reads so far; numbers of those (from 0) that get an error.
    lose, writes, broken_writes
        Every how many locked writes one loses (0: none); writes so far; numbers of those (from 1)
        that get an error.
    """

    impl: Implementation = PRESETS["base"]
    memory: Words = field(default_factory=Words)
    walks: int = 1
    requests: int = 16
    caches: int = 0
    leaves: int = 0
    latency: int = 1
    smmuen: int = 1
    strtab_base: int = 0
    strtab_log2size: int = 0
    strtab_split: int = 0
    strtab_fmt: int = 0
    strtab_ra: int = 0
    table_oc: int = 0
    cr2_e2h: int = 0
    cr2_recinvsid: int = 1
    gbpa: int = GBPA.RESET
    exclusive: bool = True
    lose: int = 0
    writes: int = 0
    broken_writes: set[int] = field(default_factory=set)
    reads: list[int] = field(default_factory=list)
    types: list[tuple[int, int]] = field(default_factory=list)
    broken: set[int] = field(default_factory=set)
    evtq_ready: bool = True
    running: bool = False

    STATE = ("smmuen", "strtab_base", "strtab_log2size", "strtab_split", "strtab_fmt", "strtab_ra",
             "table_oc", "cr2_e2h", "cr2_recinvsid", "gbpa")

    def run(self, accesses: Iterable[Access]) -> list[Access]:
        """Drives the accesses one after the other; fills in their results."""
        accesses = list(accesses)

        async def drive(ctx, dut, events):
            for number, access in enumerate(accesses):
                del events[:]
                await request(ctx, dut, access, number)
                response = await accept(ctx, dut.resp)
                assert response.tag == number & 0xFF
                finish(access, response, events)

        self.simulate(drive)
        return accesses

    def simulate(self, drive) -> None:
        """Runs `drive(ctx, dut, events)` beside memory and event sink until it returns."""
        dut = Translator(SimpleNamespace(
            impl=self.impl, walks=self.walks, requests=self.requests,
            ste_entries=self.caches, cd_entries=self.caches,
            walk_entries=self.caches, tlb_entries=self.leaves, ipa_entries=self.leaves))
        sim = Simulator(dut)
        sim.add_clock(1e-6)
        events: list[int] = []
        self.running = True

        async def main(ctx):
            for name in self.STATE:
                ctx.set(getattr(dut.state, name), getattr(self, name))
            ctx.set(dut.resp.ready, 1)
            await drive(ctx, dut, events)
            self.running = False

        sim.add_testbench(main)
        sim.add_testbench(self.serve(dut))
        sim.add_testbench(self.collect(dut, events))
        sim.add_testbench(self.absorb(dut))
        sim.add_testbench(self.deadline)
        sim.run()

    async def deadline(self, ctx) -> None:
        cycles = 0
        while self.running:
            await ctx.tick()
            cycles += 1
            assert cycles < 20_000, "no progress"

    def serve(self, dut):
        """The memory: reads answered in order, `latency` cycles after the request at best."""
        async def process(ctx):
            ctx.set(dut.mem.req.ready, 1)
            due: list[tuple[int, dict]] = []
            cycle = 0
            while self.running:
                *_, valid, read, taken = await ctx.tick().sample(
                    dut.mem.req.valid & dut.mem.req.ready, dut.mem.req.payload,
                    dut.mem.resp.valid & dut.mem.resp.ready)
                cycle += 1
                if taken:
                    due.pop(0)
                if valid:
                    self.reads.append(read.addr)
                    self.types.append((read.addr, read.mair))
                    due += [(cycle + self.latency, beat) for beat in self.beats(read)]
                offered = bool(due) and due[0][0] <= cycle + 1
                ctx.set(dut.mem.resp.valid, offered)
                if offered:
                    ctx.set(dut.mem.resp.payload, due[0][1])
        return process

    def beats(self, read) -> list[dict]:
        """The answer to a read."""
        count = max(1, (1 << read.size) // 16)
        addresses = [read.addr + 16 * n for n in range(count)]
        return [{"id": read.id, "exclusive": self.exclusive and read.lock, "last": n == count - 1,
                 "error": address >= RAM_END or len(self.reads) - 1 in self.broken,
                 "data": self.memory.get(address)
                 | (self.memory.get(address + 8) << 64 if read.size > 3 else 0)}
                for n, address in enumerate(addresses)]

    def absorb(self, dut):
        """Writes into memory. Every `lose`-th locked write loses against another writer, which
        leaves the words as they are."""
        async def process(ctx):
            ctx.set(dut.write.req.ready, 1)
            while self.running:
                *_, valid, write, taken = await ctx.tick().sample(
                    dut.write.req.valid & dut.write.req.ready, dut.write.req.payload,
                    dut.write.resp.valid & dut.write.resp.ready)
                if taken:
                    ctx.set(dut.write.resp.valid, 0)
                if valid:
                    self.writes += 1
                    self.types.append((write.addr, write.mair))
                    lost = bool(self.lose) and self.writes % self.lose == 0
                    error = write.addr >= RAM_END or self.writes in self.broken_writes
                    if not lost and not error:
                        self.memory.put(write.addr, write.data & (1 << 64) - 1)
                    ctx.set(dut.write.resp.payload, {
                        "id": write.id, "error": error, "exclusive": write.lock and not lost})
                    ctx.set(dut.write.resp.valid, 1)
        return process

    def collect(self, dut, events: list[int]):
        async def process(ctx):
            while self.running:
                ctx.set(dut.event.ready, self.evtq_ready)
                *_, taken, record = await ctx.tick().sample(
                    dut.event.valid & dut.event.ready, dut.event.payload.record)
                if taken:
                    events.append(record)
        return process


async def accept(ctx, stream):
    """Waits for a transfer (ready is up) and gives its payload."""
    payload, = await ctx.tick().sample(stream.payload).until(stream.valid)
    return payload


async def request(ctx, dut, access: Access, tag: int) -> None:
    ctx.set(dut.req.payload, {
        "tbu": 3, "tag": tag & 0xFF, "sid": access.sid, "ssv": access.ssid is not None,
        "ssid": access.ssid or 0, "addr": access.addr, "rnw": not access.write,
        "pnu": access.pnu, "ind": access.ind})
    ctx.set(dut.req.valid, 1)
    await ctx.tick().until(dut.req.ready)
    ctx.set(dut.req.valid, 0)


def finish(access: Access, response, events: list[int]) -> None:
    access.response = response
    access.outcome = Outcome(response.outcome)
    if access.outcome == Outcome.TRANSLATED:
        assert not response.pa & (1 << response.size) - 1
        access.pa = response.pa | access.addr & (1 << response.size) - 1
    assert len(events) < 2
    access.event = decode(events[0]) if events else None


async def invalidate(ctx, dut, op: InvOp = InvOp.TLBI_NSNH_ALL, **operands: int) -> None:
    """One Invalidation, by default of everything of NS-EL1."""
    ctx.set(dut.inv.payload, {"op": op, **operands})
    ctx.set(dut.inv.valid, 1)
    await ctx.tick().until(dut.inv.ready)
    ctx.set(dut.inv.valid, 0)
