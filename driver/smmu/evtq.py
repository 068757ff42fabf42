"""Event queue, consumer side (reference 5 and 7.3)."""

from __future__ import annotations

from driver.bus import Bus, Region
from spec.events import EVENT_BYTES, Event, decode
from spec.registers import EVENTQ_BASE, EVENTQ_CONS, EVENTQ_PROD


class EventQueue:
    """Takes event records out of memory in order.

    Members
    -------
    overflows
        How often records were lost because the queue was full.
    """

    def __init__(self, bus: Bus, log2size: int) -> None:
        self._bus, self._log2size = bus, log2size
        self._base = bus.pages.contiguous(EVENT_BYTES << log2size, EVENT_BYTES << log2size)
        self._mask = (2 << log2size) - 1
        self._cons = self._overflow = 0
        self.overflows = 0

    async def start(self) -> None:
        """Program base and indices; the caller sets CR0.EVENTQEN."""
        base = EVENTQ_BASE.pack(LOG2SIZE=self._log2size, ADDR=self._base, WA=1)
        await self._bus.write(Region.SMMU, EVENTQ_BASE.OFFSET, base, 8)
        self._cons = self._overflow = 0
        await self._bus.write(Region.SMMU, EVENTQ_PROD.OFFSET, 0)
        await self._bus.write(Region.SMMU, EVENTQ_CONS.OFFSET, 0)

    async def drain(self) -> list[Event]:
        """All records that are there, oldest first; acknowledges them, and an overflow with
        them."""
        prod = EVENTQ_PROD(await self._bus.read(Region.SMMU, EVENTQ_PROD.OFFSET))
        events = []
        while self._cons != prod.WR & self._mask:
            slot = self._base + EVENT_BYTES * (self._cons & (self._mask >> 1))
            raw = int.from_bytes(self._bus.memory.read(slot, EVENT_BYTES), "little")
            events.append(decode(raw) or Event(raw))
            self._cons = (self._cons + 1) & self._mask
        if prod.OVFLG != self._overflow:
            self._overflow = prod.OVFLG
            self.overflows += 1
        elif not events:
            return events
        cons = EVENTQ_CONS.pack(RD=self._cons, OVACKFLG=prod.OVFLG)
        await self._bus.write(Region.SMMU, EVENTQ_CONS.OFFSET, cons)
        return events
