"""Fault queues of iommufd: stalled transactions as records, answers as replies (vfio.md 2)."""

from __future__ import annotations

import errno
import os

from driver.iommu.faults import Fault
from driver.vfio.iommufd_uapi import (
    FaultCode,
    PageFault,
    PageFaultFlag,
    PageFaultPerm,
    PageResponse,
)
from driver.vfio.packed import fail


class FaultQueue:
    """What FAULT_QUEUE_ALLOC makes.

    Members
    -------
    fd
        An eventfd: readable while there are records to read. The program waits on it, and reads
        and writes the queue through `read` and `write`.
    users
        Page tables that send faults here.
    """

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.users = 0
        self._unread: list[tuple[Fault, PageFault]] = []
        self._unanswered: dict[int, Fault] = {}
        self._next = 1

    def put(self, device: int, pasid: int, fault: Fault) -> None:
        """A transaction of a device waits; `pasid` is its owner's name for what it used."""
        self._unread.append((fault, _record(self._next, device, pasid, fault)))
        self._next += 1
        os.eventfd_write(self.fd, 1)

    def read(self, size: int) -> bytes:
        """Whole records, oldest first. ESPIPE: `size` is not a multiple of a record."""
        if size % PageFault.size():
            raise fail(errno.ESPIPE, f"{size} bytes are not whole records")
        self._forget()
        count = size // PageFault.size()
        taken, self._unread = self._unread[:count], self._unread[count:]
        if taken and not self._unread:
            os.eventfd_read(self.fd)
        self._unanswered.update((record.cookie, fault) for fault, record in taken)
        return b"".join(record.encode() for _, record in taken)

    async def write(self, data: bytes) -> int:
        """Replies; the bytes taken. ESPIPE: not whole replies. EINVAL: an unknown code, or a
        cookie that waits for no answer (any more)."""
        if len(data) % PageResponse.size():
            raise fail(errno.ESPIPE, f"{len(data)} bytes are not whole replies")
        for at in range(0, len(data), PageResponse.size()):
            reply = PageResponse.decode(data, at)
            self._forget()
            if reply.code not in tuple(FaultCode) or reply.cookie not in self._unanswered:
                if at:
                    return at
                raise fail(errno.EINVAL, f"code {reply.code} for cookie {reply.cookie}")
            await self._unanswered.pop(reply.cookie).answer(reply.code == FaultCode.SUCCESS)
        return len(data)

    async def close(self) -> None:
        """Abort everything that waits."""
        self._forget()
        for fault in (*(fault for fault, _ in self._unread), *self._unanswered.values()):
            await fault.answer(False)
        self._unread.clear()
        self._unanswered.clear()
        os.close(self.fd)

    def _forget(self) -> None:
        """Drop faults that ended otherwise: what they wanted was detached."""
        waiting = [entry for entry in self._unread if entry[0].waits]
        if self._unread and not waiting:
            os.eventfd_read(self.fd)
        self._unread = waiting
        self._unanswered = {c: fault for c, fault in self._unanswered.items() if fault.waits}


def _record(cookie: int, device: int, pasid: int, fault: Fault) -> PageFault:
    flags = PageFaultFlag.LAST_PAGE | (PageFaultFlag.PASID_VALID if pasid else 0)
    perm = ((PageFaultPerm.WRITE if fault.write else PageFaultPerm.READ)
            | (PageFaultPerm.EXEC if fault.instruction else 0)
            | (PageFaultPerm.PRIV if fault.privileged else 0))
    return PageFault(flags=flags, dev_id=device, pasid=pasid, grpid=fault.stag, perm=perm,
                     addr=fault.address, cookie=cookie)
