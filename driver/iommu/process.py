"""Processes whose address space a device shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from driver.iommu.domain import Domain, Iommu, Stream
from driver.iommu.mm import Mm
from driver.iommu.pagetable import Prot
from pymodel.memory import PAGE


class Binding:
    """A process bound to a stream: what a queue is opened with. The PASID stays inside."""

    def __init__(self, process: Process, stream: Stream, pasid: int) -> None:
        self.process, self.stream, self._pasid = process, stream, pasid
        self.users = 1
        self._closers: list[Callable[[], Awaitable[None]]] = []

    def on_exit(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have `close` called when the binding ends before its user has let go."""
        self._closers.append(close)

    def forget(self, close: Callable[[], Awaitable[None]]) -> None:
        """The user has let go itself; nothing if it was called to."""
        if close in self._closers:
            self._closers.remove(close)

    async def hush(self) -> None:
        """Abort all transactions if there is one user left; the others' go on."""
        if self.users == 1:
            await self.stream.silence(self._pasid)

    async def end(self) -> None:
        """Abort what is in flight, have the users let go, free the PASID."""
        await self.stream.silence(self._pasid)
        while self._closers:
            await self._closers.pop()()
        await self.stream.detach(self._pasid)

    @property
    def pasid(self) -> int:
        """For drivers of devices, not for applications."""
        return self._pasid


class Process:
    """A program with its memory. What is bound to a stream is reached by the device at the
    program's own addresses: pages come when the device touches them if the SMMU can stall, and all
    at once when they are mapped if it cannot.
    """

    def __init__(self, iommu: Iommu) -> None:
        self._on_demand = iommu.smmu.impl.stalls
        self.mm = Mm(iommu.smmu.bus)
        self.domain: Domain = iommu.domain(handler=self._fault if self._on_demand else None)
        self._bindings: dict[int, Binding] = {}
        self.alive = True

    def mmap(self, size: int, prot: Prot = Prot.READ | Prot.WRITE) -> int:
        """New memory; its address."""
        start = self.mm.mmap(size, prot)
        if not self._on_demand:
            for page in range(start, start + -(-size // PAGE) * PAGE, PAGE):
                self._bring(page, False)
        return start

    async def munmap(self, start: int, size: int) -> None:
        """Remove memory; when it returns, the device does not reach it any more."""
        reached = [page for page in self.mm.present(start, size)
                   if self.domain.table.lookup(page) is not None]
        first = 0
        for n in range(1, len(reached) + 1):
            if n == len(reached) or reached[n] != reached[n - 1] + PAGE:
                await self.domain.unmap(reached[first], (n - first) * PAGE)
                first = n
        self.mm.munmap(start, size)

    def read(self, address: int, size: int) -> bytes:
        """As the program reads it; EFAULT where nothing is."""
        return self.mm.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        """As the program writes it; EFAULT where it may not."""
        self.mm.write(address, data)

    async def bind(self, stream: Stream) -> Binding:
        """Share the address space with a device. Once for each stream: binding again gives the
        same binding, which ends with the last `unbind`."""
        binding = self._bindings.get(stream.sid)
        if binding is not None:
            binding.users += 1
            return binding
        binding = Binding(self, stream, await stream.attach(self.domain))
        self._bindings[stream.sid] = binding
        return binding

    def binding(self, stream: Stream) -> Binding | None:
        """The binding to a stream, if there is one."""
        return self._bindings.get(stream.sid)

    async def unbind(self, binding: Binding) -> None:
        """Give one `bind` back; with the last one the device is stopped."""
        binding.users -= 1
        if not binding.users:
            del self._bindings[binding.stream.sid]
            await binding.end()

    async def exit(self) -> None:
        """End the program, in the middle of whatever the device does for it."""
        self.alive = False
        while self._bindings:
            await self._bindings.popitem()[1].end()
        for area in self.mm.areas():
            await self.munmap(area.start, area.size)
        self.domain.close()

    async def _fault(self, address: int, write: bool) -> bool:
        """The device touched what is not there: bring the page, if the program may touch it. It
        may be there by now, when several transactions wait for the same one."""
        if not self.alive:
            return False
        try:
            self._bring(address, write)
        except OSError:
            return False
        return True

    def _bring(self, address: int, write: bool) -> None:
        page = address // PAGE * PAGE
        physical = self.mm.touch(page, write)
        if self.domain.table.lookup(page) is None:
            self.domain.map(page, physical, PAGE, self.mm.prot(page))
