"""What the scenarios share: a host, programs, and somebody who watches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from driver.accel.queue import Completion, Queue
from driver.bus import Bus, DriverError, Region
from driver.iommu.domain import Domain
from driver.iommu.mm import Mm
from driver.iommu.pagetable import Prot
from driver.vfio.host import Host
from driver.vfio.kernel import Kernel
from driver.wd.queue import Queue as WdQueue
from driver.wd.request import MdevProvider, request
from pymodel.lint import Lint
from pymodel.memory import PAGE
from pymodel.reader import MemoryReader, PreviewReader
from pymodel.state import SmmuState
from pymodel.transaction import Result, Transaction
from pymodel.translate import translate
from sim.serve.machines import Board
from spec.events import Event
from spec.registers import CR0ACK, CR1, CR2, GBPA, STRTAB_BASE, STRTAB_BASE_CFG
from spec.sec import ErrorType

RW = Prot.READ | Prot.WRITE
SLICE = 2_000  # cycles between two looks at the queues
ROUNDS = 500
SOURCE, TARGET = 0x4000_0000, 0x5000_0000  # the same for everybody
FUNCTION = "0000:00:03.0"  # the accelerator's place on its PCI bus


class Watcher:
    """Looks at what the device does. This one sees nothing: the golden model is its own judge.

    Members
    -------
    board
        The machine with memory that outside clients can share, where a scenario needs it.
    caches
        Whether the device remembers translations, so that stale ones can be shown.
    counts
        What was seen.
    """

    caches = False
    board: Board | None = None

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def fresh(self, *, function: bool) -> Board:
        """Another machine, which nobody has touched; with `function` all its memory is its
        owner's. The one before is gone."""
        raise NotImplementedError("nobody makes machines here")

    async def begin(self, world: World) -> None:
        """The machine is up."""

    async def settle(self, events: list[Event]) -> None:
        """Nothing is in flight and no table has changed since the last call: judge what happened,
        `events` included."""

    def skip(self) -> None:
        """Tables have changed under traffic: do not judge what happened since the last call."""

    def fetches(self) -> list[int] | None:
        """Addresses that the TCU has read since the last call; None if nobody knows."""
        return None


class World(Host):
    """A host with somebody who watches; made by `create`.

    Members
    -------
    events
        All event records so far that did not stall, oldest first.
    """

    watcher: Watcher
    over = False  # whether the machine is gone
    _seen: int  # events that were settled or skipped

    @classmethod
    async def create(cls, bus: Bus, sid: int, watcher: Watcher, *, log2_pasids: int = 4,
                     kernel: Kernel | None = None) -> World:
        """Bring the machine up."""
        world = await cls.start(bus, sid, log2_pasids=log2_pasids, kernel=kernel)
        assert isinstance(world, World)
        world.watcher = watcher
        world._seen = 0
        await watcher.begin(world)
        return world

    @property
    def sid(self) -> int:
        return self.stream.sid

    @property
    def lint(self) -> Lint | None:
        """The golden model's lint, if the bus has one."""
        return getattr(self.bus, "lint", None)

    @property
    def events(self) -> list[Event]:
        return self.iommu.faults.events

    # Watching

    async def settle_outside(self) -> None:
        """The last of this machine: all that is left is judged, and so is the software."""
        await self.settle()
        if self.lint is not None:
            self.lint.check()
        self.over = True

    async def settle(self) -> list[Event]:
        """Call it when nothing is in flight, before a table changes; the new event records."""
        await self.iommu.faults.service()
        new = self.events[self._seen:]
        self._seen = len(self.events)
        await self.watcher.settle(new)
        return new

    async def skip(self) -> list[Event]:
        """As `settle`, where tables changed under traffic: nothing is judged."""
        await self.iommu.faults.service()
        new = self.events[self._seen:]
        self._seen = len(self.events)
        self.watcher.skip()
        return new

    async def explain(self, pasid: int | None, address: int, write: bool = False) -> Result:
        """What the golden model says of an access of the accelerator now, with every step."""
        async def read(register: type, size: int = 4) -> int:
            return await self.bus.read(Region.SMMU, register.OFFSET, size)  # type: ignore[attr-defined]

        state = SmmuState.from_registers(
            cr0=await read(CR0ACK), cr1=await read(CR1), cr2=await read(CR2),
            gbpa=await read(GBPA),
            strtab_base=await read(STRTAB_BASE, 8), strtab_base_cfg=await read(STRTAB_BASE_CFG))
        return translate(self.smmu.impl, state, PreviewReader(MemoryReader(self.bus.memory)),
                         Transaction(sid=self.sid, ssid=pasid, addr=address, write=write),
                         explain=True)

    # Work

    async def program(self, mm: Mm | None = None) -> WdQueue:
        """A program with a queue of its own, through a mediated device."""
        return await request([MdevProvider(self, mm)])

    def page(self, data: bytes = b"") -> int:
        """A page of memory that holds `data`."""
        page = self.bus.pages.scatter()
        self.bus.memory.write(page, data)
        return page

    def space(self, source: bytes, pages: int = 1) -> tuple[Domain, list[int], list[int]]:
        """A domain with `source` at SOURCE and room at TARGET; it, and the pages of both."""
        domain = self.iommu.domain()
        chunks = [source[n * PAGE:(n + 1) * PAGE] for n in range(pages)]
        sources, targets = [self.page(chunk) for chunk in chunks], [self.page() for _ in chunks]
        for n in range(pages):
            domain.map(SOURCE + n * PAGE, sources[n], PAGE, Prot.READ)
            domain.map(TARGET + n * PAGE, targets[n], PAGE, RW)
        return domain, sources, targets

    async def finish(self, queue: Queue, jobs: int = 1) -> list[Completion]:
        """Wait for `jobs` completions of a queue."""
        done: list[Completion] = []
        for _ in range(ROUNDS):
            done += await queue.receive()
            if len(done) >= jobs:
                self.watcher.counts["jobs"] += len(done)
                return done
            await self.service(SLICE)
        raise DriverError(f"{len(done)} of {jobs} jobs have ended")

    async def copy(self, queue: Queue, source: int = SOURCE, target: int = TARGET,
                   size: int = PAGE) -> ErrorType:
        """One copy to its end."""
        await queue.copy(source, target, size, tag=1)
        return (await self.finish(queue))[0].error

    async def idle(self, rounds: int = 10) -> None:
        """Let time pass."""
        for _ in range(rounds):
            await self.service(SLICE)

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Let time pass until something holds."""
        for _ in range(ROUNDS):
            if await condition():
                return
            await self.service(SLICE)
        raise DriverError(f"timed out waiting for {what}")


def names(events: list[Event]) -> list[str]:
    """The kinds of event records."""
    return [type(event).__name__ for event in events]
