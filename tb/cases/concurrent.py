"""Tables that change under traffic: the RTL against all that the architecture allows meanwhile.

Software changes descriptors, CDs and STEs, invalidates and waits for CMD_SYNCs while clients
access what changes. Each transaction is judged by the checker on what it may have found (reference
4.3, 6.3, 6.4): before a SYNC completes the old and the new, after it only the new.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import cocotb
from cocotb.task import Task

from pymodel.checker import Checker, Observation
from pymodel.reader import MemoryReader, PreviewReader
from pymodel.state import SmmuState
from pymodel.transaction import Ending, Transaction
from pymodel.translate import translate
from spec.events import EVENTS
from tb.cases.random_translation import poison, queue_sizes, request, untouched, weather
from tb.client import Request
from tb.coverage import Counts
from tb.coverage_samples import Sampler
from tb.env import Env
from tb.machine import Machine, register_state
from tb.random_changes import Changes
from tb.random_spaces import Layout
from tb.random_world import World
from tb.recorded import RecordedMemory, Recorder
from tb.witness import observe

ROUNDS = 5
REQUESTS = 100  # per client and round
PLACES = (3, 8)  # different accesses among them
DRAWS = 6  # until one of them translates
CHANGES = 10  # per round, at most
PAUSE = 120  # cycles between changes, at most
AMBUSH = 0.6  # changes that wait for a read of what they change
WAIT = 400  # cycles, at most
HOLD = (0, 20, 60, 200)  # cycles that the answer of this read takes longer


async def concurrent(env: Env) -> dict[str, Any]:
    """One seed. `params`: "skip" names commands, by the start of their name, that are not issued
    though they are due (to see the check fail).

    Returns counts, a digest of all outcomes, the same on every simulator, and the coverage.
    """
    rng = env.rng
    layout = Layout()
    env.open_memory(layout.base, layout.end - layout.base)
    machine = await Machine.probe(env)
    queue_sizes(env, machine)
    memory = RecordedMemory(env.mem.plain())
    world = World(Random(rng.getrandbits(32)), machine.impl, memory, layout)
    world.build()
    poison(env, world)
    weather(env)
    await machine.start(world.registers(), world.pages)
    state = await register_state(env)
    checker = Checker(machine.impl, env.mem, state)
    recorder = Recorder(env, machine, checker, memory, env.params.get("skip"), world.e2h)
    memory.descriptors = world.descriptors()
    counts = Counts(machine.impl)
    sampler = Sampler(counts, machine.impl, world.e2h)
    seen: list[Observation] = []
    events: Counter[str] = Counter()
    changes, made = Changes(world, complete=False), 0
    for _ in range(ROUNDS):
        batches = [_batch(env, world, state) for _ in env.clients]
        running = [cocotb.start_soon(client.run(batch))
                   for client, batch in zip(env.clients, batches, strict=True)]
        made += await _change(env, changes, recorder, sampler, running)
        responses = [await task for task in running]
        await recorder.post([])
        await recorder.settle()
        memory.look()
        observations = []
        for batch, answers, trace, port in zip(batches, responses, env.traces[1:], env.mems[2:],
                                               strict=True):
            observations += observe(batch, answers, trace.take(), port.log())
            port.clear_log()
        overflows = machine.overflows
        records = await machine.events()
        checker.judge(observations, records, lossy=machine.overflows != overflows).verify()
        checker.prune(env.cycles)
        seen += observations
        events.update(EVENTS[record[0]].__name__ for record in records)
        _sample(env, world, state, sampler, observations)
    await machine.signalled()
    untouched(env, world)
    sampler.queues(machine)
    outcomes = Counter(observation.ending.value for observation in seen)
    return {"transactions": len(seen), "agree": len(seen), "outcomes": dict(outcomes),
            "events": dict(events), "changes": made, "coverage": counts.json(),
            "activity": await env.activity.read(), "digest": _digest(seen, events)}


def _batch(env: Env, world: World, state: SmmuState) -> list[Request]:
    """Accesses to few places, so that caches have what changes."""
    places = [_place(env, world, state) for _ in range(env.rng.choice(PLACES))]
    world.focus(places)
    return [replace(request(env.rng.choice(places), env.rng), gap=env.rng.choice((0, 0, 9, 60)))
            for _ in range(REQUESTS)]


def _place(env: Env, world: World, state: SmmuState) -> Transaction:
    """An access, preferably one that translates now."""
    for _ in range(DRAWS):
        txn = world.access()
        reader = PreviewReader(MemoryReader(env.mem))
        if translate(world.impl, state, reader, txn).ending is Ending.TRANSLATED:
            break
    return txn


async def _change(env: Env, changes: Changes, recorder: Recorder, sampler: Sampler,
                  running: list[Task]) -> int:
    """Change things while the clients run; how many changes were made."""
    rng = env.rng
    for number in range(CHANGES):
        if all(task.done() for task in running):
            return number
        found = changes.draw()
        if found is None:
            continue
        if rng.random() < AMBUSH:
            # While the SMMU reads it: what it has read must not survive the invalidation.
            if rng.random() < AMBUSH:
                await recorder.post(changes.everything())
            await env.read_of(found.address, found.length, WAIT, hold=rng.choice(HOLD))
        else:
            await env.wait_cycles(rng.randrange(PAUSE))
        # A translation can be cached again through a configuration that is not gone yet.
        for batch in [*found.make(), changes.noise() if rng.random() < 0.2 else []]:
            sampler.commands(batch)
            await recorder.post(batch)
            if rng.random() < 0.8:
                await recorder.settle()
    return CHANGES


def _sample(env: Env, world: World, state: SmmuState, sampler: Sampler,
            observations: list[Observation]) -> None:
    """Coverage of what ended as it would now."""
    for observation in observations:
        reader = PreviewReader(MemoryReader(env.mem))
        result = translate(world.impl, state, reader, observation.txn, explain=True)
        if result.ending is observation.ending:
            sampler.transaction(observation.txn, result)


def _digest(seen: list[Observation], events: Counter[str]) -> str:
    """Of everything that must not depend on the simulator."""
    text = repr((sorted(events.items()), [(o.txn, o.ending, o.pa) for o in seen]))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
