"""Tables that change under traffic: the RTL against all that the architecture allows meanwhile.

Software changes descriptors, CDs and STEs, invalidates and waits for CMD_SYNCs while clients
access what changes. Each transaction is judged by the checker on what it may have found (reference
4.3, 6.3, 6.4): before a SYNC completes the old and the new, after it only the new.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from cocotb.task import Task

from pymodel.checker import Observation
from pymodel.reader import MemoryReader, PreviewReader
from pymodel.state import SmmuState
from pymodel.transaction import Ending, Transaction
from pymodel.translate import translate
from tb.client import Request
from tb.coverage_samples import Sampler
from tb.env import Env
from tb.random_changes import Changes
from tb.random_traffic import queues, spaced, untouched
from tb.random_world import World
from tb.recorded import Recorder
from tb.rounds import Rounds

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
    rounds = await Rounds.probe(env)
    machine = rounds.machine
    queues(env, machine)
    world = rounds.build()
    await rounds.start()
    sampler = Sampler(rounds.counts, machine.impl, world.e2h)
    changes, made = Changes(world, complete=False), 0

    async def change(running: list[Task]) -> None:
        nonlocal made
        made += await _change(env, changes, rounds.recorder, sampler, running)

    for _ in range(ROUNDS):
        batches = [_batch(env, world, rounds.state) for _ in env.clients]
        observations = rounds.observe(batches, await rounds.run(batches, change))
        overflows = machine.overflows
        records = await machine.events()
        rounds.judge(observations, records, machine.overflows != overflows)
        _sample(env, world, rounds.state, sampler, observations)
    await machine.signalled()
    untouched(world)
    sampler.queues(machine)
    seen = rounds.seen
    outcomes = Counter(observation.ending.value for observation in seen)
    return {"transactions": len(seen), "agree": len(seen), "outcomes": dict(outcomes),
            "events": dict(rounds.events), "changes": made, "coverage": rounds.counts.json(),
            "activity": await env.activity.read(), "digest": rounds.digest()}


def _batch(env: Env, world: World, state: SmmuState) -> list[Request]:
    """Accesses to few places, so that caches have what changes."""
    places = [_place(env, world, state) for _ in range(env.rng.choice(PLACES))]
    world.focus(places)
    return [spaced(env.rng.choice(places), env.rng) for _ in range(REQUESTS)]


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
