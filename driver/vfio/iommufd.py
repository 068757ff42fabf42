"""iommufd: address spaces by number, and devices that are bound to them (vfio.md 2)."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from driver.iommu.domain import Domain, Iommu
from driver.iommu.mm import Mm
from driver.iommu.pagetable import BITS, Prot
from driver.vfio.iommufd_uapi import IoasAlloc, IoasMap, IoasMapFlag, IoasUnmap, IommufdIoctl
from driver.vfio.packed import fail
from driver.vfio.uapi import U64_MAX


@dataclass
class Area:
    """One map."""

    iova: int
    size: int
    pages: list[int]

    @property
    def end(self) -> int:
        return self.iova + self.size


@dataclass
class Ioas:
    """One I/O address space."""

    domain: Domain
    areas: list[Area] = field(default_factory=list)

    def overlapping(self, iova: int, size: int) -> list[Area]:
        """What lies at least partly in a range."""
        return [area for area in self.areas if area.iova < iova + size and iova < area.end]


class Iommufd:
    """An open /dev/iommu of the program with memory `mm`."""

    def __init__(self, iommu: Iommu, mm: Mm) -> None:
        self._iommu, self._mm = iommu, mm
        self._ioas: dict[int, Ioas] = {}
        self._next = 1

    async def ioctl(self, number: int, argument: bytearray) -> int:
        """IOAS_ALLOC, IOAS_MAP (at a fixed IOVA) or IOAS_UNMAP, answered in place. ENOTTY: another
        one."""
        if number == IommufdIoctl.IOAS_ALLOC:
            self._alloc(argument)
        elif number == IommufdIoctl.IOAS_MAP:
            self._map(argument)
        elif number == IommufdIoctl.IOAS_UNMAP:
            await self._unmap(argument)
        else:
            raise fail(errno.ENOTTY, f"ioctl {number:#x}")
        return 0

    def new_id(self) -> int:
        """A number for an object."""
        self._next += 1
        return self._next - 1

    def domain(self, ioas: int) -> Domain:
        """The domain of an address space; ENOENT if there is none."""
        return self._find(ioas).domain

    async def close(self) -> None:
        """End all address spaces; no device may be attached."""
        for ioas in self._ioas.values():
            for area in list(ioas.areas):
                await self._remove(ioas, area)
            ioas.domain.close()
        self._ioas.clear()

    def _alloc(self, argument: bytearray) -> None:
        request = IoasAlloc.receive(argument)
        if request.flags:
            raise fail(errno.EOPNOTSUPP, f"flags {request.flags:#x}")
        number = self.new_id()
        self._ioas[number] = Ioas(self._iommu.domain())
        argument[:request.size()] = request.change(out_ioas_id=number).encode()

    def _map(self, argument: bytearray) -> None:
        request = IoasMap.receive(argument)
        flags, iova, length = request.flags, request.iova, request.length
        access = IoasMapFlag.WRITEABLE | IoasMapFlag.READABLE
        if flags & ~int(access | IoasMapFlag.FIXED_IOVA) or request.reserved:
            raise fail(errno.EOPNOTSUPP, f"flags {flags:#x}")
        if not flags & IoasMapFlag.FIXED_IOVA or not flags & access:
            raise fail(errno.EINVAL, "a fixed IOVA and an access are needed")
        ioas = self._find(request.ioas_id)
        if max(iova, request.user_va) + length - 1 > U64_MAX:
            raise fail(errno.EOVERFLOW, "wraps around")
        page = ioas.domain.table.page
        if (iova | length | request.user_va) % page or not length:
            raise fail(errno.EINVAL, "misaligned or empty")
        if iova + length > 1 << BITS:
            raise fail(errno.EINVAL, "reserved: beyond what the IOMMU translates")
        if ioas.overlapping(iova, length):
            raise fail(errno.EEXIST, f"{iova:#x} is mapped")
        prot = Prot.READ | (Prot.WRITE if flags & IoasMapFlag.WRITEABLE else Prot(0))
        pages = self._mm.pin(request.user_va, length, bool(prot & Prot.WRITE))
        for n, physical in enumerate(pages):
            ioas.domain.map(iova + n * page, physical, page, prot)
        ioas.areas.append(Area(iova, length, pages))

    async def _unmap(self, argument: bytearray) -> None:
        request = IoasUnmap.receive(argument)
        ioas = self._find(request.ioas_id)
        everything = request.iova == 0 and request.length == U64_MAX
        if not everything and request.iova + request.length - 1 > U64_MAX:
            raise fail(errno.EOVERFLOW, "wraps around")
        if not request.length:
            raise fail(errno.EINVAL, "empty")
        found = ioas.overlapping(request.iova, request.length)
        if not everything and (not found or any(
                area.iova < request.iova or area.end > request.iova + request.length
                for area in found)):
            raise fail(errno.ENOENT, "nothing is mapped there, or an area would be split")
        for area in found:
            await self._remove(ioas, area)
        done = request.change(length=sum(area.size for area in found))
        argument[:request.size()] = done.encode()

    async def _remove(self, ioas: Ioas, area: Area) -> None:
        await ioas.domain.unmap(area.iova, area.size)
        self._mm.unpin(area.pages)
        ioas.areas.remove(area)

    def _find(self, ioas: int) -> Ioas:
        if ioas not in self._ioas:
            raise fail(errno.ENOENT, f"address space {ioas}")
        return self._ioas[ioas]
