"""One engine alone, as its lane drives it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from amaranth import ClockDomain, Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from hdl.accel.streams import Engine

LIMIT = 100_000


@dataclass
class Work:
    """One job: `source` None if there is none, `length` of the job; `result` and `value` are
    filled in, `cycles` from the first chunk that can be taken or given to the last."""

    length: int
    source: bytes | None = None
    has_result: bool = True
    job: dict[str, int] | None = None
    result: bytes = b""
    value: int = 0
    cycles: int = 0


class _Resettable(wiring.Component):
    def __init__(self, engine):
        self.engine, self.clear = engine, Signal()
        super().__init__({"port": In(Engine())})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()           # the copy engine has none
        m.submodules.engine = ResetInserter(self.clear)(self.engine)
        wiring.connect(m, wiring.flipped(self.port), self.engine.port)
        return m


def run(engine, works, *, stall: float = 0.0, seed: int = 1):
    """Do the works one after the other, with random waits of source and destination."""
    dut, rng = _Resettable(engine), random.Random(seed)
    port = dut.port

    async def feed(ctx, work):
        data = work.source
        for at in range(0, len(data), 16):
            while rng.random() < stall:
                await ctx.tick()
            chunk = data[at:at + 16]
            ctx.set(port.source.payload, {"data": int.from_bytes(chunk, "little"),
                                          "last": at + 16 >= len(data)})
            ctx.set(port.source.valid, 1)
            await ctx.tick().until(port.source.ready)
            ctx.set(port.source.valid, 0)

    async def sources(ctx):
        for work in works:
            await ctx.tick().until(port.go)
            if work.source is not None:
                await feed(ctx, work)
            await ctx.tick().until(dut.clear)

    async def control(ctx):
        for work in works:
            ctx.set(port.job, {"length": work.length, **(work.job or {})})
            ctx.set(port.go, 1)
            begun = None
            for cycle in range(LIMIT):
                take = rng.random() >= stall
                ctx.set(port.result.ready, take)
                _, _, fed, given, chunk, finished, value = await ctx.tick().sample(
                    port.source.valid & port.source.ready, port.result.valid & take,
                    port.result.payload, port.finished, port.value)
                begun = cycle if begun is None and (fed or given) else begun
                if given:
                    work.result += chunk.data.to_bytes(16, "little")
                if (given and chunk.last) or (not work.has_result and finished):
                    break
            else:
                raise AssertionError("hang")
            work.cycles = cycle - begun + 1
            work.value = value
            if work.has_result:
                assert 0 <= len(work.result) - work.length < 16
                work.result = work.result[:work.length]
            ctx.set(port.go, 0)
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(control)
    sim.add_testbench(sources, background=True)
    sim.run()
    return works
