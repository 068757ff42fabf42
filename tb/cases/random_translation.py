"""Constrained-random translations: the RTL against the golden model.

Random tables, random traffic on every client port, memory with random latency, back-pressure,
reordering and pages that answer with errors; between rounds the tables change and the change is
made certain by commands and a CMD_SYNC.
"""

from __future__ import annotations

import hashlib
from random import Random
from typing import Any

import cocotb
from cocotb.task import Task

from pymodel.memory import PAGE
from pymodel.reader import MemoryReader, PreviewReader
from pymodel.transaction import Ending, Transaction
from pymodel.translate import translate
from spec.commands import Command
from tb.client import Request, Response
from tb.coverage import Counts
from tb.coverage_samples import Sampler
from tb.env import Env
from tb.machine import Machine, register_state
from tb.own_types import OwnTypes
from tb.random_changes import Changes
from tb.random_spaces import Layout
from tb.random_traffic import beat, poison, queues, request, untouched, weather
from tb.random_world import World
from tb.scoreboard import Scoreboard
from tb.witness import passages

ROUNDS = 6
REQUESTS = 40  # per client and round
CHANGES = 4  # between rounds
CROWDS = 0.3  # runs that end with both queues full
AIMED = 2  # before the changes and after them, on what they should concern
DRAWS = 40  # for an access that leaves a record
Played = tuple[list[Request], list[Response]]  # a client's batch


async def random_translation(env: Env) -> dict[str, Any]:
    """One seed. `params`: "skip" names commands, by the start of their name, that are not issued
    though they are due (to see the check fail).

    Returns counts, a digest of all outcomes, the same on every simulator, and the coverage.
    """
    rng = env.rng
    layout = Layout()
    env.open_memory(layout.base, layout.end - layout.base)
    machine = await Machine.probe(env)
    queues(env, machine)
    world = World(Random(rng.getrandbits(32)), machine.impl, env.mem.plain(), layout,
                  beat(env))
    world.build()
    poison(env, world)
    weather(env)
    await machine.start(world.registers(), world.pages)
    counts = Counts(machine.impl)
    sampler = Sampler(counts, machine.impl, world.e2h)
    own = OwnTypes(machine, counts)
    board = Scoreboard(machine.impl, env.mem, await register_state(env), coverage=sampler, own=own)
    changes = Changes(world, complete=True)
    for number in range(ROUNDS):
        if number:
            await _change(machine, changes, sampler, env.params.get("skip"))
        _own(env, own, settled=False)
        board.expect_updates(_readable(env, world.descriptors()))
        await _judge(env, machine, board, counts, await _traffic(env, world))
        _own(env, own, settled=True)
    assert board.transactions == ROUNDS * REQUESTS * len(env.clients)
    if rng.random() < CROWDS:
        await _crowd(env, world, machine, changes, board, counts)
        _own(env, own, settled=False)
    board.verify()
    own.verify()
    await machine.signalled()
    untouched(world)
    sampler.queues(machine)
    return {"transactions": board.transactions, "agree": board.agree,
            "outcomes": dict(board.outcomes), "events": dict(board.event_types),
            "coverage": counts.json(), "activity": await env.activity.read(),
            "digest": _digest(board)}


async def _judge(env: Env, machine: Machine, board: Scoreboard, counts: Counts,
                 played: list[Played]) -> None:
    """Everything that has happened since the last time: what each client `played`."""
    await machine.issue([])
    board.check(env.traces[0].take(), env.mems[1].log())
    env.mems[1].clear_log()
    for (batch, responses), trace, port in zip(played, env.traces[1:], env.mems[2:], strict=True):
        entries, accesses = trace.take(), port.log()
        for passage in passages(batch, responses, entries, accesses):
            counts.add("burst", *passage.bin())
        board.check(entries, accesses)
        port.clear_log()
    board.updates()
    before = machine.overflows
    board.events(await machine.events(), lossy=machine.overflows != before)


def _own(env: Env, own: OwnTypes, *, settled: bool) -> None:
    own.check(env.mems[0].log(), settled=settled)
    env.mems[0].clear_log()


async def _crowd(env: Env, world: World, machine: Machine, changes: Changes,
                 board: Scoreboard, counts: Counts) -> None:
    """More commands than the Command queue holds, and more records than the Event queue."""
    for _ in range(DRAWS):
        txn = world.access()
        reader = PreviewReader(MemoryReader(env.mem))
        result = translate(world.impl, board.state, reader, txn)
        if result.event is not None and result.ending is Ending.ABORT:
            break
    count = 1 + (2 << machine.log2_evtq) // len(env.clients)
    batches = [[request(txn, env.rng) for _ in range(count)] for _ in env.clients]
    running = _start(env, batches)
    commands = [c for _ in range(5) for c in changes.noise()] or [machine.sync()]
    await machine.post([env.rng.choice(commands) for _ in range(3 << machine.log2_cmdq)])
    await _judge(env, machine, board, counts,
                 [(batch, await task) for batch, task in zip(batches, running, strict=True)])


async def _change(machine: Machine, changes: Changes, sampler: Sampler, skip: str | None) -> None:
    for _ in range(CHANGES):
        for batch in [*changes.change(), changes.noise()]:
            sampler.commands(batch)
            await machine.issue(_without(batch, skip))


def _readable(env: Env, descriptors: dict[int, int]) -> dict[int, int]:
    """Those that memory does not answer with errors."""
    return {address: value for address, value in descriptors.items()
            if address // PAGE not in env.mem.poisoned}


def _start(env: Env, batches: list[list[Request]]) -> list[Task]:
    return [cocotb.start_soon(client.run(batch))
            for client, batch in zip(env.clients, batches, strict=True)]


async def _traffic(env: Env, world: World) -> list[Played]:
    """A batch on every client port at once."""
    batches = [[request(txn, env.rng) for txn in _accesses(world)] for _ in env.clients]
    world.aim()
    if (use := world.target) is not None:
        for batch in batches:
            batch[-AIMED:] = [request(world.hit(use), env.rng) for _ in range(AIMED)]
    return [(batch, await task)
            for batch, task in zip(batches, _start(env, batches), strict=True)]


def _accesses(world: World) -> list[Transaction]:
    """A batch's, those on what the last changes concerned first."""
    use = world.target
    first = [world.hit(use) for _ in range(AIMED)] if use is not None else []
    return first + [world.access() for _ in range(REQUESTS - len(first))]


def _without(commands: list[Command], skip: str | None) -> list[Command]:
    return [c for c in commands if not skip or not type(c).__name__.startswith(skip)]


def _digest(board: Scoreboard) -> str:
    """Of everything that must not depend on the simulator."""
    text = repr((sorted(board.outcomes.items()), sorted(board.event_types.items()), sorted(
        (key, tally.transactions, tally.bytes) for key, tally in board.tallies.items()
        if key[1] is not None)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
