"""A device as a character device of its own: no container, no group (vfio.md 1 and 2)."""

from __future__ import annotations

import errno
from collections.abc import Mapping as Dictionary
from typing import TypeVar

from driver.vfio.device import Device, DeviceFile
from driver.vfio.hwpt import BoundDevice
from driver.vfio.iommufd import Iommufd
from driver.vfio.packed import fail
from driver.vfio.uapi import Attach, AttachFlag, Bind, Detach, DeviceIoctl

T = TypeVar("T", Attach, Detach)
PASID_BYTES = 4  # the last field of Attach and Detach, which may be missing


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
        self._iommufd: Iommufd | None = None
        self._bound: BoundDevice | None = None

    async def ioctl(self, number: int, argument: bytearray | None = None) -> int:
        """As of any device, and BIND_IOMMUFD, ATTACH_PT, DETACH_PT."""
        if number == DeviceIoctl.BIND_IOMMUFD:
            self._bind(argument or bytearray())
        elif self._bound is None or self._iommufd is None:
            raise fail(errno.EINVAL, f"{self._device.name} is not bound")
        elif number == DeviceIoctl.ATTACH_PT:
            await self._attach(self._iommufd, self._bound, argument or bytearray())
        elif number == DeviceIoctl.DETACH_PT:
            _, pasid = self._receive(Detach, argument or bytearray())
            await self._bound.detach(pasid)
        else:
            if number == DeviceIoctl.RESET:
                self._reachable()
            return await super().ioctl(number, argument)
        return 0

    async def close(self) -> None:
        """Give the device back."""
        await super().close()
        if self._bound is not None and self._iommufd is not None:
            await self._iommufd.unbind(self._bound)
            self._bound = self._iommufd = None

    def _bind(self, argument: bytearray) -> None:
        request = Bind.receive(argument)
        if request.flags:
            raise fail(errno.EINVAL, f"flags {request.flags:#x}")
        if self._bound is not None:
            raise fail(errno.EINVAL, f"{self._device.name} is bound already")
        if request.iommufd not in self._iommufds:
            raise fail(errno.EBADF, f"descriptor {request.iommufd} is no iommufd")
        self._iommufd = self._iommufds[request.iommufd]
        self._bound = self._iommufd.bind(self._device)
        argument[:request.size()] = request.change(devid=self._bound.id).encode()

    async def _attach(self, iommufd: Iommufd, bound: BoundDevice, argument: bytearray) -> None:
        """Reach memory through a page table; another one than before is replaced."""
        request, pasid = self._receive(Attach, argument)
        table = iommufd.table(request.pt_id)
        try:
            if pasid in bound.attached:
                await bound.replace(pasid, table)
            else:
                await bound.attach(pasid, table)
        finally:
            if table.automatic and not table.bound:
                await table.close()

    def _receive(self, kind: type[T], argument: bytearray) -> tuple[T, int]:
        """The structure and the PASID that is meant (0: none)."""
        request = kind.decode(argument + bytes(PASID_BYTES))
        if request.argsz < kind.size() - PASID_BYTES or request.flags & ~int(AttachFlag.PASID):
            raise fail(errno.EINVAL, f"argsz {request.argsz}, flags {request.flags:#x}")
        if not request.flags:
            return request, 0
        if not self._device.pasid_limit:
            raise fail(errno.EOPNOTSUPP, f"{self._device.name} has no PASIDs of its owner")
        if request.argsz < kind.size():
            raise fail(errno.EINVAL, f"argsz {request.argsz}")
        if not 0 < request.pasid < self._device.pasid_limit:
            raise fail(errno.EINVAL, f"PASID {request.pasid}")
        return request, request.pasid

    def _reachable(self) -> None:
        if self._device.needs_domain and not self._device.started:
            raise fail(errno.EINVAL, f"{self._device.name} has no address space attached")

    def _place(self, offset: int, size: int, access: int) -> tuple[int, int]:
        if self._bound is None:
            raise fail(errno.EINVAL, f"{self._device.name} is not bound")
        self._reachable()
        return super()._place(offset, size, access)
