"""iommufd: address spaces, page tables, fault queues and devices by number (vfio.md 2)."""

from __future__ import annotations

import errno
from typing import TypeVar

from driver.iommu.domain import Iommu
from driver.iommu.mm import Mm
from driver.iommu.pagetable import GRANULE
from driver.vfio import hwpt
from driver.vfio import iommufd_uapi as uapi
from driver.vfio.device import Device
from driver.vfio.fault_queue import FaultQueue
from driver.vfio.hwpt import BoundDevice, Hwpt, NestedHwpt, Table
from driver.vfio.ioas import Access, Ioas
from driver.vfio.iommufd_uapi import HwptFlag, IommufdIoctl
from driver.vfio.packed import fail
from driver.vfio.viommu import Refused, Viommu

KNOWN = HwptFlag.NEST_PARENT | HwptFlag.FAULT | HwptFlag.PASID

Object = Ioas | Hwpt | NestedHwpt | FaultQueue | Viommu | BoundDevice
T = TypeVar("T", Ioas, Hwpt, FaultQueue, Viommu, BoundDevice)


class Iommufd:
    """An open /dev/iommu of the program with memory `mm`.

    Members
    -------
    files
        Fault queues by the descriptors that FAULT_QUEUE_ALLOC gave.
    """

    def __init__(self, iommu: Iommu, mm: Mm) -> None:
        self._iommu, self._mm = iommu, mm
        self._objects: dict[int, Object] = {}
        self._automatic: dict[int, Hwpt] = {}  # by number of the address space
        self._next = 1
        self.files: dict[int, FaultQueue] = {}

    async def ioctl(self, number: int, argument: bytearray) -> int:
        """One ioctl, answered in place. ENOTTY: unknown. EOPNOTSUPP: known, not offered here.
        ENOENT: no such object."""
        if number == IommufdIoctl.IOAS_ALLOC:
            self._alloc(argument)
        elif number == IommufdIoctl.IOAS_MAP:
            self.find(Ioas, uapi.IoasMap.receive(argument).ioas_id).map(argument)
        elif number == IommufdIoctl.IOAS_UNMAP:
            await self.find(Ioas, uapi.IoasUnmap.receive(argument).ioas_id).unmap(argument)
        elif number == IommufdIoctl.HWPT_ALLOC:
            self._hwpt_alloc(argument)
        elif number == IommufdIoctl.FAULT_QUEUE_ALLOC:
            self._fault_alloc(argument)
        elif number == IommufdIoctl.GET_HW_INFO:
            self._hw_info(argument)
        elif number == IommufdIoctl.VIOMMU_ALLOC:
            self._viommu_alloc(argument)
        elif number == IommufdIoctl.VDEVICE_ALLOC:
            self._vdevice_alloc(argument)
        elif number == IommufdIoctl.HWPT_INVALIDATE:
            await self._invalidate(argument)
        elif number == IommufdIoctl.DESTROY:
            await self._destroy(uapi.Destroy.receive(argument).id)
        else:
            known = number in tuple(IommufdIoctl)
            raise fail(errno.EOPNOTSUPP if known else errno.ENOTTY, f"ioctl {number:#x}")
        return 0

    def bind(self, device: Device) -> BoundDevice:
        """A device comes in."""
        bound = BoundDevice(device, self._next)
        self._add(bound)
        return bound

    async def unbind(self, bound: BoundDevice) -> None:
        """A device that has been taken back goes."""
        await bound.released()
        del self._objects[bound.id]

    def table(self, number: int) -> Table:
        """The page table with a number; for that of an address space, one that is made of it and
        ends with the last device. ENOENT if it is neither."""
        found = self._objects.get(number)
        if isinstance(found, Hwpt | NestedHwpt):
            return found
        ioas = self.find(Ioas, number)
        table = self._automatic.get(number)
        if table is None or not table.bound:
            table = hwpt.make(self._iommu, ioas, HwptFlag(0), automatic=True)
            self._automatic[number] = table
        return table

    def access(self, ioas: int) -> Access:
        """A kernel driver's own use of an address space."""
        return Access(self.find(Ioas, ioas))

    def find(self, kind: type[T], number: int) -> T:
        """The object with a number; ENOENT if there is none, or of another kind."""
        found = self._objects.get(number)
        if not isinstance(found, kind):
            raise fail(errno.ENOENT, f"{kind.__name__} {number}")
        return found

    async def close(self) -> None:
        """End everything; no device may be bound."""
        for kind in (NestedHwpt, Viommu, Hwpt, Ioas, FaultQueue):
            for found in [o for o in self._objects.values() if isinstance(o, kind)]:
                await found.close()
        self._objects.clear()
        self.files.clear()

    def _add(self, found: Object) -> int:
        self._objects[self._next] = found
        self._next += 1
        return self._next - 1

    def _alloc(self, argument: bytearray) -> None:
        request = uapi.IoasAlloc.receive(argument)
        if request.flags:
            raise fail(errno.EOPNOTSUPP, f"flags {request.flags:#x}")
        number = self._add(Ioas(self._mm, 1 << GRANULE))
        argument[:request.size()] = request.change(out_ioas_id=number).encode()

    def _hwpt_alloc(self, argument: bytearray) -> None:
        request = uapi.HwptAlloc.receive(argument)
        if request.flags & ~int(KNOWN) or request.reserved or request.reserved2:
            raise fail(errno.EOPNOTSUPP, f"flags {request.flags:#x}")
        bound = self.find(BoundDevice, request.dev_id)
        viommu = self._objects.get(request.pt_id)
        table: Table
        if isinstance(viommu, Viommu):
            table = viommu.table(request, self._mm)
        elif request.data_type != uapi.DataType.NONE or request.data_len:
            raise fail(errno.EOPNOTSUPP, f"data of type {request.data_type}")
        else:
            table = self._paging(request, bound)
        argument[:request.size()] = request.change(out_hwpt_id=self._add(table)).encode()

    def _paging(self, request: uapi.HwptAlloc, bound: BoundDevice) -> Hwpt:
        """A page table of an address space."""
        flags, impl = HwptFlag(request.flags), self._iommu.smmu.impl
        faults = None
        if flags & HwptFlag.FAULT:
            faults = self.find(FaultQueue, request.fault_id)
            if not impl.stalls:
                raise fail(errno.EOPNOTSUPP, "this SMMU does not stall")
        if flags & HwptFlag.PASID and not bound.device.pasid_limit:
            raise fail(errno.EOPNOTSUPP, f"{bound.device.name} has no PASIDs of its owner")
        ioas = self.find(Ioas, request.pt_id)
        if not flags & HwptFlag.NEST_PARENT:
            return hwpt.make(self._iommu, ioas, flags, faults)
        if flags != HwptFlag.NEST_PARENT or not (impl.S1P and impl.S2P and bound.device.protected
                                                 and bound.device.sid is not None):
            raise fail(errno.EOPNOTSUPP, "nesting needs both stages and a stream of its own")
        return hwpt.make_parent(self._iommu, ioas)

    def _viommu_alloc(self, argument: bytearray) -> None:
        request = uapi.ViommuAlloc.receive(argument)
        if request.flags or request.type != uapi.ViommuType.ARM_SMMUV3:
            raise fail(errno.EOPNOTSUPP, f"type {request.type}, flags {request.flags:#x}")
        self.find(BoundDevice, request.dev_id)
        parent = self.find(Hwpt, request.hwpt_id)
        if not parent.flags & HwptFlag.NEST_PARENT:
            raise fail(errno.EINVAL, "not a page table for nesting")
        parent.nested += 1
        argument[:request.size()] = request.change(
            out_viommu_id=self._add(Viommu(parent))).encode()

    def _vdevice_alloc(self, argument: bytearray) -> None:
        """The number of a virtual device is that of its virtual IOMMU: it ends with it."""
        request = uapi.VdeviceAlloc.receive(argument)
        viommu = self.find(Viommu, request.viommu_id)
        viommu.add(self.find(BoundDevice, request.dev_id), request.virt_id)
        argument[:request.size()] = request.change(out_vdevice_id=request.viommu_id).encode()

    async def _invalidate(self, argument: bytearray) -> None:
        request = uapi.HwptInvalidate.receive(argument)
        viommu = self.find(Viommu, request.hwpt_id)
        try:
            done = await viommu.invalidate(self._iommu, self._mm, request)
        except Refused as refused:
            argument[:request.size()] = request.change(entry_num=refused.done).encode()
            raise fail(errno.EIO, str(refused)) from None
        argument[:request.size()] = request.change(entry_num=done).encode()

    def _fault_alloc(self, argument: bytearray) -> None:
        request = uapi.FaultAlloc.receive(argument)
        if request.flags:
            raise fail(errno.EOPNOTSUPP, f"flags {request.flags:#x}")
        queue = FaultQueue()
        self.files[queue.fd] = queue
        argument[:request.size()] = request.change(
            out_fault_id=self._add(queue), out_fault_fd=queue.fd).encode()

    def _hw_info(self, argument: bytearray) -> None:
        """What is not asked for is cut, what is not there is written as 0."""
        request = uapi.HwInfo.receive(argument)
        if request.flags:
            raise fail(errno.EOPNOTSUPP, f"flags {request.flags:#x}")
        bound, impl = self.find(BoundDevice, request.dev_id), self._iommu.smmu.impl
        info = uapi.ArmSmmuInfo(idr0=impl.idr0, idr1=impl.idr1, idr3=impl.idr3, idr5=impl.idr5,
                                iidr=impl.iidr, aidr=impl.aidr).encode()
        if request.data_len:
            room = request.data_len
            self._mm.write(request.data_uptr, info[:room].ljust(room, b"\0"))
        width = max(0, bound.device.pasid_limit.bit_length() - 1)
        argument[:request.size()] = request.change(
            data_len=len(info), out_data_type=uapi.HwInfoType.ARM_SMMUV3,
            out_max_pasid_log2=width, out_capabilities=0).encode()

    async def _destroy(self, number: int) -> None:
        """EBUSY: something uses it."""
        found = self._objects.get(number)
        if found is None:
            raise fail(errno.ENOENT, f"object {number}")
        if isinstance(found, BoundDevice) or (
                found.used if isinstance(found, Hwpt | NestedHwpt) else found.users):
            raise fail(errno.EBUSY, f"object {number}")
        if isinstance(found, FaultQueue):
            del self.files[found.fd]
        await found.close()
        del self._objects[number]
