"""Context descriptor table of one stream: linear (reference 3.1)."""

from __future__ import annotations

from driver.bus import Bus, DriverError
from driver.smmu.cmdq import CommandQueue
from driver.smmu.entry import update_entry
from spec.commands import CFGI_CD
from spec.context import CD, CD_BYTES


class ContextTable:
    """2^`log2size` context descriptors of StreamID `sid`, all invalid at first."""

    def __init__(self, bus: Bus, cmdq: CommandQueue, sid: int, log2size: int) -> None:
        self._bus, self._cmdq, self._sid = bus, cmdq, sid
        self.log2size = log2size
        self.base = bus.pages.contiguous(CD_BYTES << log2size, CD_BYTES << log2size)

    async def write(self, ssid: int, cd: CD) -> None:
        """Make `cd` the descriptor of `ssid`, safe at every intermediate state."""
        if ssid >> self.log2size:
            raise DriverError(f"SubstreamID {ssid:#x} is beyond the {1 << self.log2size} "
                              f"descriptors of StreamID {self._sid:#x}")
        await update_entry(self._bus, self._cmdq, self.base + CD_BYTES * ssid, cd, CD.V,
                           CFGI_CD.make(StreamID=self._sid, SSV=1, SubstreamID=ssid, Leaf=1))

    async def clear(self, ssid: int) -> None:
        """Make the descriptor of `ssid` invalid; returns when no transaction uses it any more."""
        await self.write(ssid, CD(0))
