"""What is behind a socket: a device, and where its client's memory goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from uuid import UUID

from driver.vfio.device import DeviceFile
from driver.vfio.host import DRIVER, SEC, Host
from driver.vfio.mdev import RINGS
from driver.vfio.uapi import RegionFlag
from driver.vfio_user.dma import SLAB, ChannelDma, Dma
from driver.vfio_user.memory import Ram


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
        # A client maps nothing of ours: the rings are in memory that others have rings in.
        mdev.regions[RINGS] = type(mdev.regions[RINGS])(
            mdev.regions[RINGS].size, RegionFlag.READ | RegionFlag.WRITE)
        domain = self._host.iommu.domain()
        try:
            file = await mdev.open(domain, lambda: None)
        except OSError:
            parent.remove(uuid)
            domain.close()
            raise
        return _Channel(self._host, uuid, file, ChannelDma(domain, self._ram, self._slab))


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
