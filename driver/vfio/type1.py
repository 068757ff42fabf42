"""The type1 IOMMU backend: a program's memory mapped for devices (vfio.md 1)."""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from driver.iommu.domain import Domain
from driver.iommu.mm import Mm
from driver.iommu.pagetable import BITS, Prot
from driver.vfio import uapi
from driver.vfio.chain import answer, argsz_of, chain
from driver.vfio.kernel import Kernel
from driver.vfio.packed import fail
from driver.vfio.uapi import DirtyFlag, MapFlag, UnmapFlag

RANGES = (uapi.IovaRange(0, (1 << BITS) - 1),)


@dataclass
class Dma:
    """One mapping."""

    iova: int
    size: int
    vaddr: int
    prot: Prot
    pages: list[int]
    vaddr_valid: bool = True

    @property
    def end(self) -> int:
        return self.iova + self.size


class Type1:
    """The mappings of one container, in one domain.

    Parameters
    ----------
    mm
        Memory of the program that owns the container; what is mapped is pinned.
    v2
        Whether an unmap that bisects a mapping is refused; v1 removes the whole mapping that
        begins in the range, and nothing of one that begins before it.
    mediated
        Whether a mediated device is in the container; the program's addresses must then stay
        valid.
    """

    def __init__(self, domain: Domain, mm: Mm, kernel: Kernel, v2: bool,
                 mediated: Callable[[], bool]) -> None:
        self.domain, self._mm, self._kernel, self._v2 = domain, mm, kernel, v2
        self._page = domain.table.page
        self._dmas: list[Dma] = []  # by iova
        self._tracking = False
        self._mediated = mediated

    @property
    def available(self) -> int:
        """Mappings that may still be made."""
        return self._kernel.dma_entry_limit - len(self._dmas)

    def info(self, argument: bytearray) -> None:
        """IOMMU_GET_INFO."""
        argsz = argsz_of(argument, uapi.IommuInfo.LEAST)
        ranges = uapi.IovaRangeCap(len(RANGES)).encode() + b"".join(r.encode() for r in RANGES)
        caps: list[tuple[int, int, bytes]] = [
            (uapi.Capability.IOMMU_IOVA_RANGE, 1, ranges),
            (uapi.Capability.IOMMU_DMA_AVAIL, 1, uapi.DmaAvailCap(self.available).encode())]
        info = uapi.IommuInfo(
            uapi.IommuInfo.size(), uapi.IommuInfoFlag.PGSIZES | uapi.IommuInfoFlag.CAPS,
            self._page)
        answer(argument, argsz, info, chain(uapi.IommuInfo.size(), caps))

    def map(self, argument: bytearray) -> None:
        """MAP_DMA: EINVAL, EEXIST, ENOSPC, EOVERFLOW, ENOENT, EFAULT."""
        request = uapi.DmaMap.receive(argument)
        flags, size = request.flags, request.size_
        known = MapFlag.READ | MapFlag.WRITE | (MapFlag(0) if self._kernel.old else MapFlag.VADDR)
        if flags & ~int(known):
            raise fail(errno.EINVAL, f"flags {flags:#x}")
        if bool(flags & MapFlag.VADDR) == bool(flags & (MapFlag.READ | MapFlag.WRITE)):
            raise fail(errno.EINVAL, f"flags {flags:#x}: READ or WRITE, or VADDR alone")
        if (request.iova | request.vaddr | size) % self._page or not size:
            raise fail(errno.EINVAL, f"misaligned or empty: iova {request.iova:#x}, vaddr "
                       f"{request.vaddr:#x}, size {size:#x}")
        if max(request.iova, request.vaddr) + size - 1 > uapi.U64_MAX:
            raise fail(self._overflow, f"wraps around: iova {request.iova:#x}, vaddr "
                       f"{request.vaddr:#x}, size {size:#x}")
        found = self._overlapping(request.iova, size)
        if flags & MapFlag.VADDR:
            self._remap(request, found)
            return
        if found:
            raise fail(errno.EEXIST, f"{found[0].iova:#x} is mapped")
        if not self.available:
            raise fail(errno.ENOSPC, f"dma_avail is 0: all {len(self._dmas)} mappings are made")
        if not any(r.start <= request.iova and request.iova + size - 1 <= r.end for r in RANGES):
            raise fail(errno.EINVAL, f"[{request.iova:#x}, +{size:#x}) is outside the IOVA ranges")
        self._insert(request)

    async def unmap(self, argument: bytearray) -> None:
        """UNMAP_DMA; the bytes that were unmapped are in the answer's size."""
        request = uapi.DmaUnmap.receive(argument)
        flags = request.flags
        known = UnmapFlag.GET_DIRTY if self._kernel.old else UnmapFlag(7)
        if flags & ~int(known) or (flags & UnmapFlag.GET_DIRTY
                              and flags & (UnmapFlag.ALL | UnmapFlag.VADDR)):
            raise fail(errno.EINVAL, f"flags {flags:#x}")
        bitmap = None
        if flags & UnmapFlag.GET_DIRTY:
            bitmap = self._bitmap(argument, uapi.DmaUnmap.size(), request.size_)
        doomed = self._chosen(request, bool(flags & UnmapFlag.ALL))
        if bitmap is not None:
            self._report(bitmap, request.iova, request.size_)
        if flags & UnmapFlag.VADDR:
            self._forget_addresses(doomed)
        else:
            for dma in doomed:
                await self._remove(dma)
        done = request.change(size_=sum(dma.size for dma in doomed))
        argument[:done.size()] = done.encode()

    def dirty(self, argument: bytearray) -> None:
        """DIRTY_PAGES: start, stop, and the bitmap of a range, written where the program wants
        it. Every page that a device may write counts as dirty."""
        if not self._v2:
            raise fail(errno.EACCES, "type1 v1 tracks nothing")
        request = uapi.DirtyBitmap.receive(argument)
        if request.flags not in tuple(DirtyFlag):
            raise fail(errno.EINVAL, f"flags {request.flags:#x}")
        if request.flags != DirtyFlag.GET_BITMAP:
            self._tracking = request.flags == DirtyFlag.START
            return
        where = uapi.DirtyRange.decode(argument, request.size())
        bitmap = self._bitmap(argument, request.size() + where.size(), where.size_)
        if where.iova % self._page:
            raise fail(errno.EINVAL, f"misaligned: iova {where.iova:#x}")
        if where.iova + where.size_ - 1 > uapi.U64_MAX:
            raise fail(self._overflow, f"[{where.iova:#x}, +{where.size_:#x}) wraps around")
        self._whole(where.iova, where.size_)
        self._report(bitmap, where.iova, where.size_)

    async def close(self) -> None:
        """Remove everything."""
        for dma in list(self._dmas):
            await self._remove(dma)

    @property
    def _overflow(self) -> int:
        return errno.EINVAL if self._kernel.old else errno.EOVERFLOW

    def _overlapping(self, iova: int, size: int) -> list[Dma]:
        return [dma for dma in self._dmas if dma.iova < iova + size and iova < dma.end]

    def _insert(self, request: uapi.DmaMap) -> None:
        prot = Prot(request.flags & (Prot.READ | Prot.WRITE)) | Prot.READ
        pages = self._mm.pin(request.vaddr, request.size_, bool(prot & Prot.WRITE))
        self.domain.map_pages(request.iova, pages, prot)
        at = bisect_right(self._dmas, request.iova, key=lambda dma: dma.iova)
        self._dmas.insert(at, Dma(request.iova, request.size_, request.vaddr, prot, pages))

    def _remap(self, request: uapi.DmaMap, found: list[Dma]) -> None:
        """The program's new address of a mapping whose old one was given up."""
        if not found:
            raise fail(errno.ENOENT, f"nothing is mapped at {request.iova:#x}")
        dma = found[0]
        if dma.vaddr_valid or (dma.iova, dma.size) != (request.iova, request.size_):
            raise fail(errno.EINVAL, f"[{request.iova:#x}, +{request.size_:#x}) is no whole "
                       "mapping without an address")
        dma.vaddr, dma.vaddr_valid = request.vaddr, True

    def _chosen(self, request: uapi.DmaUnmap, everything: bool) -> list[Dma]:
        """What an unmap means."""
        iova, size = request.iova, request.size_
        if (iova | size) % self._page:
            raise fail(errno.EINVAL, f"misaligned: [{iova:#x}, +{size:#x})")
        if everything:
            if iova or size:
                raise fail(errno.EINVAL, f"ALL with a range: [{iova:#x}, +{size:#x})")
            return list(self._dmas)
        if not size:
            raise fail(errno.EINVAL, f"nothing to unmap at {iova:#x}: size 0")
        if iova + size - 1 > uapi.U64_MAX:
            raise fail(self._overflow, f"[{iova:#x}, +{size:#x}) wraps around")
        if self._v2:
            self._whole(iova, size)
            return self._overlapping(iova, size)
        found = self._overlapping(iova, size)
        return [] if found and found[0].iova < iova else found

    def _whole(self, iova: int, size: int) -> None:
        """Refuse a range that bisects a mapping."""
        for dma in self._overlapping(iova, size):
            if dma.iova < iova or dma.end > iova + size:
                raise fail(errno.EINVAL, f"bisects the mapping at {dma.iova:#x}")

    def _forget_addresses(self, dmas: list[Dma]) -> None:
        if self._mediated():
            raise fail(errno.EBUSY, "a mediated device uses the addresses")
        if any(not dma.vaddr_valid for dma in dmas):
            raise fail(errno.EINVAL, "the address is given up already")
        for dma in dmas:
            dma.vaddr_valid = False

    async def _remove(self, dma: Dma) -> None:
        await self.domain.unmap(dma.iova, dma.size)
        self._mm.unpin(dma.pages)
        self._dmas.remove(dma)

    def _bitmap(self, argument: bytearray, offset: int, size: int) -> uapi.Bitmap:
        bitmap = uapi.Bitmap.decode(argument, offset)
        if not self._tracking:
            raise fail(errno.EINVAL, "dirty tracking is off")
        if bitmap.pgsize != self._page:
            raise fail(errno.EINVAL, f"page size {bitmap.pgsize:#x}")
        if not size or size % self._page:
            raise fail(errno.EINVAL, f"misaligned or empty: size {size:#x}")
        if bitmap.size_ < -(-(size // self._page) // 64) * 8:
            raise fail(errno.EINVAL, f"a bitmap of {bitmap.size_} bytes for {size:#x}")
        return bitmap

    def _report(self, bitmap: uapi.Bitmap, iova: int, size: int) -> None:
        bits = 0
        for dma in self._overlapping(iova, size):
            if dma.prot & Prot.WRITE:
                count = dma.size // self._page
                bits |= ((1 << count) - 1) << (dma.iova - iova) // self._page
        length = -(-(size // self._page) // 64) * 8
        self._mm.write(bitmap.data, bits.to_bytes(length, "little"))
