"""What software owes: an invalidation and a CMD_SYNC for everything that caches may hold stale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pymodel.invalidation import ConfigEntry, Invalidation, Stage, TlbEntry, covers
from pymodel.lint.findings import Findings
from pymodel.reader import World

Entry = ConfigEntry | TlbEntry


@dataclass(slots=True, eq=False)
class Held:
    """An entry that a cache may hold.

    Members
    -------
    address, value
        Where it came from and what was there; for a `Duty` that only counts if its tag is used
        again (`deferred`), to tell whether it would be stale then.
    dropped
        A consumed command covers it; the next CMD_SYNC completes that.
    """

    entry: Entry
    address: int = 0
    value: int = 0
    dropped: bool = False


@dataclass(slots=True, eq=False)
class Duty:
    """One change and the entries that it made stale.

    Members
    -------
    text, where
        The change, for people.
    deferred
        The entries do no harm unless their tag (ASID, VMID) is used again.
    armed
        A CMD_SYNC has completed since, so that software may believe the change is in effect.
    done
        Called when nothing is held any more.
    closed
        Completed, reported or undone.
    """

    text: str
    where: str
    held: list[Held]
    deferred: bool = False
    root: object = None
    armed: bool = False
    done: Callable[[], None] | None = None
    closed: bool = False

    @property
    def configuration(self) -> bool:
        return any(isinstance(held.entry, ConfigEntry) for held in self.held)


class Ledger:
    """The open duties.

    Members
    -------
    armed
        Those that a use would expose.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.open: list[Duty] = []
        self.armed: list[Duty] = []

    def add(self, duty: Duty) -> None:
        self.open.append(duty)

    def close(self, duty: Duty) -> None:
        """Forget a duty without its completion: reported, or the change was undone."""
        duty.closed = True
        if duty in self.open:
            self.open.remove(duty)
        if duty in self.armed:
            self.armed.remove(duty)

    def on_invalidation(self, invalidation: Invalidation) -> None:
        for duty in self.open:
            for held in duty.held:
                if not held.dropped and covers(invalidation, held.entry):
                    held.dropped = True

    def on_sync(self) -> None:
        """Everything that was covered is gone; what was not stays owed."""
        finished = []
        for duty in self.open:
            if any(held.dropped for held in duty.held):
                duty.held = [held for held in duty.held if not held.dropped]
            duty.armed = bool(duty.held)
            if not duty.held:
                finished.append(duty)
        self.open = [duty for duty in self.open if duty.held]
        self.armed = list(self.open)
        for duty in finished:
            duty.closed = True
            if duty.done is not None:
                duty.done()

    def report(self, duty: Duty, why: str, rule: str = "") -> None:
        """Say that `duty` was not met, once."""
        if all(held.dropped for held in duty.held):
            rule = "sync.missing"
        elif not rule:
            rule = "cfgi.missing" if duty.configuration else "tlbi.missing"
        missing = next((held.entry for held in duty.held if not held.dropped), duty.held[0].entry)
        self.findings.report(rule, f"{duty.text}; {why}; {describe(missing)}", duty.where)
        self.close(duty)

    def used_config(self, entry: ConfigEntry) -> None:
        """A transaction reads this structure."""
        for duty in list(self.armed):
            if any(held.entry == entry for held in duty.held):
                self.report(duty, "a transaction uses it after a CMD_SYNC")

    def used_tlb(self, stage: int, tag: tuple[World, int | None, int | None], address: int,
                 root: object, read: Callable[[int], int]) -> None:
        """A transaction translates `address` in the address space `tag`."""
        for duty in list(self.armed):
            for held in duty.held:
                entry = held.entry
                if not isinstance(entry, TlbEntry) or not _matches(entry, stage, tag, address):
                    continue
                if not duty.deferred:
                    self.report(duty, "a transaction uses it after a CMD_SYNC")
                elif duty.root != root or read(held.address) != held.value:
                    self.report(duty, "its tag is used again", "tag.reuse")
                else:
                    continue
                break

    def finish(self) -> None:
        """The end: everything owed that is not deferred is missing."""
        for duty in list(self.open):
            if not duty.deferred:
                self.report(duty, "not invalidated by the end")


def _matches(entry: TlbEntry, stage: int, tag: tuple[World, int | None, int | None],
             address: int) -> bool:
    world, vmid, asid = tag
    return ((entry.stage is Stage.S2) == (stage == 2) and entry.world is world
            and entry.vmid == (vmid or 0) and (entry.asid is None or entry.asid == asid)
            and entry.address <= address < entry.address + (1 << entry.size))


def describe(entry: Entry) -> str:
    """The entry that may still be cached, for people."""
    if isinstance(entry, ConfigEntry):
        ssid = f" SubstreamID {entry.ssid:#x}" if entry.kind.value in ("CD", "L1CD") else ""
        return f"cached {entry.kind.value} of StreamID {entry.sid:#x}{ssid}"
    asid = "" if entry.asid is None else f" ASID {entry.asid:#x}"
    return (f"cached stage-{entry.stage.value} {entry.kind.value} of {entry.world.value} VMID "
            f"{entry.vmid:#x}{asid} at {entry.address:#x}, level {entry.level}")
