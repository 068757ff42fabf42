"""I/O address spaces of iommufd: areas of a program's memory, in every page table made of them."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from driver.iommu.mm import Mm
from driver.iommu.pagetable import BITS, Prot
from driver.iommu.space import AddressSpace
from driver.vfio.iommufd_uapi import IoasMap, IoasMapFlag, IoasUnmap
from driver.vfio.packed import fail
from driver.vfio.uapi import U64_MAX

ACCESS = IoasMapFlag.WRITEABLE | IoasMapFlag.READABLE
LOWEST = 0x1_0000  # where an IOVA that the program leaves open is looked for


@dataclass
class Area:
    """One map."""

    iova: int
    size: int
    prot: Prot
    pages: list[int]
    pins: int = 0

    @property
    def end(self) -> int:
        return self.iova + self.size


@dataclass
class Ioas:
    """One address space.

    Members
    -------
    domains
        The page tables that show it.
    users
        What keeps it from being destroyed.
    """

    mm: Mm
    page: int
    domains: list[AddressSpace] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    users: int = 0

    def show(self, domain: AddressSpace) -> None:
        """Put all areas into a new page table, and keep it up to date."""
        self.domains.append(domain)
        for area in self.areas:
            domain.map_pages(area.iova, area.pages, area.prot)

    async def hide(self, domain: AddressSpace) -> None:
        """Take a page table out."""
        self.domains.remove(domain)
        for area in self.areas:
            await domain.unmap(area.iova, area.size)

    def map(self, argument: bytearray) -> None:
        """IOAS_MAP, at the IOVA that is asked for or at a free one."""
        request = IoasMap.receive(argument)
        flags, length = request.flags, request.length
        if flags & ~int(ACCESS | IoasMapFlag.FIXED_IOVA) or request.reserved:
            raise fail(errno.EOPNOTSUPP, f"flags {flags:#x}")
        if not flags & ACCESS:
            raise fail(errno.EINVAL, f"flags {flags:#x}: neither READABLE nor WRITEABLE")
        if (length | request.user_va) % self.page or not length:
            raise fail(errno.EINVAL, f"misaligned or empty: user_va {request.user_va:#x}, length "
                       f"{length:#x}")
        fixed = flags & IoasMapFlag.FIXED_IOVA
        iova = request.iova if fixed else self._room(length)
        if max(iova, request.user_va) + length - 1 > U64_MAX:
            raise fail(errno.EOVERFLOW, f"wraps around: iova {iova:#x}, user_va "
                       f"{request.user_va:#x}, length {length:#x}")
        if iova % self.page:
            raise fail(errno.EINVAL, f"misaligned: iova {iova:#x}")
        if iova + length > 1 << BITS:
            raise fail(errno.EINVAL, f"reserved: [{iova:#x}, +{length:#x}) is beyond the {BITS} "
                       "bits that the IOMMU translates")
        if self._overlapping(iova, length):
            raise fail(errno.EEXIST, f"{iova:#x} is mapped")
        prot = Prot.READ | (Prot.WRITE if flags & IoasMapFlag.WRITEABLE else Prot(0))
        pages = self.mm.pin(request.user_va, length, bool(prot & Prot.WRITE))
        area = Area(iova, length, prot, pages)
        for domain in self.domains:
            domain.map_pages(area.iova, area.pages, area.prot)
        self.areas.append(area)
        argument[:request.size()] = request.change(iova=iova).encode()

    async def unmap(self, argument: bytearray) -> None:
        """IOAS_UNMAP; the bytes that were unmapped are in the answer's length."""
        request = IoasUnmap.receive(argument)
        everything = request.iova == 0 and request.length == U64_MAX
        if not everything and request.iova + request.length - 1 > U64_MAX:
            raise fail(errno.EOVERFLOW, f"[{request.iova:#x}, +{request.length:#x}) wraps around")
        if not request.length:
            raise fail(errno.EINVAL, f"nothing to unmap at {request.iova:#x}: length 0")
        found = self._overlapping(request.iova, request.length)
        if not everything and (not found or any(
                area.iova < request.iova or area.end > request.iova + request.length
                for area in found)):
            raise fail(errno.ENOENT, f"[{request.iova:#x}, +{request.length:#x}): nothing is "
                       "mapped there, or an area would be split")
        if any(area.pins for area in found):
            raise fail(errno.EBUSY, f"an accessor holds pages at {request.iova:#x}")
        for area in found:
            await self._remove(area)
        done = request.change(length=sum(area.size for area in found))
        argument[:request.size()] = done.encode()

    async def close(self) -> None:
        """Forget all areas."""
        for area in list(self.areas):
            await self._remove(area)

    def area(self, iova: int, size: int, write: bool) -> Area:
        """The area that a range lies in; ENOENT if there is none, EPERM if it is not writable."""
        found = next((a for a in self.areas if a.iova <= iova and iova + size <= a.end), None)
        if found is None:
            raise fail(errno.ENOENT, f"[{iova:#x}, +{size:#x})")
        if write and not found.prot & Prot.WRITE:
            raise fail(errno.EPERM, f"{iova:#x} is only read")
        return found

    async def _remove(self, area: Area) -> None:
        for domain in self.domains:
            await domain.unmap(area.iova, area.size)
        self.mm.unpin(area.pages)
        self.areas.remove(area)

    def _overlapping(self, iova: int, size: int) -> list[Area]:
        return [area for area in self.areas if area.iova < iova + size and iova < area.end]

    def _room(self, length: int) -> int:
        """The lowest free IOVA that has room."""
        at = LOWEST
        for area in sorted(self.areas, key=lambda area: area.iova):
            if area.iova < at + length and at < area.end:
                at = area.end
        return at


class Access:
    """A kernel driver that uses an address space without an IOMMU, as mediated devices do that
    isolate in software: what it holds cannot be unmapped."""

    def __init__(self, ioas: Ioas) -> None:
        self._ioas = ioas

    def pin(self, iova: int, size: int, write: bool) -> list[int]:
        """The physical pages of a range, which stay until `unpin`. ENOENT, EPERM."""
        area, page = self._ioas.area(iova, size, write), self._ioas.page
        area.pins += 1
        first, last = (iova - area.iova) // page, (iova + size - 1 - area.iova) // page
        return area.pages[first:last + 1]

    def unpin(self, iova: int) -> None:
        """Let go of what a `pin` at `iova` returned."""
        self._ioas.area(iova, 1, False).pins -= 1
