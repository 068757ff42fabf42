"""Mediated devices: one accelerator queue each, with its own PASID and doorbell page."""

from __future__ import annotations

import errno
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from driver.accel.qm import QmDriver
from driver.accel.queue import Queue
from driver.bus import Region as Window
from driver.iommu.domain import Domain
from driver.iommu.faults import Fault
from driver.vfio.container import Group
from driver.vfio.device import Device, Region, irqs
from driver.vfio.kernel import Kernel
from driver.vfio.packed import Packed, fail
from driver.vfio.uapi import DeviceFlag, IrqFlag, RegionFlag
from pymodel.memory import PAGE
from spec.qm import CQE, DOORBELL_OFFSET, DOORBELL_PAGE, SQE_BYTES

UUID_TEXT = 36
_UUID = re.compile("-".join(f"[0-9a-fA-F]{{{n}}}" for n in (8, 4, 4, 4, 12)))

DOORBELL, RINGS, INFO = range(3)  # regions
COMPLETION, REQUEST = range(2)  # IRQ indices: a job is done; please give the device back


class QueueInfo(Packed):
    """Region INFO: what the program needs to know about its queue."""

    CODES = "IHHQ"
    number: int = 0  # goes into its doorbells
    depth: int = 0
    sqe_size: int = 0
    cq_offset: int = 0  # of the completion ring in region RINGS


class Mdev(Device):
    """A mediated device. It has a queue, and its owner's memory a PASID, while it is open."""

    flags = DeviceFlag.RESET | DeviceFlag.PLATFORM
    mediated = True

    def __init__(self, qm: QmDriver, uuid: str, kind: str, group: int) -> None:
        self._qm, self.name, self.kind = qm, uuid, kind
        self.group = Group(group, self)
        self.queue: Queue | None = None
        self.serve: Callable[[], Awaitable[None]] = self._nobody
        self.ending: Callable[[], None] | None = None  # set while a remove waits for the owner
        rings = -(-(SQE_BYTES + CQE.size()) * qm.depth // PAGE) * PAGE
        access = RegionFlag.READ | RegionFlag.WRITE | RegionFlag.MMAP
        self.regions = [Region(DOORBELL_PAGE, access, ((DOORBELL_OFFSET, PAGE),)),
                        Region(rings, access, ((0, rings),)),
                        Region(QueueInfo.size(), RegionFlag.READ)]
        self.irqs = irqs((IrqFlag.EVENTFD | IrqFlag.MASKABLE | IrqFlag.NORESIZE, 1),
                         (IrqFlag.EVENTFD | IrqFlag.NORESIZE, 1))

    async def start(self, domain: Domain | None) -> None:
        if self.ending is not None:
            raise fail(errno.ENODEV, f"{self.name} is being removed")
        if domain is None:
            raise fail(errno.EINVAL, "a mediated device shares the function: never without IOMMU")
        try:
            self.queue = await self._qm.open(domain)
        except LookupError as error:
            raise fail(errno.ENOSPC, str(error)) from None
        self.started = True

    async def move(self, domain: Domain) -> None:
        await self._qm.stream.replace(self._started().pasid, domain)

    async def stop(self) -> None:
        await self._qm.abandon(self._started())
        self.queue, self.started = None, False

    async def release(self) -> None:
        await super().release()
        if self.ending is not None:
            self.ending()

    def pasid_of(self, fault: Fault) -> int | None:
        """The PASID is the host's; the owner knows none."""
        mine = self.queue is not None and (fault.sid, fault.pasid) == (
            self._qm.stream.sid, self.queue.pasid)
        return 0 if mine else None

    def completed(self) -> None:
        """A job is done."""
        self.irqs.fire(COMPLETION)

    async def reset(self) -> None:
        await self._qm.restart(self._started())

    async def read(self, region: int, offset: int, size: int) -> bytes:
        queue = self._started()
        if region == RINGS:
            return self._qm.bus.memory.read(queue.ring + offset, size)
        if region == INFO:
            info = QueueInfo(queue.number, queue.depth, SQE_BYTES, SQE_BYTES * queue.depth)
            return info.encode()[offset:offset + size]
        value = await self._qm.bus.read(Window.DOORBELL, self._page(offset, size), size)
        return value.to_bytes(size, "little")

    async def write(self, region: int, offset: int, data: bytes) -> None:
        if region == RINGS:
            self._qm.bus.memory.write(self._started().ring + offset, data)
        else:
            await self._qm.bus.write(Window.DOORBELL, self._page(offset, len(data)),
                                     int.from_bytes(data, "little"), len(data))

    def _page(self, offset: int, size: int) -> int:
        """Where an access to the doorbell region goes; EINVAL if it is no register access."""
        if size not in (4, 8) or offset % size:
            raise fail(errno.EINVAL, f"{size} bytes at {offset:#x} of a register page")
        return DOORBELL_PAGE * self._started().number + offset

    async def _nobody(self) -> None:
        """A device without a parent has no events."""

    def _started(self) -> Queue:
        if self.queue is None:
            raise fail(errno.EINVAL, f"{self.name} has no queue")
        return self.queue


@dataclass(frozen=True)
class MdevType:
    """One of the types that a parent offers.

    Members
    -------
    make
        Makes a device from the queue manager, the UUID, the type's full name and a group number.
    """

    name: str
    description: str = ""
    make: Callable[[QmDriver, str, str, int], Mdev] = Mdev


class Parent:
    """A device that makes mediated devices of its queues.

    Members
    -------
    devices
        The mediated devices by UUID, those included whose removal waits for their owner.
    """

    def __init__(self, qm: QmDriver, driver: str, types: tuple[MdevType, ...],
                 kernel: Kernel) -> None:
        self.types = {f"{driver}-{kind.name}": kind for kind in types}
        self.devices: dict[str, Mdev] = {}
        self._qm, self._kernel = qm, kernel
        self._leaving = False
        self._groups = 0

    @property
    def available(self) -> int:
        """How many more devices can be made, of whatever type."""
        return self._qm.queue_count - len(self.devices)

    def create(self, kind: str, text: bytes) -> Mdev:
        """Make a device of type `kind` for the UUID in `text`, with or without a newline.

        EINVAL: not 36 bytes of UUID; EEXIST: there is one; EUSERS: none left; ENODEV: leaving.
        """
        if len(text) not in (UUID_TEXT, UUID_TEXT + 1):
            raise fail(errno.EINVAL, f"a UUID of {len(text)} bytes, not {UUID_TEXT}")
        uuid = text[:UUID_TEXT].decode("ascii", "replace").lower()
        if not _UUID.fullmatch(uuid) or text[UUID_TEXT:] not in (b"", b"\n"):
            raise fail(errno.EINVAL, f"{text!r} is not a UUID")
        if self._leaving:
            raise fail(errno.ENODEV, "the parent is going away")
        if uuid in self.devices:
            raise fail(errno.EEXIST, uuid)
        if not self.available:
            raise fail(errno.EUSERS, "no instance is left")
        self._groups += 1
        device = self.types[kind].make(self._qm, uuid, kind, self._groups)
        device.serve = self.service
        self.devices[uuid] = device
        return device

    def remove(self, uuid: str) -> None:
        """Remove a device; while it is open its owner is asked to give it back, and it goes when
        that has happened. ENODEV: unknown. EAGAIN (5.10): being removed already; later kernels
        have nothing to do then."""
        device = self.devices.get(uuid)
        if device is None:
            raise fail(errno.ENODEV, uuid)
        if device.ending is not None:
            if self._kernel.old:
                raise fail(errno.EAGAIN, f"{uuid} is being removed")
            return
        if not device.opened:
            del self.devices[uuid]
            return
        device.ending = lambda: self._gone(uuid)
        device.irqs.fire(REQUEST)

    def unregister(self) -> None:
        """The parent goes away, and its devices with it."""
        self._leaving = True
        for uuid in [u for u, device in self.devices.items() if device.ending is None]:
            self.remove(uuid)

    async def service(self) -> None:
        """Pass completions on to the owners: call it on the "eq" interrupt."""
        self.completed(await self._qm.service())

    def completed(self, queues: list[int]) -> None:
        """Jobs of these queues are done."""
        owners = {device.queue.number: device for device in self.devices.values()
                  if device.queue is not None}
        for number in queues:
            if number in owners:
                owners[number].completed()

    def _gone(self, uuid: str) -> None:
        del self.devices[uuid]
