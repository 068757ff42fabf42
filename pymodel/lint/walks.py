"""The translation table descriptors that transactions have used, and what their changes oblige to.

A descriptor once used stays watched as long as its address space is in use: nothing keeps a cache
from fetching it again. What is invalid is in no TLB (reference 4.3), so making a mapping asks for
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pymodel.invalidation import Kind, Stage, TlbEntry
from pymodel.lint.change import Change, cacheable, classify, is_table
from pymodel.lint.duties import Duty, Held, Ledger
from pymodel.memory import BusError, Memory
from pymodel.reader import Context, World
from pymodel.walk import Geometry, swap64
from spec.vmsa import LAST_LEVEL, S1Leaf

PAGE_SHIFT = 12
User = tuple[int, int | None]  # StreamID and CD number; None: its stage 2


class Root(NamedTuple):
    """What gives a walk its meaning: two walks with one tag and different roots disagree."""

    table: int
    start: int
    granule: int
    attributes: tuple[object, ...]


Tag = tuple[World, int | None, int | None]  # world, VMID, ASID
Reach = tuple[Tag, str, Root]               # an address space: tag, half, root


class Walk(NamedTuple):
    """How a stage walks: from the STE or CD that was read last.

    Members
    -------
    half
        "TT0", "TT1", "IPA".
    big, affd
        Endianness of the tables; AF=0 may be used.
    """

    root: Root
    half: str
    shape: Geometry
    big: bool
    affd: bool


@dataclass(slots=True, eq=False)
class Space:
    """One address space in use: a tag, its tables, and who walks them."""

    stage: int
    tag: Tag
    walk: Walk
    users: set[User] = field(default_factory=set)
    slots: set[Slot] = field(default_factory=set)

    def __str__(self) -> str:
        world, vmid, asid = self.tag
        asid_text = "" if asid is None else f" ASID {asid:#x}"
        return f"{world.value} VMID {vmid or 0:#x}{asid_text} {self.walk.half}"


@dataclass(slots=True, eq=False)
class Slot:
    """A descriptor and the TLB entries that may have come from it.

    Members
    -------
    duty, before
        The open duty of having made it invalid, and what it was.
    """

    address: int
    stage: int
    level: int
    walk: Walk
    entries: dict[TlbEntry, Space] = field(default_factory=dict)
    duty: Duty | None = None
    before: int = 0

    def __str__(self) -> str:
        return f"stage-{self.stage} level-{self.level} descriptor at {self.address:#x}"


class Walks:
    """All slots and spaces of one SMMU."""

    def __init__(self, memory: Memory, bbml: int, ledger: Ledger) -> None:
        self.memory, self.bbml, self.ledger = memory, bbml, ledger
        self.spaces: dict[tuple, Space] = {}
        self.of_user: dict[User, set[Space]] = {}
        self.pages: dict[int, dict[int, dict[tuple[int, int], Slot]]] = {}
        self.unlinked: dict[int, Duty] = {}  # page number to what must be over before its reuse
        self._leaf: TlbEntry | None = None   # the stage-1 leaf of the transaction under way

    # Reads

    def begin(self) -> None:
        """A transaction starts."""
        self._leaf = None

    def fetched(self, address: int, value: int, stage: int, level: int, context: Context,
                walk: Walk) -> None:
        """A transaction has read a descriptor."""
        user = (context.sid, None if stage == 2 else context.ssid or 0)
        space = self._space(stage, context, walk, user)
        if walk.big:
            value = swap64(value)
        shape, size = walk.shape, walk.shape.shifts[level]
        where = context.addr & (1 << 56) - 1 | (0xFF << 56 if walk.half == "TT1" else 0)
        if self.ledger.armed:
            self.ledger.used_tlb(stage, space.tag, where, walk.root, self._read)
        if not cacheable(value, level, shape, affd=walk.affd):
            return
        table = is_table(value, level)
        shared = stage == 1 and not table and not value & S1Leaf.nG.mask
        entry = TlbEntry(
            kind=Kind.TABLE if table else Kind.LEAF, stage=Stage(stage), world=context.world,
            vmid=context.vmid or 0, asid=None if shared else context.asid,
            address=where >> size << size, size=size, level=level,
            granule=shape.shifts[LAST_LEVEL])
        slot = self._slot(address, stage, level, walk)
        slot.entries[entry] = space
        space.slots.add(slot)
        if stage == 1:
            self._leaf = None if table else entry
        elif self._leaf is not None:
            slot.entries[self._combined(self._leaf, context, size)] = space

    def _combined(self, leaf: TlbEntry, context: Context, size: int) -> TlbEntry:
        """The VA-to-PA entry that stage 2 of the leaf's output completes."""
        return TlbEntry(kind=Kind.LEAF, stage=Stage.COMBINED, world=leaf.world, vmid=leaf.vmid,
                        asid=leaf.asid, address=leaf.address, size=leaf.size, level=leaf.level,
                        granule=leaf.granule)

    def _space(self, stage: int, context: Context, walk: Walk, user: User) -> Space:
        tag = (context.world, context.vmid, context.asid)
        key = (stage, tag, walk.half)
        space = self.spaces.get(key)
        if space is not None and space.walk.root != walk.root:
            others = space.users - {user}
            if others:
                self.ledger.findings.report(
                    "tag.shared", f"also used by {', '.join(map(_user, sorted(others, key=str)))} "
                    "with other tables or attributes", f"{space} of {_user(user)}")
            self.retire(space, "its tag now has other tables")
            space = None
        if space is None:
            space = self.spaces[key] = Space(stage, tag, walk)
        if user not in space.users:
            space.users.add(user)
            self.of_user.setdefault(user, set()).add(space)
        return space

    def _slot(self, address: int, stage: int, level: int, walk: Walk) -> Slot:
        page = self.pages.setdefault(address >> PAGE_SHIFT, {})
        if self.unlinked:
            self.unlinked.pop(address >> PAGE_SHIFT, None)
        here = page.setdefault(address, {})
        slot = here.get((stage, level))
        if slot is None:
            slot = here[stage, level] = Slot(address, stage, level, walk)
        slot.walk = walk
        return slot

    def _read(self, address: int) -> int:
        try:
            return self.memory.read64(address)
        except BusError:
            return 0

    # Changes

    def written(self, address: int, old: int, new: int) -> None:
        """A doubleword with slots has been changed by software."""
        for slot in list(self.pages[address >> PAGE_SHIFT].get(address, {}).values()):
            big = slot.walk.big
            self._changed(slot, swap64(old) if big else old, swap64(new) if big else new)

    def _changed(self, slot: Slot, old: int, new: int) -> None:
        walk, findings = slot.walk, self.ledger.findings
        if slot.duty is not None and cacheable(new, slot.level, walk.shape, affd=walk.affd):
            self._remade(slot, new)
        if not slot.entries:
            return
        change, why = classify(old, new, slot.stage, slot.level, walk.shape, self.bbml,
                               affd=walk.affd)
        if change is Change.BREAK:
            findings.report("bbm", f"{why} without break-before-make: {old:#x} -> {new:#x}",
                            str(slot))
        elif change is Change.STALE:
            gone = not cacheable(new, slot.level, walk.shape, affd=walk.affd)
            self._owe(slot, old, f"{why}: {old:#x} -> {new:#x}", gone=gone)

    def _remade(self, slot: Slot, new: int) -> None:
        """Valid again while the old value may still be cached."""
        duty = slot.duty
        assert duty is not None
        change, _ = classify(slot.before, new, slot.stage, slot.level, slot.walk.shape, self.bbml,
                             affd=slot.walk.affd)
        slot.duty = None
        if duty.closed:
            return
        if change is not Change.NOTHING:
            self.ledger.report(duty, f"made valid again as {new:#x} before that is complete", "bbm")
        # The same again: what caches hold of this descriptor is right once more.
        elif len({held.address for held in duty.held}) == 1:
            self.ledger.close(duty)

    def _owe(self, slot: Slot, old: int, text: str, *, gone: bool) -> None:
        held = [Held(entry) for entry in slot.entries]
        duty = Duty(text, str(slot), held)
        for one in held:
            one.address = slot.address
        if is_table(old, slot.level):
            for entry, space in list(slot.entries.items()):
                held += self._below(slot, entry, space, duty, unlink=gone)
        if gone:
            for space in set(slot.entries.values()):
                space.slots.discard(slot)
            slot.entries, slot.duty, slot.before = {}, duty, old
            duty.done = lambda: self._forget(slot)
        self.ledger.add(duty)

    def _below(self, slot: Slot, above: TlbEntry, space: Space, duty: Duty, *,
               unlink: bool) -> Iterable[Held]:
        """The entries under a table descriptor; with `unlink` nobody can reach them any more."""
        out = []
        for other in list(space.slots):
            entries = [e for e, s in other.entries.items() if s is space]
            if other.stage != slot.stage or other.level <= slot.level or not any(
                    above.address <= e.address < above.address + (1 << above.size)
                    for e in entries if e.stage is above.stage):
                continue
            out += [Held(e, other.address) for e in entries]
            if unlink:
                self._unlink(other, space, duty)
        return out

    def _unlink(self, slot: Slot, space: Space, duty: Duty | None) -> None:
        """Take a slot out of a space; its page must not be reused before `duty` is over."""
        space.slots.discard(slot)
        slot.entries = {e: s for e, s in slot.entries.items() if s is not space}
        if not slot.entries:
            self._forget(slot)
            page = slot.address >> PAGE_SHIFT
            if duty is not None and page not in self.pages:
                self.unlinked[page] = duty

    def _forget(self, slot: Slot) -> None:
        if slot.entries:
            return
        page = self.pages.get(slot.address >> PAGE_SHIFT, {})
        here = page.get(slot.address, {})
        if here.get((slot.stage, slot.level)) is slot:
            del here[slot.stage, slot.level]
            if not here:
                del page[slot.address]
            if not page:
                self.pages.pop(slot.address >> PAGE_SHIFT, None)

    def reused(self, page: int, duty: Duty) -> None:
        """Software has written something into a page of an unlinked table."""
        del self.unlinked[page]
        if not duty.closed:
            self.ledger.report(duty, f"page {page << PAGE_SHIFT:#x} of it is written before that "
                               "is complete", "reuse")

    # Address spaces

    def leave(self, user: User, kept: set[Reach], duty: Duty) -> None:
        """`user` walks nothing but `kept` any more once `duty` is met."""
        for space in list(self.of_user.get(user, ())):
            if (space.tag, space.walk.half, space.walk.root) in kept:
                continue
            space.users.discard(user)
            self.of_user[user].discard(space)
            if not space.users:
                self.retire(space, "unused since then", duty)

    def retire(self, space: Space, why: str, duty: Duty | None = None) -> None:
        """An address space without users: its entries only matter if its tag is used again."""
        held = []
        for slot in list(space.slots):
            value = self._read(slot.address)
            held += [Held(e, slot.address, value) for e, s in slot.entries.items() if s is space]
            self._unlink(slot, space, duty)
        for user in space.users:
            self.of_user[user].discard(space)
        space.users.clear()
        key = (space.stage, space.tag, space.walk.half)
        if self.spaces.get(key) is space:
            del self.spaces[key]
        if held:
            self.ledger.add(Duty(f"translations of this address space, {why}", str(space), held,
                                 deferred=True, root=space.walk.root))


def _user(user: User) -> str:
    sid, ssid = user
    return f"StreamID {sid:#x}" + ("" if ssid is None else f" CD {ssid:#x}")
