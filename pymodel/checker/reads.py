"""One read of a translation: where, which version, and what a cached copy of it is tagged with."""

from __future__ import annotations

from typing import NamedTuple

from pymodel.cd import Region
from pymodel.checker.lifetime import Life, Time, Window
from pymodel.invalidation import ADDRESS_MAX, ConfigEntry, Kind, Stage, TlbEntry
from pymodel.job import Job
from pymodel.reader import Context, World
from pymodel.walk import TABLE_OR_PAGE, TYPE_MASK
from spec.vmsa import LAST_LEVEL, S1Leaf

_NG = S1Leaf.nG.mask
_UPPER_HALF = 1 << 55  # the address bit that chooses TT1


class Read(NamedTuple):
    """A version that was read.

    Members
    -------
    role
        For people: what it was read as.
    address, value
        Where it is and what was read, descriptors as they lie in memory.
    written, overwritten
        From when to when memory held it.
    feed
        The life of the way to it.
    life
        The life of a cached copy of it.
    """

    role: str
    address: int
    value: bytes | int
    written: Time
    overwritten: Time
    feed: Life
    life: Life

    def fetched(self, window: Window) -> bool:
        """Whether the transaction can have read it itself, from memory: what is never cached
        must have been there between its issue and its decision."""
        return (max(self.feed.start, self.written) <= window.decided
                and min(self.feed.dead, self.overwritten) >= window.issued
                and min(self.feed.dead, self.life.dead) >= window.completed)


class Place(NamedTuple):
    """A table descriptor's or leaf's place: everything about its tags but its value.

    `size` is the log2 of the bytes under it, `address` the first one, sign extended.
    """

    stage: Stage
    world: World
    vmid: int
    asid: int | None
    aset: bool
    address: int
    size: int
    level: int
    granule: int
    big: bool

    def leaf(self, descriptor: int) -> bool:
        """Whether the descriptor (bytes in order) ends the walk, valid or not."""
        return self.level == LAST_LEVEL or descriptor & TYPE_MASK != TABLE_OR_PAGE

    def entry(self, descriptor: int, stage: Stage | None = None) -> TlbEntry:
        """The cached copy of a descriptor (bytes in order), as stage `stage`."""
        leaf = self.leaf(descriptor)
        # A leaf that is not valid counts as nonglobal: nothing is ever cached from it.
        shared = leaf and descriptor & 1 and not descriptor & _NG and self.stage is Stage.S1
        return TlbEntry(
            kind=Kind.LEAF if leaf else Kind.TABLE, stage=stage or self.stage, world=self.world,
            vmid=self.vmid, asid=None if shared else self.asid, address=self.address,
            size=self.size, level=self.level, granule=self.granule)


def region_of(job: Job) -> Region:
    """The half of the address space that a stage-1 walk goes through."""
    upper = job.addr & _UPPER_HALF and not job.cd.single
    region = job.cd.upper if upper else job.cd.lower
    assert region is not None
    return region


def place(job: Job, stage: int, level: int, context: Context) -> Place:
    """The place of the descriptor that a walk reads now."""
    if stage == 1:
        region = region_of(job)
        shifts, big = region.geometry.shifts, job.cd.big
        outside = ADDRESS_MAX & -(region.check_mask & -region.check_mask)
        address = context.addr & ~outside | (outside if region.check_value else 0)
    else:
        shifts, big = job.ste.s2.geometry.shifts, job.ste.s2.big
        address = context.addr
    size = shifts[level]
    return Place(Stage(stage), context.world, context.vmid or 0, context.asid, context.aset,
                 address >> size << size, size, level, shifts[LAST_LEVEL], big)


def combined(one: Place, descriptor: int, two: Place | None) -> TlbEntry:
    """The entry that merges a stage-1 descriptor with the stage-2 leaf under its address."""
    entry = one.entry(descriptor, Stage.COMBINED)
    if two is None or two.size >= one.size:
        return entry
    # The stage-2 page is smaller. Only the part that is asked for need be cached, so the entry is
    # taken to be as small as it can be.
    return TlbEntry(kind=entry.kind, stage=entry.stage, world=entry.world, vmid=entry.vmid,
                    asid=entry.asid, address=entry.address, size=two.size, level=entry.level,
                    granule=entry.granule)


def config_entry(kind: Kind, sid: int, ssid: int = 0, span: int = 0) -> ConfigEntry:
    """A cached STE, CD or L1 descriptor."""
    return ConfigEntry(kind=kind, sid=sid, ssid=ssid, span=span)
