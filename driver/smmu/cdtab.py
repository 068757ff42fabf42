"""Context descriptor table of one stream: linear, or two-level with leaves made on demand
(reference 3.1)."""

from __future__ import annotations

from driver.bus import Bus, DriverError
from driver.smmu.cmdq import CommandQueue
from driver.smmu.entry import update_entry
from driver.smmu.used import cd_used
from spec.codes import FetchCacheability, Shareability
from spec.commands import CFGI_CD
from spec.context import CD, CD_BYTES, CD_LEAF_BITS, L1CD, L1CD_BYTES
from spec.impl import Implementation
from spec.stream_table import STE, SteConfig, SteS1DSS, SteS1Fmt

LINEAR_MAX = 10  # SubstreamID bits up to which a linear table is used, as in Linux
SMALLEST = CD_BYTES  # alignment of a table


def choose_format(impl: Implementation, log2size: int) -> SteS1Fmt:
    """The format that Linux chooses for 2^`log2size` descriptors."""
    if log2size <= LINEAR_MAX or not impl.CD2L:
        return SteS1Fmt.LINEAR
    return SteS1Fmt.L2_64K


class ContextTable:
    """2^`log2size` context descriptors of StreamID `sid`, all invalid at first.

    Members
    -------
    base, fmt
        STE.S1ContextPtr and STE.S1Fmt.
    """

    def __init__(self, bus: Bus, cmdq: CommandQueue, sid: int, log2size: int,
                 fmt: SteS1Fmt) -> None:
        self._bus, self._cmdq, self._sid = bus, cmdq, sid
        self.log2size, self.fmt = log2size, fmt
        self._leaf_bits = CD_LEAF_BITS.get(fmt, log2size)
        self._leaves: dict[int, int] = {}  # by index of their L1CD
        if fmt is SteS1Fmt.LINEAR:
            size = CD_BYTES << log2size
        else:
            size = L1CD_BYTES << max(0, log2size - self._leaf_bits)
        self._size = size
        self.base = bus.pages.contiguous(size, max(size, SMALLEST))

    def entry(self) -> STE:
        """The STE of a stream with this table; transactions without SubstreamID use CD 0."""
        cached = FetchCacheability.WB_RA
        return STE.make(
            V=1, Config=SteConfig.S1, S1Fmt=self.fmt, S1ContextPtr=self.base,
            S1CDMax=self.log2size, S1DSS=SteS1DSS.SSID0, S1CIR=cached, S1COR=cached,
            S1CSH=Shareability.INNER)

    async def write(self, ssid: int, cd: CD) -> None:
        """Make `cd` the descriptor of `ssid`, safe at every intermediate state."""
        async def sync() -> None:
            await self._invalidate(ssid, leaf=True)

        await update_entry(self._bus, await self._entry(ssid), cd, cd_used, sync)

    async def clear(self, ssid: int) -> None:
        """Make the descriptor of `ssid` invalid; returns when no transaction uses it any more."""
        if self.fmt is SteS1Fmt.LINEAR or ssid >> self._leaf_bits in self._leaves:
            await self.write(ssid, CD(0))

    def destroy(self) -> None:
        """Give the memory back; nothing may point to the table any more."""
        for leaf in self._leaves.values():
            self._bus.pages.give_back(leaf, CD_BYTES << self._leaf_bits)
        self._bus.pages.give_back(self.base, self._size)

    async def _entry(self, ssid: int) -> int:
        """Address of a descriptor, in a new leaf table if need be."""
        if ssid >> self.log2size:
            raise DriverError(f"SubstreamID {ssid:#x} is beyond the {1 << self.log2size} "
                              f"descriptors of StreamID {self._sid:#x}")
        if self.fmt is SteS1Fmt.LINEAR:
            return self.base + CD_BYTES * ssid
        index, inner = ssid >> self._leaf_bits, ssid & ((1 << self._leaf_bits) - 1)
        if index not in self._leaves:
            size = CD_BYTES << self._leaf_bits
            leaf = self._leaves[index] = self._bus.pages.contiguous(size, size)
            self._bus.memory.write(self.base + L1CD_BYTES * index,
                                   L1CD.make(V=1, L2Ptr=leaf).to_bytes())
            await self._invalidate(ssid, leaf=False)
        return self._leaves[index] + CD_BYTES * inner

    async def _invalidate(self, ssid: int, *, leaf: bool) -> None:
        await self._cmdq.issue(
            CFGI_CD.make(StreamID=self._sid, SSV=1, SubstreamID=ssid, Leaf=leaf))
