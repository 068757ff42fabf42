"""Channels over vfio-user: a socket of a server in another process."""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path

from driver.vfio.mdev import COMPLETION
from driver.vfio.packed import fail
from driver.vfio_user.client import Client, SharedPages
from driver.wd.channel import Channel, Memory
from driver.wd.mdev import FIRST_IOVA
from driver.wd.request import Provider
from pymodel.memory import PAGE


class SharedMemory(Memory):
    """Memory in a memfd, mapped for the device at `address`, by `users` channels."""

    def __init__(self, address: int, size: int) -> None:
        self.address, self.size, self.users = address, size, 0
        self.pages = SharedPages(size)

    def read(self, offset: int, size: int) -> bytes:
        self.check(offset, size)
        return self.pages.view[offset:offset + size]

    def write(self, offset: int, data: bytes) -> None:
        self.check(offset, len(data))
        self.pages.view[offset:offset + len(data)] = data

    def leave(self) -> None:
        """A channel has unmapped it; with the last one it is gone."""
        self.users -= 1
        if not self.users:
            self.pages.close()


class VfioUserChannel(Channel):
    """A connected client. Patience is in milliseconds."""

    def __init__(self, path: Path | str) -> None:
        self.client = Client(path)
        self._memory: list[SharedMemory] = []
        self._next = FIRST_IOVA
        self.event = os.eventfd(0, os.EFD_NONBLOCK)
        try:
            self.client.connect_irq(COMPLETION, 0, (self.event,))
        except BaseException:
            self.client.close()
            os.close(self.event)
            raise

    async def read(self, region: int, offset: int, size: int) -> bytes:
        return self.client.read(region, offset, size)

    async def write(self, region: int, offset: int, data: bytes) -> None:
        self.client.write(region, offset, data)

    async def wait(self, patience: int) -> bool:
        ready, _, _ = select.select([self.event], [], [], patience / 1000)
        return bool(ready and os.eventfd_read(self.event))

    async def reserve(self, size: int) -> Memory:
        memory = SharedMemory(self._next, -(-size // PAGE) * PAGE)
        self._take(memory)
        self._next += memory.size + PAGE
        return memory

    async def share(self, memory: Memory) -> Memory:
        if not isinstance(memory, SharedMemory) or not memory.users:
            raise fail(errno.EINVAL, "not memory that was reserved over vfio-user")
        self._take(memory)
        self._next = max(self._next, memory.address + memory.size + PAGE)
        return memory

    def _take(self, memory: SharedMemory) -> None:
        self.client.map(memory.pages.fd, 0, memory.address, memory.size)
        self._memory.append(memory)
        memory.users += 1

    async def free(self, memory: Memory) -> None:
        assert isinstance(memory, SharedMemory)
        self.client.unmap(memory.address, memory.size)
        self._memory.remove(memory)
        memory.leave()

    async def reset(self) -> None:
        self.client.reset()

    async def close(self) -> None:
        self.client.close()
        os.close(self.event)
        for memory in self._memory:
            memory.leave()
        self._memory.clear()


class VfioUserProvider(Provider):
    """The channels of a server, by their sockets."""

    def __init__(self, directory: Path) -> None:
        self._free = sorted(directory.glob("channel*.sock"))

    @property
    def available(self) -> int:
        return len(self._free)

    async def open(self) -> Channel:
        """The first channel that nobody else has."""
        while self._free:
            path = self._free.pop(0)
            try:
                return _Returned(path, self._free)
            except OSError:
                continue
        raise fail(errno.EBUSY, "no channel is left")


class _Returned(VfioUserChannel):
    """A channel that goes back where it came from."""

    def __init__(self, path: Path, home: list[Path]) -> None:
        super().__init__(path)
        self._path, self._home = path, home

    async def close(self) -> None:
        await super().close()
        self._home.append(self._path)
