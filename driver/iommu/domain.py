"""Domains: an address space that can be attached to streams under PASIDs."""

from __future__ import annotations

from driver.iommu.ids import IdAllocator
from driver.iommu.pagetable import BITS, PageTable, Prot
from driver.smmu.cdtab import ContextTable
from driver.smmu.device import SmmuDriver
from spec.codes import Shareability, TG0Code, WalkCacheability
from spec.commands import TLBI_NH_ASID, TLBI_NH_VA, Command
from spec.context import CD
from spec.vmsa import Mair


class Iommu:
    """All domains of one SMMU; hands out ASIDs and, per stream, PASIDs.

    PASID and ASID are separate things: a PASID names a domain to the device, an ASID tags its
    translations in the TLBs.
    """

    def __init__(self, smmu: SmmuDriver) -> None:
        self.smmu = smmu
        self.asids = IdAllocator("ASID", 1, 1 << smmu.impl.asid_bits)

    def domain(self) -> Domain:
        """A new, empty address space."""
        return Domain(self)


class Domain:
    """An address space. Its owner needs no PASID to use it; attaching one is a `Stream`'s job."""

    def __init__(self, iommu: Iommu) -> None:
        self._iommu = iommu
        self.asid = iommu.asids.take()
        self.table = PageTable(iommu.smmu.bus)
        self.attached = 0

    def map(self, iova: int, pa: int, size: int, prot: Prot) -> None:
        """Make [iova, +size) reach [pa, ...). A new mapping needs no invalidation: invalid
        descriptors are never cached (reference 4.3)."""
        self.table.map(iova, pa, size, prot)

    async def unmap(self, iova: int, size: int) -> None:
        """Remove a mapping; returns when no transaction uses it any more."""
        self.table.unmap(iova, size)
        await self._iommu.smmu.cmdq.issue(*(
            TLBI_NH_VA.make(ASID=self.asid, VA=page, Leaf=1)
            for page in range(iova, iova + size, 4096)))

    def descriptor(self) -> CD:
        """The context descriptor of this address space."""
        wb = WalkCacheability.WB_RA_WA
        return CD.make(
            T0SZ=64 - BITS, TG0=TG0Code.G4K, IR0=wb, OR0=wb, SH0=Shareability.INNER, EPD1=1,
            V=1, IPS=self._iommu.smmu.impl.OAS, AA64=1, R=1, A=1, ASET=1, ASID=self.asid,
            TTB0=self.table.root, MAIR0=Mair.WB)

    def flush(self) -> Command:
        """The command that drops every cached translation of this address space."""
        return TLBI_NH_ASID.make(ASID=self.asid)

    def close(self) -> None:
        """Return the ASID; the domain must not be attached anywhere."""
        if self.attached:
            raise ValueError("the domain is still attached")
        self._iommu.asids.give(self.asid)


class Stream:
    """One StreamID and the domains its SubstreamIDs reach."""

    def __init__(self, iommu: Iommu, sid: int, table: ContextTable) -> None:
        self._iommu, self.sid, self._table = iommu, sid, table
        self._pasids = IdAllocator("PASID", 1, 1 << table.log2size)
        self._domains: dict[int, Domain] = {}

    @classmethod
    async def open(cls, iommu: Iommu, sid: int, log2_pasids: int) -> Stream:
        """Take over StreamID `sid`, with room for 2^`log2_pasids` address spaces."""
        return cls(iommu, sid, await iommu.smmu.attach_contexts(sid, log2_pasids))

    async def attach(self, domain: Domain, pasid: int | None = None) -> int:
        """Let `domain` be reached under a PASID (0: traffic that carries none); the PASID."""
        number = self._pasids.take() if pasid is None else pasid
        if number in self._domains:
            raise ValueError(f"PASID {number} of StreamID {self.sid:#x} is in use")
        await self._table.write(number, domain.descriptor())
        self._domains[number] = domain
        domain.attached += 1
        return number

    async def detach(self, pasid: int) -> None:
        """End the reach of a PASID; returns when nothing of it is in flight or cached."""
        domain = self._domains.pop(pasid)
        await self._table.clear(pasid)
        await self._iommu.smmu.cmdq.issue(domain.flush())
        domain.attached -= 1
        if pasid:
            self._pasids.give(pasid)
