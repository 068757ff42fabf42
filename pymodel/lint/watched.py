"""Watching writes to memory."""

from __future__ import annotations

from collections.abc import Callable

from pymodel.memory import Memory, SparseMemory

Watch = Callable[[int, bytes, bytes], None]


class WatchedMemory:
    """Another memory whose writes through this object are watched, for memories without `watch`.

    `watch`, if set, is called with (address, old bytes, new bytes) after each write.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.read, self.read64 = memory.read, memory.read64
        self.watch: Watch | None = None

    def write(self, address: int, data: bytes) -> None:
        old = self.memory.read(address, len(data)) if self.watch else b""
        self.memory.write(address, data)
        if self.watch:
            self.watch(address, old, bytes(data))

    def cas64(self, address: int, old: int, new: int) -> bool:
        if not self.memory.cas64(address, old, new):
            return False
        if self.watch:
            self.watch(address, old.to_bytes(8, "little"), new.to_bytes(8, "little"))
        return True


def add_watch(memory: SparseMemory | WatchedMemory, watch: Watch) -> None:
    """Watch a memory besides whoever does so already."""
    first = memory.watch
    if first is None:
        memory.watch = watch
        return

    def both(address: int, old: bytes, new: bytes) -> None:
        first(address, old, new)
        watch(address, old, new)

    memory.watch = both
