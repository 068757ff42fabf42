"""Channels over UACCE: the device uses the program's own addresses."""

from __future__ import annotations

import errno
import os

from driver.iommu.process import Process
from driver.vfio.host import Host
from driver.vfio.mdev import QueueInfo
from driver.vfio.packed import fail
from driver.vfio.uacce import UacceFile
from driver.vfio.uacce_uapi import QpContext, QpInfo, QueueFileRegion, UacceIoctl
from driver.wd.channel import DOORBELL, INFO, Channel, Memory
from driver.wd.request import Provider
from spec.qm import SQE_BYTES


class ProcessMemory(Memory):
    """Memory of a process; the device finds it at the same address."""

    def __init__(self, process: Process, address: int, size: int) -> None:
        self.process, self.address, self.size = process, address, size

    def read(self, offset: int, size: int) -> bytes:
        self.check(offset, size)
        return self.process.read(self.address + offset, size)

    def write(self, offset: int, data: bytes) -> None:
        self.check(offset, len(data))
        self.process.write(self.address + offset, data)


class UacceChannel(Channel):
    """An open and started queue of a UACCE device. Patience is in cycles."""

    shared_addresses = True

    def __init__(self, host: Host, process: Process, file: UacceFile, info: QueueInfo) -> None:
        self._host, self._process, self._file, self._info = host, process, file, info
        self._mmio = file.mmap(QueueFileRegion.MMIO, host.uacce.mmio_size)
        self._rings = file.mmap(QueueFileRegion.DUS, host.uacce.dus_size)

    @classmethod
    async def open(cls, host: Host, process: Process) -> UacceChannel:
        """A queue in the address space of a process; errors as `Uacce.open`."""
        file = await host.uacce.open(process)
        context, info = bytearray(QpContext().encode()), bytearray(QpInfo().encode())
        await file.ioctl(UacceIoctl.SET_QP_CONTEXT, context)
        await file.ioctl(UacceIoctl.GET_QP_INFO, info)
        await file.ioctl(UacceIoctl.START_Q)
        depth = QpInfo.decode(info).sq_depth
        return cls(host, process, file, QueueInfo(QpContext.decode(context).id, depth, SQE_BYTES,
                                                  SQE_BYTES * depth))

    async def read(self, region: int, offset: int, size: int) -> bytes:
        if region == INFO:
            return self._info.encode()[offset:offset + size]
        return await (self._mmio if region == DOORBELL else self._rings).load(offset, size)

    async def write(self, region: int, offset: int, data: bytes) -> None:
        await (self._mmio if region == DOORBELL else self._rings).store(offset, data)

    async def wait(self, patience: int) -> bool:
        if not self._signalled():
            await self._host.service(patience)
            return self._signalled()
        return True

    async def reserve(self, size: int) -> Memory:
        page = self._process.domain.table.page
        size = -(-size // page) * page
        return ProcessMemory(self._process, self._process.mmap(size), size)

    async def share(self, memory: Memory) -> Memory:
        """Nothing to do: all queues of a process reach all of its memory."""
        if not isinstance(memory, ProcessMemory) or memory.process is not self._process:
            raise fail(errno.EINVAL, "memory of another program")
        return memory

    async def free(self, memory: Memory) -> None:
        await self._process.munmap(memory.address, memory.size)

    async def reset(self) -> None:
        """UACCE has no reset of one queue. EOPNOTSUPP."""
        raise fail(errno.EOPNOTSUPP, "release the queue and request another one")

    async def close(self) -> None:
        await self._file.close()

    def _signalled(self) -> bool:
        try:
            return os.eventfd_read(self._file.event) > 0
        except BlockingIOError:
            return False


class UacceProvider(Provider):
    """The queues of a host's UACCE device, for one process."""

    shared_addresses = True

    def __init__(self, host: Host, process: Process) -> None:
        self._host, self._process = host, process

    @property
    def available(self) -> int:
        return self._host.uacce.available

    async def open(self) -> Channel:
        return await UacceChannel.open(self._host, self._process)
