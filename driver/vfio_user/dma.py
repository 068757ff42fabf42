"""Where a client's memory goes: into the page tables of its PASID, or to the addresses it says."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from dataclasses import dataclass

from driver.iommu.domain import Domain
from driver.iommu.pagetable import BITS, Prot
from driver.vfio.packed import fail
from driver.vfio_user.memory import Holes, Ram
from pymodel.memory import PAGE

MAX_MAPS = 256  # of one client
SLAB = 1 << 31  # physical addresses that the windows of one channel share
BLOCK = 1 << 21  # windows begin like their IOVA inside it, so that blocks can map them


@dataclass(frozen=True)
class Window:
    """One DMA_MAP, and where the device finds it."""

    address: int
    size: int
    prot: Prot
    physical: int

    @property
    def end(self) -> int:
        return self.address + self.size


class Dma(ABC):
    """The DMA mappings of one client."""

    def __init__(self) -> None:
        self.windows: list[Window] = []

    async def map(self, address: int, size: int, prot: Prot, fd: int, offset: int) -> None:
        """Let the device reach a file's memory at `address`.

        EINVAL: misaligned, empty, neither readable nor writable, outside the addresses there are,
        a file that `Ram.adopt` does not take. EEXIST: overlaps. ENOSPC: too much.
        """
        if (address | size | offset) % PAGE or not size or not prot:
            raise fail(errno.EINVAL, f"misaligned or empty, or no access: [{address:#x}, "
                       f"+{size:#x}), offset {offset:#x}, {prot!r}")
        if address + size > 1 << BITS:
            raise fail(errno.EINVAL, f"[{address:#x}, +{size:#x}) is outside the address space")
        if any(w.address < address + size and address < w.end for w in self.windows):
            raise fail(errno.EEXIST, f"{address:#x} is mapped")
        if len(self.windows) >= MAX_MAPS:
            raise fail(errno.ENOSPC, f"{MAX_MAPS} mappings")
        window = Window(address, size, prot | Prot.READ, self._place(address, size))
        await self._enter(window, fd, offset)
        self.windows.append(window)

    async def unmap(self, address: int, size: int) -> None:
        """Undo one `map`; the device does not reach it any more when this returns. ENOENT: there
        is none of exactly this range."""
        window = next((w for w in self.windows if (w.address, w.size) == (address, size)), None)
        if window is None:
            raise fail(errno.ENOENT, f"[{address:#x}, +{size:#x}) is not one mapping")
        await self._leave(window)
        self.windows.remove(window)

    async def clear(self) -> int:
        """Undo all; the bytes unmapped."""
        total = sum(window.size for window in self.windows)
        for window in list(self.windows):
            await self.unmap(window.address, window.size)
        return total

    @abstractmethod
    def _place(self, address: int, size: int) -> int:
        """Where a window's memory is to be; ENOSPC, EINVAL."""

    @abstractmethod
    async def _enter(self, window: Window, fd: int, offset: int) -> None:
        """Make a window."""

    @abstractmethod
    async def _leave(self, window: Window) -> None:
        """Take it away."""


class ChannelDma(Dma):
    """Page-table entries of one domain. The windows lie side by side in a slab of physical memory
    that is this channel's alone."""

    def __init__(self, domain: Domain, ram: Ram, slab: int) -> None:
        super().__init__()
        self.domain, self._ram, self._slab = domain, ram, slab

    def _place(self, address: int, size: int) -> int:
        at = self._slab + address % BLOCK
        for window in sorted(self.windows, key=lambda w: w.physical):
            if at + size <= window.physical:
                break
            past = window.physical + window.size
            at = max(at, past + (address - past) % BLOCK)
        if at + size > self._slab + SLAB:
            raise fail(errno.ENOSPC, f"{size:#x} bytes more than {SLAB:#x}")
        return at

    async def _enter(self, window: Window, fd: int, offset: int) -> None:
        self._ram.adopt(window.physical, window.size, fd, offset)
        try:
            self.domain.map(window.address, window.physical, window.size, window.prot)
        except MemoryError as error:
            self._ram.disown(window.physical, window.size)
            raise fail(errno.ENOMEM, str(error)) from None

    async def _leave(self, window: Window) -> None:
        await self.domain.unmap(window.address, window.size)
        self._ram.disown(window.physical, window.size)


class FunctionDma(Dma):
    """No IOMMU in between: a window's memory is at the physical address that it says."""

    def __init__(self, ram: Ram, memory: Holes) -> None:
        super().__init__()
        self._ram, self._memory = ram, memory

    def _place(self, address: int, size: int) -> int:
        if address < self._ram.base or address + size > self._ram.base + self._ram.size:
            raise fail(errno.EINVAL, f"[{address:#x}, +{size:#x}) is beyond the physical "
                       "addresses there are")
        return address

    async def _enter(self, window: Window, fd: int, offset: int) -> None:
        self._ram.adopt(window.physical, window.size, fd, offset)
        self._memory.open(window.physical, window.size)

    async def _leave(self, window: Window) -> None:
        self._memory.shut(window.physical, window.size)
        self._ram.disown(window.physical, window.size)


