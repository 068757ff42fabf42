"""What the applications do, on any backend: copy a file, then one reaches where it must not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from driver.accel.qm import QmDriver
from driver.accel.queue import Completion, Queue
from driver.bus import Bus, DriverError
from driver.iommu.domain import Domain, Iommu, Stream
from driver.iommu.pagetable import Prot
from driver.smmu.device import SmmuDriver
from pymodel.memory import PAGE
from spec.events import Event
from spec.sec import ErrorType

APPLICATIONS = 4
LOG2_PASIDS = 4
SOURCE = 0x4000_0000  # the same for every application
TARGET = 0x5000_0000
SECRET = 0x6000_0000  # mapped for nobody but the second application
CHUNK = 16 * PAGE
PATIENCE = 2_000_000  # cycles to wait for one completion interrupt


@dataclass
class Application:
    """One application: its queue, its address space, what came out."""

    name: str
    domain: Domain
    queue: Queue
    pages: list[int]  # physical pages of its source buffer, in order of IOVA
    targets: list[int]
    digest: str = ""
    done: list[Completion] = field(default_factory=list)


@dataclass
class Story:
    """What happened."""

    applications: list[Application]
    digest: str  # of the file
    intrusion: Completion | None = None
    events: list[Event] = field(default_factory=list)

    @property
    def copied(self) -> bool:
        """Whether every application's copy has the file's digest."""
        return all(app.digest == self.digest for app in self.applications)


class Scenario:
    """Runs the story on `bus`; `say` is told each step, `settled` is awaited whenever nothing is
    in flight and no table is about to change (where a checker may look)."""

    def __init__(self, bus: Bus, sid: int, data: bytes, say: Callable[[str], None]) -> None:
        self.bus, self.sid, self.data, self._say = bus, sid, data, say

    async def prepare(self) -> Story:
        """Bring the machine up and give four applications their queues."""
        self._say("probing the SMMU and the queue manager")
        self.smmu = await SmmuDriver.probe(self.bus)
        iommu = Iommu(self.smmu)
        stream = await Stream.open(iommu, self.sid, LOG2_PASIDS)
        self.qm = await QmDriver.probe(self.bus, iommu, stream)
        applications = [await self._application(iommu, n) for n in range(APPLICATIONS)]
        return Story(applications, _digest(self.data))

    async def copy(self, story: Story) -> None:
        """Every application copies the file at the same time, through its own queue."""
        self._say(f"{APPLICATIONS} applications copy {len(self.data)} bytes each")
        for at in range(0, len(self.data), CHUNK):
            size = min(CHUNK, len(self.data) - at)
            for app in story.applications:
                await app.queue.copy(SOURCE + at, TARGET + at, size, tag=at)
            await self._complete(story, 1)
        for app in story.applications:
            app.digest = _digest(self._read(app.targets, len(self.data)))

    async def intrude(self, story: Story) -> None:
        """The first application asks for the second one's buffer; then all go on working."""
        first, second = story.applications[:2]
        secret = self.bus.pages.scatter()
        second.domain.map(SECRET, secret, PAGE, Prot.READ | Prot.WRITE)
        self._say(f"{first.name} reaches for {SECRET:#x}, which only {second.name} has mapped")
        await first.queue.copy(SECRET, TARGET, PAGE, tag=1)
        for app in story.applications[1:]:
            await app.queue.copy(SOURCE, TARGET, min(PAGE, len(self.data)), tag=2)
        await self._complete(story, 1)
        story.intrusion = first.done[-1]
        story.events = await self.smmu.events()
        if first.done[-1].error is ErrorType.OK:
            raise DriverError("the intruder's job was not refused")

    async def _application(self, iommu: Iommu, number: int) -> Application:
        domain = iommu.domain()
        count = -(-len(self.data) // PAGE)
        pages = [self.bus.pages.scatter() for _ in range(count)]
        targets = [self.bus.pages.scatter() for _ in range(count)]
        for n, (page, target) in enumerate(zip(pages, targets, strict=True)):
            domain.map(SOURCE + n * PAGE, page, PAGE, Prot.READ)
            domain.map(TARGET + n * PAGE, target, PAGE, Prot.READ | Prot.WRITE)
            self.bus.memory.write(page, self.data[n * PAGE:(n + 1) * PAGE])
        queue = await self.qm.open(domain)
        return Application(f"app{number}", domain, queue, pages, targets)

    async def _complete(self, story: Story, jobs: int) -> None:
        """Wait until every application has `jobs` more completions."""
        due = {app.queue.number: (app, len(app.done) + jobs) for app in story.applications}
        while any(len(app.done) < wanted for app, wanted in due.values()):
            if not await self.bus.interrupt("eq", PATIENCE):
                raise DriverError(f"no completion interrupt in {PATIENCE} cycles")
            for number in await self.qm.service():
                app, _ = due[number]
                app.done += await app.queue.receive()

    def _read(self, pages: list[int], size: int) -> bytes:
        return b"".join(self.bus.memory.read(page, PAGE) for page in pages)[:size]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
