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
from pymodel.memory import PAGE
from pymodel.reader import MemoryReader, PreviewReader
from pymodel.state import SmmuState
from pymodel.transaction import Ending, Transaction
from pymodel.translate import translate
from spec.commands import Command
from spec.events import EVENTS
from spec.registers import CR2
from tb.cases.random_translation import poison, request, untouched, weather
from tb.client import Request
from tb.env import Env
from tb.machine import Machine, register_state
from tb.random_changes import Changes
from tb.random_world import Layout, World
from tb.recorded import RecordedMemory, Recorder
from tb.witness import observe

ROUNDS = 5
REQUESTS = 100  # per client and round
PLACES = 8  # different accesses among them
DRAWS = 6  # until one of them translates
CHANGES = 10  # per round, at most
PAUSE = 120  # cycles between changes, at most


async def concurrent(env: Env) -> dict[str, Any]:
    """One seed. `params`: "skip" names commands, by the start of their name, that are not issued
    though they are due (to see the check fail).

    Returns counts and a digest of all outcomes, the same on every simulator.
    """
    rng = env.rng
    layout = Layout()
    env.open_memory(layout.base, layout.end - layout.base)
    machine = await Machine.probe(env)
    memory = RecordedMemory(env.mem.plain())
    world = World(Random(rng.getrandbits(32)), machine.impl, memory, layout)
    world.build()
    poison(env, world)
    weather(env)
    await machine.start([*world.registers(), (CR2, CR2.pack(RECINVSID=rng.randrange(2)))],
                        world.pages)
    state = await register_state(env)
    checker = Checker(machine.impl, env.mem, state)
    recorder = Recorder(env, machine, checker, memory, env.params.get("skip"))
    seen: list[Observation] = []
    events: Counter[str] = Counter()
    changes, made = Changes(world), 0
    for _ in range(ROUNDS):
        batches = [_batch(env, world, state) for _ in env.clients]
        running = [cocotb.start_soon(client.run(batch))
                   for client, batch in zip(env.clients, batches, strict=True)]
        made += await _change(env, changes, recorder, running)
        responses = [await task for task in running]
        await recorder.post([])
        await recorder.settle()
        observations = []
        for batch, answers, trace, port in zip(batches, responses, env.traces[1:], env.mems[2:],
                                               strict=True):
            observations += observe(batch, answers, trace.take(), port.log())
            port.clear_log()
        records = await machine.events()
        checker.judge(observations, records).verify()
        checker.prune(env.cycles)
        seen += observations
        events.update(EVENTS[record[0]].__name__ for record in records)
    untouched(env, world)
    outcomes = Counter(observation.ending.value for observation in seen)
    return {"transactions": len(seen), "agree": len(seen), "outcomes": dict(outcomes),
            "events": dict(events), "changes": made, "digest": _digest(seen, events)}


def _batch(env: Env, world: World, state: SmmuState) -> list[Request]:
    """Accesses to few places, so that caches have what changes. None writes to structures: a
    stream without translation could."""
    places = [_place(env, world, state) for _ in range(PLACES)]
    world.focus(places)
    return [replace(request(env.rng.choice(places), env.rng), gap=env.rng.choice((0, 0, 9, 60)))
            for _ in range(REQUESTS)]


def _place(env: Env, world: World, state: SmmuState) -> Transaction:
    """An access, preferably one that translates now."""
    for _ in range(DRAWS):
        txn = _harmless(world, world.access())
        reader = PreviewReader(MemoryReader(env.mem))
        if translate(world.impl, state, reader, txn).ending is Ending.TRANSLATED:
            break
    return txn


def _harmless(world: World, txn: Transaction) -> Transaction:
    layout = world.layout
    low = txn.addr & (1 << world.impl.oas_bits) - 1
    structures = layout.base - PAGE <= low < layout.data
    return replace(txn, write=False) if structures else txn


async def _change(env: Env, changes: Changes, recorder: Recorder, running: list[Task]) -> int:
    """Change things while the clients run; how many changes were made."""
    for number in range(CHANGES):
        await env.wait_cycles(env.rng.randrange(PAUSE))
        if all(task.done() for task in running):
            return number
        commands = [c for _ in range(env.rng.choice((1, 1, 2))) for c in changes.change()]
        # A translation can be cached again through a configuration that is not gone yet.
        for batch in _split(commands):
            await recorder.post(batch)
            if env.rng.random() < 0.8:
                await recorder.settle()
    return CHANGES


def _split(commands: list[Command]) -> list[list[Command]]:
    """Commands for the configuration, then those for translations."""
    config = [c for c in commands if type(c).__name__.startswith("CFGI")]
    rest = [c for c in commands if not type(c).__name__.startswith("CFGI")]
    return [batch for batch in (config, rest) if batch]


def _digest(seen: list[Observation], events: Counter[str]) -> str:
    """Of everything that must not depend on the simulator."""
    text = repr((sorted(events.items()), [(o.txn, o.ending, o.pa) for o in seen]))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
