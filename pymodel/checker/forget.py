"""Which old versions no transaction to come can meet any more."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from pymodel.checker.history import History, Version
from pymodel.checker.lifetime import CommandLog, Done, Time
from pymodel.checker.reads import Place, config_entry
from pymodel.checker.registry import ConfigRole, Registry, TableRole, Tags
from pymodel.checker.shares import CD_OWN_MASK
from pymodel.checker.states import States
from pymodel.invalidation import Invalidation, Kind, Stage, TlbEntry, covers
from pymodel.memory import PAGE
from pymodel.reader import World
from pymodel.walk import AF, swap64
from spec.context import CD, CD_BYTES, L1CD
from spec.stream_table import L1STD, STE

_WORD = 8
_BOTH = frozenset({Kind.TABLE, Kind.LEAF})


class Forgetting:
    """One pass over the history: `before` is the issue time of the oldest transaction that may
    still be asked about."""

    def __init__(self, history: History, log: CommandLog, registry: Registry, states: States,
                 sid_bits: int, before: Time) -> None:
        self.history, self.log, self.registry, self.before = history, log, registry, before
        self.states, self.sid_bits = states, sid_bits
        self.done = [done for done in log.done if done.completed <= before]

    def run(self) -> None:
        kept: dict[int, list[Version]] = {}
        oldest = self.before
        for address, versions in self.history.words.items():
            stay = [versions[0]]
            for newer, version in pairwise(versions):
                if version.overwritten > self.before or not self._gone(address, version, newer):
                    stay.append(version)
            kept[address] = stay
            if len(stay) > 1:
                oldest = min(oldest, stay[-1].overwritten)
        self.history.keep(kept)
        oldest = min([oldest, *self._states()])
        self.log.forget(oldest)

    def _states(self) -> list[Time]:
        """Drop old register states; the ends of those that stay."""
        versions = self.states.versions
        stay = [v for v in versions if v.until > self.before or not self._gone_state(v.until)]
        versions[:] = stay
        return [version.until for version in stay]

    def _gone_state(self, until: Time) -> bool:
        """Whether all that may have been cached under the state has been removed since."""
        done = self._since(until)
        everyone = (0, (1 << self.sid_bits) - 1)
        configured = [d for d in done if d.inv.configuration and Kind.L1STD in d.inv.kinds
                      and d.inv.sids[0] <= everyone[0] and d.inv.sids[1] >= everyone[1]]
        if not configured:
            return False
        after = self._since(min(d.completed for d in configured))
        worlds = {world for d in after if d.inv.kinds >= _BOTH and not d.inv.vmid_mask
                  and d.inv.addresses is None and d.inv.globals and d.inv.asid is None
                  for world in d.inv.worlds}
        return worlds >= {world for world, _ in self.registry.streams} | {World.NS_EL1}

    def _gone(self, address: int, version: Version, newer: Version) -> bool:
        """Whether the version is dead as everything that its page has served as."""
        return all(self._gone_table(address, version, newer, role)
                   if isinstance(role, TableRole)
                   else self._gone_config(address, version, newer, role)
                   for role in self.registry.roles.get(address // PAGE, ()))

    def _since(self, time: Time) -> list[Done]:
        return [done for done in self.done if done.issued >= time]

    # Table descriptors and leaves

    def _gone_table(self, address: int, version: Version, newer: Version,
                    role: TableRole) -> bool:
        first = role.first
        where = first._replace(
            address=first.address + (address % PAGE // _WORD << first.size))
        value = swap64(version.value) if where.big else version.value
        if not value & 1 or version.value ^ newer.value == (swap64(AF) if where.big else AF):
            return True  # never cached, or means the same as what is there now
        if where.leaf(value):
            dead = [where.entry(value)]
            if role.nested and where.stage is Stage.S2:
                dead.append(_everything(where, where.entry(value)))
            return all(any(_removes(done.inv, entry)
                           for done in self._since(version.overwritten)) for entry in dead)
        return self._subtree(where, value, self._since(version.overwritten), role.nested)

    def _subtree(self, where: Place, value: int, done: Iterable[Done], nested: bool) -> bool:
        """Whether nothing that was found through a table descriptor can be left."""
        entry = where.entry(value)
        if (where.world, where.vmid) in self.registry.globals and where.asid is not None:
            whole = [d.inv for d in done if d.inv.kinds >= _BOTH and d.inv.globals
                     and covers(d.inv, entry)]
        else:
            whole = [d.inv for d in done if d.inv.kinds >= _BOTH and covers(d.inv, entry)]
        if nested and where.stage is Stage.S2:
            merged = _everything(where, entry)
            if not any(_removes(inv, merged) for inv in (d.inv for d in done)):
                return False
        return _spans(whole, entry)

    # Configuration

    def _gone_config(self, address: int, version: Version, newer: Version,
                     role: ConfigRole) -> bool:
        number = role.first + (address % PAGE // role.size << role.span)
        if role.kind in (Kind.L1STD, Kind.STE):
            entry = config_entry(role.kind, number, 0, role.span)
        else:
            entry = config_entry(role.kind, role.sid, number, role.span)
        killers = [done for done in self._since(version.overwritten) if covers(done.inv, entry)]
        if not killers:
            return False
        if _leads_nowhere(role.kind, address, version.value, newer.value):
            return True
        if role.kind in (Kind.L1STD, Kind.L1CD):
            return False  # what lies below it is not followed
        dead = min(done.completed for done in killers)
        return all(self._flushed(tags, dead) for tags in self._tags(role.kind, entry.sid, number))

    def _tags(self, kind: Kind, sid: int, ssid: int) -> Iterable[Tags]:
        """Every tag that the structure's translations have had."""
        for streams in self.registry.streams.values():
            for (a_sid, a_ssid), tags in streams.items():
                if a_sid == sid and (kind is Kind.STE or (a_ssid or 0) == ssid):
                    yield from tags

    def _flushed(self, tags: Tags, since: Time) -> bool:
        """Whether no translation with the tags can be left from before `since`."""
        shared = (tags.world, tags.vmid or 0) in self.registry.globals
        entries = [_tlb(tags, stage, asid) for stage in (Stage.S1, Stage.COMBINED)
                   for asid in ((tags.asid, None) if shared else (tags.asid,))]
        return all(any(done.inv.kinds >= _BOTH and done.inv.addresses is None
                       and covers(done.inv, entry) for done in self._since(since))
                   for entry in entries)


def _tlb(tags: Tags, stage: Stage, asid: int | None) -> TlbEntry:
    return TlbEntry(kind=Kind.LEAF, stage=stage, world=tags.world, vmid=tags.vmid or 0,
                    asid=asid, address=0, size=0, level=3, granule=12)


def _everything(where: Place, entry: TlbEntry) -> TlbEntry:
    """A merged entry that only an invalidation of all the VMID's addresses is sure to remove."""
    return TlbEntry(kind=entry.kind, stage=Stage.COMBINED, world=where.world, vmid=where.vmid,
                    asid=None, address=0, size=64, level=entry.level, granule=entry.granule)


def _removes(inv: Invalidation, entry: TlbEntry) -> bool:
    if entry.stage is Stage.COMBINED and (inv.addresses is not None or not inv.globals
                                          or inv.asid is not None):
        return False
    return covers(inv, entry)


def _spans(whole: list[Invalidation], entry: TlbEntry) -> bool:
    """Whether the invalidations together reach every byte of the entry. A single address stands
    for its granule: tables hold nothing smaller."""
    page = (1 << entry.granule) - 1
    first, last = entry.address, entry.address + (1 << entry.size) - 1
    for start, end in sorted(inv.addresses or (first, last) for inv in whole):
        if start & ~page > first:
            return False
        first = max(first, (end | page) + 1)
        if first > last:
            return True
    return False


def _leads_nowhere(kind: Kind, address: int, value: int, newer: int) -> bool:
    """Whether nothing is cached by way of this doubleword that the newer one would not give."""
    if kind is Kind.L1STD:
        return not value & L1STD.Span.mask
    if kind is Kind.L1CD:
        return not value & L1CD.V.mask
    if kind is Kind.STE:
        return address % STE.size() == 0 and not value & STE.V.mask
    if address % CD_BYTES:
        return False
    return not value & CD.V.mask or not (value ^ newer) & ~CD_OWN_MASK

