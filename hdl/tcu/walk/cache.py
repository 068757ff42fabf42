"""The walk caches: where a table walk may begin below the top (reference 4.3, 6.3).

One `Cache` per level of the table descriptor kept, so that the level is not part of the key. The
granule is: it says which address bits the descriptor stands for, and the key holds only those.
"""

from amaranth import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import ADDR_BITS, PA_BITS, Invalidation, InvOp
from hdl.tcu.bits import below, bind, choose
from hdl.tcu.cache import Cache
from hdl.tcu.context import Restriction
from hdl.tcu.walk.geometry import GRANULES
from spec.codes import TG_SHIFT
from spec.vmsa import LAST_LEVEL

LOWEST = GRANULES[0].shift(LAST_LEVEL - 1)  # no table descriptor maps fewer address bits
SIGN = 55                                   # the address bit that tells TT0 from TT1


class Space(data.Struct):
    """Whose translations: world, VMID (0 in EL2), ASID (0 where there is none). `nested`: the
    addresses in the tables are IPAs."""

    el2: unsigned(1)
    nested: unsigned(1)
    vmid: unsigned(16)
    asid: unsigned(16)


class TableKey(data.Struct):
    """What a stage-1 table is found by: `place` holds the bits of the address, from LOWEST up,
    that its descriptor stands for; the others are 0."""

    space: Space
    half: unsigned(1)
    granule: unsigned(2)
    place: unsigned(PA_BITS - LOWEST)


class Table(data.Struct):
    """A table descriptor: the next table (an IPA if nested), hierarchical bits up to here."""

    base: unsigned(PA_BITS)
    restriction: Restriction


def same_vmid(m: Module, inv):
    """Does a VMID agree with the command's, but for the bits that VMW ignores?"""
    ignored = bind(m, "ignored", below(inv.vmw, len(inv.vmid)))
    return lambda vmid: ((vmid ^ inv.vmid) & ~ignored) == 0


class Range(data.Struct):
    """The addresses that a command names, both included."""

    first: unsigned(PA_BITS)
    last: unsigned(PA_BITS)


def named_range(m: Module, inv) -> Range:
    """Addresses of a single-address or range command; a range beyond the last address ends
    there (reference 6.3). TTL is not used: entries of every level go."""
    named = Signal(Range)
    granule = bind(m, "granule_shift", choose(inv.tg, TG_SHIFT)[:5])
    pages = bind(m, "pages", ((inv.num + 1) << inv.scale)[:PA_BITS + 1])
    past = bind(m, "past", inv.addr[:PA_BITS] + (pages << granule))
    m.d.comb += [named.first.eq(inv.addr[:PA_BITS]), named.last.eq(inv.addr[:PA_BITS])]
    with m.If(inv.tg != 0):
        m.d.comb += named.last.eq(Mux(past[PA_BITS:].any(), ~0, past - 1))
    return named


def drops_table(level: int):
    """Which stage-1 tables of `level` an Invalidation drops. By address it drops those of every
    ASID."""
    def drops(m: Module, inv):
        named, vmid = named_range(m, inv), same_vmid(m, inv)
        whole = {g.value: Const((1 << g.shift(level)) - 1, PA_BITS) for g in GRANULES
                 if g.shift(level) < PA_BITS}

        def goes(key: data.View) -> Value:
            base = key.place << LOWEST
            size = choose(key.granule, whole, ~Const(0, PA_BITS))
            covered = ((base | size) >= named.first) & (base <= named.last) & (
                key.half == inv.addr[SIGN])
            own = (key.space.el2 == inv.el2) & (inv.el2 | vmid(key.space.vmid))
            return choose(inv.op, {
                InvOp.TLBI_NSNH_ALL: ~key.space.el2, InvOp.TLBI_EL2_ALL: key.space.el2,
                InvOp.TLBI_VMALL: own, InvOp.TLBI_S12_VMALL: own,
                InvOp.TLBI_ASID: own & (key.space.asid == inv.asid),
                InvOp.TLBI_VA: own & covered & ~inv.leaf,
                InvOp.TLBI_VAA: own & covered & ~inv.leaf,
            })[0]
        return goes
    return drops


class WalkCache(wiring.Component):
    """The stage-1 tables of all levels; the lowest one found wins.

    Members
    -------
    space, half, granule, addr
        What is asked for, or learned.
    hit, level, found
        A descriptor of `level` is kept, and what it says.
    use
        Strobe: it was used.
    fill, fill_level, content
        Strobe: keep the table descriptor `content` of `fill_level`.
    drop, invalidation, flush
        As in `Cache`.
    """

    def __init__(self, entries: int):
        self.entries = entries
        super().__init__({
            "space": In(Space), "half": In(1), "granule": In(2), "addr": In(ADDR_BITS),
            "hit": Out(1), "level": Out(2), "found": Out(Table), "use": In(1),
            "fill": In(1), "fill_level": In(2), "content": In(Table),
            "drop": In(1), "invalidation": In(Invalidation), "flush": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        for level in range(LAST_LEVEL):
            cache = Cache(key=TableKey, value=Table, entries=self.entries,
                          drops=drops_table(level))
            m.submodules[f"level{level}"] = cache
            places = {g.value: self.addr[g.shift(level):PA_BITS] << g.shift(level) - LOWEST
                      for g in GRANULES if g.shift(level) < PA_BITS}
            m.d.comb += [
                cache.lookup.space.eq(self.space), cache.lookup.half.eq(self.half),
                cache.lookup.granule.eq(self.granule),
                cache.lookup.place.eq(choose(self.granule, places)),
                cache.use.eq(self.use), cache.content.eq(self.content),
                cache.fill.eq(self.fill & (self.fill_level == level)),
                cache.drop.eq(self.drop), cache.invalidation.eq(self.invalidation),
                cache.flush.eq(self.flush),
            ]
            with m.If(cache.hit):
                m.d.comb += [self.hit.eq(1), self.level.eq(level), self.found.eq(cache.found)]
        return m
