"""The main TLB alone: what it finds is what was learned and not invalidated since."""

import random
from typing import NamedTuple

import pytest
from amaranth.sim import Simulator

from hdl.streams import InvOp
from hdl.tcu.walk.tlb import MainTlb
from spec.vmsa import S1Leaf

SHIFTS = {0: 12, 1: 14, 2: 16}
LEVEL = 3
NG = S1Leaf.nG.mask


def simulate(tlb: MainTlb, drive) -> None:
    sim = Simulator(tlb)
    sim.add_clock(1e-6)

    async def main(ctx):
        await drive(ctx, tlb)

    sim.add_testbench(main)
    sim.run()


def want(space: dict, addr: int, granule: int = 0) -> dict:
    return {"space": space, "half": addr >> 55 & 1, "granule": granule, "addr": addr}


async def learn(ctx, tlb, where: dict, word: int, known: dict | None = None,
                level: int = LEVEL) -> None:
    ctx.set(tlb.learn, where)
    ctx.set(tlb.content, {"word": word, "restriction": 0})
    ctx.set(tlb.level, level)
    ctx.set(tlb.known, known or {})
    ctx.set(tlb.fill, 1)
    await ctx.tick()
    ctx.set(tlb.fill, 0)


class Hit(NamedTuple):
    """What was found."""

    word: int
    way: int


async def look(ctx, tlb, where: dict) -> Hit | None:
    ctx.set(tlb.want, where)
    ctx.set(tlb.look, 1)
    await ctx.tick()
    ctx.set(tlb.look, 0)
    found = ctx.get(tlb.found)
    return Hit(found.leaf.word, found.way) if found.hit else None


async def drop(ctx, tlb, op: InvOp, **operands: int) -> None:
    ctx.set(tlb.invalidation, {"op": op, **operands})
    ctx.set(tlb.drop, 1)
    await ctx.tick()
    ctx.set(tlb.drop, 0)


SPACES = [{"el2": el2, "vmid": 0 if el2 else vmid, "asid": asid}
          for el2 in (0, 1) for vmid in (1, 17, 2) for asid in (1, 17, 3)]


def goes(space: dict, granule: int, addr: int, word: int, op: InvOp, inv: dict) -> bool:
    """Whether the architecture asks an Invalidation to drop an entry."""
    same_vmid = space["vmid"] >> inv["vmw"] == inv["vmid"] >> inv["vmw"]
    own = space["el2"] == inv["el2"] and (bool(space["el2"]) or same_vmid)
    size = 1 << SHIFTS[granule]
    first, last = inv["addr"], inv["addr"]
    if inv["tg"]:
        last += ((inv["num"] + 1) << inv["scale"] + (12, 12, 14, 16)[inv["tg"]]) - 1
    there = own and addr < last + 1 and first < addr + size
    return {
        InvOp.TLBI_NSNH_ALL: not space["el2"], InvOp.TLBI_EL2_ALL: bool(space["el2"]),
        InvOp.TLBI_VMALL: own, InvOp.TLBI_S12_VMALL: own,
        InvOp.TLBI_ASID: own and space["asid"] == inv["asid"] and bool(word & NG),
        InvOp.TLBI_VA: there and (space["asid"] == inv["asid"] or not word & NG),
        InvOp.TLBI_VAA: there, InvOp.TLBI_S2_IPA: False,
    }[op]


@pytest.mark.parametrize(("entries", "seed"), [(16, 1), (64, 2), (4, 3), (1, 4)])
def test_nothing_dropped_is_ever_found(entries, seed):
    """Random entries, lookups and invalidations; hits are frequent, and never of what has gone."""
    rng = random.Random(seed)
    present: dict[tuple, int] = {}
    hits = kept = 0

    def place():
        space = rng.choice(SPACES)
        granule = rng.choice((0, 0, 1, 2))
        addr = rng.randrange(12) << SHIFTS[granule] | rng.choice((0, 1 << 40))
        return tuple(space.items()), granule, addr

    pool = [place() for _ in range(2 * entries + 2)]

    async def drive(ctx, tlb):
        nonlocal hits, kept
        for n in range(1500):
            space, granule, addr = key = rng.choice(pool)
            where = want(dict(space), addr, granule)
            found = await look(ctx, tlb, where)
            if found:
                hits += 1
                assert found.word == present.get(key), (n, key)
            if rng.random() < 0.7:
                word = 2 * n + 1 | (NG if rng.random() < 0.8 else 0)
                await learn(ctx, tlb, where, word,
                            {"hit": 1, "page": 1, "way": found.way} if found else None)
                present[key] = word
            if rng.random() < 0.1:
                el2 = rng.randrange(2)
                inv = {"el2": el2, "vmid": rng.choice((1, 17, 2, 3)), "asid": rng.choice((1, 17)),
                       "vmw": rng.choice((0, 0, 1, 4)), "addr": rng.choice(pool)[2],
                       "leaf": rng.randrange(2), "tg": rng.choice((0, 0, 1, 2, 3)),
                       "num": rng.choice((0, 1, 2, 3, 31)),
                       "scale": rng.choice((0, 1, 3, 20, 48, 53, 63))}
                op = rng.choice([o for o in InvOp if o.name.startswith("TLBI")])
                await drop(ctx, tlb, op, **inv)
                gone = [k for k, word in present.items()
                        if goes(dict(k[0]), k[1], k[2], word, op, inv)]
                for key in gone:
                    del present[key]
                kept += bool(present and gone)

    simulate(MainTlb(entries), drive)
    assert hits > 40
    assert kept > 10


def test_the_whole_memory_is_used():
    """As many neighbouring pages as there are entries, of one space or of several."""
    tlb = MainTlb(64)

    async def drive(ctx, tlb):
        for spaces in (SPACES[:1], SPACES[:2]):
            pages = [want(s, n << 12) for n in range(64 // len(spaces)) for s in spaces]
            for number, where in enumerate(pages):
                await learn(ctx, tlb, where, number)
            found = [await look(ctx, tlb, where) for where in pages]
            assert sum(f is not None for f in found) >= 48
            await drop(ctx, tlb, InvOp.TLBI_NSNH_ALL)
            assert not any([await look(ctx, tlb, where) for where in pages])

    simulate(tlb, drive)


def test_a_range_spares_what_lies_apart():
    """Of 32 pages an invalidation of 4 aligned ones drops these only."""
    tlb = MainTlb(64)

    async def drive(ctx, tlb):
        pages = [want(SPACES[0], n << 12) for n in range(32)]
        for number, where in enumerate(pages):
            await learn(ctx, tlb, where, number)
        await drop(ctx, tlb, InvOp.TLBI_VA, vmid=1, asid=1, addr=8 << 12, tg=1, num=3)
        found = [await look(ctx, tlb, where) for where in pages]
        assert [n for n, f in enumerate(found) if not f] == [8, 9, 10, 11]

    simulate(tlb, drive)


def test_a_lookup_sees_the_entries_of_its_own_cycle():
    """A fill in the cycle of the lookup neither shows nor makes the dropped entry it replaces valid
    again."""
    tlb = MainTlb(4)
    where = [want(SPACES[0], n << 12) for n in range(2)]

    async def drive(ctx, tlb):
        await learn(ctx, tlb, where[0], 1)
        await drop(ctx, tlb, InvOp.TLBI_NSNH_ALL)
        ctx.set(tlb.want, where[0])
        ctx.set(tlb.look, 1)
        await learn(ctx, tlb, where[1], 3)
        ctx.set(tlb.look, 0)
        assert not ctx.get(tlb.found).hit
        assert (await look(ctx, tlb, where[1])).word == 3

    simulate(tlb, drive)
