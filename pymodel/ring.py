"""Index arithmetic of the queues (reference 7.1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ring:
    """A queue of 2^`log2size` entries of `entry` bytes at `base`.

    Indices hold log2size index bits and, above them, one wrap bit; higher bits are ignored.
    """

    base: int
    log2size: int
    entry: int

    @classmethod
    def at(cls, address: int, log2size: int, limit: int, entry: int) -> Ring:
        """From a queue's BASE fields: the size is capped by IDR1, the base aligned to it."""
        log2size = min(log2size, limit)
        alignment = max(entry << log2size, 32)
        return cls(address & ~(alignment - 1), log2size, entry)

    @property
    def mask(self) -> int:
        """The index and wrap bits."""
        return (2 << self.log2size) - 1

    def used(self, prod: int, cons: int) -> int:
        return (prod - cons) & self.mask

    def empty(self, prod: int, cons: int) -> bool:
        return self.used(prod, cons) == 0

    def full(self, prod: int, cons: int) -> bool:
        return self.used(prod, cons) == 1 << self.log2size

    def consistent(self, prod: int, cons: int) -> bool:
        """Whether software kept PROD at most the queue's size ahead of CONS."""
        return self.used(prod, cons) <= 1 << self.log2size

    def next(self, index: int) -> int:
        return (index + 1) & self.mask

    def address(self, index: int) -> int:
        """Where the entry of `index` lies."""
        return self.base + (index & self.mask >> 1) * self.entry
