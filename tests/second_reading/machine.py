"""A small machine for the second reading: one SMMU of the golden model and tables written by hand.

Everything here follows the reference text; the descriptors and the geometry are encoded again
instead of being taken from `spec.vmsa`, so that one wrong bit there does not hide here.

Two address spaces: structures that a nested stream reaches through stage 2 live at IPA x and at
PA x + SHIFT; without stage 2 both are x. Each 4 KB page of them has its own stage-2 leaf, so that
a case can break exactly one.
"""

from __future__ import annotations

from dataclasses import replace

from pymodel.memory import SparseMemory
from pymodel.smmu import Smmu
from pymodel.transaction import Ending, Result, Transaction
from spec import registers as r
from spec.context import CD
from spec.events import EVENTS, EventType
from spec.impl import PRESETS
from spec.stream_table import STE

SHIFT = 0x40_0000_0000           # PA - IPA of a nested machine
MAIR = 0x00_44_BB_FF             # AttrIndx 0 WB, 1 WT, 2 NC, 3 Device-nGnRnE
EVENTQ_AT, CMDQ_AT, STRTAB_AT = 0x100_0000, 0x110_0000, 0x120_0000
SID = 5
E = EventType


def s1_leaf(pa: int, level: int = 3, *, ap: int = 1, attr: int = 0, af: int = 1, sh: int = 3,
            ng: int = 1, pxn: int = 0, uxn: int = 0, dbm: int = 0) -> int:
    """Stage-1 page or block (reference 4.6)."""
    return (pa | (3 if level == 3 else 1) | attr << 2 | ap << 6 | sh << 8 | af << 10 | ng << 11
            | dbm << 51 | pxn << 53 | uxn << 54)


def s2_leaf(pa: int, level: int = 3, *, s2ap: int = 3, attr: int = 0xF, af: int = 1, sh: int = 3,
            xn: int = 0, dbm: int = 0) -> int:
    """Stage-2 page or block (reference 4.6); `xn` is bits [54:53]."""
    return (pa | (3 if level == 3 else 1) | attr << 2 | s2ap << 6 | sh << 8 | af << 10
            | dbm << 51 | xn << 53)


def table_bits(*, pxn: int = 0, uxn: int = 0, ap: int = 0) -> int:
    """PXNTable, UXNTable, APTable of a stage-1 table descriptor."""
    return pxn << 59 | uxn << 60 | ap << 61


class Tables:
    """One translation table: granule 2^g, input of `ia` bits, first level `start`.

    `base` is its address as its user sees it (an IPA for stage 1 of a nested stream).
    """

    def __init__(self, machine: Machine, g: int, ia: int, start: int, *, own: bool = False,
                 at: int | None = None, big: bool = False):
        self.machine, self.g, self.ia, self.start, self.own = machine, g, ia, start, own
        self.order = "big" if big else "little"
        size = max(64, 8 << (ia - self.shift(start)))
        self.base = machine.take(size, own=own) if at is None else at
        self.tables = {(start, 0): self.base}

    def shift(self, level: int) -> int:
        return self.g + (3 - level) * (self.g - 3)

    def _entry(self, address: int, level: int) -> tuple[tuple[int, int], int]:
        """Key of the table of `level` that resolves `address`, and the index in it."""
        address &= (1 << self.ia) - 1
        if level == self.start:
            return (level, 0), address >> self.shift(level)
        above = address >> self.shift(level - 1)
        return (level, above), (address >> self.shift(level)) & ((1 << (self.g - 3)) - 1)

    def slot(self, address: int, level: int) -> int:
        """Address of the descriptor, as the table's user sees it; the tables exist already."""
        key, index = self._entry(address, level)
        return self.tables[key] + 8 * index

    def put(self, address: int, level: int, descriptor: int, upper: int = 0) -> int:
        """Write a descriptor; missing tables above it are made, with the bits `upper`."""
        for above in range(self.start, level):
            below, _ = self._entry(address, above + 1)
            if below not in self.tables:
                self.tables[below] = self.machine.take(1 << self.g, own=self.own)
                self._store(address, above, self.tables[below] | 3 | upper)
        self._store(address, level, descriptor)
        return self.slot(address, level)

    def get(self, address: int, level: int) -> int:
        data = self.machine.memory.read(self._pa(address, level), 8)
        return int.from_bytes(data, self.order)

    def _pa(self, address: int, level: int) -> int:
        at = self.slot(address, level)
        return at if self.own else self.machine.pa(at)

    def _store(self, address: int, level: int, value: int) -> None:
        self.machine.memory.write(self._pa(address, level), value.to_bytes(8, self.order))


class Machine:
    """An SMMU with linear stream table (64 StreamIDs), command and Event queue, all enabled.

    `ids` replace ID fields of the preset. A stream is described by `ste()` and `cd()`, whose
    keywords replace fields of a legal default; `s1` and `s2` are the tables that it uses.
    """

    def __init__(self, preset: str = "base", *, nested: bool = False, e2h: int = 0,
                 recinvsid: int = 1, eventq: int = 6, **ids: int):
        self.impl = replace(PRESETS[preset], **ids)
        self.memory = SparseMemory()
        self.smmu = Smmu(self.impl, self.memory)
        self.nested = nested
        self._next = {False: 0x2000_0000, True: 0x1_0000_0000}
        self.s2 = Tables(self, 12, 40, 1, own=True) if nested else None
        self.s1 = Tables(self, 12, 39, 1)
        self.cd_at = self.take(64)
        self.eventq, self._seen, self._sent = eventq, 0, 0
        self.reg(r.STRTAB_BASE, ADDR=STRTAB_AT)
        self.reg(r.STRTAB_BASE_CFG, LOG2SIZE=6)
        self.reg(r.CMDQ_BASE, ADDR=CMDQ_AT, LOG2SIZE=8)
        self.reg(r.EVENTQ_BASE, ADDR=EVENTQ_AT, LOG2SIZE=eventq)
        self.reg(r.CR2, E2H=e2h if self.impl.HYP else 0, RECINVSID=recinvsid)
        self.reg(r.CR0, CMDQEN=1, EVENTQEN=1, SMMUEN=1)

    # memory

    def pa(self, address: int) -> int:
        return address + SHIFT if self.nested else address

    def take(self, size: int, *, own: bool = False, pages: int = 1) -> int:
        """A fresh aligned area that begins a page of its own; `own`: not behind stage 2."""
        step = max(size, 4096 * pages)
        at = -(-self._next[own] // step) * step
        self._next[own] = at + step
        if self.nested and not own:
            for page in range(at, at + step, 4096):
                self.s2.put(page, 3, s2_leaf(self.pa(page)))
        return at

    def gap(self) -> None:
        """What is taken from here on lies behind another last-level table of stage 2."""
        self._next[False] = -(-self._next[False] // 0x20_0000) * 0x20_0000

    def store(self, address: int, structure) -> None:
        """Write a structure that lies behind stage 2 (if there is one)."""
        self.memory.write(self.pa(address), structure.to_bytes())

    # configuration

    def ste(self, sid: int = SID, **fields: int) -> STE:
        base = {"V": 1, "Config": 7 if self.nested else 5, "S1ContextPtr": self.cd_at, "SHCFG": 1}
        if self.nested:
            base |= {"S2T0SZ": 24, "S2SL0": 1, "S2PS": 5, "S2AA64": 1, "S2R": 1,
                     "S2TTB": self.s2.base}
        ste = STE.make(**(base | fields))
        self.memory.write(STRTAB_AT + 64 * sid, ste.to_bytes())
        return ste

    def cd(self, at: int | None = None, **fields: int) -> CD:
        base = {"V": 1, "T0SZ": 64 - self.s1.ia, "EPD1": 1, "IPS": 5, "AA64": 1, "R": 1, "A": 1,
                "ASID": 1, "TTB0": self.s1.base, "MAIR0": MAIR}
        cd = CD.make(**(base | fields))
        self.store(self.cd_at if at is None else at, cd)
        return cd

    # registers, queues

    def reg(self, register, **fields: int) -> None:
        self.smmu.write(register.OFFSET, register.size(), register.pack(**fields))

    def get(self, register):
        return register(self.smmu.read(register.OFFSET, register.size()))

    def send(self, *commands) -> None:
        """Put commands in the queue and ring."""
        for command in commands:
            self.memory.write(CMDQ_AT + 16 * (self._sent & 0xFF), command.to_bytes())
            self._sent = (self._sent + 1) & 0x1FF
        self.reg(r.CMDQ_PROD, WR=self._sent)

    def error(self) -> int:
        """CMDQ_CONS.ERR if GERROR.CMDQ_ERR is active, else 0."""
        active = self.get(r.GERROR).CMDQ_ERR != self.get(r.GERRORN).CMDQ_ERR
        return self.get(r.CMDQ_CONS).ERR if active else 0

    def events(self, free: bool = True) -> list:
        """The records that arrived since the last call; `free` gives their slots back."""
        out, mask = [], (2 << self.eventq) - 1
        produced = self.get(r.EVENTQ_PROD).WR & mask
        while self._seen != produced:
            slot = EVENTQ_AT + 32 * (self._seen & (mask >> 1))
            value = int.from_bytes(self.memory.read(slot, 32), "little")
            out.append(EVENTS[value & 0xFF](value))
            self._seen = (self._seen + 1) & mask
        if free:
            self.reg(r.EVENTQ_CONS, RD=self._seen, OVACKFLG=self.get(r.EVENTQ_PROD).OVFLG)
        return out

    # transactions

    def access(self, addr: int, write: bool = False, *, sid: int = SID, **more) -> Result:
        return self.smmu.access(Transaction(sid=sid, addr=addr, write=write, **more))

    def go(self, addr: int, write: bool = False, **more) -> tuple[Result, list]:
        """Access, and the records it left in the Event queue."""
        result = self.access(addr, write, **more)
        return result, self.events()


def record(number: EventType, sid: int = SID, **fields: int):
    """The whole record that is due: every field that is not named is 0 (reference 5.1)."""
    return EVENTS[number].make(StreamID=sid, **fields)


def fault(number: EventType, addr: int, *, write: bool = False, pnu: bool = False,
          ind: bool = False, ssid: int | None = None, **fields: int):
    """A record with the access in it (types 0x0B and 0x10 to 0x13); CLASS is IN by default."""
    base = {"InputAddr": addr, "RnW": int(not write), "PnU": int(pnu),
            "InD": int(ind and not write), "CLASS": 2}
    if ssid is not None:
        base |= {"SSV": 1, "SubstreamID": ssid}
    return record(number, **(base | fields))


def translated(machine: Machine, addr: int, pa: int, write: bool = False, **more) -> None:
    """The access must succeed and leave no record."""
    result, events = machine.go(addr, write, **more)
    assert (result.ending, events) == (Ending.TRANSLATED, [])
    assert result.pa == pa


def ends(machine: Machine, expected, addr: int, write: bool = False, *,
         ending: Ending = Ending.ABORT, **more) -> Result:
    """The access must end so and leave exactly the record `expected` (None: none)."""
    result, events = machine.go(addr, write, **more)
    assert (result.ending, events) == (ending, [] if expected is None else [expected])
    return result
