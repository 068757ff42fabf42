"""Domains: an address space that can be attached to streams under PASIDs."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence

from driver.iommu.asids import NO_ASID, AsidPool
from driver.iommu.faults import Fault, FaultService
from driver.iommu.ids import IdAllocator
from driver.iommu.pagetable import BITS, GRANULE, PageTable, Prot
from driver.smmu.cdtab import ContextTable
from driver.smmu.device import SmmuDriver
from driver.smmu.range import steps
from spec.codes import Shareability, TG0Code, WalkCacheability
from spec.commands import TLBI_NH_ASID, TLBI_NH_VA, Command
from spec.context import CD
from spec.registers import StallModel
from spec.stream_table import SteS1Fmt
from spec.vmsa import Mair

IN_PLACE = 2  # BBML from which a block may become a table without being invalid in between
MANY = 64  # commands above which the whole address space is invalidated instead

TG0 = {12: TG0Code.G4K, 14: TG0Code.G16K, 16: TG0Code.G64K}

Handler = Callable[[int, bool], Awaitable[bool]]
Sink = Callable[[Fault], None]


class Iommu:
    """All domains of one SMMU; hands out ASIDs and, per stream, PASIDs.

    PASID and ASID are separate things: a PASID names a domain to the device, an ASID tags its
    translations in the TLBs.

    Members
    -------
    streams
        What was taken over, by StreamID.
    faults
        Takes the event queue's records; call its `service` on the event queue's interrupt.
    """

    def __init__(self, smmu: SmmuDriver) -> None:
        self.smmu = smmu
        self.asids = AsidPool(smmu.cmdq, smmu.impl.asid_bits)
        self.streams: dict[int, Stream] = {}
        self.faults = FaultService(self)

    def domain(self, *, granule: int = GRANULE, handler: Handler | None = None,
               sink: Sink | None = None) -> Domain:
        """A new, empty address space. With a `handler`, transactions that fault wait until it has
        said whether to try again (True) or to abort; with a `sink`, which is told of them, until
        somebody answers the fault."""
        return Domain(self, granule, handler, sink)


class Domain:
    """An address space. Its owner needs no PASID to use it; attaching one is a `Stream`'s job.

    Members
    -------
    asid
        0 while it is attached nowhere or parked.
    handler
        Answers stalled faults: (address, write) to whether to try again.
    sink
        Takes stalled faults to answer them later.
    """

    def __init__(self, iommu: Iommu, granule: int, handler: Handler | None,
                 sink: Sink | None) -> None:
        if granule not in iommu.smmu.impl.granules:
            raise ValueError(f"no granule of 2^{granule} bytes")
        self._iommu = iommu
        self.asid = NO_ASID
        self.handler, self.sink = handler, sink
        model = iommu.smmu.impl.STALL_MODEL
        self._must_stall = model == StallModel.STALL
        self.stalls = self._must_stall or handler is not None or sink is not None
        if self.stalls and model == StallModel.TERMINATE:
            raise ValueError("faults cannot be handled: this SMMU does not stall")
        self.table = PageTable(iommu.smmu.bus, granule, iommu.smmu.impl.oas_bits)
        self._places: list[tuple[Stream, int]] = []

    @property
    def attached(self) -> int:
        """Under how many PASIDs it is reached."""
        return len(self._places)

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

    def descriptor(self) -> CD:
        """The context descriptor of this address space; without an ASID one that faults."""
        wb = WalkCacheability.WB_RA_WA
        return CD.make(
            T0SZ=64 - BITS, TG0=TG0[self.table.granule], IR0=wb, OR0=wb, SH0=Shareability.INNER,
            EPD0=self.asid == NO_ASID, EPD1=1, V=1, IPS=self._iommu.smmu.impl.OAS, AA64=1,
            S=self.stalls, R=1, A=1, ASET=1, ASID=self.asid, TTB0=self.table.root,
            MAIR0=Mair.WB)

    def silent(self) -> CD:
        """A descriptor that ends every transaction with an abort that nobody hears of."""
        return self.descriptor().replace(EPD0=1, ASID=NO_ASID, R=0, S=self._must_stall)

    def flush(self) -> Command:
        """The command that drops every cached translation of this address space."""
        return TLBI_NH_ASID.make(ASID=self.asid)

    async def refresh(self) -> None:
        """Write the descriptor anew wherever it is reached."""
        for stream, pasid in self._places:
            await stream.write(pasid, self.descriptor())

    async def entered(self, stream: Stream, pasid: int) -> None:
        """`stream` is about to reach it under `pasid`."""
        await self._iommu.asids.lend(self)
        self._places.append((stream, pasid))

    async def left(self, stream: Stream, pasid: int) -> None:
        """`stream` does not reach it under `pasid` any more; drop what it cached."""
        self._places.remove((stream, pasid))
        if self._places:
            await self._invalidate_all()
        else:
            await self._iommu.asids.give_back(self)

    def close(self) -> None:
        """End it and free its tables; it must not be attached anywhere."""
        if self._places:
            raise ValueError("the domain is still attached")
        self.table.destroy()

    async def _split(self, block: int) -> None:
        """The unmap that follows invalidates inside the block, which drops it from the TLBs."""
        level, raw = self.table.peek(block)
        if self._iommu.smmu.impl.BBML < IN_PLACE:
            self.table.clear(block)
            await self._invalidate(block, self.table.page, leaf=True, level=None)
        self.table.split(block, level, raw)

    async def _invalidate(self, iova: int, size: int, *, leaf: bool, level: int | None) -> None:
        """Drop what was cached of a range: last-level entries of one level, or of all levels."""
        impl, granule = self._iommu.smmu.impl, self.table.granule
        if self.asid == NO_ASID:
            return
        commands = list(itertools.islice(steps(impl, iova, size, granule, level), MANY + 1))
        if len(commands) > MANY:
            await self._invalidate_all()
            return
        await self._iommu.smmu.cmdq.issue(*(
            TLBI_NH_VA.make(ASID=self.asid, VA=step.address, Leaf=leaf, **step.fields)
            for step in commands))

    async def _invalidate_all(self) -> None:
        if self.asid != NO_ASID:
            await self._iommu.smmu.cmdq.issue(self.flush())


class Stream:
    """One StreamID and the domains its SubstreamIDs reach."""

    def __init__(self, iommu: Iommu, sid: int, table: ContextTable) -> None:
        self.iommu, self.sid, self._table = iommu, sid, table
        self._pasids = IdAllocator("PASID", 1, 1 << table.log2size)
        self._domains: dict[int, Domain] = {}
        iommu.streams[sid] = self

    @classmethod
    async def open(cls, iommu: Iommu, sid: int, log2_pasids: int,
                   fmt: SteS1Fmt | None = None) -> Stream:
        """Take over StreamID `sid`, with room for 2^`log2_pasids` address spaces; `fmt` as
        `SmmuDriver.attach_contexts`."""
        return cls(iommu, sid, await iommu.smmu.attach_contexts(sid, log2_pasids, fmt))

    @property
    def pasid_limit(self) -> int:
        """PASIDs are below it."""
        return 1 << self._table.log2size

    def domain(self, pasid: int) -> Domain | None:
        """What a PASID reaches."""
        return self._domains.get(pasid)

    async def attach(self, domain: Domain, pasid: int | None = None) -> int:
        """Let `domain` be reached under a PASID (0: traffic that carries none); the PASID."""
        if pasid in self._domains:
            raise ValueError(f"PASID {pasid} of StreamID {self.sid:#x} is in use")
        number = self._pasids.take() if pasid is None else self._pasids.claim(pasid)
        try:
            await domain.entered(self, number)
        except LookupError:
            self._pasids.give(number)
            raise
        self._domains[number] = domain
        await self.write(number, domain.descriptor())
        return number

    async def write(self, pasid: int, cd: CD) -> None:
        """Make `cd` the descriptor of a PASID."""
        await self._table.write(pasid, cd)

    async def silence(self, pasid: int) -> None:
        """From now on every transaction of a PASID is aborted; those that wait too."""
        domain = self._domains[pasid]
        await self.write(pasid, domain.silent())
        if domain.asid != NO_ASID:
            await self.iommu.smmu.cmdq.issue(domain.flush())
        await self.iommu.faults.abort(self.sid, pasid)

    async def restore(self, pasid: int) -> None:
        """Undo `silence`."""
        await self.write(pasid, self._domains[pasid].descriptor())

    async def replace(self, pasid: int, domain: Domain) -> None:
        """Let a PASID reach another domain; transactions in between are aborted."""
        old = self._domains[pasid]
        await domain.entered(self, pasid)
        self._domains[pasid] = domain
        await self.write(pasid, domain.descriptor())
        await old.left(self, pasid)

    async def detach(self, pasid: int) -> None:
        """End the reach of a PASID; returns when nothing of it is in flight or cached."""
        domain = self._domains.pop(pasid)
        await self._table.clear(pasid)
        await domain.left(self, pasid)
        self._pasids.give(pasid)
