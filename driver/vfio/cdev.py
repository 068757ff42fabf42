"""A device as a character device of its own: no container, no group (vfio.md 1 and 2)."""

from __future__ import annotations

import errno
from collections.abc import Mapping as Dictionary

from driver.vfio.device import Device, DeviceFile
from driver.vfio.iommufd import Iommufd
from driver.vfio.packed import fail
from driver.vfio.uapi import Attach, Bind, Detach, DeviceIoctl


class CdevFile(DeviceFile):
    """An open /dev/vfio/devices/vfioN. Nothing works before BIND (EINVAL).

    Parameters
    ----------
    iommufds
        The program's open /dev/iommu by file descriptor.
    """

    def __init__(self, device: Device, iommufds: Dictionary[int, Iommufd]) -> None:
        super().__init__(device, lambda: None)
        self._iommufds = iommufds
        self._bound: Iommufd | None = None
        self._attached = False

    async def ioctl(self, number: int, argument: bytearray | None = None) -> int:
        """As of any device, and BIND_IOMMUFD, ATTACH_PT, DETACH_PT."""
        if number == DeviceIoctl.BIND_IOMMUFD:
            self._bind(argument or bytearray())
        elif self._bound is None:
            raise fail(errno.EINVAL, "not bound")
        elif number == DeviceIoctl.ATTACH_PT:
            await self._attach(self._bound, argument or bytearray())
        elif number == DeviceIoctl.DETACH_PT:
            await self._detach(argument or bytearray())
        else:
            if number == DeviceIoctl.RESET and not self._attached:
                raise fail(errno.EINVAL, "no address space is attached")
            return await super().ioctl(number, argument)
        return 0

    async def close(self) -> None:
        """Give the device back."""
        if self.open and not self._attached:
            self.open = False
            self._device.irqs.close()
            self._device.released()
        await super().close()

    def _bind(self, argument: bytearray) -> None:
        request = Bind.receive(argument)
        if request.flags or self._bound is not None:
            raise fail(errno.EINVAL, "flags, or bound already")
        if request.iommufd not in self._iommufds:
            raise fail(errno.EBADF, f"descriptor {request.iommufd} is no iommufd")
        self._bound = self._iommufds[request.iommufd]
        argument[:request.size()] = request.change(devid=self._bound.new_id()).encode()

    async def _attach(self, iommufd: Iommufd, argument: bytearray) -> None:
        """Reach memory through an address space; another one than before replaces it."""
        request = Attach.decode(argument + bytes(4))
        self._check(request.argsz, request.flags)
        domain = iommufd.domain(request.pt_id)
        if self._attached:
            await self._device.move(domain)
        else:
            await self._device.start(domain)
        self._attached = True

    async def _detach(self, argument: bytearray) -> None:
        request = Detach.decode(argument + bytes(4))
        self._check(request.argsz, request.flags)
        if self._attached:
            self._attached = False
            await self._device.stop()

    @staticmethod
    def _check(argsz: int, flags: int) -> None:
        if argsz < Detach.size() - 4:
            raise fail(errno.EINVAL, "argsz")
        if flags:
            raise fail(errno.EOPNOTSUPP if flags == 1 else errno.EINVAL,
                       "a queue has one PASID, and that is not the program's business")

    def _place(self, offset: int, size: int, access: int) -> tuple[int, int]:
        if not self._attached:
            raise fail(errno.EINVAL, "no address space is attached")
        return super()._place(offset, size, access)
