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
from functools import partial
from random import Random
from typing import Any

import cocotb
from cocotb.task import Task
from cocotb.triggers import Lock

from driver.accel.qm import QmDriver
from driver.bus import Bus, Region
from driver.iommu.domain import Domain, Iommu, Stream
from driver.smmu.device import SmmuDriver
from hdl.config import Config
from pymodel.memory import PAGE
from pymodel.reader import MemoryReader, PreviewReader
from pymodel.transaction import Ending, Transaction
from pymodel.translate import translate
from spec.events import EVENT_BYTES, Event
from spec.fields import Register
from spec.impl import Implementation
from spec.qm import (
    ABNORMAL_INT_SOURCE,
    ACC_FINISH_CNT,
    AEQ_IRQ_CAP,
    AEQE,
    EQ_IRQ_CAP,
    EQE,
    IN_IDLE_ST,
    SEND_SQE_TO_ACC_CNT,
    VECTORS,
    WB_SQE_FROM_ACC_CNT,
    AeqeType,
    MailboxCommand,
)
from spec.registers import EVENTQ_BASE, StallModel
from tb.accel.agent import Agent, Setting
from tb.accel.space import Space
from tb.accel.work import Work
from tb.bus import CocotbBus
from tb.cases.random_translation import weather
from tb.env import Env
from tb.machine import register_state
from tb.mirror import Mirror
from tb.scoreboard import Scoreboard

RAM = 1 << 26
ROUNDS = 3
JOBS = 8          # per queue and round
MOST_QUEUES = 6
LOG2_PASIDS = 4
TICK = 5_000      # cycles
SETTLE = 1_000    # cycles after the last completion
PATIENCE = 30     # ticks without any completion
MESSAGE_BYTES = 4
DEPTHS = (2, 3, 5, 8, 64)


class RecordedSmmu(SmmuDriver):
    """Keeps every event record that software has read."""

    def __init__(self, bus: Bus, impl: Implementation) -> None:
        super().__init__(bus, impl)
        self._log: list[Event] = []

    @classmethod
    async def start(cls, bus: Bus) -> RecordedSmmu:
        """As `probe`."""
        smmu = await cls.probe(bus)
        assert isinstance(smmu, cls)
        return smmu

    async def events(self) -> list[Event]:
        found = await super().events()
        self._log += found
        return found

    def take(self) -> list[Event]:
        """Those since the last call."""
        log, self._log = self._log, []
        return log


class Bench:
    """The machine, its software, and everything that judges it."""

    def __init__(self, env: Env) -> None:
        self.env, self.rng = env, Random(env.rng.getrandbits(32))
        self.bus = CocotbBus(env, env.seed, size=RAM)
        self.mirror = Mirror(env.mem)
        self.bus.use(self.mirror, env.seed)
        self.agents: list[Agent] = []
        self.failure: Exception | None = None
        self._eq = Lock()
        self.stalls = 0
        self._spaces: dict[int, Space] = {}   # by SubstreamID
        self._locks: dict[int, Lock] = {}
        self._places: dict[tuple[int | None, int, bool], int | None] = {}
        self._progress = self._idle_ticks = 0
        self._message: tuple[int, int] | None = None   # data and where in memory
        self._counted = self._jobs = 0                 # by the device, by us
        self._was_reset, self._pulses = False, 0

    async def prepare(self) -> None:
        env, rng = self.env, self.rng
        self.smmu = await RecordedSmmu.start(self.bus)
        self.iommu = Iommu(self.smmu)
        self.stream = await Stream.open(self.iommu, Config.accel_sid, LOG2_PASIDS)
        self.qm = await QmDriver.probe(self.bus, self.iommu, self.stream)
        self.state = await register_state(env)
        self.board = Scoreboard(self.smmu.impl, env.mem, self.state)
        most = env.params.get("queues", MOST_QUEUES)
        numbers = rng.sample(range(self.qm.queue_count), min(most, self.qm.queue_count))
        for number in numbers:
            await self._open(number)
        if rng.random() < 0.6:
            iova, physical = self.qm.allocate(PAGE)
            self._message = 1 + rng.randrange(0x3FFF) << 2, physical
            await self.qm.function.enable_messages(iova, self._message[0], VECTORS)
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

    async def _open(self, number: int) -> None:
        """A queue in an address space of its own, now and then in the function's."""
        rng, params = self.rng, self.env.params
        domain: Domain = self.qm.kernel
        ssid, late = None, 0.0
        if rng.random() < 0.9 or any(a.ssid is None for a in self.agents):
            if self.smmu.impl.STALL_MODEL != StallModel.TERMINATE:
                late = rng.choice((0.0, 0.2, 0.9))
            async def fault(address: int, write: bool) -> bool:
                return await space.fault(address, write)

            domain = self.iommu.domain(granule=rng.choice(sorted(self.smmu.impl.granules)),
                                       handler=fault if late else None)
            ssid = await self.stream.attach(domain)
        space = Space(self.env, self.bus, domain, rng, rng.choice((0.0, 0.1, 0.3)), late)
        if ssid is not None:
            self._spaces[ssid] = space
        setting = Setting(self.qm, self.mirror, self.env.mem, space,
                          partial(self._where, ssid, space))
        work = Work(space, rng, params.get("kinds"), params.get("lists", True),
                    wild=ssid is not None)
        self._locks[number] = Lock()
        agent = Agent(setting, number, ssid, min(rng.choice(DEPTHS), self.qm.depth), rng, work,
                      events=rng.random() < 0.6)
        await agent.start()
        self.agents.append(agent)

    def _where(self, ssid: int | None, space: Space, address: int, write: bool) -> int | None:
        """Where the golden model translates an access to; the tables change only as stalls ask
        them to."""
        key = ssid, address // PAGE, write
        if key not in self._places:
            txn = Transaction(sid=self.stream.sid, ssid=ssid, addr=address & -PAGE, write=write)
            reader = PreviewReader(MemoryReader(self.env.mem))
            result = translate(self.smmu.impl, self.state, reader, txn)
            if result.ending is Ending.STALLED:
                self._places[key] = space.promise(txn.addr)
            else:
                assert result.ending in (Ending.TRANSLATED, Ending.ABORT)
                self._places[key] = result.pa
        page = self._places[key]
        return None if page is None else page + address % PAGE

    # What runs beside the queues

    async def _serve_eq(self) -> None:
        while True:
            if not await self.bus.interrupt("eq", TICK):
                continue
            async with self._eq:
                ring = self.qm.eq
                head, phase = ring.head, ring.phase
                for queue in await self.qm.service():
                    self.mirror.expect(ring.physical + EQE.size() * head,
                                       EQE.make(cq_num=queue, phase=phase).to_bytes())
                    head = (head + 1) % ring.depth
                    phase ^= head == 0
                    self._announce(queue)

    def _agent(self, queue: int) -> Agent:
        agent = next((a for a in self.agents if a.number == queue), None)
        assert agent, f"an event names queue {queue}, which nobody uses"
        return agent

    def _announce(self, queue: int) -> None:
        agent = self._agent(queue)
        agent.armings -= 1
        assert agent.armings >= 0, f"queue {queue}: more EQEs than it was armed for"
        agent.wake.set()

    async def _serve_events(self) -> None:
        while True:
            await self.bus.interrupt("evtq", TICK)
            await self.iommu.faults.service()

    async def _tick(self) -> None:
        while True:
            await self.env.wait_cycles(TICK)
            progress = sum(sum(agent.done.values()) for agent in self.agents)
            waiting = [a for a in self.agents if a.pending]
            self._idle_ticks = self._idle_ticks + 1 if progress == self._progress and waiting else 0
            self._progress = progress
            assert self._idle_ticks < PATIENCE, "; ".join(
                f"queue {a.number} waits for {a.pending[0].kind}: {a.pending[0].bd.text()}"
                for a in waiting)
            for agent in self.agents:
                agent.tick()

    # A round

    async def round(self, disturbance: str) -> None:
        tasks = [self._start(self._work(agent)) for agent in self.agents]
        if disturbance:
            await self.env.wait_cycles(self.rng.randrange(200, 6000))
            await getattr(self, f"_{disturbance}")()
        for task in tasks:
            await task
        await self._settle()

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
        agent = self.rng.choice(self.agents)
        async with self._locks[agent.number]:
            await agent.stop()
            await agent.start()

    async def _flush(self) -> None:
        """The function is drained, and every queue started again."""
        async with _All(list(self._locks.values())):
            for agent in self.agents:
                await agent.make_room()
            await self.qm.mailbox(MailboxCommand.FLUSH_QM, 0, 0)
            for agent in self.agents:
                agent.open = False
                await agent.drained()
            for agent in self.agents:
                await agent.start()

    async def _reset(self) -> None:
        """The function is reset with work in flight, and brought up again."""
        async with _All([*self._locks.values(), self._eq]):
            for agent in self.agents:
                agent.armings = 0
                agent.open = False                    # nobody serves events meanwhile
            await self.qm.reset()
            self._was_reset = True
            for agent in self.agents:
                agent.abandon()
                agent.done.pop("wrong random", 0)     # the reset has cleared the error
                await agent.start()

    async def _settle(self) -> None:
        """Nothing is in flight: judge the SMMU, the errors, and all of memory."""
        env = self.env
        await env.wait_cycles(SETTLE)
        assert IN_IDLE_ST(await self._read(IN_IDLE_ST)).IDLE
        await self.iommu.faults.service()
        for trace, port in zip(env.traces, env.mems[1:], strict=True):
            self.board.check(trace.take(), port.log())
            port.clear_log()
        records = self.smmu.take()
        self.board.events(event.to_bytes() for event in records if not self._is_stall(event))
        self.board.verify()
        await self._check_asynchronous()
        await self._check_abnormal()
        self._check_message()
        await self._check_counters()
        queue = EVENTQ_BASE(await env.cfg.read64(EVENTQ_BASE.OFFSET))
        self.mirror.adopt(queue.ADDR, EVENT_BYTES << queue.LOG2SIZE)   # judged above
        wrong = self.mirror.differences()
        assert not wrong, f"{len(wrong)} pages are not as they must be:\n" + "\n".join(wrong[:5])

    def _is_stall(self, event: Event) -> bool:
        """Whether it says that a transaction waits, which then must have had a reason."""
        values = dict(event.items())
        if not values.get("Stall"):
            return False
        space = self._spaces[values["SubstreamID"]]
        assert space.may_stall(values["InputAddr"]), f"nothing is wrong there: {event}"
        self.stalls += 1
        return True

    async def _check_asynchronous(self) -> None:
        """Only careless queues have overflowed, and each said so once."""
        ring = self.qm.aeq
        head, phase = ring.head, ring.phase
        for entry in await self.qm.service_async():
            agent = self._agent(entry.queue)
            assert entry.type == AeqeType.CQ_OVERFLOW, entry
            agent.overflows -= 1
            assert agent.overflows >= 0, (
                f"queue {agent.number} of depth {agent.depth} cannot have overflowed: {entry}")
            self.mirror.expect(ring.physical + AEQE.size() * head, AEQE.make(
                queue=agent.number, phase=phase, type=AeqeType.CQ_OVERFLOW).to_bytes())
            head = (head + 1) % ring.depth
            phase ^= head == 0
            agent.done["overflow"] += 1

    async def _check_counters(self) -> None:
        """They tell the jobs of a round without a reset."""
        counted = {register: await self._read(register) for register in (
            SEND_SQE_TO_ACC_CNT, ACC_FINISH_CNT, WB_SQE_FROM_ACC_CNT)}
        jobs = sum(agent.done["jobs"] for agent in self.agents)
        if not self._was_reset:
            for register, count in counted.items():
                assert count - self._counted == jobs - self._jobs, (
                    f"{register.__name__} says {count - self._counted}, done are "
                    f"{jobs - self._jobs} jobs")
        self._counted, self._jobs = counted[ACC_FINISH_CNT], jobs
        self._was_reset = False

    def _check_message(self) -> None:
        """Interrupts of the event queues came as messages, too."""
        pulses = sum(self.env.irq.count(name) for name in ("eq", "aeq"))
        new, self._pulses = pulses - self._pulses, pulses
        if self._message is None:
            return
        data, physical = self._message
        found = int.from_bytes(self.mirror.read(physical, MESSAGE_BYTES), "little")
        legal = [data + cap(cap.RESET).VECTOR for cap in (EQ_IRQ_CAP, AEQ_IRQ_CAP)] if new else []
        legal += [] if new and not self._was_reset else [0]
        assert found in legal, f"the message is {found:#x}, must be one of {legal}"
        self.mirror.write(physical, bytes(MESSAGE_BYTES))

    async def _check_abnormal(self) -> None:
        source = await self.qm.take_errors()
        tried = sum(agent.done.pop("wrong random", 0) for agent in self.agents)
        want = ABNORMAL_INT_SOURCE.make(db_random_invalid=tried > 0)
        assert source == want, f"abnormal errors {source}, must be {want}"

    async def _read(self, register: type[Register]) -> int:
        return await self.bus.read(Region.ACCEL, register.OFFSET)


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
    done: Counter[str] = sum((agent.done for agent in bench.agents), Counter())
    board = bench.board
    digest = hashlib.sha256(repr((sorted(done.items()), sorted(board.outcomes.items()),
                                  sorted(board.event_types.items()))).encode())
    return {"transactions": board.transactions, "agree": board.agree,
            "outcomes": dict(board.outcomes), "events": dict(board.event_types),
            "jobs": dict(done), "stalls": bench.stalls, "digest": digest.hexdigest()[:16]}
