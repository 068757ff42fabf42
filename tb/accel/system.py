"""SMMU and accelerator under random work: their software, and the models beside them."""

from __future__ import annotations

from functools import partial
from random import Random

from driver.accel.qm import QmDriver
from driver.bus import Bus
from driver.iommu.domain import Domain, Iommu, Stream
from driver.smmu.device import SmmuDriver
from hdl.config import Config
from pymodel.memory import PAGE
from pymodel.reader import MemoryReader, PreviewReader
from pymodel.transaction import Ending, Transaction
from pymodel.translate import translate
from spec.events import Event
from spec.impl import Implementation
from spec.qm import VECTORS
from spec.registers import StallModel
from tb.accel.agent import Agent, Setting
from tb.accel.space import Space
from tb.accel.work import Work
from tb.bus import CocotbBus
from tb.env import Env
from tb.machine import register_state
from tb.mirror import Mirror
from tb.scoreboard import Scoreboard

RAM = 1 << 26
MOST_QUEUES = 6
LOG2_PASIDS = 4
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


class System:
    """The machine and its software; `prepare` brings it up.

    Members
    -------
    mirror
        What memory must be.
    board
        Judges the transactions and events of the SMMU.
    agents
        One for each queue in use.
    spaces
        Their address spaces by SubstreamID; not the function's own.
    message
        Data of the interrupt message and where it arrives, if messages are enabled.
    """

    def __init__(self, env: Env) -> None:
        self.env, self.rng = env, Random(env.rng.getrandbits(32))
        self.bus = CocotbBus(env, env.seed, size=RAM)
        self.mirror = Mirror(env.mem)
        self.bus.use(self.mirror, env.seed)
        self.agents: list[Agent] = []
        self.spaces: dict[int, Space] = {}
        self.message: tuple[int, int] | None = None
        self._places: dict[tuple[int | None, int, bool], int | None] = {}

    async def prepare(self) -> None:
        """Bring up SMMU and function, open the queues."""
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
            self.message = 1 + rng.randrange(0x3FFF) << 2, physical
            await self.qm.function.enable_messages(iova, self.message[0], VECTORS)

    def agent(self, queue: int) -> Agent:
        """The one that an event of the device is for."""
        agent = next((a for a in self.agents if a.number == queue), None)
        assert agent, f"an event names queue {queue}, which nobody uses"
        return agent

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
            self.spaces[ssid] = space
        setting = Setting(self.qm, self.mirror, self.env.mem, space,
                          partial(self._where, ssid, space))
        work = Work(space, rng, params.get("kinds"), params.get("lists", True),
                    wild=ssid is not None)
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
