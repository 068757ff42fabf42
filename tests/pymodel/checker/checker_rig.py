# ruff: noqa: C408 - the keyword form reads best for fields
"""A machine whose every change goes to a checker, with a counter as time."""

from __future__ import annotations

from typing import Any

from pymodel.checker import Checker, Observation, Outcome, Verdict
from pymodel.invalidation import decode
from pymodel.transaction import Ending, Transaction
from spec import commands as c
from spec.commands import Command
from spec.context import CD
from spec.impl import Implementation
from spec.stream_table import STE
from tests.pymodel.translate_rig import CDTAB, PAGE, SID, STRTAB, Rig, put

VA, OTHER = 0x40_1000, 0x40_2000
A, B, C = 0x1_0000_0000, 0x1_1111_1000, 0x1_2222_2000
RW, RO, NG = 1 << 6, 3 << 6, 1 << 11
AF = 1 << 10
ASID, VMID = 7, 0


class Machine(Rig):
    """The default: a stage-1 stream, `VA` and `OTHER` mapped to `A` and `C` by nG pages."""

    def __init__(self, impl: Implementation | None = None, *, mapped: bool = True) -> None:
        super().__init__(impl)
        self.now = 0
        self.e2h = False
        self.cd |= dict(ASID=ASID, A=1, R=1)
        if mapped:
            self.leaf = self.page_at(VA, A)
            self.page_at(OTHER, C)
            self.begin()

    def begin(self) -> None:
        """Write STE and CD; what memory holds now has always been there."""
        self.memory.watch = None
        self.commit()
        self.checker = Checker(self.impl, self.memory, self.state)
        self.memory.watch = self._watch

    def _watch(self, address: int, old: bytes, new: bytes) -> None:
        self.checker.on_write(address, old, new, self.tick())

    def tick(self) -> int:
        self.now += 1
        return self.now

    def page_at(self, va: int, pa: int, bits: int = RW | NG | AF) -> int:
        """Map a page of TT0; returns the leaf's address."""
        return self.map(self.cd["TTB0"], 0, 48, 12, va, pa | bits | PAGE)

    def relink(self, leaf: int, pa: int, bits: int = RW | NG | AF) -> None:
        put(self.memory, leaf, pa | bits | PAGE)

    def set_cd(self, **fields: int) -> None:
        self.cd |= fields
        self.memory.write(CDTAB, CD.make(**self.cd).to_bytes())

    def set_ste(self, **fields: int) -> None:
        self.ste |= fields
        self.memory.write(STRTAB + SID * 64, STE.make(**self.ste).to_bytes())

    def issue(self, *commands: Command) -> None:
        for command in commands:
            inv = decode(self.impl, command, e2h=self.e2h)
            self.checker.on_command(command, inv, self.tick())

    def sync(self, *commands: Command) -> int:
        """Commands, a SYNC, and its completion; the time of the latter."""
        self.issue(*commands, c.SYNC.make())
        self.checker.on_sync(self.tick())
        return self.now

    def txn(self, addr: int = VA, **fields: Any) -> Transaction:
        return Transaction(**{"sid": SID, "addr": addr} | fields)

    def allowed(self, addr: int = VA, window: tuple[int, int, int] | None = None,
                **fields: Any) -> set[Outcome]:
        issued, decided, completed = window or (self.tick(),) * 3
        return self.checker.allowed(self.txn(addr, **fields), issued, decided, completed)

    def ends(self, addr: int = VA, window: tuple[int, int, int] | None = None,
             **fields: Any) -> set[Any]:
        """The legal outcomes in short: the address, or the event's number, or the ending."""
        return {short(outcome) for outcome in self.allowed(addr, window, **fields)}

    def observe(self, ending: Ending, pa: int | None = None, addr: int = VA,
                window: tuple[int, int, int] | None = None, **fields: Any) -> Observation:
        issued, decided, completed = window or (self.tick(),) * 3
        return Observation(txn=self.txn(addr, **fields), ending=ending, pa=pa, issued=issued,
                           decided=decided, completed=completed)

    def judge(self, *observations: Observation, records: tuple[bytes, ...] = (),
              lossy: bool = False) -> Verdict:
        return self.checker.judge(observations, records, lossy=lossy)


def short(outcome: Outcome) -> Any:
    if outcome.pa is not None:
        return outcome.pa
    return outcome.ending if outcome.event is None else outcome.event[0]


def va(address: int = VA, **fields: int) -> Command:
    return c.TLBI_NH_VA.make(**dict(VA=address, ASID=ASID, VMID=VMID) | fields)
