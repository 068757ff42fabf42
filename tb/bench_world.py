"""Structures and tables of the performance bench, written before the SMMU is enabled.

4K pages, 48-bit addresses (4 levels each stage), a linear stream table. StreamID `SID` maps
`PAGES` pages from `IOVA` on; `SID_PASIDS` has 16 SubstreamIDs with the same tables, their own CD
and ASID; the 16 StreamIDs from `SID_DEVICES` on have their own CD, ASID, tables and one page.
Nested: stage 2 is a 4K identity over everything.
"""

from __future__ import annotations

from array import array

from driver.dma import PageAllocator
from pymodel.memory import PAGE, SharedMemory
from spec.codes import Shareability, SizeCode, TG1Code
from spec.context import CD, CD_BYTES
from spec.fields import Register
from spec.registers import STRTAB_BASE, STRTAB_BASE_CFG
from spec.stream_table import STE, STE_BYTES, S2SL0Code, SteConfig
from spec.vmsa import (
    AP,
    DESCRIPTOR_BYTES,
    LAST_LEVEL,
    S2AP,
    DescriptorType,
    Mair,
    MemAttr,
    S1Leaf,
    S1Table,
    S2Leaf,
    index,
)

IOVA, PAGES = 0x1000_0000, 4096
SID, SID_PASIDS, SID_DEVICES, DEVICES = 1, 2, 16, 16
UNMAPPED = IOVA + PAGES * PAGE  # the first address behind the mapping
WORD = 8

_LOG2_STREAMS = 6
_GRANULE, _VA_BITS = 12, 48
_TABLES, _DATA = 0x8000_0000, 0x9000_0000
_TABLES_SIZE = 1 << 23
_SPREAD = 193  # neighbours in IOVA are not neighbours in memory


class BenchWorld:
    """Writes everything to `memory`.

    Members
    -------
    pages
        For what else needs memory (queues).
    registers
        What the SMMU must be told.
    """

    def __init__(self, memory: SharedMemory, *, nested: bool) -> None:
        self._memory, self._nested = memory, nested
        self.pages = PageAllocator(memory, _TABLES, _TABLES_SIZE)
        self._tables: dict[tuple[int, int, int], int] = {}  # root, level, place: next table
        self._strtab = self._block(STE_BYTES << _LOG2_STREAMS)
        self._root2 = self._block(PAGE)
        self.registers: list[tuple[type[Register], int]] = [
            (STRTAB_BASE, STRTAB_BASE.pack(ADDR=self._strtab, RA=1)),
            (STRTAB_BASE_CFG, STRTAB_BASE_CFG.pack(LOG2SIZE=_LOG2_STREAMS))]
        root = self._block(PAGE)
        for page in range(PAGES):
            self._map(root, IOVA + page * PAGE, self._leaf(self.frame(page)))
        self._stream(SID, [root], asid=1)
        self._stream(SID_PASIDS, [root] * DEVICES, asid=64)
        for n in range(DEVICES):
            own = self._block(PAGE)
            self._map(own, IOVA, self._leaf(self.frame(n)))
            self._stream(SID_DEVICES + n, [own], asid=16 + n)
        if nested:
            self._identity()
        memory.write(_DATA, array("Q", range(_DATA, _DATA + PAGES * PAGE, WORD)).tobytes())

    @staticmethod
    def frame(page: int) -> int:
        """Physical address of a page of `SID`."""
        return _DATA + page * _SPREAD % PAGES * PAGE

    def _block(self, size: int) -> int:
        return self.pages.contiguous(size, size)

    def _stream(self, sid: int, roots: list[int], asid: int) -> None:
        """An STE with one CD for each of `roots`."""
        cds = self._block(CD_BYTES * len(roots))
        for n, root in enumerate(roots):
            self._memory.write(cds + CD_BYTES * n, CD.make(
                V=1, AA64=1, T0SZ=64 - _VA_BITS, IPS=SizeCode.B48, EPD1=1, TG1=TG1Code.G4K, R=1,
                A=1, ASET=1, ASID=asid + n, TTB0=root, MAIR0=Mair.WB).to_bytes())
        fields = {"V": 1, "Config": SteConfig.S1, "S1ContextPtr": cds,
                  "S1CDMax": (len(roots) - 1).bit_length()}
        if self._nested:
            fields |= {"Config": SteConfig.NESTED, "S2AA64": 1, "S2T0SZ": 64 - _VA_BITS,
                       "S2SL0": S2SL0Code.HIGHEST, "S2PS": SizeCode.B48, "S2R": 1,
                       "S2TTB": self._root2, "S2VMID": 1}
        self._memory.write(self._strtab + STE_BYTES * sid, STE.make(**fields).to_bytes())

    def _leaf(self, pa: int) -> int:
        return S1Leaf.pack(Type=DescriptorType.TABLE_OR_PAGE, Address=pa, AP=AP.RW, AF=1, nG=1,
                           SH=Shareability.INNER)

    def _identity(self) -> None:
        leaf = S2Leaf.pack(Type=DescriptorType.TABLE_OR_PAGE, S2AP=S2AP.RW, AF=1,
                           MemAttr=MemAttr.WB)
        for base, size in ((_TABLES, _TABLES_SIZE), (_DATA, PAGES * PAGE)):
            for page in range(base, base + size, PAGE):
                self._map(self._root2, page, leaf | page)

    def _map(self, root: int, address: int, leaf: int) -> None:
        table = root
        for level in range(LAST_LEVEL):
            key = root, level, address >> _GRANULE + 9 * (LAST_LEVEL - level)
            if key not in self._tables:
                self._tables[key] = self._block(PAGE)
                self._put(table, level, address, S1Table.pack(
                    Type=DescriptorType.TABLE_OR_PAGE, Address=self._tables[key]))
            table = self._tables[key]
        self._put(table, LAST_LEVEL, address, leaf)

    def _put(self, table: int, level: int, address: int, word: int) -> None:
        at = table + DESCRIPTOR_BYTES * index(_GRANULE, level, address)
        self._memory.write(at, word.to_bytes(DESCRIPTOR_BYTES, "little"))
