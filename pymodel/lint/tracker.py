"""The history behind the lint: what is reachable, what was read, what software changed since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymodel.invalidation import Invalidation, Kind
from pymodel.lint import structures
from pymodel.lint.config import Config
from pymodel.lint.contexts import usable, world_of
from pymodel.lint.duties import Ledger
from pymodel.lint.findings import Findings
from pymodel.lint.regions import PAGE_SHIFT
from pymodel.lint.walks import Walk, Walks
from pymodel.memory import BusError
from pymodel.observer import RegisterWrite
from pymodel.reader import Context
from pymodel.rules import rules_of
from pymodel.smmu import Smmu
from pymodel.state import SmmuState
from pymodel.walk import swap64
from spec import registers as r
from spec.context import CD_BYTES
from spec.stream_table import STE_BYTES

_SIZE = {Kind.L1STD: 8, Kind.STE: STE_BYTES, Kind.L1CD: 8, Kind.CD: CD_BYTES}
_WORD = 8


class Tracker:
    """Everything about tables in memory. What lies there at the start is taken as it is."""

    def __init__(self, smmu: Smmu, findings: Findings) -> None:
        self.smmu, self.findings = smmu, findings
        self.rules = rules_of(smmu.impl)
        self.ledger = Ledger(findings)
        self.walks = Walks(smmu.memory, smmu.impl.BBML, self.ledger)
        self.config = Config(self.rules, smmu.memory, self.ledger, self.walks)
        self._written: set[int] = set()                  # pages that software has written
        self._checked: set[tuple[int, bytes]] = set()    # contents that were looked at
        self._own = False
        if smmu.state.smmuen:
            self.config.enabled(smmu.state)

    @property
    def e2h(self) -> bool:
        return self.smmu.state.e2h

    @contextmanager
    def own(self) -> Iterator[None]:
        """Writes inside are the SMMU's, not software's."""
        self._own = True
        try:
            yield
        finally:
            self._own = False

    # The SMMU

    def on_register_write(self, write: RegisterWrite) -> None:
        """After software's write, before what it sets off."""
        register, enable = write.register, r.CR0.SMMUEN.mask
        if register is r.CR0:
            if write.new & ~write.old & enable:
                values = self.smmu.registers
                self.config.enabled(SmmuState.from_registers(
                    cr0=write.new, cr2=values.get(r.CR2), gbpa=values.get(r.GBPA),
                    strtab_base=values.get(r.STRTAB_BASE),
                    strtab_base_cfg=values.get(r.STRTAB_BASE_CFG)))
            elif write.old & ~write.new & enable:
                self.config.disabled()
        elif register in (r.STRTAB_BASE, r.STRTAB_BASE_CFG) and write.new != write.old:
            self.config.placed(self.smmu.state)

    def on_invalidation(self, invalidation: Invalidation) -> None:
        if invalidation.configuration:
            self._check_named(invalidation)
        self.ledger.on_invalidation(invalidation)

    def structure(self, kind: Kind, address: int, sid: int, ssid: int, raw: bytes) -> None:
        """A transaction has read an L1STD, STE, L1CD or CD."""
        self.config.fetched(kind, address, sid, ssid, raw)
        if address >> PAGE_SHIFT in self._written:
            self._check(kind, address, sid, raw)

    def descriptor(self, address: int, value: int, stage: int, level: int, context: Context,
                   walk: Walk) -> None:
        """A transaction has read a translation table descriptor."""
        self.walks.fetched(address, value, stage, level, context, walk)
        if address >> PAGE_SHIFT in self._written:
            for rule, text in structures.check_descriptor(
                    self.rules, swap64(value) if walk.big else value, level,
                    walk.root.granule):
                self.findings.report(rule, text, f"stage-{stage} descriptor at {address:#x}")

    # Contents

    def _check(self, kind: Kind, address: int, sid: int, raw: bytes) -> None:
        if (address, raw) in self._checked:
            return
        self._checked.add((address, raw))
        value = int.from_bytes(raw, "little")
        problems: Iterator[structures.Problem] = iter(())
        ste = self.config.ste(sid)
        if kind is Kind.STE:
            problems = structures.check_ste(self.rules, raw)
        elif kind is Kind.L1STD:
            problems = structures.check_l1std(value, self.config.split)
        elif ste is not None and usable(ste) and ste.s1:
            problems = (structures.check_l1cd(self.rules, value, ste.leaf_bits)
                        if kind is Kind.L1CD else
                        structures.check_cd(self.rules, raw, world_of(ste, self.e2h), ste.stalld))
        for rule, text in problems:
            self.findings.report(rule, text, f"{kind.value} of StreamID {sid:#x} at {address:#x}")

    def _check_named(self, invalidation: Invalidation) -> None:
        """Software says that it has written these structures."""
        sid, last = invalidation.sids
        if sid != last:
            return
        for kind in (Kind.L1STD, Kind.STE, Kind.L1CD, Kind.CD):
            if kind not in invalidation.kinds or (
                    kind in (Kind.L1CD, Kind.CD) and invalidation.ssid is None):
                continue
            for address in list(self.config.regions.find(kind, sid, invalidation.ssid or 0)):
                if address >> PAGE_SHIFT in self._written:
                    try:
                        self._check(kind, address, sid,
                                    self.smmu.memory.read(address, _SIZE[kind]))
                    except BusError:
                        continue

    # Software's writes

    def on_memory(self, address: int, old: bytes, new: bytes) -> None:
        if self._own:
            return
        size = len(new)
        pages = range(address >> PAGE_SHIFT, ((address + size - 1) >> PAGE_SHIFT) + 1)
        for page in pages:
            self._written.add(page)
            if page in self.walks.unlinked:
                self._reused(page, address, new)
        for region in self.config.regions.overlapping(address, size):
            first = max(0, (address - region.start) // region.entry)
            last = min((address + size - 1 - region.start) // region.entry, region.count - 1)
            for index in range(first, last + 1):
                at = region.start + index * region.entry
                before, after = self._around(at, region.entry, address, old, new)
                self.config.changed(region, index, before, after)
        for page in pages:
            if page in self.walks.pages:
                self._descriptors(page, address, old, new)

    def _reused(self, page: int, address: int, new: bytes) -> None:
        first = max(0, (page << PAGE_SHIFT) - address)
        if any(new[first:((page + 1) << PAGE_SHIFT) - address]):
            self.walks.reused(page, self.walks.unlinked[page])

    def _descriptors(self, page: int, address: int, old: bytes, new: bytes) -> None:
        slots = self.walks.pages[page]
        start, end = address & -_WORD, address + len(new)
        touched = ([at for at in range(start, end, _WORD) if at in slots]
                   if end - start <= _WORD * len(slots)
                   else [at for at in slots if start <= at < end])
        for at in touched:
            if at in self.walks.pages.get(page, {}):
                before, after = self._around(at, _WORD, address, old, new)
                if before != after:
                    self.walks.written(at, int.from_bytes(before, "little"),
                                       int.from_bytes(after, "little"))

    def _around(self, at: int, size: int, address: int, old: bytes,
                new: bytes) -> tuple[bytes, bytes]:
        """[at, +size) before and after a write of `new` over `old` at `address`."""
        if address <= at and at + size <= address + len(new):
            first = at - address
            return old[first:first + size], new[first:first + size]
        after = self.smmu.memory.read(at, size)
        before = bytearray(after)
        low, high = max(at, address), min(at + size, address + len(new))
        before[low - at:high - at] = old[low - address:high - address]
        return bytes(before), after
