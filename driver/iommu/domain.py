"""Domains: an address space that can be attached to streams under PASIDs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from driver.iommu.asids import NO_ASID, AsidPool
from driver.iommu.faults import Fault, FaultService
from driver.iommu.ids import IdAllocator
from driver.iommu.pagetable import BITS, GRANULE, PageTable
from driver.iommu.space import AddressSpace
from driver.iommu.stage2 import StageTwo
from driver.smmu.cdtab import ContextTable
from driver.smmu.device import SmmuDriver
from driver.smmu.range import Step
from spec.codes import Shareability, TG0Code, WalkCacheability
from spec.commands import STALL_TERM, TLBI_NH_ASID, TLBI_NH_VA, Command
from spec.context import CD
from spec.registers import StallModel
from spec.stream_table import STE, SteS1Fmt
from spec.vmsa import Mair

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
        self.vmids = IdAllocator("VMID", 1, 1 << smmu.impl.vmid_bits)
        self.streams: dict[int, Stream] = {}
        self.faults = FaultService(self)

    def domain(self, *, granule: int = GRANULE, handler: Handler | None = None,
               sink: Sink | None = None) -> Domain:
        """A new, empty address space. With a `handler`, transactions that fault wait until it has
        said whether to try again (True) or to abort; with a `sink`, which is told of them, until
        somebody answers the fault."""
        return Domain(self, granule, handler, sink)


class Domain(AddressSpace):
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
        super().__init__(iommu.smmu,
                         PageTable(iommu.smmu.bus, granule, iommu.smmu.impl.oas_bits))
        self._iommu = iommu
        self.asid = NO_ASID
        self.handler, self.sink = handler, sink
        model = iommu.smmu.impl.STALL_MODEL
        self._must_stall = model == StallModel.STALL
        self.stalls = self._must_stall or handler is not None or sink is not None
        if self.stalls and model == StallModel.TERMINATE:
            raise ValueError("faults cannot be handled: this SMMU does not stall")
        self._places: list[tuple[Stream, int]] = []

    @property
    def attached(self) -> int:
        """Under how many PASIDs it is reached."""
        return len(self._places)

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
            await self.drop_all()
        else:
            await self._iommu.asids.give_back(self)

    def close(self) -> None:
        """End it and free its tables; it must not be attached anywhere."""
        if self._places:
            raise ValueError("the domain is still attached")
        self.table.destroy()

    @property
    def cached(self) -> bool:
        return self.asid != NO_ASID

    def drop(self, step: Step, leaf: bool) -> Command:
        return TLBI_NH_VA.make(ASID=self.asid, VA=step.address, Leaf=leaf, **step.fields)

    async def dropped(self) -> None:
        pass

    async def drop_all(self) -> None:
        if self.cached:
            await self._smmu.cmdq.issue(self.flush())


class Stream:
    """One StreamID and the domains its SubstreamIDs reach."""

    def __init__(self, iommu: Iommu, sid: int, table: ContextTable) -> None:
        self.iommu, self.sid, self._table = iommu, sid, table
        self._pasids = IdAllocator("PASID", 1, 1 << table.log2size)
        self._domains: dict[int, Domain] = {}
        self._nested: StageTwo | None = None
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

    async def nest(self, space: StageTwo, ste: STE) -> None:
        """Let somebody else's `ste` decide, with `space` as its stage 2. Nothing may be attached;
        transactions in between are aborted."""
        space.users += 1
        self._nested = space
        await self.iommu.smmu.strtab.write(self.sid, ste)

    async def unnest(self) -> None:
        """Undo `nest`; nothing that it allowed is in flight or cached when it returns."""
        space, self._nested = self._nested, None
        if space is None:
            return
        smmu = self.iommu.smmu
        await smmu.strtab.write(self.sid, self._table.entry())
        if smmu.impl.stalls:
            await smmu.cmdq.issue(STALL_TERM.make(StreamID=self.sid))
        await space.drop_all()
        await self.iommu.faults.forget(self.sid)
        space.users -= 1

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
