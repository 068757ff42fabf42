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

from pymodel.memory import PAGE
from pymodel.transaction import Transaction
from spec.commands import Command
from spec.stream_table import STE_BYTES
from tb.client import Request
from tb.coverage import Counts
from tb.coverage_samples import Sampler
from tb.env import Env
from tb.machine import Machine, register_state
from tb.random_changes import Changes
from tb.random_spaces import Layout
from tb.random_world import World
from tb.scoreboard import Scoreboard

ROUNDS = 6
REQUESTS = 40  # per client and round
CHANGES = 4  # between rounds


async def random_translation(env: Env) -> dict[str, Any]:
    """One seed. `params`: "skip" names commands, by the start of their name, that are not issued
    though they are due (to see the check fail).

    Returns counts, a digest of all outcomes, the same on every simulator, and the coverage.
    """
    rng = env.rng
    layout = Layout()
    env.open_memory(layout.base, layout.end - layout.base)
    machine = await Machine.probe(env)
    queue_sizes(env, machine)
    world = World(Random(rng.getrandbits(32)), machine.impl, env.mem.plain(), layout)
    world.build()
    poison(env, world)
    weather(env)
    await machine.start(world.registers(), world.pages)
    counts = Counts(machine.impl)
    sampler = Sampler(counts, machine.impl, world.e2h)
    board = Scoreboard(machine.impl, env.mem, await register_state(env), coverage=sampler)
    changes = Changes(world, complete=True)
    for number in range(ROUNDS):
        if number:
            await _change(machine, changes, sampler, env.params.get("skip"))
        board.expect_updates(_readable(env, world.descriptors()))
        await _traffic(env, world)
        await machine.issue([])
        for trace, port in zip(env.traces, env.mems[1:], strict=True):
            board.check(trace.take(), port.log())
            port.clear_log()
        board.updates()
        before = machine.overflows
        board.events(await machine.events(), lossy=machine.overflows != before)
    board.verify()
    await machine.signalled()
    assert board.transactions == ROUNDS * REQUESTS * len(env.clients)
    untouched(env, world)
    sampler.queues(machine)
    return {"transactions": board.transactions, "agree": board.agree,
            "outcomes": dict(board.outcomes), "events": dict(board.event_types),
            "coverage": counts.json(), "activity": await env.activity.read(),
            "digest": _digest(board)}


async def _change(machine: Machine, changes: Changes, sampler: Sampler, skip: str | None) -> None:
    for _ in range(CHANGES):
        for batch in [*changes.change(), changes.noise()]:
            sampler.commands(batch)
            await machine.issue(without(batch, skip))


def _readable(env: Env, descriptors: dict[int, int]) -> dict[int, int]:
    """Those that memory does not answer with errors."""
    return {address: value for address, value in descriptors.items()
            if address // PAGE not in env.mem.poisoned}


def queue_sizes(env: Env, machine: Machine) -> None:
    """Small queues now and then, which wrap; an Event queue that overflows seldom."""
    rng = env.rng
    machine.log2_cmdq = rng.randrange(machine.log2_cmdq + 1)
    if rng.random() < 0.2:
        machine.log2_evtq = rng.randrange(machine.log2_evtq + 1)


def poison(env: Env, world: World) -> None:
    """Now and then a page of the structures answers with errors, to the model as to the RTL."""
    if env.rng.random() < 0.4:
        pages = [half.root & -PAGE for stream in world.streams for context in stream.contexts
                 for half in context.halves]
        pages += [stream.ste.S1ContextPtr & -PAGE for stream in world.streams]
        pages += [vm.table.root & -PAGE for vm in world.vms]
        pages += [context.address & -PAGE for stream in world.streams
                  for context in stream.contexts]
        inside = [page for page in pages if world.layout.base <= page < world.layout.data]
        if inside:
            env.poison(env.rng.choice(inside))


def weather(env: Env) -> None:
    """Memory timing of this run."""
    rng = env.rng
    for port in env.mems:
        port.set(read_latency=rng.randrange(1, 20), write_latency=rng.randrange(1, 20),
                 read_jitter=rng.choice((0, 5, 30, 120)), write_jitter=rng.choice((0, 5)),
                 read_rate=rng.choice((1.0, 1.0, 0.5)), ar_stall=rng.choice((0.0, 0.3)),
                 aw_stall=rng.choice((0.0, 0.3)), w_stall=rng.choice((0.0, 0.3)),
                 reorder=rng.choice((0.0, 0.5, 1.0)), early=rng.choice((0.0, 0.5, 1.0)), log=True)
    for client in env.clients:
        client.knobs.outstanding = rng.choice((1, 4, 16, 64))
        client.knobs.r_stall = client.knobs.b_stall = rng.choice((0, 20_000))


async def _traffic(env: Env, world: World) -> None:
    """A batch on every client port at once."""
    batches = [[request(world.access(), env.rng) for _ in range(REQUESTS)] for _ in env.clients]
    running = [cocotb.start_soon(client.run(batch))
               for client, batch in zip(env.clients, batches, strict=True)]
    for task in running:
        await task


def request(txn: Transaction, rng: Random) -> Request:
    """The AXI request of a transaction, sometimes a burst that stays in its page."""
    size = txn.size.bit_length() - 1
    room = (PAGE - txn.addr % PAGE) >> size
    beats = rng.randrange(1, min(room, 16) + 1) if rng.random() < 0.3 else 1
    return Request(addr=txn.addr, sid=txn.sid, ssid=txn.ssid, pnu=txn.pnu, ind=txn.ind,
                   size=size, beats=beats, id=rng.randrange(8), gap=rng.choice((0, 0, 0, 9)),
                   data=rng.randbytes(txn.size * beats) if txn.write else None)


def without(commands: list[Command], skip: str | None) -> list[Command]:
    return [c for c in commands if not skip or not type(c).__name__.startswith(skip)]


def untouched(env: Env, world: World) -> None:
    """No client wrote into the structures: the stream table entries are as they were written."""
    for stream in world.streams:
        found = world.memory.read(stream.address, STE_BYTES)
        assert found == stream.ste.to_bytes(), f"the STE of StreamID {stream.sid:#x} was changed"


def _digest(board: Scoreboard) -> str:
    """Of everything that must not depend on the simulator."""
    text = repr((sorted(board.outcomes.items()), sorted(board.event_types.items()), sorted(
        (key, tally.transactions, tally.bytes) for key, tally in board.tallies.items()
        if key[1] is not None)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
