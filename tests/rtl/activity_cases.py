"""Runs inside the simulator: accesses whose activity is known."""

from __future__ import annotations

from collections.abc import Awaitable

from tb.bench_world import SID, UNMAPPED, BenchWorld
from tb.cases.bench_rtl import Bench
from tb.client import Request
from tb.env import Env
from tb.machine import Machine

LATENCY = 10


async def counts(env: Env) -> dict[str, dict[str, int]]:
    """What each part of a workload adds to the counters."""
    world = BenchWorld(env.mem.plain(), nested=False)
    machine = await Machine.probe(env)
    await machine.start(world.registers, world.pages)
    bench = Bench(env, machine, "single", LATENCY)

    async def of(work: Awaitable) -> dict[str, int]:
        before = await env.activity.read()
        await work
        return await env.activity.since(before)

    found = {"forget": await of(bench.forget())}
    found["cold"] = await of(bench.play([bench.read(0, 0)]))
    found["warm"] = await of(bench.play([bench.read(0, 1)]))
    found["hits"] = await of(bench.play([bench.read(n, n % 2, n) for n in range(64)]))
    found["merged"] = await of(bench.play([bench.read(n, 2, n) for n in range(2)]))
    found["fault"] = await of(bench.client.run([Request(addr=UNMAPPED, size=3, sid=SID)]))
    return found
