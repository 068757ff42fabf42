"""Stream table: linear, or two-level with second-level tables made on demand (reference 2)."""

from __future__ import annotations

from driver.bus import Bus, DriverError, Region
from driver.smmu.cmdq import CommandQueue
from driver.smmu.entry import update_entry
from driver.smmu.used import ste_used
from spec.commands import CFGI_STE, PREFETCH_CONFIG
from spec.impl import Implementation
from spec.registers import STRTAB_BASE, STRTAB_BASE_CFG
from spec.stream_table import L1STD, L1STD_BYTES, STE, STE_BYTES, SteConfig, StrtabFmt

SPLIT = 8
LINEAR_MAX = 8  # StreamID bits up to which a linear table is used, as in Linux
L1_MAX = 17  # log2 of the most L1 descriptors

ABORT = STE.make(V=1, Config=SteConfig.ABORT)


class StreamTable:
    """The table behind STRTAB_BASE. StreamIDs nobody attached abort silently."""

    def __init__(self, bus: Bus, cmdq: CommandQueue, impl: Implementation) -> None:
        self._bus, self._cmdq = bus, cmdq
        self._bits = impl.SIDSIZE
        self._two_level = bool(impl.ST_LEVEL) and impl.SIDSIZE > LINEAR_MAX
        self._bits = min(self._bits, SPLIT + L1_MAX if self._two_level else LINEAR_MAX)
        size = L1STD_BYTES << (self._bits - SPLIT) if self._two_level else STE_BYTES << self._bits
        self._base = bus.pages.contiguous(size, max(size, STE_BYTES))
        if not self._two_level:
            self._fill(self._base, 1 << self._bits)

    async def start(self) -> None:
        """Program STRTAB_BASE and STRTAB_BASE_CFG; legal while CR0.SMMUEN is 0."""
        fmt = StrtabFmt.TWO_LEVEL if self._two_level else StrtabFmt.LINEAR
        await self._bus.write(Region.SMMU, STRTAB_BASE.OFFSET,
                              STRTAB_BASE.pack(ADDR=self._base, RA=1), 8)
        await self._bus.write(
            Region.SMMU, STRTAB_BASE_CFG.OFFSET,
            STRTAB_BASE_CFG.pack(FMT=fmt, SPLIT=SPLIT * self._two_level, LOG2SIZE=self._bits))

    async def write(self, sid: int, ste: STE) -> None:
        """Make `ste` the entry of `sid`, safe at every intermediate state."""
        async def sync() -> None:
            await self._cmdq.issue(CFGI_STE.make(StreamID=sid, Leaf=1))

        await update_entry(self._bus, await self._entry(sid), ste, ste_used, sync)
        await self._cmdq.post(PREFETCH_CONFIG.make(StreamID=sid))

    async def _entry(self, sid: int) -> int:
        if sid >> self._bits:
            raise DriverError(f"StreamID {sid:#x} is beyond the {self._bits}-bit stream table")
        if not self._two_level:
            return self._base + STE_BYTES * sid
        slot = self._base + L1STD_BYTES * (sid >> SPLIT)
        descriptor = L1STD(self._bus.memory.read64(slot))
        if not descriptor.Span:
            table = self._bus.pages.contiguous(STE_BYTES << SPLIT, STE_BYTES << SPLIT)
            self._fill(table, 1 << SPLIT)
            descriptor = L1STD.make(Span=SPLIT + 1, L2Ptr=table)
            self._bus.memory.write(slot, descriptor.to_bytes())
            await self._cmdq.issue(CFGI_STE.make(StreamID=sid, Leaf=0))
        return descriptor.L2Ptr + STE_BYTES * (sid & ((1 << SPLIT) - 1))

    def _fill(self, table: int, count: int) -> None:
        self._bus.memory.write(table, ABORT.to_bytes() * count)
