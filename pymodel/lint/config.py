"""Configuration structures: which are reachable, and what changing them obliges to.

Reachable is what the tables lead to from STRTAB_BASE while SMMUEN=1; any of it may be cached,
invalid structures too (reference 2.2). Behind stage 2 only what a transaction has read is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pymodel.invalidation import ConfigEntry, Kind
from pymodel.lint.contexts import stage1_reach, stage2_reach, usable
from pymodel.lint.duties import Duty, Held, Ledger, describe
from pymodel.lint.live import changed_words, live_cd, live_ste
from pymodel.lint.regions import PAGE_SHIFT, Region, Regions
from pymodel.lint.structures import context_bytes
from pymodel.lint.walks import Walks
from pymodel.memory import BusError, Memory
from pymodel.rules import Rules
from pymodel.state import SmmuState
from pymodel.ste import Ste, decode_ste
from pymodel.stream_table import stream_table
from spec.context import CD, CD_BYTES, L1CD, L1CD_BYTES
from spec.stream_table import L1STD, L1STD_BYTES, SPAN_MAX, STE, STE_BYTES

_LIVE: dict[Kind, tuple[Callable[[int], int], int]] = {
    Kind.STE: (live_ste, STE.V.mask), Kind.CD: (live_cd, CD.V.mask)}


class Config:
    """The configuration side of the lint."""

    def __init__(self, rules: Rules, memory: Memory, ledger: Ledger, walks: Walks) -> None:
        self.rules, self.memory, self.ledger, self.walks = rules, memory, ledger, walks
        self.regions = Regions()
        self.state = SmmuState()
        self.split = 0
        self.read: set[ConfigEntry] = set()  # what transactions have read
        self._raw: dict[int, bytes] = {}     # StreamID to the STE that its CD regions are from
        self._bases: dict[tuple[Kind, int, int, int], int] = {}  # before the changes under way
        self._owed: dict[tuple[Kind, int, int, int], Duty] = {}  # the latest change of an entry
        self._table: tuple[int, int, int] | None = None

    # Which structures there are

    def enabled(self, state: SmmuState) -> None:
        """SMMUEN becomes 1."""
        self.state = state
        self.placed(state)
        base, bits, split = self._table = stream_table(state, self.rules)
        self.split = split
        if not split:
            self.regions.add(Region(Kind.STE, base, 1 << bits, STE_BYTES, 0))
            return
        level1 = Region(Kind.L1STD, base, 1 << max(0, bits - split), L1STD_BYTES, 0, step=split)
        self.regions.add(level1)
        for index, value in self._nonzero(level1):
            self._level2(index << split, value)

    def disabled(self) -> None:
        """SMMUEN becomes 0: nothing is read any more, but caches keep what they hold."""
        self.state = replace(self.state, smmuen=False)

    def placed(self, state: SmmuState) -> None:
        """STRTAB_BASE or STRTAB_BASE_CFG was written. With another stream table nothing that was
        cached from the old one holds."""
        if self._table in (None, stream_table(state, self.rules)):
            return
        self._table = None
        self.regions.clear()
        self._raw.clear()
        self._bases.clear()
        duty = Duty("the stream table was replaced", "STRTAB_BASE",
                    [Held(entry) for entry in self.read])
        for user in list(self.walks.of_user):
            self.walks.leave(user, set(), duty)
        self.read.clear()
        if duty.held:
            self.ledger.add(duty)

    def _nonzero(self, region: Region) -> list[tuple[int, int]]:
        """(index, value) of the 8-byte descriptors of a region that are not 0."""
        try:
            raw = self.memory.read(region.start, region.end - region.start)
        except BusError:
            return []
        return [(n, value) for n, value in enumerate(memoryview(raw).cast("Q")) if value]

    def _level2(self, sid: int, value: int) -> Region | None:
        """The STEs below an L1STD."""
        l1std = L1STD(value)
        if not 0 < l1std.Span <= min(SPAN_MAX, self.split + 1):
            return None
        count = 1 << (l1std.Span - 1)
        region = Region(Kind.STE, l1std.L2Ptr & -(STE_BYTES * count), count, STE_BYTES, sid)
        self.regions.add(region)
        return region

    def _leaf(self, sid: int, ste: Ste, ssid: int, value: int) -> Region | None:
        """The CDs below an L1CD."""
        l1cd = L1CD(value)
        if not l1cd.V or ste.s2on:
            return None
        count = 1 << ste.leaf_bits
        region = Region(Kind.CD, l1cd.L2Ptr & -(CD_BYTES * count), count, CD_BYTES, sid, ssid)
        self.regions.add(region)
        return region

    def _contexts(self, sid: int, raw: bytes) -> None:
        """The CDs below an STE, as far as they are not behind stage 2."""
        if self._raw.get(sid) == raw:
            return
        self._raw[sid] = raw
        ste = decode_ste(self.rules, raw)
        if not usable(ste) or not ste.s1 or ste.s2on:
            return
        if not ste.leaf_bits:
            self.regions.add(Region(Kind.CD, ste.context_ptr, 1 << ste.cd_max, CD_BYTES, sid))
            return
        level1 = Region(Kind.L1CD, ste.context_ptr, context_bytes(ste) // L1CD_BYTES, L1CD_BYTES,
                        sid, step=ste.leaf_bits)
        self.regions.add(level1)
        for index, value in self._nonzero(level1):
            self._leaf(sid, ste, index << ste.leaf_bits, value)

    # Reads

    def fetched(self, kind: Kind, address: int, sid: int, ssid: int, raw: bytes) -> None:
        """A transaction has read a structure."""
        entry = self.entry(kind, sid, ssid)
        if self.ledger.armed:
            self.ledger.used_config(entry)
        self.read.add(entry)
        if kind is Kind.STE:
            self._contexts(sid, raw)
        elif kind in (Kind.CD, Kind.L1CD):
            ste = self.ste(sid)
            if ste is not None and usable(ste) and ste.s2on:
                size = CD_BYTES if kind is Kind.CD else L1CD_BYTES
                self.regions.add(Region(kind, address, 1, size, sid, entry.ssid))

    def entry(self, kind: Kind, sid: int, ssid: int) -> ConfigEntry:
        """The cached structure, its identifiers aligned to what it covers."""
        if kind is Kind.L1STD:
            return ConfigEntry(kind=kind, sid=sid >> self.split << self.split, span=self.split)
        if kind is Kind.L1CD:
            ste = self.ste(sid)
            bits = ste.leaf_bits if ste is not None and usable(ste) else 0
            return ConfigEntry(kind=kind, sid=sid, ssid=ssid >> bits << bits, span=bits)
        return ConfigEntry(kind=kind, sid=sid, ssid=ssid)

    def ste(self, sid: int) -> Ste | None:
        """The STE of `sid` as it was last seen."""
        raw = self._raw.get(sid)
        return None if raw is None else decode_ste(self.rules, raw)

    # Changes

    def changed(self, region: Region, index: int, old: bytes, new: bytes) -> None:
        """Software has changed one structure of a region."""
        if old == new or region not in self.regions:
            return
        address = region.start + index * region.entry
        sid, ssid = region.identify(index)
        before, after = int.from_bytes(old, "little"), int.from_bytes(new, "little")
        if region.kind in _LIVE:
            live, _ = _LIVE[region.kind]
            if not changed_words(before, after, live(before) | live(after)):
                return
        elif not self._descriptor_counts(region.kind, before, after):
            return
        entry = self.entry(region.kind, sid, ssid)
        duty = Duty(f"changed from {_text(before, region)} to {_text(after, region)}",
                    f"{describe(entry).removeprefix('cached ')} at {address:#x}",
                    [Held(entry, address)])
        key = (region.kind, address, sid, ssid)
        if region.kind in _LIVE:
            self._torn(key, before, after, duty.where)
            duty.done = lambda: self._settled(key, duty)
            self._owed[key] = duty
        if region.kind is Kind.STE:
            self._ste_changed(sid, old, new, duty)
        elif region.kind is Kind.CD:
            self._cd_changed(sid, ssid, new, duty)
        else:
            self._level1_changed(region.kind, entry, after, duty)
        self.ledger.add(duty)

    def _descriptor_counts(self, kind: Kind, before: int, after: int) -> bool:
        if kind is Kind.L1CD:
            return bool((before | after) & L1CD.V.mask)
        spans = [L1STD.Span.get(value) for value in (before, after)]
        return any(0 < span <= min(SPAN_MAX, self.split + 1) for span in spans)

    def _torn(self, key: tuple[Kind, int, int, int], before: int, after: int,
              where: str) -> None:
        """The SMMU reads doublewords in any order, at any time: while an entry is valid, or may
        still be read as valid, only one of them may change (reference 2.2, 9.3)."""
        if not self.state.smmuen:
            return
        live, valid = _LIVE[key[0]]
        base = self._bases.setdefault(key, before)
        if not base & valid and after & valid:
            self._bases[key] = after
            return
        words = changed_words(base, after, live(base) | live(after))
        if base & valid and len(words) > 1:
            self.ledger.findings.report(
                "entry.torn", f"doublewords {', '.join(map(str, words))} changed without making "
                "the entry invalid, CFGI and CMD_SYNC first", where)
            self._bases[key] = after

    def _settled(self, key: tuple[Kind, int, int, int], duty: Duty) -> None:
        """The last change of this entry is complete."""
        if self._owed.get(key) is duty:
            del self._owed[key]
            self._bases.pop(key, None)

    def _ste_changed(self, sid: int, old: bytes, new: bytes, duty: Duty) -> None:
        self.walks.leave((sid, None), stage2_reach(self.rules, new), duty)
        was, now = (decode_ste(self.rules, raw) for raw in (old, new))
        if _same_contexts(was, now):
            self._raw[sid] = new
            return
        for user in [u for u in self.walks.of_user if u[0] == sid and u[1] is not None]:
            self.walks.leave(user, set(), duty)
        for region in [r for r in self.regions if r.kind in (Kind.CD, Kind.L1CD)
                       and r.sid == sid]:
            self._drop(region, duty)
        self._raw.pop(sid, None)
        self._contexts(sid, new)

    def _cd_changed(self, sid: int, ssid: int, new: bytes, duty: Duty) -> None:
        ste = self.ste(sid)
        kept = stage1_reach(self.rules, ste, self.state.e2h, new) if ste is not None else set()
        self.walks.leave((sid, ssid), kept, duty)

    def _level1_changed(self, kind: Kind, entry: ConfigEntry, after: int, duty: Duty) -> None:
        """Everything below the descriptor is another structure now."""
        below = Kind.STE if kind is Kind.L1STD else Kind.CD
        ste = None if kind is Kind.L1STD else self.ste(entry.sid)
        new = (self._level2(entry.sid, after) if kind is Kind.L1STD
               else None if ste is None or not usable(ste)
               else self._leaf(entry.sid, ste, entry.ssid, after))
        first = Region(below, 0, 1, 1, entry.sid, entry.ssid)
        for region in [r for r in self.regions if r.kind is below and r != new
                       and (r.sid, r.ssid) == (first.sid, first.ssid)]:
            self._drop(region, duty)
            for index in range(region.count):
                one = self.entry(below, *region.identify(index))
                if one in self.read:
                    duty.held.append(Held(one))
                    self._below(one, duty)

    def _below(self, entry: ConfigEntry, duty: Duty) -> None:
        for user in list(self.walks.of_user):
            if user[0] == entry.sid and (entry.kind is Kind.STE or user[1] == entry.ssid):
                self.walks.leave(user, set(), duty)

    def _drop(self, region: Region, duty: Duty) -> None:
        """No longer reachable: whole pages of it must not be reused before `duty` is over."""
        self.regions.remove(region)
        first = -(-region.start >> PAGE_SHIFT)
        for page in range(first, region.end >> PAGE_SHIFT):
            self.walks.unlinked[page] = duty


def _same_contexts(was: Ste, now: Ste) -> bool:
    """Whether two STEs lead to the same CDs in the same way."""
    if not (usable(was) and usable(now)):
        return False
    if not was.s1 and not now.s1:
        return True
    fields = ("s1", "s2on", "cd_max", "leaf_bits", "context_ptr", "el2", "vmid", "stalld")
    return was.s1 and all(getattr(was, name) == getattr(now, name) for name in fields)


def _text(value: int, region: Region) -> str:
    layout = {Kind.STE: STE, Kind.CD: CD, Kind.L1STD: L1STD, Kind.L1CD: L1CD}[region.kind]
    return layout(value).text()
