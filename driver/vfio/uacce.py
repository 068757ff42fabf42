"""UACCE: the accelerator as a character device with shared virtual addresses (vfio.md 2)."""

from __future__ import annotations

import errno
import os

from driver.accel.qm import QmDriver
from driver.accel.queue import Queue
from driver.bus import Region as Window
from driver.iommu.process import Binding, Process
from driver.vfio.packed import fail
from driver.vfio.uacce_uapi import (
    QpContext,
    QpInfo,
    QueueFileRegion,
    UacceFlag,
    UacceIoctl,
    UacceState,
)
from pymodel.memory import PAGE
from spec.qm import CQE, DOORBELL_PAGE, SQE_BYTES, MailboxCommand

API = "hisi_qm_v3"
TYPES = 2  # of queues: SET_QP_CONTEXT takes 0 and 1
THRESHOLD_MAX = 65535


class Uacce:
    """/dev/NAME-N and its directory in sysfs.

    Members
    -------
    files
        What is open.
    """

    def __init__(self, qm: QmDriver, name: str, algorithms: str) -> None:
        self.qm, self.name = qm, name
        self.files: list[UacceFile] = []
        self._algorithms = algorithms
        self._threshold = 0
        self._errors = 0
        self._gone = False

    @property
    def mmio_size(self) -> int:
        """Bytes of region MMIO: a queue's doorbell page."""
        return DOORBELL_PAGE

    @property
    def dus_size(self) -> int:
        """Bytes of region DUS: both rings and a page for status (qm.md 4.10)."""
        rings = (SQE_BYTES + CQE.size()) * self.qm.depth
        return (PAGE - 1 + rings + PAGE) // PAGE * PAGE

    @property
    def available(self) -> int:
        """Queues that can still be opened."""
        return self.qm.queue_count - len(self.qm.queues)

    async def open(self, process: Process) -> UacceFile:
        """A queue in the address space of a process. ENODEV: the device is gone; EBUSY: no queue
        is left; EIO: errors were more frequent than the administrator allows."""
        if self._gone:
            raise fail(errno.ENODEV, self.name)
        if self.isolated:
            raise fail(errno.EIO, f"{self.name} is isolated")
        if not self.available:
            raise fail(errno.EBUSY, "no queue is left")
        try:
            binding = await process.bind(self.qm.stream)
        except LookupError as error:
            raise fail(errno.ENOSPC, str(error)) from None
        queue = await self.qm.open(binding)
        await self.qm.mailbox(MailboxCommand.STOP_QP, queue.number, 0)
        file = UacceFile(self, binding, queue)
        self.files.append(file)
        return file

    async def remove(self) -> None:
        """The device goes away: every open queue becomes a zombie."""
        self._gone = True
        for file in list(self.files):
            await file.bury()

    async def service(self) -> None:
        """Wake whoever polls: call it on the "eq" interrupt."""
        self.completed(await self.qm.service())

    def completed(self, queues: list[int]) -> None:
        """Jobs of these queues are done."""
        for file in self.files:
            if file.number in queues:
                file.wake()

    @property
    def isolated(self) -> bool:
        """Whether more errors were reported than the threshold allows; 0 allows all."""
        return bool(self._threshold) and self._errors > self._threshold

    def report_error(self) -> None:
        """The device had an error that a reset mended."""
        self._errors += 1

    def read(self, attribute: str) -> str:
        """A file of the sysfs directory. ENOENT."""
        values: dict[str, object] = {
            "api": API, "flags": int(UacceFlag.SVA), "available_instances": self.available,
            "algorithms": self._algorithms, "region_mmio_size": self.mmio_size,
            "region_dus_size": self.dus_size, "isolate": int(self.isolated),
            "isolate_strategy": self._threshold}
        if attribute not in values:
            raise fail(errno.ENOENT, attribute)
        return f"{values[attribute]}\n"

    def write(self, attribute: str, data: bytes) -> int:
        """Write isolate_strategy; the bytes taken. EACCES: another file; EINVAL: no number, or
        too large."""
        self.read(attribute)
        if attribute != "isolate_strategy":
            raise fail(errno.EACCES, attribute)
        text = data.decode("ascii", "replace").strip()
        if not text.isdigit() or int(text) > THRESHOLD_MAX:
            raise fail(errno.EINVAL, f"{data!r} is not a number up to {THRESHOLD_MAX}")
        self._threshold, self._errors = int(text), 0
        return len(data)


class UacceFile:
    """An open queue: INIT until START_Q, STARTED until PUT_Q, a ZOMBIE after that.

    Members
    -------
    event
        An eventfd that is signalled when a job is done.
    """

    def __init__(self, uacce: Uacce, binding: Binding, queue: Queue) -> None:
        self._uacce, self._binding, self._queue = uacce, binding, queue
        self.number = queue.number
        self.rings = -(-queue.ring_bytes // PAGE) * PAGE
        self.state = UacceState.INIT
        self.event = os.eventfd(0, os.EFD_NONBLOCK)
        self._regions: dict[QueueFileRegion, UacceMapping] = {}
        self._status = bytearray(uacce.dus_size - self.rings)
        binding.on_exit(self.bury)

    async def ioctl(self, number: int, argument: bytearray | None = None) -> int:
        """One ioctl. A structure is answered in place. ENXIO: a zombie; EINVAL: unknown, or not
        in this state."""
        self._alive()
        if number == UacceIoctl.START_Q:
            if self.state is not UacceState.INIT:
                raise fail(errno.EINVAL, "started already")
            self._queue.rewind()
            await self._queue.start()
            self.state = UacceState.STARTED
        elif number == UacceIoctl.PUT_Q:
            await self.bury()
        elif number == UacceIoctl.SET_QP_CONTEXT:
            context = QpContext.decode(argument or b"")
            if context.qc_type >= TYPES:
                raise fail(errno.EINVAL, f"type {context.qc_type}")
            self._answer(argument, context.change(id=self.number))
        elif number == UacceIoctl.GET_QP_INFO:
            QpInfo.decode(argument or b"")
            depth = self._queue.depth
            self._answer(argument, QpInfo(SQE_BYTES, depth, depth))
        else:
            raise fail(errno.EINVAL, f"ioctl {number:#x}")
        return 0

    def mmap(self, page: int, size: int) -> UacceMapping:
        """Map a region: `page` is its page offset. ENXIO: a zombie; EEXIST: mapped already;
        EINVAL: no such region, or (DUS) not exactly its size."""
        if page not in tuple(QueueFileRegion):
            raise fail(errno.EINVAL, f"page offset {page}")
        self._alive()
        region = QueueFileRegion(page)
        if region in self._regions:
            raise fail(errno.EEXIST, region.name)
        whole = {QueueFileRegion.MMIO: self._uacce.mmio_size,
                 QueueFileRegion.DUS: self._uacce.dus_size}[region]
        if not 0 < size <= whole or (region is QueueFileRegion.DUS and size != whole):
            raise fail(errno.EINVAL, f"{size} bytes of {whole}")
        self._regions[region] = UacceMapping(self, region, size)
        return self._regions[region]

    def wake(self) -> None:
        """A job is done."""
        os.eventfd_write(self.event, 1)

    async def bury(self) -> None:
        """Stop the queue in the middle of its jobs; the process is let go."""
        if self.state is UacceState.ZOMBIE:
            return
        self.state = UacceState.ZOMBIE
        binding, qm = self._binding, self._uacce.qm
        binding.forget(self.bury)
        self._uacce.files.remove(self)
        await binding.hush()
        await qm.abandon(self._queue)
        if binding.process.alive:
            await binding.process.unbind(binding)

    async def close(self) -> None:
        """Close the file."""
        await self.bury()
        if self.event >= 0:
            os.close(self.event)
            self.event = -1

    async def load(self, region: QueueFileRegion, offset: int, size: int) -> bytes:
        """Read a region. EIO: the queue is gone."""
        self._backed(region, offset, size)
        bus = self._uacce.qm.bus
        if region is QueueFileRegion.MMIO:
            value = await bus.read(Window.DOORBELL, DOORBELL_PAGE * self.number + offset, size)
            return value.to_bytes(size, "little")
        if offset >= self.rings:
            return bytes(self._status[offset - self.rings:offset - self.rings + size])
        return bus.memory.read(self._queue.ring + offset, size)

    async def store(self, region: QueueFileRegion, offset: int, data: bytes) -> None:
        """Write a region. EIO: the queue is gone."""
        self._backed(region, offset, len(data))
        bus = self._uacce.qm.bus
        if region is QueueFileRegion.MMIO:
            await bus.write(Window.DOORBELL, DOORBELL_PAGE * self.number + offset,
                            int.from_bytes(data, "little"), len(data))
        elif offset >= self.rings:
            self._status[offset - self.rings:offset - self.rings + len(data)] = data
        else:
            bus.memory.write(self._queue.ring + offset, data)

    def _backed(self, region: QueueFileRegion, offset: int, size: int) -> None:
        """What a processor would not do as one access is refused, too."""
        if self.state is UacceState.ZOMBIE:
            raise fail(errno.EIO, "nothing is mapped there")
        registers = region is QueueFileRegion.MMIO
        if registers and (size not in (4, 8) or offset % size):
            raise fail(errno.EINVAL, f"{size} bytes at {offset:#x} of a register page")
        if not registers and offset < self.rings < offset + size:
            raise fail(errno.EINVAL, "across the end of the rings")

    def unmapped(self, region: QueueFileRegion) -> None:
        """The program has unmapped a region."""
        del self._regions[region]

    def _alive(self) -> None:
        if self.state is UacceState.ZOMBIE:
            raise fail(errno.ENXIO, "the queue is gone")

    @staticmethod
    def _answer(argument: bytearray | None, value: QpContext | QpInfo) -> None:
        assert argument is not None
        argument[:value.size()] = value.encode()


class UacceMapping:
    """A region in the program's memory."""

    def __init__(self, file: UacceFile, region: QueueFileRegion, size: int) -> None:
        self._file, self._region, self._size = file, region, size

    async def load(self, offset: int, size: int) -> bytes:
        """Read; EIO outside, or if the queue is gone (where the program would get a signal)."""
        self._inside(offset, size)
        return await self._file.load(self._region, offset, size)

    async def store(self, offset: int, data: bytes) -> None:
        """Write likewise."""
        self._inside(offset, len(data))
        await self._file.store(self._region, offset, data)

    def mremap(self, size: int) -> None:
        """Never possible: EPERM."""
        raise fail(errno.EPERM, "the region of a queue cannot be moved")

    def munmap(self) -> None:
        """Unmap; the region can be mapped again."""
        self._size = 0
        self._file.unmapped(self._region)

    def _inside(self, offset: int, size: int) -> None:
        if offset < 0 or offset + size > self._size:
            raise fail(errno.EIO, "nothing is mapped there")
