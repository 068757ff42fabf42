"""The golden model behind a `Bus`: registers act at once, no time passes."""

from __future__ import annotations

from collections import Counter

from driver.bus import Bus, Region
from driver.dma import PageAllocator
from pymodel.accel.accelerator import Accelerator
from pymodel.lint import Lint, WatchedMemory
from pymodel.memory import Memory, SparseMemory
from pymodel.smmu import Smmu
from spec.impl import Implementation
from spec.qm import BAR4_BASE, CONFIG_BASE

RAM_BASE = 0x8000_0000
RAM_SIZE = 1 << 30
BASES = {Region.ACCEL: 0, Region.DOORBELL: BAR4_BASE, Region.CONFIG: CONFIG_BASE}


class ModelBus(Bus):
    """A machine made of the golden models of the SMMU and the accelerator.

    Members
    -------
    lint
        What the driver does wrong; `lint.check()` raises if there is anything.
    """

    def __init__(self, impl: Implementation, *, sid: int, queues: int, seed: int = 1,
                 memory: Memory | None = None) -> None:
        if memory is None:
            memory = SparseMemory(RAM_BASE, RAM_SIZE)
        watched = memory if isinstance(memory, SparseMemory) else WatchedMemory(memory)
        self.memory = watched
        self.pages = PageAllocator(self.memory, RAM_BASE, RAM_SIZE, seed)
        self._raised: Counter[str] = Counter()
        self.smmu = Smmu(impl, self.memory, irq=self._interrupt)
        self.lint = Lint(self.smmu, watched)
        self.accel = Accelerator(self.memory, self.smmu, sid, queues, irq=self._interrupt)

    def _interrupt(self, name: str) -> None:
        self._raised[name] += 1

    async def read(self, region: Region, offset: int, size: int = 4) -> int:
        if region is Region.SMMU:
            return self.smmu.read(offset, size)
        return self.accel.read(device_offset(region, offset), size)

    async def write(self, region: Region, offset: int, value: int, size: int = 4) -> None:
        if region is Region.SMMU:
            self.smmu.write(offset, size, value)
        else:
            self.accel.write(device_offset(region, offset), size, value)

    async def interrupt(self, name: str, cycles: int) -> bool:
        return self._raised.pop(name, 0) > 0


def device_offset(region: Region, offset: int) -> int:
    """Where a register window lies on the accelerator's port."""
    return offset + BASES[region]
