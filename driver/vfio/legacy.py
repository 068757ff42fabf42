"""Mediated devices with the ioctls of 2017 and 2018, before UACCE (vfio.md 2).

WrapDrive (2017)   a queue is taken with GET_Q and given back with PUT_Q; SET_PASID lets it work in
                   the calling program's address space, CLR_PASID in the container's again
RFC v1 (2018-08)   `spimdev`: WAIT; the device says in flags which ways of sharing memory it has
RFC v2             `sdmdev`: WAIT and BIND_PASID

vfio.md gives numbers and flags; what WAIT returns, and EBUSY for a queue that is taken or a program
that is bound, are from memory.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import Enum

from driver.accel.qm import QmDriver
from driver.iommu.domain import Domain
from driver.iommu.process import Binding, Process
from driver.vfio.device import DeviceFile
from driver.vfio.mdev import Mdev
from driver.vfio.packed import fail
from driver.vfio.uacce_uapi import SdmdevIoctl, SpimdevFlag, WdevIoctl

SLICES = 64  # a WAIT looks so often


class Form(Enum):
    """Which interface."""

    WDEV = "vfio_wdev"
    SPIMDEV = "spimdev"
    SDMDEV = "sdmdev"


class LegacyMdev(Mdev):
    """A queue that works in the container's address space, or in that of a program that is bound
    to it. It is there while the device is open, but with WDEV from GET_Q to PUT_Q.

    Members
    -------
    done
        Completions that nobody waited for yet.
    """

    def __init__(self, qm: QmDriver, uuid: str, kind: str, group: int, form: Form) -> None:
        super().__init__(qm, uuid, kind, group)
        self.form = form
        self._domain: Domain | None = None
        self._binding: Binding | None = None
        self.done = 0

    @property
    def sharing(self) -> SpimdevFlag:
        """How memory can be shared: by many processes, at their own addresses; without stalls
        only what is there already."""
        flags = SpimdevFlag.MULTI_PROC | SpimdevFlag.SVM
        return flags if self._qm.iommu.smmu.impl.stalls else flags | SpimdevFlag.SVM_NO_FAULT

    def file(self, closed: Callable[[], None]) -> DeviceFile:
        return LegacyFile(self, closed)

    async def start(self, domain: Domain | None) -> None:
        await super().start(domain)
        self._domain = domain
        if self.form is Form.WDEV:
            await self.give_queue()

    async def stop(self) -> None:
        self.started = False
        if self.queue is not None:
            await self.give_queue()
        await self._let_go()

    async def move(self, domain: Domain) -> None:
        self._domain = domain
        if self._binding is None and self.queue is not None:
            await super().move(domain)

    async def take_queue(self) -> None:
        """EBUSY: it has one; ENOSPC: none is left."""
        if self.queue is not None:
            raise fail(errno.EBUSY, f"{self.name} has queue {self.queue.number}")
        try:
            self.queue = await self._qm.open(self._binding or self._domain)
        except LookupError as error:
            raise fail(errno.ENOSPC, str(error)) from None

    async def give_queue(self) -> None:
        """Abort its jobs and give it back; EINVAL: it has none."""
        if self.queue is None:
            raise fail(errno.EINVAL, f"{self.name} has no queue")
        if self._binding is not None:
            await self._binding.hush()
        queue, self.queue = self.queue, None
        await self._qm.abandon(queue)

    async def bind(self, caller: Process, pasid: int) -> None:
        """Work in the caller's address space. EINVAL unless `pasid` is the caller's own; EBUSY: a
        program is bound."""
        if self._binding is not None:
            raise fail(errno.EBUSY, f"{self.name} is bound")
        binding = caller.binding(self._qm.stream)
        if binding is None or binding.pasid != pasid:
            raise fail(errno.EINVAL, f"PASID {pasid} is not the caller's own")
        had = self.queue is not None
        if had:
            await self.give_queue()
        self._binding = await caller.bind(self._qm.stream)
        self._binding.on_exit(self._exited)
        if had:
            await self.take_queue()

    async def unbind(self) -> None:
        """Work in the container's address space again; EINVAL: no program is bound."""
        if self._binding is None:
            raise fail(errno.EINVAL, "no program is bound")
        had = self.queue is not None
        if had:
            await self.give_queue()
        await self._let_go()
        if had:
            await self.take_queue()

    async def wait(self, cycles: int) -> None:
        """Return when a job is done that was not waited for yet; serves interrupts meanwhile.
        ETIME: not within `cycles`; EINVAL: there is no queue."""
        if self.queue is None:
            raise fail(errno.EINVAL, f"{self.name} has no queue")
        for _ in range(SLICES):
            await self._qm.iommu.faults.service()
            await self.serve()
            if self.done:
                self.done = 0
                return
            await self._qm.bus.interrupt("eq", cycles // SLICES)
        raise fail(errno.ETIME, f"nothing was done in {cycles} cycles")

    def completed(self) -> None:
        self.done += 1
        super().completed()

    async def _let_go(self) -> None:
        """Of the program that is bound."""
        binding, self._binding = self._binding, None
        if binding is not None:
            binding.forget(self._exited)
            if binding.process.alive:
                await binding.process.unbind(binding)

    async def _exited(self) -> None:
        """The bound program ends; its queue goes after this."""
        queue, self.queue, self._binding = self.queue, None, None
        if queue is not None and self._qm.queues.get(queue.number) is queue:
            await self._qm.abandon(queue)


class LegacyFile(DeviceFile):
    """As any open device, and the ioctls of its form. The kernel knows who calls it; here
    `caller` says so."""

    def __init__(self, device: LegacyMdev, closed: Callable[[], None]) -> None:
        super().__init__(device, closed)
        self._legacy = device
        self.caller: Process | None = None
        self.patience = 1_000_000  # cycles that WAIT waits

    async def ioctl(self, number: int, argument: bytearray | int | None = None) -> int:
        """One ioctl; a PASID is an integer. EINVAL: what a bound program would be needed for."""
        if not isinstance(argument, int) and number not in self._numbers():
            return await super().ioctl(number, argument)
        if not self.open:
            raise fail(errno.ENODEV, "the device is gone")
        if number not in self._numbers():
            raise fail(errno.ENOTTY, f"ioctl {number:#x}")
        device, pasid = self._legacy, argument if isinstance(argument, int) else 0
        if number in (WdevIoctl.WAIT, SdmdevIoctl.WAIT):
            await device.wait(self.patience)
        elif number == WdevIoctl.GET_Q:
            await device.take_queue()
        elif number == WdevIoctl.PUT_Q:
            await device.give_queue()
        elif number == WdevIoctl.CLR_PASID:
            await device.unbind()
        else:
            if self.caller is None:
                raise fail(errno.EINVAL, "no program calls")
            await device.bind(self.caller, pasid)
        return 0

    def _numbers(self) -> tuple[int, ...]:
        """The ioctls of the form."""
        if self._legacy.form is Form.WDEV:
            return tuple(WdevIoctl)
        if self._legacy.form is Form.SDMDEV:
            return tuple(SdmdevIoctl)
        return (SdmdevIoctl.WAIT,)
