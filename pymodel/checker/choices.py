"""Depth-first enumeration by replay: a run makes choices, the next run changes the last one."""

from __future__ import annotations

from collections.abc import Hashable


class Choices:
    """The choices of one run after the other.

    Usage: `while choices.again(): ...` around a run that calls `pick`.
    """

    def __init__(self) -> None:
        self._made: list[tuple[int, int]] = []  # (choice, number of options)
        self._at = 0
        self._started = False
        self._reached: dict[Hashable, tuple[tuple[int, int], ...]] = {}

    def again(self) -> bool:
        """Prepare the next run; False when there is none."""
        self._at = 0
        if not self._started:
            self._started = True
            return True
        while self._made:
            choice, count = self._made.pop()
            if choice + 1 < count:
                self._made.append((choice + 1, count))
                return True
        return False

    def pick(self, count: int) -> int:
        """One of `count` options, at least 1."""
        if count == 1:
            return 0
        if self._at == len(self._made):
            self._made.append((0, count))
        self._at += 1
        return self._made[self._at - 1][0]

    def new(self, state: Hashable) -> bool:
        """Whether no other choices have led to this state before; if some have, all that can come
        after it has been tried."""
        if not self._at:
            return True
        way = tuple(self._made[:self._at])
        return self._reached.setdefault(state, way) == way

    def made(self) -> list[int]:
        """The choices of the run that has ended."""
        return [choice for choice, _ in self._made]


class Replay(Choices):
    """The same choices once more."""

    def __init__(self, made: list[int]) -> None:
        super().__init__()
        self._made = [(choice, 0) for choice in made]

    def new(self, state: Hashable) -> bool:
        return True
