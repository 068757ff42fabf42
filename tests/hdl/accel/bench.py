"""The accelerator alone with a memory, for block tests."""

from __future__ import annotations

from typing import Any

from amaranth.sim import Simulator

from hdl.accel.accelerator import Accelerator
from hdl.config import Config
from pymodel.memory import SparseMemory
from tests.accel.bench import Case
from tests.accel.qm_driver import QmDriver
from tests.hdl.accel.axi_memory import AxiMemory


class RtlBus:
    """`Bus` of the driver on the AXI4-Lite port."""

    def __init__(self, dev):
        self.dev, self.ctx = dev, None

    async def read(self, offset: int, size: int = 4) -> int:
        dev, ctx = self.dev, self.ctx
        ctx.set(dev.araddr, offset)
        ctx.set(dev.arvalid, 1)
        await ctx.tick().until(dev.arready)
        ctx.set(dev.arvalid, 0)
        ctx.set(dev.rready, 1)
        data, = await ctx.tick().sample(dev.rdata).until(dev.rvalid)
        ctx.set(dev.rready, 0)
        return data >> 8 * (offset % 8) & (1 << 8 * size) - 1

    async def write(self, offset: int, size: int, value: int) -> None:
        dev, ctx = self.dev, self.ctx
        lane = offset % 8
        ctx.set(dev.awaddr, offset)
        ctx.set(dev.wdata, value << 8 * lane)
        ctx.set(dev.wstrb, ((1 << size) - 1) << lane)
        ctx.set(dev.awvalid, 1)
        ctx.set(dev.wvalid, 1)
        await ctx.tick().until(dev.awready & dev.wready)
        ctx.set(dev.awvalid, 0)
        ctx.set(dev.wvalid, 0)
        ctx.set(dev.bready, 1)
        await ctx.tick().until(dev.bvalid)
        ctx.set(dev.bready, 0)

    async def wait(self) -> None:
        await self.ctx.tick().repeat(20)


class Bench:
    """`tests.accel.bench.Bench` on the RTL of preset tiny with other numbers."""

    def __init__(self, *, depth: int = 8, lanes: int = 2, queues: int = 8, **timing: Any):
        config = Config.preset("tiny").with_(
            queues=queues, lanes=lanes, tbu_slots=lanes + 2, tbu_threads=lanes + 2,
            write_blocks=lanes)
        self.queues, self.sid = config.queues, config.accel_sid
        self.dut = Accelerator(config)
        self.memory = SparseMemory(0, 1 << 26)
        self.axi = AxiMemory(self.dut.axi, self.memory, **timing)
        self.bus = RtlBus(self.dut.dev)
        self.driver = QmDriver(self.bus, self.memory, depth)
        self.irqs = {"eq": 0, "aeq": 0, "abnormal": 0}
        self.log = self.axi.log

    def hold(self, ssid: int | None, page: int) -> None:
        self.axi.hold.add((ssid, page))

    def release(self) -> None:
        self.axi.hold.clear()

    async def _count(self, ctx) -> None:
        irq = self.dut.irq
        async for _, _, *pulses in ctx.tick().sample(irq.eq, irq.aeq, irq.abnormal):
            for name, pulse in zip(self.irqs, pulses, strict=True):
                self.irqs[name] += pulse

    def run(self, case: Case) -> None:
        async def body(ctx):
            self.bus.ctx = ctx
            await case(self)

        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        sim.add_testbench(body)
        sim.add_testbench(self._count, background=True)
        sim.add_testbench(self.axi.run, background=True)
        sim.run()
