"""The whole function behind a vfio-user socket as a `Bus`: any driver of ours runs on it."""

from __future__ import annotations

import os
import select
from pathlib import Path

from driver.bus import Bus, Region
from driver.dma import PageAllocator
from driver.vfio.owner import BARS
from driver.vfio.pci import ACCEL_WIRES, SMMU_WIRES
from driver.vfio.pci_uapi import PciIrq
from driver.vfio_user.client import Client, SharedPages
from pymodel.memory import SharedMemory

RAM_BASE, RAM_SIZE = 0x4000_0000, 1 << 28
CYCLES_PER_SECOND = 100_000  # of a slow simulation: what waiting for cycles means here
WIRES = ACCEL_WIRES | SMMU_WIRES


class ClientBus(Bus):
    """A client with RAM of its own, which the device reaches at RAM_BASE."""

    def __init__(self, path: Path | str, seed: int = 1) -> None:
        self.client = Client(path)
        self._ram = SharedPages(RAM_SIZE)
        self._look = memoryview(self._ram.view)
        self.memory = SharedMemory(self._look, RAM_BASE)
        self.pages = PageAllocator(self.memory, RAM_BASE, RAM_SIZE, seed)
        self._events = {name: os.eventfd(0, os.EFD_NONBLOCK) for name in WIRES.values()}
        self.client.map(self._ram.fd, 0, RAM_BASE, RAM_SIZE)
        for vector, name in WIRES.items():
            self.client.connect_irq(PciIrq.MSI, vector, (self._events[name],))

    async def read(self, region: Region, offset: int, size: int = 4) -> int:
        return int.from_bytes(self.client.read(BARS[region], offset, size), "little")

    async def write(self, region: Region, offset: int, value: int, size: int = 4) -> None:
        self.client.write(BARS[region], offset, value.to_bytes(size, "little"))

    async def interrupt(self, name: str, cycles: int) -> bool:
        event = self._events[name]
        ready, _, _ = select.select([event], [], [], cycles / CYCLES_PER_SECOND)
        return bool(ready and os.eventfd_read(event))

    def close(self) -> None:
        """Disconnect; the memory is gone, too."""
        self.client.close()
        for event in self._events.values():
            os.close(event)
        self._look.release()
        self._ram.close()
