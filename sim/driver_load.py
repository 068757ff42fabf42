"""Workloads of `substream bench driver`, on any bus."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from driver.accel.qm import QmDriver
from driver.accel.queue import Queue
from driver.bus import Bus, DriverError
from driver.iommu.domain import Domain, Iommu, Stream
from driver.iommu.pagetable import Prot
from driver.smmu.device import SmmuDriver
from pymodel.memory import PAGE
from spec.sec import ErrorType

CHANNELS = 64
LOG2_PASIDS = 7  # room for CHANNELS
SOURCE, TARGET, SPARE = 0x4000_0000, 0x5000_0000, 0x6000_0000
JOB_BYTES = 64
PATIENCE = 2_000_000  # cycles to wait for a completion interrupt
PAGES = (1, 16, 512)  # of one map: scattered, the last one page table full
RW = Prot.READ | Prot.WRITE


@dataclass
class Clock:
    """Wall time, and cycles where there are any."""

    cycles: Callable[[], int] = lambda: 0

    async def measure(self, work: Awaitable[int]) -> tuple[int, float, int]:
        """(operations, seconds, cycles) of some work that says how many operations it was."""
        cycles, start = self.cycles(), time.perf_counter()
        count = await work
        return count, time.perf_counter() - start, self.cycles() - cycles


class Load:
    """A probed machine with `CHANNELS` queues, each in an address space of its own."""

    def __init__(self, bus: Bus, qm: QmDriver) -> None:
        self.bus, self.qm = bus, qm
        self.queues: list[Queue] = []
        self.domains: list[Domain] = []

    @classmethod
    async def start(cls, bus: Bus, sid: int) -> Load:
        """Probe everything and open the channels."""
        iommu = Iommu(await SmmuDriver.probe(bus))
        stream = await Stream.open(iommu, sid, LOG2_PASIDS)
        load = cls(bus, await QmDriver.probe(bus, iommu, stream))
        for _ in range(CHANNELS):
            domain = iommu.domain()
            domain.map(SOURCE, bus.pages.scatter(), PAGE, Prot.READ)
            domain.map(TARGET, bus.pages.scatter(), PAGE, RW)
            load.domains.append(domain)
            load.queues.append(await load.qm.open(domain))
        return load

    async def map_unmap(self, pages: int, count: int) -> int:
        """Map scattered pages and unmap them again, `count` times; nothing is in flight."""
        domain = self.domains[0]
        found = [self.bus.pages.scatter() for _ in range(pages)]
        for _ in range(count):
            domain.map_pages(SPARE, found, RW)
            await domain.unmap(SPARE, pages * PAGE)
        for page in found:
            self.bus.pages.free(page)
        return count

    async def jobs(self, channels: int, count: int) -> int:
        """Copies of 64 bytes in `channels` queues at once, `count` in each, one at a time in
        each."""
        left = {queue.number: count for queue in self.queues[:channels]}
        by_number = {queue.number: queue for queue in self.queues[:channels]}
        for queue in by_number.values():
            await queue.copy(SOURCE, TARGET, JOB_BYTES, tag=count)
        while left:
            if not await self.bus.interrupt("eq", PATIENCE):
                raise DriverError(f"no completion interrupt in {PATIENCE} cycles")
            for number in await self.qm.service():
                for job in await by_number[number].receive():
                    if job.error is not ErrorType.OK:
                        raise DriverError(f"queue {number}: {job.error.name}")
                    left[number] -= 1
                if left.get(number):
                    await by_number[number].copy(SOURCE, TARGET, JOB_BYTES, tag=left[number])
                else:
                    left.pop(number, None)
        return channels * count


async def measure(load: Load, clock: Clock, scale: int) -> list[dict[str, Any]]:
    """All figures as rows; `scale` is how much of everything."""
    rows: list[dict[str, Any]] = []
    for pages in PAGES:
        found = await clock.measure(load.map_unmap(pages, max(2, 8 * scale // pages)))
        rows += _rows("map and unmap", {"pages": str(pages)}, "pair", found)
    for channels in (1, CHANNELS):
        found = await clock.measure(load.jobs(channels, max(2, 8 * scale // channels)))
        rows += _rows("jobs", {"channels": channels}, "job", found)
    return rows


def _rows(case: str, keys: dict[str, Any], unit: str,
          found: tuple[int, float, int]) -> list[dict[str, Any]]:
    count, seconds, cycles = found
    rows = [{"case": case, **keys, "metric": f"{unit}s per second", "value": count / seconds,
             "unit": "/s", "bar": None, "ok": True}]
    if cycles:
        rows.append({"case": case, **keys, "metric": f"cycles per {unit}", "value": cycles / count,
                     "unit": "cycles", "bar": None, "ok": True})
    return rows
