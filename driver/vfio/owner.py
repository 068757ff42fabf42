"""Driving a whole function from the program that owns it: the device's registers through its file,
memory by the program's addresses, address spaces through iommufd.

A driver written against `Bus`, `Iommu`, `Domain` and `Stream` runs on these unchanged; the PASIDs
are the program's own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from driver.bus import Bus, Region
from driver.iommu.ids import IdAllocator
from driver.iommu.mm import Mm
from driver.iommu.pagetable import Prot
from driver.run import run
from driver.vfio import iommufd_uapi as fd
from driver.vfio import uapi
from driver.vfio.cdev import CdevFile
from driver.vfio.device import OFFSET_SHIFT
from driver.vfio.iommufd import Iommufd
from driver.vfio.pci_uapi import PciIrq, PciRegion
from driver.vfio.uapi import AttachFlag, DeviceIoctl, IrqSetFlag
from pymodel.memory import PAGE
from spec.vmsa import LAST_LEVEL

BARS = {Region.SMMU: PciRegion.BAR0, Region.ACCEL: PciRegion.BAR2, Region.DOORBELL: PciRegion.BAR4,
        Region.CONFIG: PciRegion.CONFIG}


class ProgramMemory:
    """A program's memory, and its allocator: addresses are the program's own."""

    def __init__(self, mm: Mm) -> None:
        self._mm = mm
        self.read, self.write = mm.read, mm.write

    def read64(self, address: int) -> int:
        """A doubleword."""
        return int.from_bytes(self.read(address, 8), "little")

    def contiguous(self, size: int, align: int = PAGE) -> int:
        """Memory that is contiguous for the program, aligned to a page."""
        if align > PAGE:
            raise ValueError("programs align to pages")
        return self._mm.mmap(size)

    def give_back(self, start: int, size: int) -> None:
        """Give back what `contiguous` handed out."""
        self._mm.munmap(start, -(-size // PAGE) * PAGE)

    def scatter(self) -> int:
        """One page."""
        return self._mm.mmap(PAGE)

    def free(self, page: int) -> None:
        """Give back what `scatter` handed out."""
        self._mm.munmap(page, PAGE)


class FunctionBus(Bus):
    """A function's registers through its open file, and its MSIs by name.

    Parameters
    ----------
    wires
        Names of the MSI vectors, as the function's.
    """

    def __init__(self, file: CdevFile, mm: Mm, wires: dict[int, str]) -> None:
        memory = ProgramMemory(mm)
        self.memory = memory  # type: ignore[assignment]  # no compare and swap
        self.pages = memory  # type: ignore[assignment]
        self._file = file
        self._events = {name: os.eventfd(0, os.EFD_NONBLOCK) for name in wires.values()}
        for vector, name in wires.items():
            self._signal(vector, self._events[name])

    async def read(self, region: Region, offset: int, size: int = 4) -> int:
        data = await self._file.pread(size, BARS[region] << OFFSET_SHIFT | offset)
        return int.from_bytes(data, "little")

    async def write(self, region: Region, offset: int, value: int, size: int = 4) -> None:
        await self._file.pwrite(value.to_bytes(size, "little"),
                                BARS[region] << OFFSET_SHIFT | offset)

    async def interrupt(self, name: str, cycles: int) -> bool:
        """Whether it came; does not wait, because time passes by register accesses alone."""
        try:
            return os.eventfd_read(self._events[name]) > 0
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Let go of the eventfds."""
        for event in self._events.values():
            os.close(event)

    def _signal(self, vector: int, event: int) -> None:
        argument = uapi.IrqSet(uapi.IrqSet.size() + 4,
                               IrqSetFlag.DATA_EVENTFD | IrqSetFlag.ACTION_TRIGGER, PciIrq.MSI,
                               vector, 1).encode() + event.to_bytes(4, "little")
        run(self._file.ioctl(DeviceIoctl.SET_IRQS, bytearray(argument)))


@dataclass(eq=False)
class OwnedDomain:
    """An address space with a page table of its own; `map` takes the program's addresses where the
    host's takes physical ones."""

    iommufd: Iommufd
    ioas: int
    hwpt: int
    places: dict[int, int] = field(default_factory=dict)  # IOVA to the program's address

    @property
    def table(self) -> OwnedDomain:
        """What answers `lookup`."""
        return self

    def lookup(self, iova: int) -> tuple[int, int] | None:
        """(level, the program's address) of what was mapped beginning at `iova`."""
        return (LAST_LEVEL, self.places[iova]) if iova in self.places else None

    def map(self, iova: int, address: int, size: int, prot: Prot) -> None:
        """Let the device reach [address, ...) at [iova, +size)."""
        flags = fd.IoasMapFlag.FIXED_IOVA | fd.IoasMapFlag.READABLE
        if prot & Prot.WRITE:
            flags |= fd.IoasMapFlag.WRITEABLE
        run(self.iommufd.ioctl(fd.IommufdIoctl.IOAS_MAP, bytearray(fd.IoasMap(
            fd.IoasMap.size(), flags, self.ioas, 0, address, size, iova).encode())))
        self.places[iova] = address

    async def unmap(self, iova: int, size: int) -> None:
        """End it."""
        await self.iommufd.ioctl(fd.IommufdIoctl.IOAS_UNMAP, bytearray(fd.IoasUnmap(
            fd.IoasUnmap.size(), self.ioas, iova, size).encode()))
        del self.places[iova]


class NoFaults:
    """Faults of a program's own address spaces wait in its fault queues, for the program."""

    async def service(self) -> int:
        return 0


class OwnedStream:
    """The function's transactions: the program chooses their PASIDs and attaches page tables to
    them.

    Members
    -------
    devid
        The number of the bound device.
    """

    def __init__(self, file: CdevFile, iommufd: Iommufd, descriptor: int, pasids: int) -> None:
        self._file, self._iommufd = file, iommufd
        self._pasids = IdAllocator("PASID", 1, pasids)
        argument = bytearray(uapi.Bind(uapi.Bind.size(), 0, descriptor).encode())
        run(file.ioctl(DeviceIoctl.BIND_IOMMUFD, argument))
        self.devid = uapi.Bind.decode(argument).devid
        self._domains: dict[int, OwnedDomain] = {}
        self.faults = NoFaults()

    def domain(self, fault_queue: int = 0) -> OwnedDomain:
        """A new address space for PASIDs; its faults wait in a fault queue, if one is given."""
        ioctl = fd.IommufdIoctl
        argument = bytearray(fd.IoasAlloc(fd.IoasAlloc.size()).encode())
        run(self._iommufd.ioctl(ioctl.IOAS_ALLOC, argument))
        ioas = fd.IoasAlloc.decode(argument).out_ioas_id
        flags = fd.HwptFlag.PASID | (fd.HwptFlag.FAULT if fault_queue else 0)
        argument = bytearray(fd.HwptAlloc(fd.HwptAlloc.size(), flags, self.devid, ioas,
                                          fault_id=fault_queue).encode())
        run(self._iommufd.ioctl(ioctl.HWPT_ALLOC, argument))
        return OwnedDomain(self._iommufd, ioas, fd.HwptAlloc.decode(argument).out_hwpt_id)

    async def attach(self, domain: OwnedDomain, pasid: int | None = None) -> int:
        """Reach an address space under a PASID (0: without one); the PASID."""
        number = self._pasids.take() if pasid is None else self._pasids.claim(pasid)
        await self._attach(number, domain.hwpt)
        self._domains[number] = domain
        return number

    async def replace(self, pasid: int, domain: OwnedDomain) -> None:
        """Reach another address space under a PASID."""
        await self._attach(pasid, domain.hwpt)
        self._domains[pasid] = domain

    async def silence(self, pasid: int) -> None:
        """Reach nothing under a PASID."""
        await self._detach(pasid)

    async def restore(self, pasid: int) -> None:
        """Undo `silence`."""
        await self._attach(pasid, self._domains[pasid].hwpt)

    async def detach(self, pasid: int) -> None:
        """Reach nothing under a PASID, which is free again."""
        await self._detach(pasid)
        del self._domains[pasid]
        self._pasids.give(pasid)

    async def _attach(self, pasid: int, hwpt: int) -> None:
        request = uapi.Attach(uapi.Attach.size(), AttachFlag.PASID if pasid else 0, hwpt, pasid)
        await self._file.ioctl(DeviceIoctl.ATTACH_PT, bytearray(request.encode()))

    async def _detach(self, pasid: int) -> None:
        request = uapi.Detach(uapi.Detach.size(), AttachFlag.PASID if pasid else 0, pasid)
        await self._file.ioctl(DeviceIoctl.DETACH_PT, bytearray(request.encode()))
