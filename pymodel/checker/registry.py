"""Which pages serve as what, and which streams share which tags: what forgetting and stale hits
need to know. It grows with the tables in use, not with the transactions."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from pymodel.checker.reads import Place
from pymodel.invalidation import Kind, Stage
from pymodel.memory import PAGE
from pymodel.reader import World
from pymodel.walk import swap64


class TableRole(NamedTuple):
    """A 4 KB page of descriptors. `first` is the place of its first descriptor; `nested`: both
    stages are on."""

    first: Place
    nested: bool


class ConfigRole(NamedTuple):
    """A 4 KB page of configuration structures.

    `first` is the StreamID or SubstreamID of its first structure, `size` the bytes of one, `span`
    the log2 of the IDs under one. `sid` is the owner's where the structures are CDs or L1CDs.
    """

    kind: Kind
    sid: int
    first: int
    size: int
    span: int


class Tags(NamedTuple):
    """What the translations of a stream are tagged with."""

    world: World
    vmid: int | None
    asid: int | None
    aset: bool


class Registry:
    """What the checked transactions have been seen to use.

    Members
    -------
    roles
        By page number.
    streams
        By world and VMID: the (StreamID, SubstreamID) that translate under them, each with its
        tags.
    known
        Every (StreamID, SubstreamID) that may have transactions.
    globals
        (World, VMID) with global leaves.
    """

    def __init__(self) -> None:
        self.roles: defaultdict[int, set[TableRole | ConfigRole]] = defaultdict(set)
        self.streams: defaultdict[tuple[World, int | None],
                                  dict[tuple[int, int | None], set[Tags]]] = defaultdict(dict)
        self.known: set[tuple[int, int | None]] = set()
        self.globals: set[tuple[World, int]] = set()

    def table(self, address: int, where: Place, nested: bool) -> None:
        offset = address % PAGE // 8 << where.size
        first = where._replace(address=where.address - offset)
        self.roles[address // PAGE].add(TableRole(first, nested))

    def config(self, kind: Kind, address: int, sid: int, number: int, size: int,
               span: int) -> None:
        first = (number >> span) - address % PAGE // size
        self.roles[address // PAGE].add(ConfigRole(kind, sid, first << span, size, span))

    def steers(self, address: int, value: int) -> bool:
        """Whether with `value` in it the doubleword can lead to pages without a role."""
        for role in self.roles.get(address // PAGE, ()):
            if isinstance(role, ConfigRole) or (role.nested and role.first.stage is Stage.S1):
                return True
            if not role.first.leaf(swap64(value) if role.first.big else value):
                return True
        return False

    def stream(self, sid: int, ssid: int | None, tags: Tags) -> None:
        self.streams[tags.world, tags.vmid].setdefault((sid, ssid), set()).add(tags)
