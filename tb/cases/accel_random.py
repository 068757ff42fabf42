"""Constrained-random work for the accelerator inside the whole design, against the golden model.

Many queues with address spaces of their own at the same addresses, every operation, lists, pages
that are missing, read-only or broken, wrong descriptors, attacks through the doorbell pages; queues
are stopped, the function is flushed and reset with work in flight. Every ending must be one that
the model allows, every transaction and event of the SMMU the model's, and after every round all of
memory what the model says.
"""

from __future__ import annotations

import hashlib
from asyncio import CancelledError
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import cocotb
from cocotb.task import Task
from cocotb.triggers import Lock

from spec.qm import EQE, MailboxCommand
from tb.accel.agent import Agent
from tb.accel.judge import Judge
from tb.accel.system import System
from tb.env import Env
from tb.random_traffic import weather

ROUNDS = 3
JOBS = 8          # per queue and round
TICK = 5_000      # cycles
SETTLE = 1_000    # cycles after the last completion
PATIENCE = 30     # ticks without any completion


class Bench:
    """A system with what runs beside its queues, and everything that judges it."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.system = System(env)
        self.rng, self.judge = self.system.rng, Judge(self.system)
        self.failure: Exception | None = None
        self._eq = Lock()
        self._locks: dict[int, Lock] = {}
        self._progress = self._idle_ticks = 0

    async def prepare(self) -> None:
        """Bring everything up."""
        await self.system.prepare()
        self._locks = {agent.number: Lock() for agent in self.system.agents}
        for service in (self._serve_eq, self._serve_events, self._tick):
            self._start(service())

    def _start(self, work: Coroutine[Any, Any, None]) -> Task[None]:
        """Run it beside everything else; what it raises is kept, for it ends the whole case."""
        async def kept() -> None:
            try:
                await work
            except Exception as error:
                self.failure = self.failure or error
                raise
        return cocotb.start_soon(kept())

    # What runs beside the queues

    async def _serve_eq(self) -> None:
        while True:
            if not await self.system.bus.interrupt("eq", TICK):
                continue
            async with self._eq:
                ring = self.system.qm.eq
                head, phase = ring.head, ring.phase
                for queue in await self.system.qm.service():
                    self.system.mirror.expect(
                        ring.physical + EQE.size() * head,
                        EQE.make(cq_num=queue, phase=phase).to_bytes())
                    head = (head + 1) % ring.depth
                    phase ^= head == 0
                    self._announce(queue)

    def _announce(self, queue: int) -> None:
        agent = self.system.agent(queue)
        agent.armings -= 1
        assert agent.armings >= 0, f"queue {queue}: more EQEs than it was armed for"
        agent.wake.set()

    async def _serve_events(self) -> None:
        while True:
            await self.system.bus.interrupt("evtq", TICK)
            await self.system.iommu.faults.service()

    async def _tick(self) -> None:
        while True:
            await self.env.wait_cycles(TICK)
            progress = sum(sum(agent.done.values()) for agent in self.system.agents)
            waiting = [a for a in self.system.agents if a.pending]
            self._idle_ticks = self._idle_ticks + 1 if progress == self._progress and waiting else 0
            self._progress = progress
            assert self._idle_ticks < PATIENCE, "; ".join(
                f"queue {a.number} waits for {a.pending[0].kind}: {a.pending[0].bd.text()}"
                for a in waiting)
            for agent in self.system.agents:
                agent.tick()

    # A round

    async def round(self, disturbance: str) -> None:
        tasks = [self._start(self._work(agent)) for agent in self.system.agents]
        if disturbance:
            await self.env.wait_cycles(self.rng.randrange(200, 6000))
            await getattr(self, f"_{disturbance}")()
        for task in tasks:
            await task
        await self.env.wait_cycles(SETTLE)
        await self.judge.check()

    async def _work(self, agent: Agent) -> None:
        left, rng = self.env.params.get("jobs", JOBS), self.rng
        while left or agent.pending:
            agent.wake.clear()
            async with self._locks[agent.number]:
                await agent.collect()
                if left and rng.random() < 0.8:
                    left -= await agent.submit(min(left, rng.randrange(1, 5)))
                if rng.random() < 0.15:
                    await agent.attack()
            if agent.pending and agent.events and not (left and agent.room()):
                await agent.listen()
            elif agent.pending:
                await self.env.wait_cycles(rng.randrange(1, 500))

    async def _stop(self) -> None:
        """A queue is stopped and started again."""
        agent = self.rng.choice(self.system.agents)
        async with self._locks[agent.number]:
            await agent.stop()
            await agent.start()

    async def _flush(self) -> None:
        """The function is drained, and every queue started again."""
        async with _All(list(self._locks.values())):
            for agent in self.system.agents:
                await agent.make_room()
            await self.system.qm.mailbox(MailboxCommand.FLUSH_QM, 0, 0)
            for agent in self.system.agents:
                agent.open = False
                await agent.drained()
            for agent in self.system.agents:
                await agent.start()

    async def _reset(self) -> None:
        """The function is reset with work in flight, and brought up again."""
        async with _All([*self._locks.values(), self._eq]):
            for agent in self.system.agents:
                agent.armings = 0
                agent.open = False                    # nobody serves events meanwhile
            await self.system.qm.reset()
            self.judge.was_reset = True
            for agent in self.system.agents:
                agent.abandon()
                agent.done.pop("wrong random", 0)     # the reset has cleared the error
                await agent.start()


class _All:
    """Several locks at once."""

    def __init__(self, locks: list[Lock]) -> None:
        self._locks = locks

    async def __aenter__(self) -> None:
        for lock in self._locks:
            await lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        for lock in self._locks:
            lock.release()


async def accel_random(env: Env) -> dict[str, Any]:
    """One seed. `params`: "kinds" names the operations asked for, "lists" false: no lists;
    "queues", "rounds" and "jobs" (per queue and round) for less work than usual.

    Returns counts and a digest of everything that must not depend on the simulator.
    """
    weather(env)
    bench = Bench(env)
    try:
        await bench.prepare()
        for _ in range(env.params.get("rounds", ROUNDS)):
            await bench.round(bench.rng.choice(("", "stop", "flush", "reset")))
    except CancelledError:
        raise bench.failure or AssertionError("cancelled") from None
    done: Counter[str] = sum((agent.done for agent in bench.system.agents), Counter())
    board = bench.system.board
    digest = hashlib.sha256(repr((sorted(done.items()), sorted(board.outcomes.items()),
                                  sorted(board.event_types.items()))).encode())
    return {"transactions": board.transactions, "agree": board.agree,
            "outcomes": dict(board.outcomes), "events": dict(board.event_types),
            "jobs": dict(done), "stalls": bench.judge.stalls, "digest": digest.hexdigest()[:16]}
