"""Transactions that stall, with software that answers at random, against the checker.

As `concurrent`, with contexts and streams that stall. Software reads a small Event queue now and
then, disables it at times, and lets what stalls try again (after mapping what is missing, or not),
aborts it, ends it as RAZ/WI, terminates all of a stream, or leaves everything until nothing moves
any more. Every attempt of a transaction is judged; so is that it ends as software asked.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from cocotb.task import Task

from spec.commands import (
    CFGI_CD,
    CFGI_STE_RANGE,
    STE_RANGE_ALL,
    TLBI_EL2_ALL,
    TLBI_NSNH_ALL,
    Command,
)
from spec.registers import GBPA
from spec.stream_table import SteConfig
from tb.client import Request
from tb.env import Env
from tb.random_traffic import spaced, untouched
from tb.random_world import World
from tb.recorded import Recorder
from tb.rounds import Rounds
from tb.stalls import StallSoftware, distinct

ROUNDS = 3
REQUESTS = 40  # per client and round
PLACES = 10


async def stalls(env: Env) -> dict[str, Any]:
    """One seed. `params`: "skip" names commands, by the start of their name, that are not issued
    though they are due (to see the check fail).

    Returns counts and a digest of all outcomes, the same on every simulator.
    """
    rounds = await Rounds.probe(env)
    machine = rounds.machine
    machine.log2_evtq = env.rng.choice((1, 3, machine.log2_evtq))
    world = rounds.build()
    let_stall(world)
    await rounds.start([(GBPA, GBPA.pack(Update=1, ABORT=1))])
    recorder = rounds.recorder
    software = StallSoftware(env, machine, recorder, rounds.checker, world, rounds.counts)

    async def serve(running: list[Task]) -> None:
        await software.serve(running, lambda: _change(world, recorder))

    ends: Counter[str] = Counter()
    for _ in range(ROUNDS):
        used: set = set()
        batches = [_batch(env, world, used) for _ in env.clients]
        responses = await rounds.run(batches, serve)
        await software.look()
        observations = rounds.observe(batches, responses)
        ends.update(observation.ending.value for observation in observations)
        rounds.judge(software.unfold(observations), software.records, software.lossy)
        software.records.clear()
        software.lossy = False
    untouched(world)
    return {"transactions": sum(ends.values()), "agree": sum(ends.values()),
            "attempts": len(rounds.seen), "outcomes": dict(ends), "events": dict(rounds.events),
            "answers": dict(software.counts), "coverage": rounds.counts.json(),
            "digest": rounds.digest()}


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
    return [spaced(distinct(env.rng.choice(places), used, env.rng), env.rng)
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
