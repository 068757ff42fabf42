"""Memory as the golden model sees it: sparse RAM, errors outside it.

Two implementations of one small interface: `SparseMemory` owns its pages, `SharedMemory` looks at
a buffer that a simulator maps too. Addresses are physical; all integers little-endian.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

PAGE = 4096


class BusError(Exception):
    """An access that the memory system answers with an error (external abort).

    Members
    -------
    address : int
        First byte that has no memory behind it, or that an error was injected on.
    """

    def __init__(self, address: int):
        super().__init__(f"external abort at {address:#x}")
        self.address = address


class Memory(Protocol):
    """What the model needs of memory. Every method raises `BusError` outside RAM."""

    def read(self, address: int, size: int) -> bytes: ...
    def write(self, address: int, data: bytes) -> None: ...
    def read64(self, address: int) -> int: ...
    def cas64(self, address: int, old: int, new: int) -> bool:
        """Write `new` if the doubleword is `old`, atomically; whether it was."""
        ...


class _Ram:
    """Bounds and injected errors, common to both memories."""

    def __init__(self, base: int, size: int):
        self.base, self.size = base, size
        self.end = base + size
        self.poisoned: set[int] = set()  # 4 KB page numbers that answer with an error

    def _check(self, address: int, size: int) -> None:
        if address < self.base or address + size > self.end:
            raise BusError(address)
        if self.poisoned:
            for page in range(address // PAGE, (address + size - 1) // PAGE + 1):
                if page in self.poisoned:
                    raise BusError(max(address, page * PAGE))


class SparseMemory(_Ram):
    """RAM at [base, base + size) that holds only the pages ever written; the rest reads 0.

    `watch`, if set, is called with (address, old bytes, new bytes) after each write.
    """

    def __init__(self, base: int = 0, size: int = 1 << 52):
        super().__init__(base, size)
        self._pages: dict[int, bytearray] = {}
        self.watch: Callable[[int, bytes, bytes], None] | None = None

    def read64(self, address: int) -> int:
        if address < self.base or address + 8 > self.end or self.poisoned:
            self._check(address, 8)
        page = self._pages.get(address >> 12)
        if page is None:
            return 0
        offset = address & 0xFFF
        return int.from_bytes(page[offset:offset + 8], "little")

    def read(self, address: int, size: int) -> bytes:
        self._check(address, size)
        out = bytearray()
        while size:
            offset = address % PAGE
            take = min(size, PAGE - offset)
            page = self._pages.get(address // PAGE)
            out += bytes(take) if page is None else page[offset:offset + take]
            address, size = address + take, size - take
        return bytes(out)

    def write(self, address: int, data: bytes) -> None:
        self._check(address, len(data))
        old = self.read(address, len(data)) if self.watch else b""
        done = 0
        while done < len(data):
            offset = (address + done) % PAGE
            take = min(len(data) - done, PAGE - offset)
            page = self._pages.setdefault((address + done) // PAGE, bytearray(PAGE))
            page[offset:offset + take] = data[done:done + take]
            done += take
        if self.watch:
            self.watch(address, old, bytes(data))

    def cas64(self, address: int, old: int, new: int) -> bool:
        if self.read64(address) != old:
            return False
        self.write(address, new.to_bytes(8, "little"))
        return True

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """(address, content) of every page ever written, in address order."""
        for number in sorted(self._pages):
            yield number * PAGE, bytes(self._pages[number])


class SharedMemory(_Ram):
    """RAM at [base, base + len(buffer)) inside a buffer that others map too (an mmap)."""

    def __init__(self, buffer: memoryview, base: int = 0):
        super().__init__(base, len(buffer))
        self._buffer = buffer

    def read64(self, address: int) -> int:
        if address < self.base or address + 8 > self.end or self.poisoned:
            self._check(address, 8)
        at = address - self.base
        return int.from_bytes(self._buffer[at:at + 8], "little")

    def read(self, address: int, size: int) -> bytes:
        self._check(address, size)
        at = address - self.base
        return bytes(self._buffer[at:at + size])

    def write(self, address: int, data: bytes) -> None:
        self._check(address, len(data))
        at = address - self.base
        self._buffer[at:at + len(data)] = data

    def cas64(self, address: int, old: int, new: int) -> bool:
        if self.read64(address) != old:
            return False
        self.write(address, new.to_bytes(8, "little"))
        return True

    def plain(self) -> SharedMemory:
        """The same bytes without injected errors: what whoever sets memory up writes through."""
        return SharedMemory(self._buffer, self.base)
