"""Event records: stalled transactions are answered, the rest is kept for whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from driver.iommu.asids import NO_ASID
from spec.commands import RESUME, ResumeAction
from spec.events import Event

if TYPE_CHECKING:
    from driver.iommu.domain import Domain, Iommu


@dataclass(eq=False)
class Fault:
    """A transaction that waits for an answer.

    Members
    -------
    pasid
        0: the transaction carries none.
    stag
        The number by which the SMMU knows it.
    waits
        False once it was answered, by whomever.
    """

    service: FaultService
    sid: int
    pasid: int
    stag: int
    address: int
    write: bool
    instruction: bool
    privileged: bool
    waits: bool = True

    async def answer(self, retry: bool) -> None:
        """Try again, or abort; nothing if it was answered already."""
        await self.service.answer(self, retry)


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
        self._waiting: dict[tuple[int, int], Fault] = {}  # by StreamID and STAG

    async def service(self) -> int:
        """Handle all records until none is left; how many stalls were answered."""
        answered = 0
        while events := await self._iommu.smmu.events():
            for event in events:
                answered += await self._handle(event, None)
        return answered

    async def abort(self, sid: int, pasid: int) -> None:
        """Abort what waits under one PASID; everything else is handled as ever."""
        for fault in list(self._waiting.values()):
            if (fault.sid, fault.pasid) == (sid, pasid):
                await self.answer(fault, False)
        while events := await self._iommu.smmu.events():
            for event in events:
                await self._handle(event, (sid, pasid))

    async def forget(self, sid: int) -> None:
        """The stalls of a StreamID were ended all at once: nobody has to answer them."""
        while events := await self._iommu.smmu.events():
            for event in events:
                values = dict(event.items())
                if not (values.get("Stall") and values["StreamID"] == sid):
                    await self._handle(event, None)
        for key in [key for key in self._waiting if key[0] == sid]:
            self._waiting.pop(key).waits = False

    async def answer(self, fault: Fault, retry: bool) -> None:
        """As `Fault.answer`."""
        if not fault.waits:
            return
        fault.waits = False
        del self._waiting[fault.sid, fault.stag]
        action = ResumeAction.RETRY if retry else ResumeAction.ABORT
        await self._iommu.smmu.cmdq.issue(RESUME.make(
            StreamID=fault.sid, STAG=fault.stag, Ac=action & 1, Ab=action >> 1))

    async def _handle(self, event: Event, doomed: tuple[int, int] | None) -> bool:
        """Whether the record was that of a stall, which is answered now."""
        values = dict(event.items())
        if not values.get("Stall"):
            self.events.append(event)
            return False
        pasid = values["SubstreamID"] if values["SSV"] else 0
        fault = Fault(self, values["StreamID"], pasid, values["STAG"], values["InputAddr"],
                      not values["RnW"], bool(values["InD"]), bool(values["PnU"]))
        self._waiting[fault.sid, fault.stag] = fault
        stream = self._iommu.streams.get(fault.sid)
        domain = stream.domain(pasid) if stream else None
        if (fault.sid, pasid) == doomed or domain is None:
            await self.answer(fault, False)
        elif domain.asid != NO_ASID and domain.sink is not None:
            domain.sink(fault)
            return False
        else:
            await self.answer(fault, await self._retry(domain, fault))
        return True

    async def _retry(self, domain: Domain, fault: Fault) -> bool:
        """Whether trying again can help: a parked domain gets its ASID, unless all are held by
        domains that cannot be parked; others have their handler."""
        if domain.asid == NO_ASID:
            try:
                await self._iommu.asids.lend(domain)
            except LookupError:
                return False
            await domain.refresh()
            return True
        return domain.handler is not None and await domain.handler(fault.address, fault.write)
