"""Virtual IOMMUs of iommufd: guests' stream tables and invalidations (vfio.md 2)."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from driver.iommu.domain import Iommu
from driver.iommu.mm import Mm
from driver.iommu.stage2 import StageTwo
from driver.smmu.nested import guest_command, nested_entry
from driver.vfio import iommufd_uapi as uapi
from driver.vfio.hwpt import BoundDevice, Hwpt, NestedHwpt
from driver.vfio.packed import fail
from spec.commands import COMMAND_BYTES
from spec.stream_table import STE


@dataclass(eq=False)
class Viommu:
    """What VIOMMU_ALLOC makes.

    Members
    -------
    users
        Guests' page tables.
    streams
        StreamIDs by the guest's own.
    """

    parent: Hwpt
    users: int = 0
    streams: dict[int, int] = field(default_factory=dict)

    def table(self, request: uapi.HwptAlloc, mm: Mm) -> NestedHwpt:
        """HWPT_ALLOC of a guest's stage 1. EIO: an STE that is not a guest's to write."""
        if request.data_type != uapi.DataType.ARM_SMMUV3 or request.flags:
            raise fail(errno.EOPNOTSUPP, f"data of type {request.data_type}")
        if request.data_len < uapi.VirtualSte.size():
            raise fail(errno.EINVAL, f"{request.data_len} bytes of data")
        words = uapi.VirtualSte.decode(mm.read(request.data_uptr, uapi.VirtualSte.size()))
        try:
            entry = nested_entry(STE.from_words([words.low, words.high]), self._space.entry())
        except ValueError as error:
            raise fail(errno.EIO, str(error)) from None
        self.users += 1
        return NestedHwpt(self.parent, entry, self._closed)

    def add(self, bound: BoundDevice, virtual: int) -> None:
        """VDEVICE_ALLOC. EEXIST: the guest's StreamID names another device."""
        if virtual in self.streams:
            raise fail(errno.EEXIST, f"virtual StreamID {virtual:#x}")
        sid = bound.device.sid
        if sid is None:
            raise fail(errno.EOPNOTSUPP, f"{bound.device.name} has no stream of its own")
        self.streams[virtual] = sid

    async def invalidate(self, iommu: Iommu, mm: Mm, request: uapi.HwptInvalidate) -> int:
        """HWPT_INVALIDATE; how many entries were done. EIO: one that is none of a guest's; those
        before it are done."""
        if (request.data_type != uapi.ViommuType.ARM_SMMUV3 or request.reserved
                or request.entry_len != COMMAND_BYTES):
            raise fail(errno.EINVAL, f"entries of type {request.data_type}")
        commands, why = [], ""
        for n in range(request.entry_num):
            raw = mm.read(request.data_uptr + n * COMMAND_BYTES, COMMAND_BYTES)
            try:
                commands.append(guest_command(iommu.smmu.impl, int.from_bytes(raw, "little"),
                                              self._space.vmid, self.streams))
            except ValueError as error:
                why = str(error)
                break
        if commands:
            await iommu.smmu.cmdq.issue(*commands)
        if why:
            raise Refused(len(commands), why)
        return len(commands)

    async def close(self) -> None:
        """End it."""
        self.parent.nested -= 1

    def _closed(self) -> None:
        """A guest's page table ends."""
        self.users -= 1

    @property
    def _space(self) -> StageTwo:
        assert isinstance(self.parent.domain, StageTwo)
        return self.parent.domain


class Refused(Exception):
    """An entry of HWPT_INVALIDATE is none of a guest's.

    Members
    -------
    done
        Entries before it.
    """

    def __init__(self, done: int, why: str) -> None:
        super().__init__(why)
        self.done = done
