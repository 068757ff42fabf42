"""What is behind a socket: a device, and where its client's memory goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from uuid import UUID

from driver.bus import Bus
from driver.vfio.device import DeviceFile, Region
from driver.vfio.host import DRIVER, SEC, Host
from driver.vfio.pci import (
    ACCEL_WIRES,
    SMMU_WIRES,
    PciFunction,
    accelerator_bars,
    smmu_bars,
)
from driver.vfio.uapi import RegionFlag
from driver.vfio_user.dma import SLAB, ChannelDma, Dma, FunctionDma
from driver.vfio_user.memory import Holes, Ram
from driver.vfio_user.restore import abort_all, restore


class Opened(ABC):
    """A device in the hands of one client.

    Members
    -------
    file
        The device, as VFIO would give it.
    dma
        The client's memory.
    """

    file: DeviceFile
    dma: Dma

    @abstractmethod
    async def close(self) -> None:
        """Stop it and take everything back, whatever it does."""


class Endpoint(ABC):
    """One socket's device.

    Members
    -------
    name
        Of the socket's file, without directory.
    """

    name: str

    @abstractmethod
    async def open(self) -> Opened:
        """Give it to a client. ENOSPC: there is nothing left to give."""


class ChannelEndpoint(Endpoint):
    """Channel `number`: a mediated device that is made for each client, with a PASID and a domain
    of its own."""

    def __init__(self, host: Host, ram: Ram, first_slab: int, number: int) -> None:
        self._host, self._ram, self.number = host, ram, number
        self._slab = first_slab + SLAB * number
        self.name = f"channel{number}.sock"

    async def open(self) -> Opened:
        parent, uuid = self._host.parent, str(UUID(int=self.number + 1))
        mdev = parent.create(f"{DRIVER}-{SEC.name}", uuid.encode())
        # A client maps nothing of ours: the rings are among other queues' rings.
        for number, region in enumerate(mdev.regions):
            mdev.regions[number] = Region(region.size, region.flags & ~RegionFlag.MMAP)
        domain = self._host.iommu.domain()
        try:
            file = await mdev.open(domain, lambda: None)
        except OSError:
            parent.remove(uuid)
            domain.close()
            raise
        return _Channel(self._host, uuid, file, ChannelDma(domain, self._ram, self._slab))


class FunctionEndpoint(Endpoint):
    """The whole function, SMMU and accelerator, with no IOMMU of ours in front of it: the client's
    memory is at the physical addresses that it says, and nothing else is there."""

    name = "function.sock"

    def __init__(self, bus: Bus, ram: Ram, memory: Holes, queues: int) -> None:
        self._bus, self._ram, self._memory = bus, ram, memory
        self.function = PciFunction(bus, "function", 0, smmu_bars() | accelerator_bars(queues),
                                    ACCEL_WIRES | SMMU_WIRES)
        memory.restrict()

    async def open(self) -> Opened:
        for number, region in enumerate(self.function.regions):  # a client maps nothing of ours
            self.function.regions[number] = Region(region.size, region.flags & ~RegionFlag.MMAP)
        file = await self.function.open(None, lambda: None)
        return _Function(self._bus, file, FunctionDma(self._ram, self._memory))


class _Function(Opened):
    def __init__(self, bus: Bus, file: DeviceFile, dma: FunctionDma) -> None:
        self._bus, self.file, self.dma = bus, file, dma

    async def close(self) -> None:
        """What waits in the SMMU is aborted, then the accelerator stops, then memory goes."""
        await abort_all(self._bus)
        await self.file.close()
        await restore(self._bus)
        await self.dma.clear()


class _Channel(Opened):
    def __init__(self, host: Host, uuid: str, file: DeviceFile, dma: ChannelDma) -> None:
        self._host, self._uuid, self.file, self.dma = host, uuid, file, dma
        self._domain = dma.domain

    async def close(self) -> None:
        """Jobs are aborted first, then memory goes, then the domain."""
        await self.file.close()
        await self.dma.clear()
        self._domain.close()
        if self._uuid in self._host.parent.devices:
            self._host.parent.remove(self._uuid)
