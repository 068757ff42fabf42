"""Random jobs and what must come of them, by independent software."""

from __future__ import annotations

import random
from dataclasses import dataclass

from spec.sec import BD3
from tb.random_jobs import AES, DATA_MOVER, GUARD, KINDS, Bytes, Kind, RandomJobs, Span
from tests.accel.software import expected

__all__ = ["AES", "DATA_MOVER", "KINDS", "Job", "Kind", "Maker"]


@dataclass
class Job:
    """A descriptor and what its completion must find."""

    bd: BD3
    spans: list[Span]         # the destination's
    data: bytes               # what must be there
    result: int
    around: dict[int, bytes]  # bytes next to the destination that must stay

    def check(self, memory: Bytes, sqe: BD3) -> None:
        """The job is done as it must be, and nothing beside its destination has changed."""
        assert (sqe.done, sqe.error_type, sqe.result) == (1, 0, self.result)
        found = b"".join(memory.read(address, size) for address, size in self.spans)
        assert found == self.data
        for address, data in self.around.items():
            assert memory.read(address, len(data)) == data, hex(address)


class Maker(RandomJobs):
    """Jobs one behind the other from `base` on."""

    def __init__(self, memory: Bytes, rng: random.Random, base: int) -> None:
        super().__init__(memory, rng, self._bump)
        self._next = base

    def _bump(self, size: int) -> int:
        at, self._next = self._next, self._next + size
        return at

    def make(self, kind: Kind, size: int, **how: int) -> Job:
        """As `job`, with what must come of it."""
        placed = self.job(kind, size, **how)
        data = b"".join(self.memory.read(a, n) for a, n in placed.source)
        out, result = expected(placed.bd, data, placed.key, placed.iv)
        places = {at: GUARD for address, n in placed.target
                  for at in (address - GUARD, address + n)}
        around = {at: self.memory.read(at, n) for at, n in places.items()}
        return Job(placed.bd, placed.target, out, result, around)
