"""Page tables of iommufd, and the devices that reach memory through them (vfio.md 2)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

from driver.iommu.domain import Domain, Iommu
from driver.iommu.faults import Fault
from driver.iommu.stage2 import StageTwo
from driver.vfio.device import Device
from driver.vfio.fault_queue import FaultQueue
from driver.vfio.ioas import Ioas
from driver.vfio.iommufd_uapi import HwptFlag
from driver.vfio.packed import fail
from spec.stream_table import STE

NO_FLAGS = HwptFlag(0)


@dataclass(eq=False)
class Hwpt:
    """One page table that shows an address space.

    Members
    -------
    domain
        A `StageTwo` if guests' stage 1 may be nested in it.
    bound
        The devices attached to it, once for each PASID.
    automatic
        Whether it ends with its last device, because an address space was attached and no page
        table.
    nested
        What else uses it: guests' page tables, virtual IOMMUs.
    """

    ioas: Ioas
    domain: Domain | StageTwo
    flags: HwptFlag
    faults: FaultQueue | None = None
    automatic: bool = False
    bound: list[BoundDevice] = field(default_factory=list)
    nested: int = 0

    @property
    def used(self) -> bool:
        return bool(self.bound or self.nested)

    async def give_to(self, device: Device, pasid: int) -> None:
        """Let a device that reaches nothing with this PASID (0: none) reach memory through it."""
        if isinstance(self.domain, StageTwo):
            await device.nest(self.domain, self.domain.entry())
        elif pasid:
            await device.attach_pasid(pasid, self.domain)
        else:
            await device.start(self.domain)

    async def close(self) -> None:
        """End it; nothing is attached."""
        await self.ioas.hide(self.domain)
        self.domain.close()
        self.ioas.users -= 1
        if self.faults is not None:
            self.faults.users -= 1


@dataclass(eq=False)
class NestedHwpt:
    """A guest's stage 1 over a page table.

    Members
    -------
    entry
        The STE.
    closed
        Called at its end.
    """

    parent: Hwpt
    entry: STE
    closed: Callable[[], None]
    flags: HwptFlag = NO_FLAGS
    automatic: bool = False
    bound: list[BoundDevice] = field(default_factory=list)

    @property
    def used(self) -> bool:
        return bool(self.bound)

    async def give_to(self, device: Device, pasid: int) -> None:
        """As `Hwpt.give_to`; never with a PASID."""
        assert isinstance(self.parent.domain, StageTwo)
        await device.nest(self.parent.domain, self.entry)

    async def close(self) -> None:
        """End it; nothing is attached."""
        self.closed()


def make_parent(iommu: Iommu, ioas: Ioas) -> Hwpt:
    """A page table in which guests' can be nested. ENOSPC: no VMID is left."""
    try:
        hwpt = Hwpt(ioas, StageTwo(iommu), HwptFlag.NEST_PARENT)
    except LookupError as error:
        raise fail(errno.ENOSPC, str(error)) from None
    ioas.show(hwpt.domain)
    ioas.users += 1
    return hwpt


def make(iommu: Iommu, ioas: Ioas, flags: HwptFlag, faults: FaultQueue | None = None,
         automatic: bool = False) -> Hwpt:
    """A page table of an address space; with a fault queue, its faults wait there."""
    def sink(fault: Fault) -> None:
        assert faults is not None
        for device in hwpt.bound:
            pasid = device.device.pasid_of(fault)
            if pasid is not None:
                faults.put(device.id, pasid, fault)
                return

    domain = iommu.domain(sink=sink if faults is not None else None)
    hwpt = Hwpt(ioas, domain, flags, faults, automatic)
    ioas.show(domain)
    ioas.users += 1
    if faults is not None:
        faults.users += 1
    return hwpt


@dataclass(eq=False)
class BoundDevice:
    """A device that is bound to an iommufd under number `id`.

    Members
    -------
    attached
        Page tables by PASID; 0: transactions without PASID.
    """

    device: Device
    id: int
    attached: dict[int, Table] = field(default_factory=dict)

    async def attach(self, pasid: int, hwpt: Table) -> None:
        """Reach memory through a page table. EBUSY: through another one already. EINVAL: a PASID
        that is none, or page tables that are not made for PASIDs."""
        if pasid in self.attached:
            raise fail(errno.EBUSY, f"PASID {pasid} is attached")
        self._check(pasid, hwpt)
        await hwpt.give_to(self.device, pasid)
        self._note(pasid, hwpt)

    async def replace(self, pasid: int, hwpt: Table) -> None:
        """Reach memory through another page table than before; errors as `attach`, and ENOSPC: no
        ASID is left for it, all stays as it was."""
        self._check(pasid, hwpt)
        old = self.attached[pasid]
        if old is hwpt:
            return
        new = hwpt.domain if isinstance(hwpt, Hwpt) else None
        if not (isinstance(new, Domain) and isinstance(old, Hwpt)
                and isinstance(old.domain, Domain)):
            await self.detach(pasid)
            await self.attach(pasid, hwpt)
            return
        try:
            if pasid:
                await self.device.replace_pasid(pasid, new)
            else:
                await self.device.move(new)
        except LookupError as error:
            raise fail(errno.ENOSPC, str(error)) from None
        self._note(pasid, hwpt)
        await self._left(old)

    async def detach(self, pasid: int) -> None:
        """Reach no memory any more; nothing if nothing is attached."""
        if pasid not in self.attached:
            return
        if pasid:
            await self.device.detach_pasid(pasid)
        else:
            await self.device.stop()
        await self._left(self.attached.pop(pasid))

    async def released(self) -> None:
        """The device has been taken back: it reaches nothing any more."""
        while self.attached:
            await self._left(self.attached.popitem()[1])

    def _note(self, pasid: int, hwpt: Table) -> None:
        self.attached[pasid] = hwpt
        hwpt.bound.append(self)

    async def _left(self, hwpt: Table) -> None:
        hwpt.bound.remove(self)
        if hwpt.automatic and not hwpt.bound:
            await hwpt.close()

    def _check(self, pasid: int, hwpt: Table) -> None:
        """With PASIDs in use every page table must be made for them, that without PASID too."""
        plain = self.attached.get(0)
        if pasid:
            if self.device.pasid_limit and not 0 < pasid < self.device.pasid_limit:
                raise fail(errno.EINVAL, f"PASID {pasid} is not below {self.device.pasid_limit}")
            if not hwpt.flags & HwptFlag.PASID or (plain and not plain.flags & HwptFlag.PASID):
                raise fail(errno.EINVAL, "a page table that is not made for PASIDs")
        elif any(self.attached) and not hwpt.flags & HwptFlag.PASID:
            raise fail(errno.EINVAL, "PASIDs are attached, and this page table is not for them")


Table = Hwpt | NestedHwpt
