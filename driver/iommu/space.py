"""What address spaces of both stages have in common: a page table and the invalidations it owes."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence

from driver.iommu.pagetable import PageTable, Prot
from driver.smmu.device import SmmuDriver
from driver.smmu.range import Step, steps
from spec.commands import Command

IN_PLACE = 2  # BBML from which a block may become a table without being invalid in between
MANY = 64  # commands above which the whole address space is invalidated instead


class AddressSpace(ABC):
    """A page table, and the SMMU's caches kept in step with it."""

    def __init__(self, smmu: SmmuDriver, table: PageTable) -> None:
        self._smmu, self.table = smmu, table

    def map(self, iova: int, pa: int, size: int, prot: Prot) -> None:
        """Make [iova, +size) reach [pa, ...). A new mapping needs no invalidation: invalid
        descriptors are never cached (reference 4.3)."""
        self.table.map(iova, pa, size, prot)

    def map_pages(self, iova: int, pages: Sequence[int], prot: Prot) -> None:
        """Make the pages from `iova` on reach `pages`, wherever they are."""
        self.table.map_pages(iova, pages, prot)

    async def unmap(self, iova: int, size: int) -> None:
        """Remove a mapping or a part of it; returns when no transaction uses it any more.

        A block that goes only in part is split first. Without BBML 2 the rest of it faults for a
        moment (reference 4.6).
        """
        split = False
        while blocks := self.table.straddlers(iova, size):
            split = True
            for block in blocks:
                await self._split(block)
        leaves, tables = self.table.unmap(iova, size)
        # What was split may be cached as the block that it was; with tables all levels must go.
        if tables or split:
            await self._invalidate(iova, size, leaf=not tables, level=None)
        else:
            for run in leaves:
                await self._invalidate(run.iova, run.size, leaf=True, level=run.level)
        self.table.release(tables)

    @property
    @abstractmethod
    def cached(self) -> bool:
        """Whether the SMMU may hold anything of it."""

    @abstractmethod
    def drop(self, step: Step, leaf: bool) -> Command:
        """The command for a part of a range."""

    @abstractmethod
    async def drop_all(self) -> None:
        """Drop everything that is cached of it."""

    @abstractmethod
    async def dropped(self) -> None:
        """A range was dropped: drop what else must go with it."""

    async def _split(self, block: int) -> None:
        """The unmap that follows invalidates inside the block, which drops it from the TLBs."""
        level, raw = self.table.peek(block)
        if self._smmu.impl.BBML < IN_PLACE:
            self.table.clear(block)
            await self._invalidate(block, self.table.page, leaf=True, level=None)
        self.table.split(block, level, raw)

    async def _invalidate(self, iova: int, size: int, *, leaf: bool, level: int | None) -> None:
        """Drop what was cached of a range: last-level entries of one level, or of all levels."""
        if not self.cached:
            return
        found = list(itertools.islice(
            steps(self._smmu.impl, iova, size, self.table.granule, level), MANY + 1))
        if len(found) > MANY:
            await self.drop_all()
            return
        await self._smmu.cmdq.issue(*(self.drop(step, leaf) for step in found))
        await self.dropped()
