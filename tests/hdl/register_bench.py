"""Access to an AXI4-Lite port and a small memory, for block tests on amaranth.sim."""

import random
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from amaranth.sim import Simulator

from hdl.axi import Resp

TIMEOUT = 2000   # cycles


class RegisterBus:
    """Master on an AXI4-Lite port: one access at a time, addresses in bytes."""

    def __init__(self, ctx, port):
        self.ctx, self.port = ctx, port

    async def write(self, offset: int, value: int, size: int = 4, strobe: int | None = None):
        """Write `size` bytes; `strobe` replaces the byte strobes of the doubleword."""
        ctx, port, lane = self.ctx, self.port, offset % 8
        ctx.set(port.awaddr, offset)
        ctx.set(port.wdata, (value << (8 * lane)) & (2**64 - 1))
        ctx.set(port.wstrb, ((1 << size) - 1) << lane if strobe is None else strobe)
        for signal in (port.awvalid, port.wvalid, port.bready):
            ctx.set(signal, 1)
        await ctx.tick().until(port.awready & port.wready)
        ctx.set(port.awvalid, 0)
        ctx.set(port.wvalid, 0)
        (resp,) = await ctx.tick().sample(port.bresp).until(port.bvalid)
        assert resp == Resp.OKAY
        ctx.set(port.bready, 0)

    async def read(self, offset: int, size: int = 4) -> int:
        ctx, port = self.ctx, self.port
        ctx.set(port.araddr, offset)
        ctx.set(port.arvalid, 1)
        ctx.set(port.rready, 1)
        await ctx.tick().until(port.arready)
        ctx.set(port.arvalid, 0)
        value, resp = await ctx.tick().sample(port.rdata, port.rresp).until(port.rvalid)
        assert resp == Resp.OKAY
        ctx.set(port.rready, 0)
        return (value >> (8 * (offset % 8))) & ((1 << (8 * size)) - 1)

    async def store(self, register, value: int = 0, **fields: int):
        """Write a whole register, by value or by fields."""
        await self.write(register.OFFSET, value | register.pack(**fields), register.size())

    async def load(self, register):
        """Read a whole register, decoded."""
        return register(await self.read(register.OFFSET, register.size()))

    async def poll(self, register, **fields: int):
        """Read until the fields have these values."""
        for _ in range(TIMEOUT):
            value = await self.load(register)
            if all(getattr(value, name) == wanted for name, wanted in fields.items()):
                return value
        raise AssertionError(f"{register.__name__} never showed {fields}: {value}")


class BlockMemory:
    """Memory behind a MemRead and a MemWrite port.

    Answers after `latency` cycles, beats in random order if `shuffle`; with `busy`, ports are ready
    and answers valid only now and then. Addresses in `broken` give errors.
    """

    def __init__(self, read=None, write=None, *, latency=3, shuffle=False, busy=False, seed=0):
        self.read, self.write = read, write
        self.latency, self.shuffle, self.busy = latency, shuffle, busy
        self.random = random.Random(seed)
        self.bytes: dict[int, int] = {}
        self.broken: set[int] = set()
        self.reads: list[tuple[int, int]] = []          # (address, bytes), as requested
        self.writes: list[tuple[int, bytes]] = []       # as they became visible
        self.on_write: Callable[[int, bytes], None] = lambda address, data: None

    def peek(self, address: int, size: int) -> bytes:
        return bytes(self.bytes.get(address + n, 0) for n in range(size))

    def poke(self, address: int, data: bytes):
        self.bytes.update({address + n: byte for n, byte in enumerate(data)})

    def _fails(self, address: int, size: int) -> bool:
        return any(address <= bad < address + size for bad in self.broken)

    def _pause(self) -> bool:
        return self.busy and self.random.random() < 0.5

    async def serve_reads(self, ctx):
        """Testbench for the read port."""
        req, resp = self.read.req, self.read.resp
        pending: list[SimpleNamespace] = []    # due, id, address, size, beat
        chosen = None
        cycle = 0
        while True:
            due = [read for read in pending if read.due <= cycle]
            if chosen is None and due and not self._pause():
                chosen = self.random.choice(due) if self.shuffle else due[0]
                for name, value in self._beat(chosen).items():
                    ctx.set(getattr(resp.payload, name), value)
            ctx.set(req.ready, not self._pause())
            ctx.set(resp.valid, chosen is not None)
            _, _, valid, ready, payload, taken = await ctx.tick().sample(
                req.valid, req.ready, req.payload, resp.valid & resp.ready)
            cycle += 1
            if taken:
                chosen.beat += 1
                if 16 * chosen.beat >= chosen.size:
                    pending.remove(chosen)
                chosen = None
            if valid and ready:
                assert payload.addr % (1 << payload.size) == 0
                self.reads.append((payload.addr, 1 << payload.size))
                pending.append(SimpleNamespace(due=cycle + self.latency, id=payload.id, beat=0,
                                               address=payload.addr, size=1 << payload.size))

    def _beat(self, read: SimpleNamespace) -> dict[str, int]:
        """The next beat of a read."""
        data = self.peek(read.address + 16 * read.beat, min(16, read.size))
        return {"id": read.id, "data": int.from_bytes(data, "little"),
                "last": 16 * (read.beat + 1) >= read.size,
                "error": self._fails(read.address, read.size)}

    async def serve_writes(self, ctx):
        """Testbench for the write port."""
        req, resp = self.write.req, self.write.resp
        pending: list[tuple[int, Any]] = []              # due, payload
        cycle, answer = 0, None
        while True:
            if answer is None and pending and pending[0][0] <= cycle and not self._pause():
                payload = pending.pop(0)[1]
                answer = (payload.id, self._apply(payload))
            ctx.set(req.ready, not self._pause())
            ctx.set(resp.valid, answer is not None)
            if answer is not None:
                ctx.set(resp.payload.id, answer[0])
                ctx.set(resp.payload.error, answer[1])
            _, _, valid, ready, payload, taken = await ctx.tick().sample(
                req.valid, req.ready, req.payload, resp.valid & resp.ready)
            cycle += 1
            if taken:
                answer = None
            if valid and ready:
                pending.append((cycle + self.latency, payload))

    def _apply(self, payload) -> int:
        """Make a write visible; returns whether it is aborted."""
        size = 1 << payload.size
        assert payload.addr % size == 0
        if self._fails(payload.addr, size):
            return 1
        data = (payload.data & ((1 << (8 * size)) - 1)).to_bytes(size, "little")
        self.poke(payload.addr, data)
        self.writes.append((payload.addr, data))
        self.on_write(payload.addr, data)
        return 0


def simulate(dut, testbench: Callable[[Any], Coroutine], *background: Callable) -> None:
    """Run `testbench` to its end with the other testbenches beside it."""
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    for other in background:
        sim.add_testbench(other, background=True)
    sim.run()
