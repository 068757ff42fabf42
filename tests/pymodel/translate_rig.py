# ruff: noqa: C408 - the keyword form reads best for fields
"""Tables for translation tests: one stream, one CD, page tables written entry by entry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pymodel.memory import SparseMemory
from pymodel.reader import MemoryReader
from pymodel.state import SmmuState
from pymodel.transaction import Result, Transaction
from pymodel.translate import translate
from spec.codes import TG0_CODE, TG1_CODE
from spec.context import CD
from spec.events import EVENTS, Event
from spec.impl import PRESETS, Implementation
from spec.stream_table import STE

RAM_BASE, RAM_END = 1 << 30, 1 << 44
STRTAB, CDTAB, FREE = 0x4000_0000, 0x4010_0000, 0x4100_0000
HOLE = 0x1000_0000  # below RAM: an external abort
SID = 5
S1, S2, NESTED, BYPASS = 5, 6, 7, 4
TABLE, PAGE, BLOCK = 3, 3, 1
AF = 1 << 10


def implementation(**fields: int) -> Implementation:
    """The preset `base` with some ID fields changed."""
    return replace(PRESETS["base"], **fields)


def put(memory: SparseMemory, address: int, value: int, big: bool = False) -> None:
    memory.write(address, value.to_bytes(8, "big" if big else "little"))


class Rig:
    """A machine with a linear stream table of 2^8 entries.

    `ste` and `cd` are field dictionaries; `commit` writes them. The default is a stage-1 stream
    with one CD, TT0 of 48 bits and 4 KB granule, TT1 disabled, faults recorded.
    """

    def __init__(self, impl: Implementation | None = None) -> None:
        self.impl = impl or PRESETS["base"]
        self.memory = SparseMemory(RAM_BASE, RAM_END - RAM_BASE)
        self.reader: Any = MemoryReader(self.memory)
        self.state = SmmuState(smmuen=True, recinvsid=True, gbpa=0x1000, strtab_base=STRTAB,
                               strtab_log2size=8)
        self._free = FREE
        self.ste: dict[str, int] = dict(V=1, Config=S1, S1ContextPtr=CDTAB, SHCFG=1)
        self.cd: dict[str, int] = dict(V=1, AA64=1, A=1, R=1, T0SZ=16, TG0=0, IPS=5, EPD1=1,
                                       MAIR0=0x0044_00FF, TTB0=self.page())

    def page(self, size: int = 0x1_0000) -> int:
        """A fresh zeroed area, aligned to its size."""
        self._free = (self._free + size - 1) & -size
        self._free += size
        return self._free - size

    def stage2(self, g: int = 12, t0sz: int = 16, sl0: int = 2, config: int = NESTED,
               **fields: int) -> int:
        """Turn stage 2 on; returns its start table."""
        table = self.page(0x10_0000)
        self.ste |= dict(Config=config, S2AA64=1, S2TG=TG0_CODE[g], S2T0SZ=t0sz, S2SL0=sl0,
                         S2PS=5, S2R=1, S2TTB=table, S2VMID=9) | fields
        return table

    def tt0(self, g: int = 12, t0sz: int = 16, **fields: int) -> int:
        """Another TT0; returns its start table."""
        table = self.page(0x10_0000)
        self.cd |= dict(TG0=TG0_CODE[g], T0SZ=t0sz, TTB0=table) | fields
        return table

    def tt1(self, g: int = 12, t1sz: int = 16, **fields: int) -> int:
        table = self.page(0x10_0000)
        self.cd |= dict(EPD1=0, TG1=TG1_CODE[g], T1SZ=t1sz, TTB1=table) | fields
        return table

    def map(self, table: int, start: int, ia: int, g: int, address: int, leaf: int, level: int = 3,
            *, big: bool = False, path: int = 0) -> int:
        """Write a leaf at `level`, making tables on the way with `path` bits in their descriptors;
        returns the leaf's address. Table arithmetic from reference 4.6, written out."""
        bits = g - 3
        at = start
        address &= (1 << ia) - 1
        while True:
            low = g + (3 - at) * bits
            width = ia - low if at == start else bits
            entry = table + 8 * ((address >> low) & ((1 << width) - 1))
            if at == level:
                put(self.memory, entry, leaf, big)
                return entry
            old = int.from_bytes(self.memory.read(entry, 8), "big" if big else "little")
            table = old & 0xFFFF_FFFF_F000 or self.page()
            put(self.memory, entry, table | TABLE | path, big)
            at += 1

    def commit(self) -> None:
        self.memory.write(STRTAB + SID * 64, STE.make(**self.ste).to_bytes())
        if self.ste["S1ContextPtr"] == CDTAB:
            self.memory.write(CDTAB, CD.make(**self.cd).to_bytes())

    def go(self, addr: int, *, explain: bool = False, **fields: Any) -> Result:
        """Translate one access with the structures as they are in memory."""
        txn = Transaction(**{"sid": SID, "addr": addr} | fields)
        return translate(self.impl, self.state, self.reader, txn, explain=explain)

    def run(self, addr: int, **fields: Any) -> Result:
        """`commit`, then `go`."""
        self.commit()
        return self.go(addr, **fields)


def event(result: Result) -> Event:
    """The result's record, decoded."""
    assert result.event is not None
    return EVENTS[result.event[0]].from_bytes(result.event)


def name(result: Result) -> str:
    """The ending, or the event's name."""
    if result.event is None:
        return result.ending.name
    return type(event(result)).__name__
