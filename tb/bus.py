"""The RTL in a simulator behind a `driver.bus.Bus`."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from driver.bus import Bus, Region
from driver.dma import PageAllocator
from driver.model_bus import device_offset
from pymodel.memory import Memory
from tb.env import Env
from tb.registers import RegisterError

RAM_BASE = 0x8000_0000
RAM_SIZE = 1 << 30


class CocotbBus(Bus):
    """The machine in `env`, with memory [base, base + size). Register accesses take simulated
    time; memory is shared."""

    memory: Memory

    def __init__(self, env: Env, seed: int = 1, *, base: int = RAM_BASE,
                 size: int = RAM_SIZE) -> None:
        env.open_memory(base, size)
        self.env = env
        self.use(env.mem, seed)

    def use(self, memory: Memory, seed: int = 1) -> None:
        """From now on software sees the RAM through `memory`; every page of it from RAM_BASE on,
        2^30 bytes at most, is free."""
        self.memory = memory
        end = min(self.env.mem.end, RAM_BASE + RAM_SIZE)
        self.pages = PageAllocator(memory, RAM_BASE, end - RAM_BASE, seed)

    async def read(self, region: Region, offset: int, size: int = 4) -> int:
        port, offset = self._port(region, offset)
        with _refusals():
            return (await port.run([(offset, size, None)]))[0]

    async def write(self, region: Region, offset: int, value: int, size: int = 4) -> None:
        port, offset = self._port(region, offset)
        with _refusals():
            await port.run([(offset, size, value)])

    async def interrupt(self, name: str, cycles: int) -> bool:
        return await self.env.irq.wait(name, cycles)

    def _port(self, region: Region, offset: int):
        if region is Region.SMMU:
            return self.env.cfg, offset
        return self.env.dev, device_offset(region, offset)


@contextmanager
def _refusals() -> Iterator[None]:
    """An error response of the design is EIO."""
    try:
        yield
    except RegisterError as error:
        raise OSError(errno.EIO, str(error)) from None
