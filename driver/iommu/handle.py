"""Domains as handles that pass from one owner to another; nobody who holds one sees a PASID."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field

from driver.accel.qm import QmDriver
from driver.accel.queue import Completion, Queue
from driver.iommu.domain import Domain
from driver.iommu.pagetable import Prot


@dataclass
class _Entry:
    domain: Domain
    owner: str
    users: int = 0


class Channel:
    """A queue in somebody's domain: sends copies and hears how they went, and that is all."""

    def __init__(self, handles: Handles, entry: _Entry, queue: Queue) -> None:
        self.__handles, self.__entry, self.__queue = handles, entry, queue

    async def copy(self, source: int, target: int, size: int, tag: int) -> None:
        """Send a copy between two addresses of the domain; `QueueFull` if there is no slot."""
        await self.__queue.copy(source, target, size, tag)

    async def receive(self) -> list[Completion]:
        """What has ended since the last call."""
        return await self.__queue.receive()

    async def close(self) -> None:
        """Abort what is in flight and give the queue back."""
        await self.__handles.drop(self.__entry, self.__queue)


@dataclass
class Handles:
    """The domains behind one device's queues, by number. Every call says who makes it.

    Errors: ENOENT for a number that is none, EPERM for one that belongs to somebody else, EBUSY
    while channels are open.
    """

    qm: QmDriver
    _entries: dict[int, _Entry] = field(default_factory=dict)
    _next: int = 1

    def create(self, owner: str) -> int:
        """A new, empty domain of `owner`."""
        handle, self._next = self._next, self._next + 1
        self._entries[handle] = _Entry(self.qm.iommu.domain(), owner)
        return handle

    def map(self, owner: str, handle: int, iova: int, pa: int, size: int, prot: Prot) -> None:
        """Map memory; ValueError as `Domain.map`."""
        self._own(owner, handle).domain.map(iova, pa, size, prot)

    async def unmap(self, owner: str, handle: int, iova: int, size: int) -> None:
        """Unmap memory; no transaction uses it when this returns."""
        await self._own(owner, handle).domain.unmap(iova, size)

    def give(self, owner: str, handle: int, heir: str) -> None:
        """From now on the domain is `heir`'s and nobody else's. Open channels stay open."""
        self._own(owner, handle).owner = heir

    async def open(self, owner: str, handle: int) -> Channel:
        """A queue in the domain; LookupError if no queue, PASID or ASID is left."""
        entry = self._own(owner, handle)
        queue = await self.qm.open(entry.domain)
        entry.users += 1
        return Channel(self, entry, queue)

    async def drop(self, entry: _Entry, queue: Queue) -> None:
        """A channel ends."""
        await self.qm.abandon(queue)
        entry.users -= 1

    def destroy(self, owner: str, handle: int) -> None:
        """End a domain that has no channels."""
        entry = self._own(owner, handle)
        if entry.users:
            raise OSError(errno.EBUSY, f"{os.strerror(errno.EBUSY)}: {entry.users} channels")
        entry.domain.close()
        del self._entries[handle]

    def _own(self, owner: str, handle: int) -> _Entry:
        entry = self._entries.get(handle)
        if entry is None:
            raise OSError(errno.ENOENT, f"{os.strerror(errno.ENOENT)}: domain {handle}")
        if entry.owner != owner:
            raise OSError(errno.EPERM, f"{os.strerror(errno.EPERM)}: domain {handle}")
        return entry
