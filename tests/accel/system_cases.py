"""What accelerator, SMMU and driver must do together; on the RTL and on the golden model.

A case gets a `System` after bring-up. Nothing but the driver's interfaces is used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from driver.accel.qm import QmDriver
from driver.accel.queue import Completion, Queue
from driver.bus import Bus, Region
from driver.iommu.domain import Domain, Iommu, Stream
from driver.iommu.faults import Fault
from driver.iommu.pagetable import Prot
from driver.iommu.process import Process
from driver.smmu.device import SmmuDriver
from pymodel.memory import PAGE
from spec.fields import Register
from spec.qm import (
    MSI_ADDRESS,
    MSI_ADDRESS_HIGH,
    MSI_CONTROL,
    MSI_DATA,
    MSI_MASK,
    MSI_PENDING,
    PCIE_DEVCTL,
)
from spec.sec import ErrorType

SOURCE, TARGET = 0x4000_0000, 0x5000_0000     # of an owner whose pages are mapped
TRIES = 400


class System:
    """SMMU, queue manager and their driver, brought up."""

    def __init__(self, bus: Bus, smmu: SmmuDriver, iommu: Iommu, stream: Stream, qm: QmDriver):
        self.bus, self.smmu, self.iommu, self.stream, self.qm = bus, smmu, iommu, stream, qm

    @classmethod
    async def start(cls, bus: Bus, sid: int) -> System:
        smmu = await SmmuDriver.probe(bus)
        iommu = Iommu(smmu)
        stream = await Stream.open(iommu, sid, 4)
        return cls(bus, smmu, iommu, stream, await QmDriver.probe(bus, iommu, stream))

    async def config(self, register: type[Register], value: int | None = None) -> int:
        """Write a word of the configuration space, or read it."""
        if value is None:
            return await self.bus.read(Region.CONFIG, register.OFFSET)
        await self.bus.write(Region.CONFIG, register.OFFSET, value)
        return value

    async def owner(self, sink: Callable[[Fault], None] | None = None,
                    ) -> tuple[Domain, Queue, int, int]:
        """An owner with a page to read and one to write: domain, queue, and both pages."""
        domain = self.iommu.domain(sink=sink)
        pages = [self.bus.pages.scatter() for _ in range(2)]
        for iova, page in zip((SOURCE, TARGET), pages, strict=True):
            domain.map(iova, page, PAGE, Prot.READ | Prot.WRITE)
        return domain, await self.qm.open(domain), *pages

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        await self.bus.poll(condition, what, TRIES)

    async def job(self, queue: Queue, source: int, target: int, size: int,
                  faults: bool = False) -> Completion:
        """Copy; with `faults` the driver answers them meanwhile."""
        done: list[Completion] = []

        async def ended() -> bool:
            if faults:
                await self.iommu.faults.service()
            else:
                await self.bus.read(Region.ACCEL, 0)     # lets time pass
            done.extend(await queue.receive())
            return bool(done)

        await queue.copy(source, target, size, tag=7)
        await self.until("completion", ended)
        return done[0]


async def messages_are_translated(s: System) -> None:
    """A message goes where the function's own table says; masked it waits; a message to nowhere
    is terminated, seen by the SMMU and by the device, and nothing else happens."""
    page = s.bus.pages.scatter()
    iova, away = 0x7000_0000, 0x7100_0000
    s.qm.kernel.map(iova, page, PAGE, Prot.READ | Prot.WRITE)
    _, queue, *_ = await s.owner()
    await s.config(MSI_ADDRESS_HIGH, 0)
    await s.config(MSI_ADDRESS, iova + 0x40)
    await s.config(MSI_DATA, 0xBEE0)
    control = await s.config(MSI_CONTROL)
    await s.config(MSI_CONTROL, control | MSI_CONTROL.pack(ENABLE=1, GIVEN=2))

    async def arrived() -> bool:
        await s.bus.read(Region.ACCEL, 0)
        return s.bus.memory.read(page + 0x40, 4) != bytes(4)

    assert (await s.job(queue, SOURCE, TARGET, 100)).error is ErrorType.OK
    await s.until("message", arrived)
    assert s.bus.memory.read(page, 0x80) == bytes(0x40) + b"\xe0\xbe\0\0" + bytes(0x3C)
    s.bus.memory.write(page, bytes(0x80))
    await s.config(MSI_MASK, 1)
    await s.qm.service()

    async def pending() -> bool:
        return bool(await s.config(MSI_PENDING))

    await queue.receive()        # arms
    await queue.copy(SOURCE, TARGET, 100, tag=8)
    await s.until("pending message", pending)
    assert s.bus.memory.read(page, 0x80) == bytes(0x80)
    await s.config(MSI_MASK, 0)
    await s.until("unmasked message", arrived)
    assert not await pending()
    await queue.receive()
    await s.qm.service()
    assert not await s.smmu.events()
    await s.config(MSI_ADDRESS, away)
    events = []

    async def refused() -> bool:
        events.extend(await s.smmu.events())
        return bool(events)

    await queue.copy(SOURCE, TARGET, 100, tag=9)
    await s.until("event of the lost message", refused)
    event = dict(events[0].items())
    assert (type(events[0]).__name__, event["InputAddr"], event["SSV"]) == (
        "F_TRANSLATION", away, 0)
    assert s.bus.memory.read(page, PAGE)[:0x40] == bytes(0x40)
    await s.config(MSI_CONTROL, control)


async def demand_paging(s: System) -> None:
    """A job over buffers of which no page is mapped: each page stalls, is brought and retried. The
    same beyond the buffer: aborted, with the error of the access. A neighbour never notices."""
    text = bytes(range(256)) * (5 * PAGE // 256)
    process = Process(s.iommu)
    source, target = process.mmap(len(text)), process.mmap(len(text))
    process.write(source, text)
    queue = await s.qm.open(await process.bind(s.stream))
    _, neighbour, mine, theirs = await s.owner()
    s.bus.memory.write(mine, b"neighbour")
    pages = [*range(source, source + len(text), PAGE), *range(target, target + len(text), PAGE)]
    table = process.domain.table
    assert not any(table.lookup(page) for page in pages)
    await queue.copy(source, target, len(text), tag=1)
    done: list[Completion] = []
    stalls = jobs = 0
    while not done:
        # While it waits for its pages, the neighbour's jobs come and go.
        assert (await s.job(neighbour, SOURCE, TARGET, 9)).error is ErrorType.OK
        jobs += 1
        stalls += await s.iommu.faults.service()
        done += await queue.receive()
        assert jobs < TRIES
    assert done[0].error is ErrorType.OK
    assert process.read(target, len(text)) == text
    assert all(table.lookup(page) for page in pages)
    assert stalls >= len(pages)
    # The same with abort: the pages behind the source belong to nobody.
    ended = await s.job(queue, source + len(text) - 100, target, 300, faults=True)
    assert ended.error is ErrorType.DATA_READ
    again = await s.job(queue, source, target + 16, 64, faults=True)
    assert again.error is ErrorType.OK
    assert s.bus.memory.read(theirs, 9) == b"neighbour"
    assert not s.iommu.faults.events


async def reset_while_an_access_is_stalled(s: System) -> None:
    """A function level reset in the middle of a job that waits in the SMMU: the next life works
    before the old access has been answered, and shows nothing of it afterwards."""
    faults: list[Fault] = []
    _, queue, mine, theirs = await s.owner(faults.append)
    nowhere = SOURCE + PAGE
    await queue.copy(nowhere, TARGET, 800, tag=1)

    async def waits() -> bool:
        await s.iommu.faults.service()
        return bool(faults)

    async def pending() -> bool:
        return bool(PCIE_DEVCTL(await s.config(PCIE_DEVCTL)).PENDING)

    await s.until("stall", waits)
    await s.config(PCIE_DEVCTL, PCIE_DEVCTL.pack(FLR=1))
    assert await pending()
    await s.qm._start()          # `QmDriver.reset` would wait for the old access
    queue.rewind()
    await queue.start()
    _, other, *pages = await s.owner()
    s.bus.memory.write(pages[0], b"new life" * 100)
    assert (await s.job(other, SOURCE, TARGET, 800)).error is ErrorType.OK
    assert s.bus.memory.read(pages[1], 800) == b"new life" * 100
    assert await pending()

    async def ended() -> bool:
        await s.iommu.faults.service()
        while faults:
            await faults.pop().answer(retry=False)
        return not await pending()

    await s.until("end of the old access", ended)
    assert not await queue.receive()
    assert s.bus.memory.read(theirs, PAGE) == bytes(PAGE)
    s.bus.memory.write(mine, b"again")
    assert (await s.job(queue, SOURCE, TARGET, 5)).error is ErrorType.OK
    assert s.bus.memory.read(theirs, 5) == b"again"


SYSTEM_CASES = [messages_are_translated, demand_paging, reset_while_an_access_is_stalled]


async def all_cases(bus: Bus, sid: int) -> None:
    """One after the other on one machine."""
    system = await System.start(bus, sid)
    for case in SYSTEM_CASES:
        await case(system)
