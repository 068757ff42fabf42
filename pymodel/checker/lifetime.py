"""When a structure may have been fetched, and until when a copy of it may be used.

Time is any number that never decreases: a clock cycle, or a counter of what happened. Two things
at the same time are taken in the order that allows more.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple

from pymodel.invalidation import ConfigEntry, Invalidation, TlbEntry, covers
from spec import commands as c
from spec.commands import Command

Time = float
BEGIN, NEVER = -inf, inf
NOBODY: frozenset[int] = frozenset()


class Done(NamedTuple):
    """An invalidation that a CMD_SYNC has completed. `number` tells equal ones apart."""

    number: int
    inv: Invalidation
    issued: Time
    completed: Time


class Life(NamedTuple):
    """The times at which an entry may be used, by a transaction or by a walk that goes on from it.

    Members
    -------
    start
        From when on it can exist.
    dead
        Completion of the SYNC after which it must be gone; NEVER if there is none yet.
    killed
        Numbers of the invalidations that oblige it to go.
    """

    start: Time
    dead: Time = NEVER
    killed: frozenset[int] = NOBODY

    @property
    def possible(self) -> bool:
        return self.start <= self.dead

    def dried(self, done: Done) -> bool:
        """Whether nothing can be fetched through this entry any more that `done` does not catch:
        it was gone when `done` was issued, or `done` removes it too."""
        return self.dead <= done.issued or done.number in self.killed


ALWAYS = Life(BEGIN)


def both(a: Life, b: Life) -> Life:
    """What needs two entries at once."""
    if a is ALWAYS or b is ALWAYS:
        return b if a is ALWAYS else a
    return Life(max(a.start, b.start), min(a.dead, b.dead), a.killed | b.killed)


class Window(NamedTuple):
    """When a transaction was issued, its translation decided, and its last response given."""

    issued: Time
    decided: Time
    completed: Time

    def usable(self, life: Life) -> bool:
        """Whether the transaction can have used a cached copy with this life. A SYNC completes
        only after every transaction that used what it removes (reference 4.3.8, 6.4)."""
        return life.start <= self.decided and life.dead >= self.completed and life.possible


class CommandLog:
    """Invalidations and SYNCs of one Command queue, in the order of the queue."""

    def __init__(self) -> None:
        self.done: list[Done] = []
        self._open: list[tuple[Invalidation, Time]] = []
        self._waiting: list[list[tuple[Invalidation, Time]]] = []
        self._count = 0

    def on_command(self, command: Command, inv: Invalidation | None, time: Time) -> None:
        if isinstance(command, c.SYNC):
            self._waiting.append(self._open)
            self._open = []
        elif inv is not None:
            self._open.append((inv, time))

    def on_sync(self, time: Time) -> None:
        """The oldest SYNC that has not completed has. ValueError if there is none."""
        if not self._waiting:
            raise ValueError("a CMD_SYNC completed that was never issued")
        for inv, issued in self._waiting.pop(0):
            self.done.append(Done(self._count, inv, issued, time))
            self._count += 1

    def life(self, source: Life, written: Time, overwritten: Time,
             entry: Callable[[], ConfigEntry | TlbEntry]) -> Life:
        """The life of a copy whose memory held its value from `written` to `overwritten`, fetched
        by way of `source`.

        An invalidation obliges the copy to go if it covers it and was issued when the copy could
        not be fetched again: memory had changed, or the way to it was closed. One command that
        removes the way and the copy removes both.
        """
        start = max(source.start, written)
        if overwritten == NEVER and source.dead == NEVER and not source.killed:
            return ALWAYS if start == BEGIN else Life(start)
        dead, killed, tags = NEVER, [], None
        for done in self.done:
            if overwritten <= done.issued or source.dried(done):
                if tags is None:
                    tags = entry()
                if covers(done.inv, tags):
                    killed.append(done.number)
                    dead = min(dead, done.completed)
        return Life(start, dead, frozenset(killed))

    def either(self, a: Life, b: Life) -> Life:
        """Two ways to the same place, of which one is enough."""
        if b.dead <= a.dead or not b.possible:
            return a
        numbers = a.killed | b.killed
        killed = [done.number for done in self.done
                  if done.number in numbers and a.dried(done) and b.dried(done)]
        return Life(min(a.start, b.start), b.dead, frozenset(killed))

    def forget(self, before: Time) -> None:
        """Drop the invalidations issued before the oldest change that is still of interest."""
        self.done = [done for done in self.done if done.issued >= before]
