"""Finding a queue by what it can do."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from driver.iommu.mm import Mm
from driver.vfio.host import DRIVER, SEC, Host
from driver.vfio.mdev import Parent
from driver.vfio.packed import fail
from driver.wd.channel import Channel
from driver.wd.mdev import MdevChannel
from driver.wd.queue import Queue

ALGORITHMS = frozenset({"copy", "aes"})


@dataclass(frozen=True, kw_only=True)
class Capability:
    """What a program asks of a queue.

    Members
    -------
    algorithm
        "copy" or "aes".
    shared_addresses
        Whether jobs hold the program's own addresses; else those of reserved memory.
    depth
        Jobs in flight, at least.
    """

    algorithm: str = "copy"
    shared_addresses: bool = False
    depth: int = 1


class Provider(ABC):
    """Something that gives out channels.

    Members
    -------
    algorithms, shared_addresses
        What its channels can do.
    """

    algorithms: frozenset[str] = ALGORITHMS
    shared_addresses = False

    @property
    @abstractmethod
    def available(self) -> int:
        """Channels left."""

    @abstractmethod
    async def open(self) -> Channel:
        """One of them."""


class MdevProvider(Provider):
    """The mediated devices of a host, for one program: one is made for each channel and removed
    with it."""

    def __init__(self, host: Host, mm: Mm | None = None) -> None:
        self._host, self._mm = host, mm or Mm(host.bus)

    @property
    def available(self) -> int:
        return self._host.parent.available

    async def open(self) -> MdevChannel:
        parent = self._host.parent
        mdev = parent.create(f"{DRIVER}-{SEC.name}", _free_uuid(parent).encode())
        try:
            return await _Temporary.open(self._host, mdev, self._mm)
        except OSError:
            parent.remove(mdev.name)
            raise


class _Temporary(MdevChannel):
    """A channel whose device goes with it."""

    async def close(self) -> None:
        await super().close()
        if self.mdev.ending is None and self.mdev.name in self.host.parent.devices:
            self.host.parent.remove(self.mdev.name)


async def request(providers: Sequence[Provider], capability: Capability = Capability()) -> Queue:
    """A queue of the first provider that has what is asked for. ENODEV: none has; EBUSY: those
    that have it have no channel left."""
    fitting = [p for p in providers if capability.algorithm in p.algorithms
               and p.shared_addresses == capability.shared_addresses]
    if not fitting:
        raise fail(errno.ENODEV, f"nobody offers {capability}")
    for provider in fitting:
        if not provider.available:
            continue
        channel = await provider.open()
        info = await channel.info()
        if info.depth > capability.depth:
            return Queue(channel, info)
        await channel.close()
        raise fail(errno.ENODEV, f"{capability.depth} jobs: the device has {info.depth} slots")
    raise fail(errno.EBUSY, "no channel is left")


def _free_uuid(parent: Parent) -> str:
    number = 1
    while str(UUID(int=number)) in parent.devices:
        number += 1
    return str(UUID(int=number))
