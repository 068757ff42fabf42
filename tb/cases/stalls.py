"""Transactions that stall, with software that answers at random, against the checker.

As `concurrent`, with contexts and streams that stall. Software reads a small Event queue now and
then, disables it at times, and lets what stalls try again (after mapping what is missing, or not),
aborts it, ends it as RAZ/WI, terminates all of a stream, or leaves everything until nothing moves
any more. Every attempt of a transaction is judged; so is that it ends as software asked.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import cocotb

from pymodel.checker import Checker, Observation
from spec.commands import (
    CFGI_CD,
    CFGI_STE_RANGE,
    STE_RANGE_ALL,
    TLBI_EL2_ALL,
    TLBI_NSNH_ALL,
    Command,
)
from spec.events import EVENTS
from spec.registers import GBPA
from spec.stream_table import SteConfig
from tb.cases.random_translation import poison, request, untouched, weather
from tb.client import Request
from tb.coverage import Counts
from tb.env import Env
from tb.machine import Machine, register_state
from tb.random_spaces import Layout
from tb.random_world import World
from tb.recorded import RecordedMemory, Recorder
from tb.stalls import StallSoftware, distinct
from tb.witness import observe

ROUNDS = 3
REQUESTS = 40  # per client and round
PLACES = 10


async def stalls(env: Env) -> dict[str, Any]:
    """One seed. `params`: "skip" names commands, by the start of their name, that are not issued
    though they are due (to see the check fail).

    Returns counts and a digest of all outcomes, the same on every simulator.
    """
    rng = env.rng
    layout = Layout()
    env.open_memory(layout.base, layout.end - layout.base)
    machine = await Machine.probe(env)
    machine.log2_evtq = rng.choice((1, 3, machine.log2_evtq))
    memory = RecordedMemory(env.mem.plain())
    world = World(Random(rng.getrandbits(32)), machine.impl, memory, layout)
    world.build()
    let_stall(world)
    poison(env, world)
    weather(env)
    await machine.start([*world.registers(), (GBPA, GBPA.pack(Update=1, ABORT=1))], world.pages)
    checker = Checker(machine.impl, env.mem, await register_state(env))
    recorder = Recorder(env, machine, checker, memory, env.params.get("skip"), world.e2h)
    memory.descriptors = world.descriptors()
    counts = Counts(machine.impl)
    software = StallSoftware(env, machine, recorder, checker, world, counts)
    seen: list[Observation] = []
    events: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for _ in range(ROUNDS):
        used: set = set()
        batches = [_batch(env, world, used) for _ in env.clients]
        running = [cocotb.start_soon(client.run(batch))
                   for client, batch in zip(env.clients, batches, strict=True)]
        await software.serve(running, lambda: _change(world, recorder))
        responses = [await task for task in running]
        await recorder.post([])
        await recorder.settle()
        await software.look()
        memory.look()
        observations = []
        for batch, answers, trace, port in zip(batches, responses, env.traces[1:], env.mems[2:],
                                               strict=True):
            observations += observe(batch, answers, trace.take(), port.log())
            port.clear_log()
        ends.update(observation.ending.value for observation in observations)
        attempts = software.unfold(observations)
        checker.judge(attempts, software.records, lossy=software.lossy).verify()
        checker.prune(env.cycles)
        seen += attempts
        events.update(EVENTS[record[0]].__name__ for record in software.records)
        software.records.clear()
        software.lossy = False
    untouched(env, world)
    return {"transactions": sum(ends.values()), "agree": sum(ends.values()),
            "attempts": len(seen), "outcomes": dict(ends), "events": dict(events),
            "answers": dict(software.counts), "coverage": counts.json(),
            "digest": _digest(seen, events)}


def let_stall(world: World) -> None:
    """Make contexts and streams stall; seldom where that is not implemented, or forbidden."""
    rng, often = world.rng, 0.7 if world.impl.stalls else 0.1
    for stream in world.streams:
        ste = stream.ste
        if ste.V and ste.Config & SteConfig.BYPASS:
            stream.ste = ste.replace(
                S1STALLD=rng.random() < 0.1 and bool(ste.Config & 1),
                S2S=rng.random() < often and bool(ste.Config & 2))
            world.memory.write(stream.address, stream.ste.to_bytes())
        for context in stream.contexts:
            context.cd = context.cd.replace(S=rng.random() < often)
            world.memory.write(context.address, context.cd.to_bytes())


def _batch(env: Env, world: World, used: set) -> list[Request]:
    """Accesses to few pages, no two alike."""
    places = [world.access() for _ in range(PLACES)]
    world.focus(places)
    return [replace(request(distinct(env.rng.choice(places), used, env.rng), env.rng),
                    gap=env.rng.choice((0, 0, 9, 60)))
            for _ in range(REQUESTS)]


async def _change(world: World, recorder: Recorder) -> None:
    """Take a leaf away or put it back; let a context stall or not."""
    rng = world.rng
    # Where S is illegal, what it does under traffic could not be told from a terminated stall.
    contexts = [(s, c) for s in world.streams for c in s.contexts if not s.ste.S1STALLD]
    if not contexts:
        return
    stream, context = rng.choice(contexts)
    leaves = [(half, leaf) for half in context.halves for leaf in half.leaves]
    if leaves and rng.random() < 0.8:
        half, leaf = rng.choice(leaves)
        leaf.present = not leaf.present
        half.put(leaf.slot, leaf.value if leaf.present else 0)
        flush: list[Command] = [TLBI_NSNH_ALL.make()]
        if world.impl.HYP:
            flush.append(TLBI_EL2_ALL.make())
        await recorder.post(flush)
    else:
        context.cd = context.cd.replace(S=1 - context.cd.S)
        world.memory.write(context.address, context.cd.to_bytes())
        await recorder.post([rng.choice((
            CFGI_CD.make(StreamID=stream.sid, SSV=1, SubstreamID=context.ssid, Leaf=1),
            CFGI_STE_RANGE.make(Range=STE_RANGE_ALL)))])
    await recorder.settle()


def _digest(seen: list[Observation], events: Counter[str]) -> str:
    """Of everything that must not depend on the simulator."""
    text = repr((sorted(events.items()), [(o.txn, o.ending, o.pa) for o in seen]))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
