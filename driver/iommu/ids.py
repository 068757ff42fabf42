"""Handing out small numbers: PASIDs, ASIDs."""

from __future__ import annotations


class IdAllocator:
    """The lowest free number of [first, limit), again and again."""

    def __init__(self, what: str, first: int, limit: int) -> None:
        self._what, self._first, self._limit = what, first, limit
        self._used: set[int] = set()

    def take(self) -> int:
        """A free number; `LookupError` names what ran out."""
        for number in range(self._first, self._limit):
            if number not in self._used:
                self._used.add(number)
                return number
        raise LookupError(f"no {self._what} left of {self._limit - self._first}")

    def claim(self, number: int) -> int:
        """Take this very number, inside the range or not; it must be free."""
        if number in self._used:
            raise ValueError(f"{self._what} {number} is in use")
        self._used.add(number)
        return number

    def give(self, number: int) -> None:
        """Return a number; it must have been taken."""
        self._used.remove(number)
