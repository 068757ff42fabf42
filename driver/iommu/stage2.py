"""Stage-2 address spaces, and streams whose stage 1 belongs to somebody else (reference 9.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driver.iommu.pagetable import BITS, GRANULE, PageTable, Prot
from driver.iommu.space import AddressSpace
from driver.smmu.range import Step
from spec.codes import Shareability, TG0Code, WalkCacheability
from spec.commands import TLBI_NH_ALL, TLBI_S2_IPA, TLBI_S12_VMALL, Command
from spec.stream_table import STE, S2SL0Code, SteConfig
from spec.vmsa import LAST_LEVEL, S2AP, DescriptorType, MemAttr, S2Leaf

if TYPE_CHECKING:
    from driver.iommu.domain import Iommu


class StageTwoTable(PageTable):
    """As `PageTable`, with the descriptors of stage 2."""

    def _leaf(self, pa: int, level: int, prot: Prot) -> int:
        kind = DescriptorType.TABLE_OR_PAGE if level == LAST_LEVEL else DescriptorType.BLOCK
        return S2Leaf.pack(Type=kind, Address=pa, MemAttr=MemAttr.WB, AF=1, SH=Shareability.INNER,
                           S2AP=S2AP.RW if prot & Prot.WRITE else S2AP.READ)


class StageTwo(AddressSpace):
    """A guest's memory: IPA to physical addresses, pages of 4 KB. LookupError: no VMID is left.

    Members
    -------
    vmid
        Tags its translations, and those of stage 1 above it.
    """

    def __init__(self, iommu: Iommu) -> None:
        self.vmid = iommu.vmids.take()
        super().__init__(iommu.smmu, StageTwoTable(iommu.smmu.bus, GRANULE,
                                                   iommu.smmu.impl.oas_bits))
        self._iommu = iommu
        self.users = 0

    @property
    def cached(self) -> bool:
        return self.users > 0

    def drop(self, step: Step, leaf: bool) -> Command:
        return TLBI_S2_IPA.make(VMID=self.vmid, IPA=step.address, Leaf=leaf, **step.fields)

    async def dropped(self) -> None:
        """Entries that merged both stages are not covered by an IPA (reference 6.3)."""
        await self._smmu.cmdq.issue(TLBI_NH_ALL.make(VMID=self.vmid))

    async def drop_all(self) -> None:
        await self._smmu.cmdq.issue(TLBI_S12_VMALL.make(VMID=self.vmid))

    def entry(self) -> STE:
        """The STE of a stream that reaches it without a stage 1."""
        wb, impl = WalkCacheability.WB_RA_WA, self._smmu.impl
        return STE.make(
            V=1, Config=SteConfig.S2, S2VMID=self.vmid, S2T0SZ=64 - min(BITS, impl.ias_bits),
            S2SL0=S2SL0Code.HIGHEST, S2IR0=wb, S2OR0=wb, S2SH0=Shareability.INNER,
            S2TG=TG0Code.G4K, S2PS=impl.OAS, S2AA64=1, S2PTW=1, S2R=1, S2TTB=self.table.root)

    def close(self) -> None:
        """End it and free its tables; no stream may use it."""
        if self.users:
            raise ValueError("streams use it")
        self.table.destroy()
        self._iommu.vmids.give(self.vmid)
