"""What a queue needs of whatever carries it: registers, rings, memory, interrupts."""

from __future__ import annotations

from abc import ABC, abstractmethod

from driver.vfio.mdev import DOORBELL, INFO, RINGS, QueueInfo

__all__ = ["DOORBELL", "INFO", "RINGS", "Channel", "Memory"]


class Memory(ABC):
    """Memory that a program and the device share.

    Members
    -------
    address
        Where the device finds it: what goes into jobs. With shared virtual addresses it is the
        program's own address.
    size
        Bytes, whole pages.
    """

    address: int
    size: int

    @abstractmethod
    def read(self, offset: int, size: int) -> bytes:
        """As the program reads it. ValueError outside."""

    @abstractmethod
    def write(self, offset: int, data: bytes) -> None:
        """As the program writes it. ValueError outside."""

    def check(self, offset: int, size: int) -> None:
        """ValueError unless [offset, +size) lies inside."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise ValueError(f"[{offset:#x}, +{size:#x}) of {self.size:#x} bytes")


class Channel(ABC):
    """One open channel of a device: a queue, and an address space of its own.

    Members
    -------
    shared_addresses
        Whether the device uses the program's own addresses.
    """

    shared_addresses = False

    @abstractmethod
    async def read(self, region: int, offset: int, size: int) -> bytes:
        """Read in DOORBELL, RINGS or INFO."""

    @abstractmethod
    async def write(self, region: int, offset: int, data: bytes) -> None:
        """Write in DOORBELL or RINGS."""

    @abstractmethod
    async def wait(self, patience: int) -> bool:
        """Wait for a completion since the last call; whether there was one. `patience` is in
        cycles where time is the simulator's, in milliseconds where it is ours."""

    @abstractmethod
    async def reserve(self, size: int) -> Memory:
        """Zeroed memory that the device reaches. ENOMEM, or what mapping says."""

    @abstractmethod
    async def share(self, memory: Memory) -> Memory:
        """Let this channel reach, at the same address, what another channel of the same program
        reserved. EINVAL if it is not the same program's."""

    @abstractmethod
    async def free(self, memory: Memory) -> None:
        """Give memory back; the device does not reach it any more when this returns."""

    @abstractmethod
    async def reset(self) -> None:
        """Abort all jobs; rings are empty and start at their beginning."""

    @abstractmethod
    async def close(self) -> None:
        """Give everything back, in the middle of whatever the device does."""

    async def info(self) -> QueueInfo:
        """Number, depth and layout of the queue."""
        return QueueInfo.decode(await self.read(INFO, 0, QueueInfo.size()))
