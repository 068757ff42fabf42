"""ASIDs: fewer than address spaces, if need be."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from driver.smmu.cmdq import CommandQueue
from spec.commands import TLBI_NH_ASID

if TYPE_CHECKING:
    from driver.iommu.domain import Domain

NO_ASID = 0  # tags nothing: never given to a domain that is walked


class AsidPool:
    """Lends ASIDs to the domains that are attached.

    A domain under many PASIDs needs one ASID. When none is left, the domain that got its ASID the
    longest time ago and whose transactions stall on a fault is parked: its descriptors fault, its
    translations are dropped, and it gets an ASID again when it next faults.
    """

    def __init__(self, cmdq: CommandQueue, bits: int) -> None:
        self._cmdq = cmdq
        self._limit = 1 << bits
        self._fresh = NO_ASID + 1
        self._free: list[int] = []
        self._owners: OrderedDict[int, Domain] = OrderedDict()

    async def lend(self, domain: Domain) -> None:
        """Give `domain` an ASID if it has none. LookupError: none is left and none can be taken."""
        if domain.asid != NO_ASID:
            return
        asid = self._unused()
        if asid is None:
            asid = await self._take()
        self._owners[asid] = domain
        domain.asid = asid

    async def give_back(self, domain: Domain) -> None:
        """Drop every translation of a domain that is attached nowhere, and free its ASID."""
        if domain.asid != NO_ASID:
            await self._cmdq.issue(TLBI_NH_ASID.make(ASID=domain.asid))
            del self._owners[domain.asid]
            self._free.append(domain.asid)
            domain.asid = NO_ASID

    def _unused(self) -> int | None:
        if self._free:
            return self._free.pop(0)
        if self._fresh == self._limit:
            return None
        self._fresh += 1
        return self._fresh - 1

    async def _take(self) -> int:
        victim = next((d for d in self._owners.values() if d.stalls), None)
        if victim is None:
            raise LookupError(f"no ASID left of {self._limit - 1}")
        asid, victim.asid = victim.asid, NO_ASID
        # 1. No new walk finds the descriptor. 2. No translation is left that the ASID tags.
        await victim.refresh()
        await self._cmdq.issue(TLBI_NH_ASID.make(ASID=asid))
        del self._owners[asid]
        return asid
