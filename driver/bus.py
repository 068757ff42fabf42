"""What a driver needs of a machine: registers, memory, interrupts, and nothing else.

Backends: `driver.model_bus.ModelBus` (the golden model, no time passes) and
`tb.bus.CocotbBus` (RTL in a simulator). A driver written against `Bus` runs on all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from enum import Enum

from driver.dma import PageAllocator
from pymodel.memory import Memory


class Region(Enum):
    """Register windows of the device."""

    SMMU = "smmu"  # two 64 KB pages
    ACCEL = "accel"  # BAR2
    DOORBELL = "doorbell"  # BAR4: one 64 KB page a queue
    CONFIG = "config"  # PCI configuration space of the accelerator


class DriverError(Exception):
    """The device did what a driver cannot go on from; the text says what was expected."""


class Bus(ABC):
    """One machine.

    Members
    -------
    memory
        RAM that the device reads and writes too; the driver's view is coherent.
    pages
        Hands out free pages of it.
    """

    memory: Memory
    pages: PageAllocator

    @abstractmethod
    async def read(self, region: Region, offset: int, size: int = 4) -> int:
        """Read a register of 4 or 8 bytes. EIO: the device answers with an error."""

    @abstractmethod
    async def write(self, region: Region, offset: int, value: int, size: int = 4) -> None:
        """Write a register of 4 or 8 bytes; complete when the device has it. EIO as for `read`."""

    @abstractmethod
    async def interrupt(self, name: str, cycles: int) -> bool:
        """Wait for the named interrupt since the last call, `cycles` at most; whether it came."""

    async def poll(self, condition: Callable[[], Awaitable[bool]], what: str,
                   tries: int = 20_000) -> None:
        """Evaluate `condition`, which must let device time pass (a register read does), until it
        holds; DriverError naming `what` after `tries`."""
        for _ in range(tries):
            if await condition():
                return
        raise DriverError(f"timed out waiting for {what}")

    async def set_and_acknowledge(self, region: Region, offset: int, ack: int,
                                  value: int) -> None:
        """Write a register whose effect another one acknowledges by showing the same value
        (reference 1.4)."""
        await self.write(region, offset, value)

        async def acknowledged() -> bool:
            return await self.read(region, ack) == value

        await self.poll(acknowledged, f"register {ack:#x} to acknowledge {value:#x}")
