"""The SMMU as a driver sees it: probe, enable, attach address spaces to streams."""

from __future__ import annotations

from driver.bus import Bus, DriverError, Region
from driver.smmu.cdtab import ContextTable
from driver.smmu.cmdq import CommandQueue
from driver.smmu.evtq import EventQueue
from driver.smmu.strtab import StreamTable
from spec.codes import FetchCacheability, Shareability, TableCacheability
from spec.commands import CFGI_STE_RANGE, STE_RANGE_ALL, TLBI_NSNH_ALL
from spec.events import Event
from spec.impl import Implementation
from spec.registers import (
    AIDR,
    CR0,
    CR0ACK,
    CR1,
    CR2,
    IDR0,
    IDR1,
    IDR3,
    IDR5,
    IRQ_CTRL,
    IRQ_CTRLACK,
)
from spec.stream_table import STE, SteConfig, SteS1DSS

CMDQ_LOG2SIZE = 8
EVENTQ_LOG2SIZE = 7


class SmmuDriver:
    """Owns the SMMU's queues and tables.

    Members
    -------
    impl
        What the ID registers advertise.
    cmdq, evtq
        The queues, once `start` has run.
    """

    def __init__(self, bus: Bus, impl: Implementation) -> None:
        if not impl.S1P or not impl.granules & {12}:
            raise DriverError("this driver needs stage 1 with 4 KB pages")
        self.bus, self.impl = bus, impl
        self.cmdq = CommandQueue(bus, min(CMDQ_LOG2SIZE, impl.CMDQS))
        self.evtq = EventQueue(bus, min(EVENTQ_LOG2SIZE, impl.EVENTQS))
        self.strtab = StreamTable(bus, self.cmdq, impl)

    @classmethod
    async def probe(cls, bus: Bus) -> SmmuDriver:
        """Read the ID registers, bring the SMMU up in the order of reference 9.2, enable it."""
        idrs = [await bus.read(Region.SMMU, r.OFFSET) for r in (IDR0, IDR1, IDR3, IDR5, AIDR)]
        smmu = cls(bus, Implementation.from_idrs(*idrs))
        await smmu._start()
        return smmu

    async def _start(self) -> None:
        bus = self.bus
        await self._enable(0)
        wb, inner = TableCacheability.WB, Shareability.INNER
        await bus.write(Region.SMMU, CR1.OFFSET, CR1.pack(
            QUEUE_IC=wb, QUEUE_OC=wb, QUEUE_SH=inner, TABLE_IC=wb, TABLE_OC=wb, TABLE_SH=inner))
        await bus.write(Region.SMMU, CR2.OFFSET, CR2.pack(RECINVSID=1))
        await self.strtab.start()
        await self.cmdq.start()
        await self._enable(CR0.pack(CMDQEN=1))
        await self.cmdq.issue(CFGI_STE_RANGE.make(Range=STE_RANGE_ALL), TLBI_NSNH_ALL.make())
        await self.evtq.start()
        await self._enable(CR0.pack(CMDQEN=1, EVENTQEN=1))
        await bus.set_and_acknowledge(Region.SMMU, IRQ_CTRL.OFFSET, IRQ_CTRLACK.OFFSET,
                                      IRQ_CTRL.pack(EVENTQ_IRQEN=1, GERROR_IRQEN=1))
        await self._enable(CR0.pack(CMDQEN=1, EVENTQEN=1, SMMUEN=1))

    async def _enable(self, cr0: int) -> None:
        await self.bus.set_and_acknowledge(Region.SMMU, CR0.OFFSET, CR0ACK.OFFSET, cr0)

    async def attach_contexts(self, sid: int, log2size: int) -> ContextTable:
        """Give StreamID `sid` a CD table for 2^`log2size` SubstreamIDs; traffic without a
        SubstreamID uses descriptor 0, as Linux arranges it."""
        if not 0 < log2size <= self.impl.SSIDSIZE:
            raise DriverError(f"2^{log2size} SubstreamIDs: this SMMU has {self.impl.SSIDSIZE} bits")
        table = ContextTable(self.bus, self.cmdq, sid, log2size)
        cached = FetchCacheability.WB_RA
        await self.strtab.write(sid, STE.make(
            V=1, Config=SteConfig.S1, S1ContextPtr=table.base, S1CDMax=log2size,
            S1DSS=SteS1DSS.SSID0, S1CIR=cached, S1COR=cached, S1CSH=Shareability.INNER))
        return table

    async def detach(self, sid: int) -> None:
        """Make `sid` abort silently; returns when nothing of it is in flight."""
        await self.strtab.write(sid, STE.make(V=1, Config=SteConfig.ABORT))

    async def events(self) -> list[Event]:
        """Event records since the last call."""
        return await self.evtq.drain()
