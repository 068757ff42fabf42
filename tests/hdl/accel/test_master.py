"""The AXI master across resets of the device: AXI4 is kept, and lives never meet."""

import random

import pytest
from amaranth import Module, ResetInserter
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hdl.accel.dma.gather import Gather
from hdl.accel.dma.master import ID_BITS, MemoryMaster
from hdl.accel.dma.scatter import Scatter
from hdl.accel.streams import DATA_BITS, Segment
from hdl.axi import AXI4, StreamUser
from pymodel.memory import SparseMemory
from tests.hdl.accel.axi_memory import AxiMemory

SSID, TARGET, SIZE = 7, 0x8000, 1500
PAYLOADS = {"aw": ("awid", "awaddr", "awlen", "awuser"),
            "ar": ("arid", "araddr", "arlen", "aruser"), "w": ("wdata", "wstrb", "wlast")}


class Lives(wiring.Component):
    """Gather to scatter; a reset reaches both and begins a new life of the master."""

    def __init__(self):
        super().__init__({
            "source": In(stream.Signature(Segment)), "target": In(stream.Signature(Segment)),
            "axi": Out(AXI4(addr_width=64, data_width=DATA_BITS, id_width=ID_BITS,
                            user=StreamUser)),
            "reset": In(1), "finished": Out(1), "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.gather = gather = ResetInserter(self.reset)(Gather())
        m.submodules.scatter = scatter = ResetInserter(self.reset)(Scatter())
        m.submodules.master = master = MemoryMaster(sid=1, reads=1, writes=1)
        wiring.connect(m, gather.chunk, scatter.chunk)
        wiring.connect(m, gather.read, master.reads[0])
        wiring.connect(m, scatter.write, master.writes[0])
        wiring.connect(m, wiring.flipped(self.source), gather.segment)
        wiring.connect(m, wiring.flipped(self.target), scatter.segment)
        wiring.connect(m, master.axi, wiring.flipped(self.axi))
        m.d.comb += [
            master.reset.eq(self.reset), self.finished.eq(scatter.finished),
            self.idle.eq(master.read_idle & master.write_idle),
        ]
        return m


class Rig:
    """A memory, one transfer at a time, and a watcher of AXI4's rules."""

    def __init__(self, seed, **timing):
        self.dut = Lives()
        self.memory = SparseMemory(0, 1 << 20)
        self.axi = AxiMemory(self.dut.axi, self.memory, seed=seed, **timing)
        self.random = random.Random(seed)

    async def watch(self, ctx):
        """What is offered stays until it is taken."""
        signals = [getattr(self.dut.axi, name) for channel, names in PAYLOADS.items()
                   for name in (f"{channel}valid", f"{channel}ready", *names)]
        before = None
        async for _, _, *now in ctx.tick().sample(*signals):
            at = 0
            for channel, names in PAYLOADS.items():
                size = 2 + len(names)
                if before is not None and before[at] and not before[at + 1]:
                    assert now[at], f"{channel} was withdrawn"
                    assert now[at + 2:at + size] == before[at + 2:at + size], channel
                at += size
            before = now

    async def reset(self, ctx):
        for port in (self.dut.source, self.dut.target):
            ctx.set(port.valid, 0)
        ctx.set(self.dut.reset, 1)
        await ctx.tick()
        ctx.set(self.dut.reset, 0)

    async def transfer(self, ctx, source, target, cycles):
        """Begin a transfer and let it run; whether it is finished."""
        ports = {self.dut.source: source, self.dut.target: target}
        for port, addr in ports.items():
            ctx.set(port.payload, Segment.const({
                "addr": addr, "length": SIZE, "last": 1, "space": {"ssv": 1, "ssid": SSID}}))
            ctx.set(port.valid, 1)
        for _ in range(cycles):
            taken = [port for port in ports if ctx.get(port.valid) and ctx.get(port.ready)]
            await ctx.tick()
            for port in taken:
                ctx.set(port.valid, 0)
            if ctx.get(self.dut.finished):
                return True
        return False

    def run(self, body):
        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        sim.add_testbench(body)
        sim.add_testbench(self.axi.run, background=True)
        sim.add_testbench(self.watch, background=True)
        sim.run()


@pytest.mark.parametrize("seed", range(4))
def test_resets_in_the_middle_of_transfers(seed):
    """Every burst that was begun is completed as begun (the memory checks lengths and `wlast`);
    no byte but the transfer's own is written, and the next life's transfers are whole."""
    rig = Rig(seed, stall=0.4, latency=5 * seed, data_first=seed % 2 == 1)
    data = [rig.random.randbytes(SIZE) for _ in range(8)]

    async def body(ctx):
        for n, text in enumerate(data):
            rig.memory.write(0x1000 * n, text)
            target = TARGET + 0x1000 * n + n
            if n % 2 == 0:
                await rig.transfer(ctx, 0x1000 * n, target, rig.random.randrange(5, 350))
            else:
                assert await rig.transfer(ctx, 0x1000 * n, target, 3000)
                assert rig.memory.read(target, SIZE) == text
            await rig.reset(ctx)
        await ctx.tick().repeat(300)
        assert ctx.get(rig.dut.idle)

    rig.run(body)
    for n, text in enumerate(data):
        at = TARGET + 0x1000 * n
        written = rig.memory.read(at, 0x1000)
        assert all(byte in {0, new} for byte, new in zip(
            written, bytes(n) + text + bytes(0x1000 - n - SIZE), strict=True))
    assert {access.id >> ID_BITS - 1 for access in rig.axi.log} == {0, 1}


@pytest.mark.parametrize("resets", [1, 2])
def test_a_life_and_the_one_before_last(resets):
    """A read that waits outlives its block. One reset later the ids are others, and everything
    goes on; after a second one, with the ids of the first life, it waits until that has ended."""
    rig = Rig(3, stall=0.2)
    text = rig.random.randbytes(SIZE)
    rig.memory.write(0x4000, text)
    rig.axi.hold.add((SSID, 0))

    async def body(ctx):
        await rig.transfer(ctx, 0, TARGET, 60)
        for _ in range(resets):
            await rig.reset(ctx)
            await ctx.tick().repeat(3)
        assert not ctx.get(rig.dut.idle)
        assert await rig.transfer(ctx, 0x4000, TARGET, 800) == (resets == 1)
        rig.axi.hold.clear()
        if resets == 2:
            await ctx.tick().until(rig.dut.finished)
        await ctx.tick().repeat(500)
        assert ctx.get(rig.dut.idle)

    rig.run(body)
    assert rig.memory.read(TARGET, SIZE) == text
