"""Where the structures lie that the SMMU can reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pymodel.invalidation import Kind

PAGE_SHIFT = 12
_INDEXED = 64  # larger regions are searched one by one


@dataclass(frozen=True, slots=True)
class Region:
    """An array of structures of one kind.

    Members
    -------
    start, count, entry
        Address, number and bytes of the structures.
    sid, ssid
        Identifiers of the first.
    step
        log2 of the identifiers that each one stands for.
    """

    kind: Kind
    start: int
    count: int
    entry: int
    sid: int
    ssid: int = 0
    step: int = 0

    @property
    def end(self) -> int:
        return self.start + self.count * self.entry

    def identify(self, index: int) -> tuple[int, int]:
        """(StreamID, SubstreamID) of one of the structures."""
        first = index << self.step
        if self.kind in (Kind.L1STD, Kind.STE):
            return self.sid + first, 0
        return self.sid, self.ssid + first


class Regions:
    """All regions, found by address."""

    def __init__(self) -> None:
        self._all: set[Region] = set()
        self._pages: dict[int, list[Region]] = {}
        self._large: list[Region] = []

    def __contains__(self, region: Region) -> bool:
        return region in self._all

    def __iter__(self) -> Iterator[Region]:
        return iter(self._all)

    def add(self, region: Region) -> None:
        if region in self._all or not region.count:
            return
        self._all.add(region)
        for where in self._lists(region):
            where.append(region)

    def remove(self, region: Region) -> None:
        self._all.remove(region)
        for where in self._lists(region):
            where.remove(region)

    def _lists(self, region: Region) -> list[list[Region]]:
        first, last = region.start >> PAGE_SHIFT, (region.end - 1) >> PAGE_SHIFT
        if last - first >= _INDEXED:
            return [self._large]
        return [self._pages.setdefault(page, []) for page in range(first, last + 1)]

    def clear(self) -> None:
        self._all.clear()
        self._pages.clear()
        self._large.clear()

    def overlapping(self, address: int, size: int) -> set[Region]:
        """Regions that share a byte with [address, +size)."""
        if not self._all:
            return set()
        found: set[Region] = set()
        for page in range(address >> PAGE_SHIFT, ((address + size - 1) >> PAGE_SHIFT) + 1):
            found.update(self._pages.get(page, ()))
        found.update(self._large)
        return {r for r in found if r.start < address + size and address < r.end}

    def find(self, kind: Kind, sid: int, ssid: int = 0) -> Iterator[int]:
        """Addresses of the structures of that kind for an identifier."""
        for region in self._all:
            if region.kind is not kind:
                continue
            if kind in (Kind.L1STD, Kind.STE):
                index = (sid - region.sid) >> region.step
            elif region.sid == sid:
                index = (ssid - region.ssid) >> region.step
            else:
                continue
            if 0 <= index < region.count:
                yield region.start + index * region.entry
