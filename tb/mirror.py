"""What memory must hold: a second copy of the RAM that only software and the checker write."""

from __future__ import annotations

from pymodel.memory import PAGE, SharedMemory


class Mirror:
    """RAM as software uses it; every write goes to the copy too. What the device must have
    written is told by `expect`; then `differences` says where memory is not as it must be."""

    def __init__(self, memory: SharedMemory) -> None:
        self._memory, self._base = memory.plain(), memory.base
        self._copy = bytearray(memory.end - memory.base)
        self.read, self.read64 = self._memory.read, self._memory.read64

    def write(self, address: int, data: bytes) -> None:
        self._memory.write(address, data)
        self.expect(address, data)

    def cas64(self, address: int, old: int, new: int) -> bool:
        swapped = self._memory.cas64(address, old, new)
        self.adopt(address, 8)
        return swapped

    def expect(self, address: int, data: bytes) -> None:
        """The device must have written `data`."""
        at = address - self._base
        self._copy[at:at + len(data)] = data

    def adopt(self, address: int, size: int) -> None:
        """Whatever the device has written there is right."""
        self.expect(address, self.read(address, size))

    def expected(self, address: int, size: int) -> bytes:
        """What must be there."""
        at = address - self._base
        return bytes(self._copy[at:at + size])

    def differences(self) -> list[str]:
        """One line for each page that is not as it must be, with its first wrong byte."""
        found = self.read(self._base, len(self._copy))
        if found == self._copy:
            return []
        lines = []
        for at in range(0, len(found), PAGE):
            have, want = found[at:at + PAGE], self._copy[at:at + PAGE]
            if have != want:
                n = next(i for i in range(PAGE) if have[i] != want[i])
                lines.append(f"{self._base + at + n:#x}: {have[n:n + 16].hex()}, "
                             f"must be {want[n:n + 16].hex()}")
        return lines
