"""Devices: information, regions, interrupts, reset (vfio.md 1)."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from driver.iommu.domain import Domain
from driver.iommu.faults import Fault
from driver.iommu.stage2 import StageTwo
from driver.vfio import uapi
from driver.vfio.chain import answer, argsz_of, chain
from driver.vfio.irqs import IrqIndex, Irqs
from driver.vfio.packed import fail
from driver.vfio.uapi import DeviceFlag, DeviceIoctl, RegionFlag
from spec.stream_table import STE

OFFSET_SHIFT = 40  # of a region's index in the offset of a device file


@dataclass(frozen=True)
class Region:
    """One region; `areas` are the parts (offset, size) that can be mapped, with MMAP."""

    size: int
    flags: RegionFlag
    areas: tuple[tuple[int, int], ...] = ()


class Device(ABC):
    """What a driver of devices gives VFIO.

    Members
    -------
    name
        What GET_DEVICE_FD is asked for.
    regions, irqs
        In order of their indices.
    mediated
        Whether it is a part of a device that others have parts of.
    protected
        Whether it is behind an IOMMU.
    needs_domain
        Whether there is nothing to access before `start`.
    sid
        Its StreamID, if it has one of its own.
    pasid_limit
        PASIDs below it are its owner's to choose; 0: none are.
    opened
        Whether a program has it open, in whatever way.
    started
        Whether memory is reached through a domain: between `start` and `stop`.
    """

    mediated = False
    protected = True
    needs_domain = True
    pasid_limit = 0
    sid: int | None = None
    opened = False
    started = False
    name: str
    flags: DeviceFlag
    regions: list[Region]
    irqs: Irqs

    async def open(self, domain: Domain | None, closed: Callable[[], None]) -> DeviceFile:
        """Give the device to a program whose memory is reached through `domain` (None: without an
        IOMMU). EBUSY if it is open."""
        file = self.file(closed)
        try:
            await self.start(domain)
        except OSError:
            self.opened = False
            raise
        return file

    def file(self, closed: Callable[[], None]) -> DeviceFile:
        """What a program gets that opens it."""
        return DeviceFile(self, closed)

    async def release(self) -> None:
        """The program has closed it: take everything back, in the middle of whatever it does."""
        if self.started:
            await self.stop()
        self.irqs.close()
        self.opened = False

    @abstractmethod
    async def start(self, domain: Domain | None) -> None:
        """Reach memory through a domain."""

    @abstractmethod
    async def move(self, domain: Domain) -> None:
        """Reach memory through another domain from now on."""

    @abstractmethod
    async def stop(self) -> None:
        """Reach no memory any more, in the middle of whatever it does."""

    def pasid_of(self, fault: Fault) -> int | None:
        """The owner's PASID (0: none) of a transaction of this device; None: of another one."""
        return None

    async def nest(self, space: StageTwo, ste: STE) -> None:
        """Reach memory as a guest's `ste` says, with `space` as its stage 2."""
        raise fail(errno.EINVAL, f"{self.name} has no stream of its own")

    async def attach_pasid(self, pasid: int, domain: Domain) -> None:
        """Let the device reach `domain` with this PASID, which nothing is attached to."""
        raise fail(errno.EOPNOTSUPP, f"{self.name} has no PASIDs of its owner")

    async def replace_pasid(self, pasid: int, domain: Domain) -> None:
        """Let it reach another domain with this PASID."""
        raise fail(errno.EOPNOTSUPP, f"{self.name} has no PASIDs of its owner")

    async def detach_pasid(self, pasid: int) -> None:
        """Let it reach nothing with this PASID; returns when nothing of it is in flight."""
        raise fail(errno.EOPNOTSUPP, f"{self.name} has no PASIDs of its owner")

    @abstractmethod
    async def reset(self) -> None:
        """Bring the device into the state after `start`."""

    @abstractmethod
    async def read(self, region: int, offset: int, size: int) -> bytes:
        """Read inside a region."""

    @abstractmethod
    async def write(self, region: int, offset: int, data: bytes) -> None:
        """Write inside a region."""


class DeviceFile:
    """An open device; EBUSY if it is open already."""

    def __init__(self, device: Device, closed: Callable[[], None]) -> None:
        if device.opened:
            raise fail(errno.EBUSY, f"{device.name} is open")
        device.opened = True
        self._device, self._closed = device, closed
        self.open = True

    async def ioctl(self, number: int, argument: bytearray | None = None) -> int:
        """One ioctl. A structure is answered in place. ENODEV: closed; ENOTTY: unknown."""
        if not self.open:
            raise fail(errno.ENODEV, "the device is gone")
        if number == DeviceIoctl.RESET:
            await self._device.reset()
            return 0
        handlers = {DeviceIoctl.GET_INFO: self._info, DeviceIoctl.GET_REGION_INFO: self._region,
                    DeviceIoctl.GET_IRQ_INFO: self._device.irqs.info,
                    DeviceIoctl.SET_IRQS: self._device.irqs.set}
        handler = handlers.get(DeviceIoctl(number)) if number in tuple(DeviceIoctl) else None
        if handler is None:
            raise fail(errno.ENOTTY, f"ioctl {number:#x}")
        if argument is None:
            raise fail(errno.EFAULT, "no structure")
        handler(argument)
        return 0

    async def pread(self, size: int, offset: int) -> bytes:
        """Read at an offset that GET_REGION_INFO gave, plus one inside the region."""
        index, at = self._place(offset, size, RegionFlag.READ)
        return await self._device.read(index, at, size)

    async def pwrite(self, data: bytes, offset: int) -> int:
        """Write likewise; the bytes written."""
        index, at = self._place(offset, len(data), RegionFlag.WRITE)
        await self._device.write(index, at, data)
        return len(data)

    async def mmap(self, offset: int, size: int) -> Mapping:
        """Map a part of a region. EINVAL outside the parts that can be mapped."""
        index, at = self._place(offset, size, RegionFlag.MMAP)
        areas = self._device.regions[index].areas
        if not any(start <= at and at + size <= start + length for start, length in areas):
            raise fail(errno.EINVAL, f"[{at:#x}, +{size:#x}) cannot be mapped")
        return Mapping(self, self._device, index, at, size)

    async def close(self) -> None:
        """Give the device back."""
        if self.open:
            self.open = False
            await self._device.release()
            self._closed()

    def _info(self, argument: bytearray) -> None:
        argsz = argsz_of(argument, uapi.DeviceInfo.LEAST)
        answer(argument, argsz, uapi.DeviceInfo(
            argsz, self._device.flags, len(self._device.regions),
            len(self._device.irqs.indices)), b"")

    def _region(self, argument: bytearray) -> None:
        request = uapi.RegionInfo.receive(argument)
        if request.index >= len(self._device.regions):
            raise fail(errno.EINVAL, f"region {request.index}")
        region = self._device.regions[request.index]
        caps = b""
        if region.areas and region.areas != ((0, region.size),):
            payload = uapi.SparseMmap(len(region.areas)).encode() + b"".join(
                uapi.Area(*area).encode() for area in region.areas)
            caps = chain(uapi.RegionInfo.size(),
                              [(uapi.Capability.REGION_SPARSE_MMAP, 1, payload)])
        flags = region.flags | (RegionFlag.CAPS if caps else 0)
        answer(argument, request.argsz, request.change(
            flags=flags, cap_offset=0, size_=region.size,
            offset=request.index << OFFSET_SHIFT), caps)

    def _place(self, offset: int, size: int, access: int) -> tuple[int, int]:
        """(region, offset in it) of an access."""
        index, at = offset >> OFFSET_SHIFT, offset & ((1 << OFFSET_SHIFT) - 1)
        if not self.open:
            raise fail(errno.ENODEV, "the device is gone")
        if not 0 <= index < len(self._device.regions):
            raise fail(errno.EINVAL, f"region {index}")
        region = self._device.regions[index]
        if at + size > region.size or size <= 0 or not region.flags & access:
            raise fail(errno.EINVAL, f"[{at:#x}, +{size:#x}) of region {index}")
        return index, at


class Mapping:
    """A part of a region in a program's memory: accesses go to the device directly, and are
    EIO when the device is gone (where the program would get a signal)."""

    def __init__(self, file: DeviceFile, device: Device, index: int, start: int,
                 size: int) -> None:
        self._file, self._device = file, device
        self._index, self._start, self._size = index, start, size

    async def load(self, offset: int, size: int) -> bytes:
        """Read inside the mapping."""
        return await self._device.read(self._index, self._at(offset, size), size)

    async def store(self, offset: int, data: bytes) -> None:
        """Write inside the mapping."""
        await self._device.write(self._index, self._at(offset, len(data)), data)

    def _at(self, offset: int, size: int) -> int:
        if not self._file.open or offset < 0 or offset + size > self._size:
            raise fail(errno.EIO, "nothing is mapped there")
        return self._start + offset


def irqs(*indices: tuple[uapi.IrqFlag, int]) -> Irqs:
    """Interrupt indices from (flags, count) each."""
    return Irqs([IrqIndex(flags, count) for flags, count in indices])
