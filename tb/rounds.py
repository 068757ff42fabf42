"""Rounds of traffic on tables that software changes meanwhile, judged by the checker."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from random import Random

import cocotb
from cocotb.task import Task

from pymodel.checker import Checker, Observation
from spec.events import EVENTS
from spec.fields import Register
from tb.client import Request, Response
from tb.coverage import Counts
from tb.env import Env
from tb.machine import Machine, register_state
from tb.random_spaces import Layout
from tb.random_traffic import beat, poison, weather
from tb.random_world import World
from tb.recorded import RecordedMemory, Recorder
from tb.witness import observe


class Rounds:
    """A machine with random tables, all its clients, and who judges them.

    `probe`, then `build`, then `start`; between them a case changes what it wants otherwise. A
    round is `run`, `observe` and `judge`.

    Members
    -------
    machine
        The SMMU.
    world, memory
        After `build`: its tables, and memory that remembers what was written.
    state, checker, recorder, counts
        After `start`: the registers' values, who judges, through whom commands go, the coverage.
    seen, events
        What has been judged: transactions in order, types of event records.
    """

    def __init__(self, env: Env, machine: Machine, layout: Layout) -> None:
        self.env, self.machine, self._layout = env, machine, layout
        self.seen: list[Observation] = []
        self.events: Counter[str] = Counter()

    @classmethod
    async def probe(cls, env: Env) -> Rounds:
        """Open memory and find out what there is."""
        layout = Layout()
        env.open_memory(layout.base, layout.end - layout.base)
        return cls(env, await Machine.probe(env), layout)

    def build(self) -> World:
        """Random tables."""
        self.memory = RecordedMemory(self.env.mem.plain())
        self.world = World(Random(self.env.rng.getrandbits(32)), self.machine.impl, self.memory,
                           self._layout, beat(self.env))
        self.world.build()
        return self.world

    async def start(self, registers: Iterable[tuple[type[Register], int]] = ()) -> None:
        """Enable the SMMU, with `registers` beside those of the tables."""
        env, machine, world = self.env, self.machine, self.world
        poison(env, world)
        weather(env)
        await machine.start([*world.registers(), *registers], world.pages)
        self.state = await register_state(env)
        self.checker = Checker(machine.impl, env.mem, self.state)
        self.recorder = Recorder(env, machine, self.checker, self.memory, env.params.get("skip"),
                                 world.e2h)
        self.memory.descriptors = world.descriptors()
        self.counts = Counts(machine.impl)

    async def run(self, batches: list[list[Request]],
                  software: Callable[[list[Task]], Awaitable[None]]) -> list[list[Response]]:
        """A batch on every client port at once while `software` works; the clients' answers.

        `software` is given the tasks of the clients. In the end nothing is in flight and all
        invalidations are complete.
        """
        running = [cocotb.start_soon(client.run(batch))
                   for client, batch in zip(self.env.clients, batches, strict=True)]
        await software(running)
        responses = [await task for task in running]
        await self.recorder.post([])
        await self.recorder.settle()
        return responses

    def observe(self, batches: list[list[Request]],
                responses: list[list[Response]]) -> list[Observation]:
        """How the transactions of the round ended."""
        self.memory.look()
        found: list[Observation] = []
        for batch, answers, trace, port in zip(batches, responses, self.env.traces[1:],
                                               self.env.mems[2:], strict=True):
            found += observe(batch, answers, trace.take(), port.log())
            port.clear_log()
        return found

    def judge(self, observations: list[Observation], records: list[bytes], lossy: bool) -> None:
        """Every one was possible, and so were the event records."""
        self.checker.judge(observations, records, lossy=lossy).verify()
        self.checker.prune(self.env.cycles)
        self.seen += observations
        self.events.update(EVENTS[record[0]].__name__ for record in records)

    def digest(self) -> str:
        """Of everything that must not depend on the simulator."""
        text = repr((sorted(self.events.items()),
                     [(o.txn, o.ending, o.pa) for o in self.seen]))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
