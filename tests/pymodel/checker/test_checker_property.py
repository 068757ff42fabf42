"""A simulated TLB is always accepted, and caught when it leaves out one invalidation."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymodel.checker import Observation
from pymodel.transaction import Ending, Transaction
from spec import commands as c
from spec.commands import Command
from spec.context import CD
from spec.stream_table import STE
from tests.pymodel.checker.checker_rig import AF, NG, RW, Machine
from tests.pymodel.checker.simulated_tlb import Flight, SimulatedTlb
from tests.pymodel.translate_rig import PAGE, SID, STRTAB, TABLE, put

SIDS = (SID, SID + 1)
ASIDS = (7, 8)
PAGES = (0x40_0000, 0x40_1000, 0x60_0000, 0x8000_0000)


class World:
    """Two streams, three address spaces, and the checker and the simulated TLB side by side."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.m = m = Machine(mapped=False)
        self.next_pa = 0x2_0000_0000
        self.roots = [m.page() for _ in range(3)]
        self.cds = {sid: m.page() for sid in SIDS}
        m.begin()
        m.memory.watch = None
        for root in self.roots:
            for page in PAGES:
                m.map(root, 0, 48, 12, page, self.leaf())
        for sid in SIDS:
            m.memory.write(STRTAB + sid * 64, STE.make(**m.ste | {
                "S1ContextPtr": self.cds[sid]}).to_bytes())
            self.cd(sid)
        m.checker = type(m.checker)(m.impl, m.memory, m.state)
        m.memory.watch = m._watch
        for sid in SIDS:
            m.checker.on_stream(sid)
        self.tlb = SimulatedTlb(m.memory, STRTAB, self.rng, m.tick)
        self.done: list[Observation] = []
        self.batch: list[Flight] = []

    def leaf(self) -> int:
        """A page that nothing else ever maps."""
        self.next_pa += 0x1000
        return self.next_pa | RW | AF | PAGE | self.rng.choice((NG, NG, NG, 0))

    def cd(self, sid: int) -> None:
        self.m.memory.write(self.cds[sid], CD.make(**self.m.cd | {
            "TTB0": self.rng.choice(self.roots),
            "ASID": self.rng.choice(ASIDS)}).to_bytes())

    # What happens

    def act(self) -> None:
        weights = {self.access: 8, self.advance: 30, self.remap: 3, self.unmap: 1,
                   self.retable: 1, self.recd: 1, self.invalidate: 5, self.sync: 3,
                   self.tlb.drop_some: 1}
        self.rng.choices(list(weights), list(weights.values()))[0]()

    def access(self) -> None:
        self.batch.append(self.tlb.begin(self.rng.choice(SIDS), self.rng.choice(PAGES) | 0x40))

    def advance(self) -> None:
        if self.tlb.flights:
            self.tlb.step(self.rng.choice(self.tlb.flights))

    def remap(self) -> None:
        self.m.map(self.rng.choice(self.roots), 0, 48, 12, self.rng.choice(PAGES), self.leaf())

    def unmap(self) -> None:
        self.m.map(self.rng.choice(self.roots), 0, 48, 12, self.rng.choice(PAGES), 0)

    def retable(self) -> None:
        """A new last-level table in place of an old one."""
        table, page = self.m.page(), self.rng.choice(PAGES)
        put(self.m.memory, table + 8 * (page >> 12 & 511), self.leaf())
        self.m.map(self.rng.choice(self.roots), 0, 48, 12, page, table | TABLE, level=2)

    def recd(self) -> None:
        self.cd(self.rng.choice(SIDS))

    def invalidate(self) -> None:
        sid, asid, page = (self.rng.choice(x) for x in (SIDS, ASIDS, PAGES))
        leaf = self.rng.randrange(2)
        command, what = self.rng.choice([
            (c.CFGI_STE.make(StreamID=sid, Leaf=leaf), ("ste", sid)),
            (c.CFGI_CD.make(StreamID=sid, Leaf=leaf), ("cd", sid)),
            (c.TLBI_NH_VA.make(VA=page, ASID=asid, Leaf=leaf), ("va", page, asid, leaf)),
            (c.TLBI_NH_ASID.make(ASID=asid), ("asid", asid)),
            (c.TLBI_NH_ALL.make(), ("all",))])
        self.order(command, what)

    def order(self, command: Command, what: Any) -> None:
        self.m.issue(command)
        if what is not None:
            self.tlb.invalidate(what)

    def sync(self) -> None:
        self.tlb.sync()
        self.collect()
        self.m.sync()

    def collect(self) -> None:
        """Finished transactions become observations, complete at once."""
        for flight in [f for f in self.batch if f.done]:
            self.batch.remove(flight)
            self.done.append(Observation(
                txn=Transaction(sid=flight.sid, addr=flight.va),
                ending=Ending.ABORT if flight.pa is None else Ending.TRANSLATED, pa=flight.pa,
                issued=flight.issued, decided=flight.decided, completed=self.m.tick()))

    def judge(self) -> Any:
        verdict = self.m.checker.judge(self.done, lossy=True)
        self.done = []
        return verdict

    def prune(self) -> None:
        oldest = min([f.issued for f in self.batch], default=self.m.now)
        self.m.checker.prune(oldest)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.booleans())
def test_accepted(seed: int, prune: bool):
    world = World(seed)
    for n in range(200):
        world.act()
        world.collect()
        if n % 10 == 9:
            world.judge().verify()
            if prune:
                world.prune()
    world.sync()
    world.judge().verify()


DROPPED = {
    "leaf": lambda page, asid, sid: c.TLBI_NH_VA.make(VA=page, ASID=asid, Leaf=1),
    "asid": lambda page, asid, sid: c.TLBI_NH_ASID.make(ASID=asid),
    "all": lambda page, asid, sid: c.TLBI_NH_ALL.make(),
    "range": lambda page, asid, sid: c.TLBI_NH_VAA.make(VA=page, TG=1, NUM=1),
}


@pytest.mark.parametrize("kind", DROPPED)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_one_invalidation_left_out_is_caught(kind: str, seed: int):
    world = World(seed)
    for _ in range(60):
        world.act()
        world.collect()
    world.sync()
    # From a clean start: every page cached, one remapped, its invalidation left out.
    for command, what in [*((c.CFGI_STE.make(StreamID=sid), ("ste", sid)) for sid in SIDS),
                          (None, None), (c.TLBI_NH_ALL.make(), ("all",))]:
        if command is None:
            world.sync()
        else:
            world.order(command, what)
    world.sync()
    world.judge().verify()
    sid, page = world.rng.choice(SIDS), world.rng.choice(PAGES)
    cd = CD.from_bytes(world.m.memory.read(world.cds[sid], 64))
    entry = world.m.map(cd.TTB0, 0, 48, 12, page, world.leaf() | NG)
    world.order(c.TLBI_NH_ALL.make(), ("all",))
    world.sync()
    tag = (cd.ASID, page >> 12)
    while tag not in world.tlb.leaves:
        world.batch.append(flight := world.tlb.begin(sid, page))
        world.tlb.finish(flight)
    world.collect()
    world.judge().verify()
    put(world.m.memory, entry, world.leaf() | NG)
    world.order(DROPPED[kind](page, cd.ASID, sid), None)
    world.sync()
    world.batch.append(flight := world.tlb.begin(sid, page))
    world.tlb.finish(flight)
    world.collect()
    verdict = world.judge()
    assert not verdict.ok
    assert f"stale stage-1 descriptor, level 3 at {entry:#x}" in verdict.failures[0]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_a_cd_left_behind_is_caught(seed: int):
    world = World(seed)
    # Tags of its own, so that no other stream's entries can be hit.
    cd = CD.from_bytes(world.m.memory.read(world.cds[SID], 64))
    world.m.memory.write(world.cds[SID], cd.replace(ASID=99, ASET=1).to_bytes())
    world.order(c.CFGI_CD.make(StreamID=SID), ("cd", SID))
    world.sync()
    world.order(c.TLBI_NH_ALL.make(), ("all",))
    world.sync()
    while SID not in world.tlb.cds:
        world.tlb.finish(world.tlb.begin(SID, PAGES[0]))
    old = CD.from_bytes(world.m.memory.read(world.cds[SID], 64))
    root = next(r for r in world.roots if r != old.TTB0)
    world.m.memory.write(world.cds[SID], old.replace(TTB0=root).to_bytes())
    world.order(c.CFGI_CD.make(StreamID=SID), None)
    world.sync()
    world.order(c.TLBI_NH_ALL.make(), ("all",))
    world.sync()
    world.batch.append(flight := world.tlb.begin(SID, PAGES[0]))
    world.tlb.finish(flight)
    world.collect()
    verdict = world.judge()
    assert not verdict.ok
    assert "stale CD at" in verdict.failures[0]
