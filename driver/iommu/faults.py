"""Event records: stalled transactions are answered, the rest is kept for whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driver.iommu.asids import NO_ASID
from spec.commands import RESUME, ResumeAction
from spec.events import Event

if TYPE_CHECKING:
    from driver.iommu.domain import Domain, Iommu


class FaultService:
    """Empties the event queue and answers what waits.

    Members
    -------
    events
        Records of transactions that did not stall, oldest first.
    """

    def __init__(self, iommu: Iommu) -> None:
        self._iommu = iommu
        self.events: list[Event] = []

    async def service(self) -> int:
        """Handle all records until none is left; how many stalls were answered."""
        answered = 0
        while events := await self._iommu.smmu.events():
            for event in events:
                answered += await self._handle(event, None)
        return answered

    async def abort(self, sid: int, pasid: int) -> None:
        """Abort what waits under one PASID; everything else is handled as ever."""
        while events := await self._iommu.smmu.events():
            for event in events:
                await self._handle(event, (sid, pasid))

    async def _handle(self, event: Event, doomed: tuple[int, int] | None) -> bool:
        values = dict(event.items())
        if not values.get("Stall"):
            self.events.append(event)
            return False
        sid, pasid = values["StreamID"], values["SubstreamID"] if values["SSV"] else 0
        stream = self._iommu.streams.get(sid)
        domain = stream.domain(pasid) if stream else None
        retry = (sid, pasid) != doomed and domain is not None and await self._retry(
            domain, values["InputAddr"], not values["RnW"])
        action = ResumeAction.RETRY if retry else ResumeAction.ABORT
        await self._iommu.smmu.cmdq.issue(RESUME.make(
            StreamID=sid, STAG=values["STAG"], Ac=action & 1, Ab=action >> 1))
        return True

    async def _retry(self, domain: Domain, address: int, write: bool) -> bool:
        """Whether trying again can help: a parked domain gets its ASID, others their handler."""
        if domain.asid == NO_ASID:
            await self._iommu.asids.lend(domain)
            await domain.refresh()
            return True
        return domain.handler is not None and await domain.handler(address, write)
