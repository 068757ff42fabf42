"""A program that uses one mediated device through VFIO."""

from __future__ import annotations

import os
from typing import Any

from driver.iommu.mm import Mm
from driver.run import run
from driver.vfio import uapi
from driver.vfio.container import Container
from driver.vfio.device import OFFSET_SHIFT, DeviceFile
from driver.vfio.irqs import IrqSetFlag
from driver.vfio.kernel import Generation, Kernel
from driver.vfio.mdev import COMPLETION, DOORBELL, INFO, RINGS, MdevType, Parent, QueueInfo
from driver.vfio.sysfs import Sysfs
from driver.vfio.uapi import (
    ContainerIoctl,
    DeviceIoctl,
    Extension,
    GroupIoctl,
    MapFlag,
)
from spec.impl import Implementation
from spec.qm import CQE, DOORBELL_OFFSET, SQE_BYTES, Doorbell, DoorbellCommand
from spec.sec import BD3, BD3_TYPE, Cipher, ErrorType
from tests.driver.rig import Machine

GENERATIONS = {"5.10": Generation.V5_10, "7.2": Generation.V7_2}
KIND = "substream-sec"
RW = MapFlag.READ | MapFlag.WRITE


def uuid(number: int) -> str:
    """A UUID for tests."""
    return f"01234567-89ab-cdef-0123-{number:012x}"


class Host:
    """A machine whose accelerator offers mediated devices."""

    def __init__(self, impl: Implementation, **kernel: Any) -> None:
        self.machine = Machine(impl)
        self.kernel = Kernel(**kernel)
        self.parent = Parent(self.machine.qm, "substream", (MdevType("sec", "one queue"),),
                             self.kernel)
        self.sysfs = Sysfs(self.parent)

    def create(self, number: int) -> None:
        """Device `number`, as an administrator makes it."""
        self.sysfs.write(f"mdev_supported_types/{KIND}/create", uuid(number).encode())

    def container(self) -> Container:
        return Container(self.machine.iommu, Mm(self.machine.bus), self.kernel)

    def service(self) -> None:
        """What the host does on interrupts."""
        run(self.machine.iommu.faults.service())
        run(self.parent.service())


class Program:
    """Opens device `number`, which is made for it, in a container of its own (or that of `other`),
    with version 2 of type1 unless told."""

    def __init__(self, host: Host, number: int, *, v2: bool = True,
                 other: Program | None = None) -> None:
        self.host = host
        host.create(number)
        self.mdev = host.parent.devices[uuid(number)]
        self.container = other.container if other else host.container()
        self.mm = self.container._mm
        self.group = self.mdev.group.open()
        run(self.group.ioctl(GroupIoctl.SET_CONTAINER, self.container))
        if other is None:
            kind = Extension.TYPE1v2 if v2 else Extension.TYPE1
            run(self.container.ioctl(ContainerIoctl.SET_IOMMU, kind))
        self.file: DeviceFile = run(self.group.device_fd(uuid(number)))
        self.info = QueueInfo.decode(self.read(INFO, 0, QueueInfo.size()))
        self.event = os.eventfd(0, os.EFD_NONBLOCK)
        self.set_irqs(IrqSetFlag.DATA_EVENTFD | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 1,
                      self.event.to_bytes(4, "little"))
        self._tail = self._head = 0

    def map(self, iova: int, data: bytes, flags: int = RW, size: int = 0) -> int:
        """Memory that holds `data`, mapped at `iova`; its address."""
        size = max(size, -(-len(data) // 4096) * 4096)
        at = self.mm.mmap(size)
        self.mm.write(at, data)
        run(self.container.ioctl(ContainerIoctl.MAP_DMA, bytearray(
            uapi.DmaMap(32, flags, at, iova, size).encode())))
        return at

    def unmap(self, iova: int, size: int, flags: int = 0) -> int:
        """The bytes unmapped."""
        argument = bytearray(uapi.DmaUnmap(24, flags, iova, size).encode())
        run(self.container.ioctl(ContainerIoctl.UNMAP_DMA, argument))
        return uapi.DmaUnmap.decode(argument).size_

    def set_irqs(self, flags: int, index: int, start: int, count: int, data: bytes = b"",
                 argsz: int | None = None) -> None:
        argument = uapi.IrqSet(20 + len(data) if argsz is None else argsz, flags, index, start,
                               count).encode() + data
        run(self.file.ioctl(DeviceIoctl.SET_IRQS, bytearray(argument)))

    def read(self, region: int, offset: int, size: int) -> bytes:
        return run(self.file.pread(size, region << OFFSET_SHIFT | offset))

    def write(self, region: int, offset: int, data: bytes) -> None:
        run(self.file.pwrite(data, region << OFFSET_SHIFT | offset))

    def events(self) -> int:
        """What the completion's eventfd counted; 0: nothing."""
        try:
            return os.eventfd_read(self.event)
        except BlockingIOError:
            return 0

    def send(self, source: int, target: int, size: int) -> None:
        """A copy, as an application sends it: through rings and doorbell page alone."""
        job = BD3.make(type=BD3_TYPE, cipher=Cipher.COPY, de=1, data_src_addr=source,
                       data_dst_addr=target, c_len=size)
        self.write(RINGS, SQE_BYTES * self._tail, job.to_bytes())
        self._tail = (self._tail + 1) % self.info.depth
        self._ring(DoorbellCommand.SQ, self._tail, 0)

    def receive(self) -> ErrorType:
        """How the oldest job went that nobody asked for yet."""
        slot = self.info.cq_offset + CQE.size() * self._head
        entry = CQE.from_bytes(self.read(RINGS, slot, CQE.size()))
        assert entry.phase, "no completion (tests send less than a ring)"
        self._head += 1
        self._ring(DoorbellCommand.CQ, self._head, 1)
        job = self.read(RINGS, SQE_BYTES * entry.sq_head, SQE_BYTES)
        return ErrorType(BD3.from_bytes(job).error_type)

    def copy(self, source: int, target: int, size: int) -> ErrorType:
        self.send(source, target, size)
        self.host.service()
        return self.receive()

    def restarted(self) -> None:
        """After a reset."""
        self._tail = self._head = 0

    def close(self) -> None:
        run(self.group.close())
        os.close(self.event)

    def _ring(self, command: DoorbellCommand, index: int, c_flag: int) -> None:
        word = Doorbell.pack(queue=self.info.number, command=command, index=index, c_flag=c_flag)
        self.write(DOORBELL, DOORBELL_OFFSET, word.to_bytes(8, "little"))
