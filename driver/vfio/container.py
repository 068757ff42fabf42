"""Containers and groups: how a program gets from /dev/vfio to a device (vfio.md 1)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from driver.iommu.domain import Iommu
from driver.iommu.mm import Mm
from driver.vfio import uapi
from driver.vfio.kernel import Kernel
from driver.vfio.packed import fail
from driver.vfio.type1 import Type1
from driver.vfio.uapi import ContainerIoctl, Extension, GroupFlag, GroupIoctl

if TYPE_CHECKING:
    from driver.vfio.device import Device, DeviceFile


class NoIommu:
    """The backend of devices without an IOMMU: they reach all memory, so nothing is mapped."""

    domain = None


class Container:
    """An open /dev/vfio/vfio of the program with memory `mm`.

    It has an IOMMU backend from SET_IOMMU until its last group leaves.
    """

    def __init__(self, iommu: Iommu, mm: Mm, kernel: Kernel) -> None:
        self._iommu, self._mm, self.kernel = iommu, mm, kernel
        self._groups: list[Group] = []
        self.backend: Type1 | NoIommu | None = None

    async def ioctl(self, number: int, argument: bytearray | int = 0) -> int:
        """One ioctl; its result. A structure is answered in place. ENOTTY: unknown."""
        if number == ContainerIoctl.GET_API_VERSION:
            return uapi.API_VERSION
        if isinstance(argument, int):
            if number == ContainerIoctl.CHECK_EXTENSION:
                return int(self._supports(argument))
            if number == ContainerIoctl.SET_IOMMU:
                return self._set_iommu(argument)
            raise fail(errno.EFAULT if number in tuple(ContainerIoctl) else errno.ENOTTY,
                       f"ioctl {number:#x} of a number")
        return await self._backend_ioctl(number, argument)

    def join(self, group: Group) -> None:
        """A group comes in. EINVAL: devices with and without IOMMU do not mix."""
        if any(g.device.protected is not group.device.protected for g in self._groups):
            raise fail(errno.EINVAL, "devices with and without IOMMU")
        self._groups.append(group)

    async def leave(self, group: Group) -> None:
        """A group goes; with the last one the backend and all mappings."""
        self._groups.remove(group)
        if self._groups:
            return
        backend, self.backend = self.backend, None
        if isinstance(backend, Type1):
            await backend.close()
            backend.domain.close()

    async def close(self) -> None:
        """Close the file: all groups go. EBUSY while a device is open."""
        for group in list(self._groups):
            await group.ioctl(GroupIoctl.UNSET_CONTAINER)

    def _supports(self, extension: int) -> bool:
        old = self.kernel.old
        return (extension in (Extension.TYPE1, Extension.TYPE1v2)
                or (extension == Extension.UNMAP_ALL and not old)
                or (extension == Extension.NOIOMMU and self.kernel.noiommu))

    def _set_iommu(self, kind: int) -> int:
        if not self._groups:
            raise fail(errno.EINVAL, "the container has no group")
        if self.backend is not None:
            raise fail(errno.EINVAL, "an IOMMU is set already")
        protected = self._groups[0].device.protected
        if not protected and kind == Extension.NOIOMMU:
            self.backend = NoIommu()
            return 0
        if not protected or kind not in (Extension.TYPE1, Extension.TYPE1v2):
            raise fail(errno.ENODEV, f"no backend {kind} for such a device")
        self.backend = Type1(self._iommu.domain(), self._mm, self.kernel,
                             v2=kind == Extension.TYPE1v2,
                             mediated=lambda: any(g.device.mediated for g in self._groups))
        return 0

    async def _backend_ioctl(self, number: int, argument: bytearray) -> int:
        if number not in tuple(ContainerIoctl):
            raise fail(errno.ENOTTY, f"ioctl {number:#x}")
        if self.backend is None:
            raise fail(errno.EINVAL, "no IOMMU is set")
        if isinstance(self.backend, NoIommu):
            raise fail(errno.ENOTTY, "there is no IOMMU")
        if number == ContainerIoctl.MAP_DMA:
            self.backend.map(argument)
        elif number == ContainerIoctl.UNMAP_DMA:
            await self.backend.unmap(argument)
        elif number == ContainerIoctl.IOMMU_GET_INFO:
            self.backend.info(argument)
        else:
            self.backend.dirty(argument)
        return 0


class Group:
    """A group of devices that the IOMMU cannot tell apart, /dev/vfio/NUMBER; here of one."""

    def __init__(self, number: int, device: Device) -> None:
        self.number, self.device = number, device
        self.container: Container | None = None
        self.opened = False
        self._file: DeviceFile | None = None

    def open(self) -> Group:
        """Open the file; EBUSY if it is open."""
        if self.opened:
            raise fail(errno.EBUSY, f"group {self.number} is open")
        self.opened = True
        return self

    async def close(self) -> None:
        """Close the file, and the device."""
        if self._file is not None:
            await self._file.close()
        if self.container is not None:
            await self.ioctl(GroupIoctl.UNSET_CONTAINER)
        self.opened = False

    async def ioctl(self, number: int, argument: bytearray | Container | str | None = None) -> int:
        """One ioctl but GET_DEVICE_FD. SET_CONTAINER takes the container where the real one takes
        a file descriptor. ENOTTY: unknown."""
        if number == GroupIoctl.GET_STATUS and isinstance(argument, bytearray):
            self._status(argument)
        elif number == GroupIoctl.SET_CONTAINER:
            self._enter(argument)
        elif number == GroupIoctl.UNSET_CONTAINER:
            await self._leave()
        else:
            raise fail(errno.ENOTTY, f"ioctl {number:#x}")
        return 0

    async def device_fd(self, name: str) -> DeviceFile:
        """GET_DEVICE_FD: open the device called `name`. EINVAL without container and IOMMU, ENODEV
        if it is not in the group, EBUSY if it is open."""
        if self.container is None or self.container.backend is None:
            raise fail(errno.EINVAL, "no container with an IOMMU")
        if name != self.device.name:
            raise fail(errno.ENODEV, f"no {name} in group {self.number}")
        if self._file is not None:
            raise fail(errno.EBUSY, f"{name} is open")
        self._file = await self.device.open(self.container.backend.domain, self._closed)
        return self._file

    def _closed(self) -> None:
        self._file = None

    def _status(self, argument: bytearray) -> None:
        uapi.GroupStatus.receive(argument)
        flags = GroupFlag.VIABLE
        if self.container is not None:
            flags |= GroupFlag.CONTAINER_SET
        argument[:8] = uapi.GroupStatus(uapi.GroupStatus.size(), flags).encode()

    def _enter(self, container: object) -> None:
        if not isinstance(container, Container):
            raise fail(errno.EINVAL, "not a container")
        if self.container is not None:
            raise fail(errno.EINVAL, "a container is set")
        if not self.device.protected and not container.kernel.noiommu:
            raise fail(errno.EPERM, "the administrator allows no device without an IOMMU")
        container.join(self)
        self.container = container

    async def _leave(self) -> None:
        if self.container is None:
            raise fail(errno.EINVAL, "no container is set")
        if self._file is not None:
            raise fail(errno.EBUSY, "the device is open")
        container, self.container = self.container, None
        await container.leave(self)
