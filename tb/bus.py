"""The RTL in a simulator behind a `driver.bus.Bus`."""

from __future__ import annotations

from driver.bus import Bus, Region
from driver.dma import PageAllocator
from spec.qm import BAR4_BASE
from tb.env import Env

RAM_BASE = 0x8000_0000
RAM_SIZE = 1 << 30


class CocotbBus(Bus):
    """The machine in `env`, with memory [base, base + size). Register accesses take simulated
    time; memory is shared."""

    def __init__(self, env: Env, seed: int = 1, *, base: int = RAM_BASE,
                 size: int = RAM_SIZE) -> None:
        env.open_memory(base, size)
        self.env, self.memory = env, env.mem
        self.pages = PageAllocator(self.memory, RAM_BASE, RAM_SIZE, seed)

    async def read(self, region: Region, offset: int, size: int = 4) -> int:
        port, offset = self._port(region, offset)
        return (await port.run([(offset, size, None)]))[0]

    async def write(self, region: Region, offset: int, value: int, size: int = 4) -> None:
        port, offset = self._port(region, offset)
        await port.run([(offset, size, value)])

    async def interrupt(self, name: str, cycles: int) -> bool:
        return await self.env.irq.wait(name, cycles)

    def _port(self, region: Region, offset: int):
        if region is Region.SMMU:
            return self.env.cfg, offset
        return self.env.dev, offset + (BAR4_BASE if region is Region.DOORBELL else 0)
