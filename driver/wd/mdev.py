"""Channels over VFIO: a mediated device in a container of the program."""

from __future__ import annotations

import errno
import os

from driver.iommu.mm import Mm
from driver.vfio import uapi
from driver.vfio.container import Container
from driver.vfio.device import OFFSET_SHIFT, DeviceFile
from driver.vfio.host import Host
from driver.vfio.mdev import COMPLETION, Mdev
from driver.vfio.packed import fail
from driver.vfio.uapi import (
    ContainerIoctl,
    DeviceIoctl,
    Extension,
    GroupIoctl,
    IrqSetFlag,
    MapFlag,
)
from driver.wd.channel import Channel, Memory

FIRST_IOVA = 0x4000_0000  # the same in every channel


class MappedMemory(Memory):
    """Memory of the program at `vaddr`, mapped for the device at `address`, by `users` channels."""

    def __init__(self, mm: Mm, vaddr: int, address: int, size: int) -> None:
        self.mm, self.vaddr, self.address, self.size = mm, vaddr, address, size
        self.users = 0

    def leave(self) -> None:
        """A channel has unmapped it; with the last one it is gone."""
        self.users -= 1
        if not self.users:
            self.mm.munmap(self.vaddr, self.size)

    def read(self, offset: int, size: int) -> bytes:
        self.check(offset, size)
        return self.mm.read(self.vaddr + offset, size)

    def write(self, offset: int, data: bytes) -> None:
        self.check(offset, len(data))
        self.mm.write(self.vaddr + offset, data)


class MdevChannel(Channel):
    """An open mediated device."""

    def __init__(self, host: Host, mdev: Mdev, container: Container, mm: Mm,
                 file: DeviceFile) -> None:
        self.host, self.mdev, self.container, self._mm = host, mdev, container, mm
        self.file = file
        self._memory: list[MappedMemory] = []
        self._next = FIRST_IOVA
        self.event = os.eventfd(0, os.EFD_NONBLOCK)

    @classmethod
    async def open(cls, host: Host, mdev: Mdev, mm: Mm) -> MdevChannel:
        """Through group and container, as a program of 2017 does; errors of all of them."""
        container = host.container(mm)
        group = mdev.group.open()
        try:
            await group.ioctl(GroupIoctl.SET_CONTAINER, container)
            await container.ioctl(ContainerIoctl.SET_IOMMU, Extension.TYPE1v2)
            channel = cls(host, mdev, container, mm, await group.device_fd(mdev.name))
        except OSError:
            await group.close()
            raise
        await channel.set_irqs(IrqSetFlag.DATA_EVENTFD | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 1,
                               channel.event.to_bytes(4, "little"))
        return channel

    async def set_irqs(self, flags: int, index: int, count: int, data: bytes = b"") -> None:
        """SET_IRQS from interrupt 0 on."""
        size = uapi.IrqSet.size() + len(data)
        await self.file.ioctl(DeviceIoctl.SET_IRQS, bytearray(
            uapi.IrqSet(size, flags, index, 0, count).encode() + data))

    async def read(self, region: int, offset: int, size: int) -> bytes:
        return await self.file.pread(size, region << OFFSET_SHIFT | offset)

    async def write(self, region: int, offset: int, data: bytes) -> None:
        await self.file.pwrite(data, region << OFFSET_SHIFT | offset)

    def signalled(self) -> int:
        """How often the completion's eventfd was signalled since the last call."""
        try:
            return os.eventfd_read(self.event)
        except BlockingIOError:
            return 0

    async def wait(self, patience: int) -> bool:
        if not self.signalled():
            await self.host.service(patience)
            return bool(self.signalled())
        return True

    async def reserve(self, size: int) -> Memory:
        page = self.host.qm.kernel.table.page
        size = -(-size // page) * page
        memory = MappedMemory(self._mm, self._mm.mmap(size), self._next, size)
        await self._take(memory)
        self._next += size + page
        return memory

    async def share(self, memory: Memory) -> Memory:
        if not isinstance(memory, MappedMemory) or memory.mm is not self._mm:
            raise fail(errno.EINVAL, "memory of another program")
        await self._take(memory)
        self._next = max(self._next, memory.address + memory.size)
        return memory

    async def _take(self, memory: MappedMemory) -> None:
        await self.map(memory.vaddr, memory.address, memory.size)
        self._memory.append(memory)
        memory.users += 1

    async def map(self, vaddr: int, iova: int, size: int,
                  flags: int = MapFlag.READ | MapFlag.WRITE) -> None:
        """MAP_DMA."""
        await self.container.ioctl(ContainerIoctl.MAP_DMA, bytearray(
            uapi.DmaMap(uapi.DmaMap.size(), flags, vaddr, iova, size).encode()))

    async def unmap(self, iova: int, size: int, flags: int = 0) -> int:
        """UNMAP_DMA; the bytes that were unmapped."""
        argument = bytearray(uapi.DmaUnmap(uapi.DmaUnmap.size(), flags, iova, size).encode())
        await self.container.ioctl(ContainerIoctl.UNMAP_DMA, argument)
        return uapi.DmaUnmap.decode(argument).size_

    async def free(self, memory: Memory) -> None:
        assert isinstance(memory, MappedMemory)
        self._memory.remove(memory)
        await self.unmap(memory.address, memory.size)
        memory.leave()

    async def reset(self) -> None:
        await self.file.ioctl(DeviceIoctl.RESET)

    async def close(self) -> None:
        await self.mdev.group.close()
        for memory in self._memory:
            memory.leave()
        self._memory.clear()
        os.close(self.event)
