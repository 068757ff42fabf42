"""How a translation reads its structures: one method per kind of structure.

Whoever substitutes a reader sees every read together with what an invalidation would match on, so
a checker can answer each read with any value that a cache may still hold.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

from pymodel.memory import Memory
from spec.context import CD_BYTES
from spec.stream_table import STE_BYTES


class World(Enum):
    """StreamWorld (reference 4.3)."""

    NS_EL1 = "NS-EL1"
    NS_EL2 = "NS-EL2"
    NS_EL2_E2H = "NS-EL2-E2H"


class Context(NamedTuple):
    """What a descriptor read belongs to: the tags of reference 4.3 and the input address.

    Members
    -------
    sid, ssid
        The transaction's; `ssid` None without SubstreamID.
    world
        StreamWorld of the walk; stage-2 walks are NS-EL1.
    vmid
        None where the world or the implementation has no VMID.
    asid
        None for stage 2 and for a world without ASIDs. Whether the translation is global is not
        known before its leaf.
    aset
        CD.ASET; False for stage 2.
    addr
        Input address of this stage: the VA with its top byte as driven, or the IPA.
    """

    sid: int
    ssid: int | None
    world: World
    vmid: int | None
    asid: int | None
    aset: bool
    addr: int


class Reader(Protocol):
    """Reads of structures and updates of descriptors. Every method may raise `BusError`.

    Addresses are physical. L1 descriptors and table descriptors are 64-bit integers as they lie in
    memory read little-endian (the walk swaps big-endian tables); STE and CD are 64 bytes. `ssid`
    is the index of the CD, 0 for a transaction without SubstreamID. `stage` is 1 or 2.
    """

    def l1std(self, address: int, sid: int) -> int: ...
    def ste(self, address: int, sid: int) -> bytes: ...
    def l1cd(self, address: int, sid: int, ssid: int) -> int: ...
    def cd(self, address: int, sid: int, ssid: int) -> bytes: ...
    def descriptor(self, address: int, stage: int, level: int, context: Context) -> int: ...

    def update(self, address: int, old: int, new: int, stage: int, level: int,
               context: Context) -> bool:
        """Hardware update of access flag or dirty state: compare and swap; whether it took."""
        ...


class MemoryReader:
    """The plain reader: memory as it is now."""

    def __init__(self, memory: Memory):
        self.memory = memory

    def l1std(self, address: int, sid: int) -> int:
        return self.memory.read64(address)

    def ste(self, address: int, sid: int) -> bytes:
        return self.memory.read(address, STE_BYTES)

    def l1cd(self, address: int, sid: int, ssid: int) -> int:
        return self.memory.read64(address)

    def cd(self, address: int, sid: int, ssid: int) -> bytes:
        return self.memory.read(address, CD_BYTES)

    def descriptor(self, address: int, stage: int, level: int, context: Context) -> int:
        return self.memory.read64(address)

    def update(self, address: int, old: int, new: int, stage: int, level: int,
               context: Context) -> bool:
        return self.memory.cas64(address, old, new)


class PreviewReader:
    """Another reader without side effects: updates stay here and only this reader sees them."""

    def __init__(self, reader: Reader):
        self.reader = reader
        self.l1std, self.ste = reader.l1std, reader.ste
        self.l1cd, self.cd = reader.l1cd, reader.cd
        self.updated: dict[int, int] = {}

    def descriptor(self, address: int, stage: int, level: int, context: Context) -> int:
        if address in self.updated:
            return self.updated[address]
        return self.reader.descriptor(address, stage, level, context)

    def update(self, address: int, old: int, new: int, stage: int, level: int,
               context: Context) -> bool:
        if self.descriptor(address, stage, level, context) != old:
            return False
        self.updated[address] = new
        return True
