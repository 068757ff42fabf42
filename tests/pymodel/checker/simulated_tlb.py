"""A small SMMU with caches, written without looking at the model: one granule, stage 1 only.

It walks step by step while the world changes, caches what it likes, drops what it likes, carries
out invalidations at any time before their SYNC, in any order, and completes a SYNC when every
transaction that had begun before is done.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

LEVELS = (39, 30, 21, 12)
ADDRESS = 0xFFFF_FFFF_F000


@dataclass
class Flight:
    """A transaction under way. `pa` None at the end: a translation fault."""

    sid: int
    va: int
    issued: int
    walk: Any = None
    epoch: int = 0
    decided: int = 0
    pa: int | None = None
    done: bool = False


@dataclass
class SimulatedTlb:
    """Caches by tag. `invalidate` and `sync` are called for each command in order."""

    memory: Any
    strtab: int
    rng: random.Random
    now: Any  # callable: the time
    stes: dict[int, int] = field(default_factory=dict)            # sid -> CD address
    cds: dict[int, tuple[int, int]] = field(default_factory=dict)  # sid -> (asid, table)
    tables: dict[tuple[int, int, int], int] = field(default_factory=dict)  # asid, level, va
    leaves: dict[tuple[int | None, int], int] = field(default_factory=dict)  # asid, page
    flights: list[Flight] = field(default_factory=list)
    pending: list[Any] = field(default_factory=list)
    epoch: int = 0

    def begin(self, sid: int, va: int) -> Flight:
        flight = Flight(sid, va, self.now(), epoch=self.epoch)
        flight.walk = self._walk(flight)
        self.flights.append(flight)
        return flight

    def step(self, flight: Flight) -> None:
        """One memory access of a walk, or its end."""
        try:
            next(flight.walk)
        except StopIteration:
            flight.decided, flight.done = self.now(), True
            self.flights.remove(flight)

    def finish(self, flight: Flight) -> None:
        while not flight.done:
            self.step(flight)

    def drop_some(self) -> None:
        for cache in (self.stes, self.cds, self.tables, self.leaves):
            for key in [k for k in cache if self.rng.random() < 0.2]:
                del cache[key]

    def invalidate(self, what: Any) -> None:
        """`what`: ("ste", sid), ("cd", sid), ("va", va, asid, leaf), ("asid", asid), ("all",)"""
        self.pending.append(what)
        if self.rng.random() < 0.4:
            self._apply_all()

    def sync(self) -> None:
        """The caller's SYNC may complete when this returns."""
        self._apply_all()
        for flight in list(self.flights):
            self.finish(flight)

    def _apply_all(self) -> None:
        self.rng.shuffle(self.pending)
        for what in self.pending:
            self._apply(*what)
        self.pending.clear()

    def _apply(self, kind: str, *operands: Any) -> None:
        self.epoch += 1  # walks under way leave nothing behind
        if kind == "ste":
            self.stes.pop(operands[0], None)
        if kind in ("ste", "cd"):
            self.cds.pop(operands[0], None)
        if kind == "all":
            self.tables.clear()
            self.leaves.clear()
        if kind == "asid":
            for key in [k for k in self.tables if k[0] == operands[0]]:
                del self.tables[key]
            for leaf in [k for k in self.leaves if k[0] == operands[0]]:
                del self.leaves[leaf]
        if kind == "va":
            va, asid, only_leaf = operands
            for key in [k for k in self.leaves if k[0] in (asid, None) and k[1] == va >> 12]:
                del self.leaves[key]
            if not only_leaf:
                for level, low in enumerate(LEVELS):
                    self.tables.pop((asid, level, va >> low), None)

    def _put(self, flight: Flight, cache: dict, key: Any, value: Any) -> None:
        if flight.epoch == self.epoch and self.rng.random() < 0.8:
            cache[key] = value

    def _walk(self, flight: Flight) -> Generator[None, None, None]:
        cached = flight.sid in self.stes
        cd_at = self.stes[flight.sid] if cached else (
            self.memory.read64(self.strtab + flight.sid * 64) & 0xF_FFFF_FFFF_FFC0)
        if not cached:
            yield
            self._put(flight, self.stes, flight.sid, cd_at)
        if flight.sid in self.cds:
            asid, table = self.cds[flight.sid]
        else:
            second = self.memory.read64(cd_at + 8)
            yield
            first = self.memory.read64(cd_at)
            asid, table = first >> 48, second & ADDRESS
            self._put(flight, self.cds, flight.sid, (asid, table))
        for key in ((asid, flight.va >> 12), (None, flight.va >> 12)):
            if key in self.leaves:
                flight.pa = self.leaves[key] | flight.va & 0xFFF
                return
        yield from self._tables(flight, asid, table)

    def _tables(self, flight: Flight, asid: int, table: int) -> Generator[None, None, None]:
        start = 0
        for level in (2, 1, 0):
            key = (asid, level, flight.va >> LEVELS[level])
            if key in self.tables:
                start, table = level + 1, self.tables[key]
                break
        for level in range(start, 4):
            entry = self.memory.read64(table + 8 * (flight.va >> LEVELS[level] & 511))
            yield
            if not entry & 1:
                return
            table = entry & ADDRESS
            if level < 3:
                self._put(flight, self.tables, (asid, level, flight.va >> LEVELS[level]), table)
        tag = asid if entry >> 11 & 1 else None
        self._put(flight, self.leaves, (tag, flight.va >> 12), table)
        flight.pa = table | flight.va & 0xFFF
