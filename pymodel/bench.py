"""How fast the model translates: uncached walks per second in one process.

Every walk reads its configuration and all its descriptors from memory again; only the decoding of
an STE's or CD's 64 bytes is remembered, by content.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from pymodel.checker import Checker, Observation
from pymodel.invalidation import decode
from pymodel.memory import SparseMemory
from pymodel.reader import MemoryReader
from pymodel.state import SmmuState
from pymodel.transaction import Ending, Transaction
from pymodel.translate import translate
from spec import commands as c
from spec.codes import SizeCode, TG1Code
from spec.context import CD
from spec.impl import PRESETS
from spec.stream_table import STE, S2SL0Code, SteConfig
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
    shift,
)

_RAM = 1 << 30
_G = 12
_VA_BITS = 48
_PAGES = 512  # one last-level table
_SOFTWARE = 1 << S1Leaf.Software.lsb


class Figure(NamedTuple):
    """One measured case."""

    case: str
    levels: str
    reads: int
    per_second: float
    metric: str = "translations"


class _Machine:
    """A linear stream table with one StreamID, and a bump allocator for tables."""

    def __init__(self, *, nested: bool):
        self.impl = PRESETS["base"]
        self.memory = SparseMemory(_RAM, _RAM)
        self.free = _RAM
        strtab = self._page()
        self.state = SmmuState(smmuen=True, strtab_base=strtab)
        cd, stage1, stage2 = self._page(), self._page(), self._page()
        leaf = S1Leaf.pack(Type=DescriptorType.TABLE_OR_PAGE, AP=AP.RW, AF=1)
        for n in range(_PAGES):
            self._map(stage1, n << _G, leaf | self._page(), 0)
        self.memory.write(cd, CD.make(
            V=1, AA64=1, T0SZ=64 - _VA_BITS, IPS=SizeCode.B48, EPD1=1, TG1=TG1Code.G4K, R=1, A=1,
            TTB0=stage1, MAIR0=Mair.WB).to_bytes())
        ste = STE.make(V=1, Config=SteConfig.S1, S1ContextPtr=cd)
        if nested:
            ste = STE.make(
                V=1, Config=SteConfig.NESTED, S1ContextPtr=cd, S2AA64=1, S2T0SZ=64 - _VA_BITS,
                S2SL0=S2SL0Code.HIGHEST, S2PS=SizeCode.B48, S2R=1, S2TTB=stage2)
            leaf = S2Leaf.pack(Type=DescriptorType.TABLE_OR_PAGE, S2AP=S2AP.RW, AF=1,
                               MemAttr=MemAttr.WB)
            for page in range(_RAM, self.free, 1 << _G):
                self._map(stage2, page, leaf | page, 0)
        self.memory.write(strtab, ste.to_bytes())
        self.transactions = [Transaction(sid=0, addr=n * 193 % _PAGES << _G | 0x40)
                             for n in range(_PAGES)]
        self._leaves = stage1

    def rewrite(self, n: int) -> None:
        """Change a leaf in a bit that software may use."""
        at, address = self._leaves, (n % _PAGES) << _G
        for level in range(LAST_LEVEL):
            entry = self.memory.read64(at + index(_G, level, address) * DESCRIPTOR_BYTES)
            at = S1Table.Address.get(entry)
        at += index(_G, LAST_LEVEL, address) * DESCRIPTOR_BYTES
        new = self.memory.read64(at) ^ _SOFTWARE
        self.memory.write(at, new.to_bytes(DESCRIPTOR_BYTES, "little"))

    def _page(self) -> int:
        self.free += 1 << _G
        return self.free - (1 << _G)

    def _map(self, table: int, address: int, leaf: int, level: int) -> None:
        at = table + index(_G, level, address) * DESCRIPTOR_BYTES
        if shift(_G, level) == _G:
            self.memory.write(at, leaf.to_bytes(DESCRIPTOR_BYTES, "little"))
            return
        entry = self.memory.read64(at)
        if not entry:
            entry = S1Table.pack(Type=DescriptorType.TABLE_OR_PAGE, Address=self._page())
            self.memory.write(at, entry.to_bytes(DESCRIPTOR_BYTES, "little"))
        self._map(S1Table.Address.get(entry), address, leaf, level + 1)


class _Counter(MemoryReader):
    """Counts descriptor reads."""

    count = 0

    def descriptor(self, *args: Any) -> int:
        self.count += 1
        return super().descriptor(*args)


def measure(case: str, levels: str, *, nested: bool, seconds: float) -> Figure:
    """Translate reads all over the mapped pages for about `seconds`."""
    machine = _Machine(nested=nested)
    transactions = machine.transactions
    impl, state, reader = machine.impl, machine.state, MemoryReader(machine.memory)
    counter = _Counter(machine.memory)
    if translate(impl, state, counter, transactions[0]).ending is not Ending.TRANSLATED:
        raise RuntimeError(f"{case}: the bench's own tables do not translate")
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        for txn in transactions:
            translate(impl, state, reader, txn)
        done += len(transactions)
    return Figure(case, levels, counter.count, done / spent)


def measure_checked(case: str, levels: str, *, nested: bool, seconds: float,
                    changing: bool = False) -> Figure:
    """Checked transactions per second, in batches that `judge` takes; the checker knows all pages.

    With `changing`, before each batch one leaf is rewritten (to the same address) and
    invalidated, and after it the old versions are forgotten.
    """
    machine = _Machine(nested=nested)
    checker = Checker(machine.impl, machine.memory, machine.state)
    clock = 0
    machine.memory.watch = lambda address, old, new: checker.on_write(address, old, new, clock)
    results = [translate(machine.impl, machine.state, MemoryReader(machine.memory), txn)
               for txn in machine.transactions]
    flush = c.TLBI_NH_ALL.make()
    inv = decode(machine.impl, flush)
    done, start = -len(results), time.perf_counter()
    while done <= 0 or time.perf_counter() - start < seconds:
        if done == 0:
            start = time.perf_counter()  # the first batch only gets to know the pages
        if changing:
            machine.rewrite(clock)
            checker.on_command(flush, inv, clock + 1)
            checker.on_command(c.SYNC.make(), None, clock + 1)
        clock += 2
        checker.judge([
            Observation(txn=txn, ending=result.ending, pa=result.pa, attrs=result.attrs,
                        issued=clock, decided=clock, completed=clock)
            for txn, result in zip(machine.transactions, results, strict=True)]).verify()
        done += len(results)
        if changing:
            checker.on_sync(clock)
            clock += 1
            checker.prune(clock)
    return Figure(case, levels, 0, done / (time.perf_counter() - start),
                  "checked transactions")


def bench(seconds: float = 1.0) -> list[Figure]:
    """The single-stage and nested figures, plain and checked, `seconds` each."""
    return [measure("stage1", "4", nested=False, seconds=seconds),
            measure("nested", "4 x 4", nested=True, seconds=seconds),
            measure_checked("stage1 checked", "4", nested=False, seconds=seconds),
            measure_checked("nested checked", "4 x 4", nested=True, seconds=seconds),
            measure_checked("stage1 checked, changing", "4", nested=False, seconds=seconds,
                            changing=True)]


def main() -> None:
    for figure in bench():
        print(f"{figure.case:24} {figure.levels:6} levels {figure.per_second:10,.0f} "
              f"{figure.metric}/s")


if __name__ == "__main__":
    main()
