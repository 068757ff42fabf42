"""Event rings in memory, consumer side: EQ and AEQ (qm.md 3.3, 3.4)."""

from __future__ import annotations

from driver.bus import Bus
from spec.qm import AEQC, AEQE, EQC, EQE

Entry = EQE | AEQE


class EventRing:
    """A ring of EQEs or AEQEs.

    Members
    -------
    physical, depth
        Where it lies and how many entries it has.
    head, phase
        Index of the next entry, which is what the doorbell is rung with, and its phase.
    """

    def __init__(self, bus: Bus, entry: type[Entry], iova: int, physical: int,
                 depth: int) -> None:
        self._bus, self._entry, self._iova = bus, entry, iova
        self.physical, self.depth = physical, depth
        self.head, self.phase = 0, 1

    def context(self) -> EQC:
        """What the mailbox loads for an empty ring."""
        kind = AEQC if self._entry is AEQE else EQC
        return kind.make(base_l=self._iova & 0xFFFF_FFFF, base_h=self._iova >> 32,
                         depth_minus_1=self.depth - 1, phase=1)

    def take(self) -> list[Entry]:
        """All entries that are there, oldest first."""
        found: list[Entry] = []
        while True:
            size = self._entry.size()
            slot = self.physical + size * self.head
            entry = self._entry.from_bytes(self._bus.memory.read(slot, size))
            if entry.phase != self.phase:
                return found
            found.append(entry)
            self.head += 1
            if self.head == self.depth:
                self.head, self.phase = 0, 1 - self.phase

    def rewind(self) -> None:
        """Empty, at its beginning; the device must not use it."""
        self._bus.memory.write(self.physical, bytes(self._entry.size() * self.depth))
        self.head, self.phase = 0, 1
