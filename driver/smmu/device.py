"""The SMMU as a driver sees it: probe, enable, attach address spaces to streams."""

from __future__ import annotations

from driver.bus import Bus, DriverError, Region
from driver.smmu.cdtab import ContextTable, choose_format
from driver.smmu.cmdq import CommandQueue
from driver.smmu.errors import GlobalErrors
from driver.smmu.evtq import EventQueue
from driver.smmu.probe import identify
from driver.smmu.strtab import StreamTable
from spec.codes import Shareability, TableCacheability
from spec.commands import CFGI_STE_RANGE, STE_RANGE_ALL, TLBI_EL2_ALL, TLBI_NSNH_ALL
from spec.events import Event
from spec.impl import Implementation
from spec.registers import (
    CR0,
    CR0ACK,
    CR1,
    CR2,
    EVENTQ_IRQ_CFG0,
    GBPA,
    GERROR_IRQ_CFG0,
    IRQ_CTRL,
    IRQ_CTRLACK,
)
from spec.stream_table import STE, SteConfig, SteS1Fmt

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
    errors
        Handles GERROR; call its `service` on the "gerror" interrupt.
    """

    def __init__(self, bus: Bus, impl: Implementation) -> None:
        self.bus, self.impl = bus, impl
        self.cmdq = CommandQueue(bus, min(CMDQ_LOG2SIZE, impl.CMDQS))
        self.evtq = EventQueue(bus, min(EVENTQ_LOG2SIZE, impl.EVENTQS))
        self.strtab = StreamTable(bus, self.cmdq, impl)
        self.errors = GlobalErrors(bus, self.cmdq)

    @classmethod
    async def probe(cls, bus: Bus) -> SmmuDriver:
        """Read the ID registers, bring the SMMU up in the order of reference 9.2, enable it."""
        smmu = cls(bus, await identify(bus))
        await smmu._start()
        return smmu

    async def _start(self) -> None:
        """The numbers are the rows of reference 9.2; rows 11 and 12 are PRI and ATS."""
        bus = self.bus
        await self._block()  # 1
        await self._enable(0)  # 2
        wb, inner = TableCacheability.WB, Shareability.INNER
        await bus.write(Region.SMMU, CR1.OFFSET, CR1.pack(
            QUEUE_IC=wb, QUEUE_OC=wb, QUEUE_SH=inner, TABLE_IC=wb, TABLE_OC=wb,
            TABLE_SH=inner))  # 3
        await bus.write(Region.SMMU, CR2.OFFSET, CR2.pack(RECINVSID=1, PTM=1))  # 4
        await self.strtab.start()  # 5, 6
        await self.cmdq.start()  # 7
        await self._enable(CR0.pack(CMDQEN=1))  # 8
        await self.cmdq.issue(CFGI_STE_RANGE.make(Range=STE_RANGE_ALL))  # 9
        if self.impl.HYP:
            await self.cmdq.issue(TLBI_EL2_ALL.make())
        await self.cmdq.issue(TLBI_NSNH_ALL.make())
        await self.evtq.start()  # 10
        await self._enable(CR0.pack(CMDQEN=1, EVENTQEN=1))
        await self._interrupts(0)  # 13
        if self.impl.MSI:  # the wires are used
            await bus.write(Region.SMMU, GERROR_IRQ_CFG0.OFFSET, 0, 8)
            await bus.write(Region.SMMU, EVENTQ_IRQ_CFG0.OFFSET, 0, 8)
        await self._interrupts(IRQ_CTRL.pack(EVENTQ_IRQEN=1, GERROR_IRQEN=1))  # 14
        await self._enable(CR0.pack(CMDQEN=1, EVENTQEN=1, SMMUEN=1))  # 15

    async def _block(self) -> None:
        """If the SMMU is on, have traffic aborted while it is off."""
        if not CR0(await self.bus.read(Region.SMMU, CR0.OFFSET)).SMMUEN:
            return
        await self.bus.poll(self._gbpa_updated, "GBPA to be updated")
        gbpa = await self.bus.read(Region.SMMU, GBPA.OFFSET)
        await self.bus.write(Region.SMMU, GBPA.OFFSET,
                             gbpa | GBPA.ABORT.mask | GBPA.Update.mask)
        await self.bus.poll(self._gbpa_updated, "GBPA to be updated")

    async def _gbpa_updated(self) -> bool:
        return not GBPA(await self.bus.read(Region.SMMU, GBPA.OFFSET)).Update

    async def _enable(self, cr0: int) -> None:
        await self.bus.set_and_acknowledge(Region.SMMU, CR0.OFFSET, CR0ACK.OFFSET, cr0)

    async def _interrupts(self, irq_ctrl: int) -> None:
        await self.bus.set_and_acknowledge(Region.SMMU, IRQ_CTRL.OFFSET, IRQ_CTRLACK.OFFSET,
                                           irq_ctrl)

    async def attach_contexts(self, sid: int, log2size: int,
                              fmt: SteS1Fmt | None = None) -> ContextTable:
        """Give StreamID `sid` a CD table for 2^`log2size` SubstreamIDs, in the format that Linux
        chooses unless told; traffic without a SubstreamID uses descriptor 0."""
        self.errors.check()
        if not 0 < log2size <= self.impl.SSIDSIZE:
            raise DriverError(f"2^{log2size} SubstreamIDs: this SMMU has {self.impl.SSIDSIZE} bits")
        if fmt is None:
            fmt = choose_format(self.impl, log2size)
        table = ContextTable(self.bus, self.cmdq, sid, log2size, fmt)
        await self.strtab.write(sid, table.entry())
        return table

    async def detach(self, sid: int) -> None:
        """Make `sid` abort silently; returns when nothing of it is in flight."""
        await self.strtab.write(sid, STE.make(V=1, Config=SteConfig.ABORT))

    async def events(self) -> list[Event]:
        """Event records since the last call."""
        return await self.evtq.drain()
