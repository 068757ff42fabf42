"""Caches of translation table descriptors of both stages (reference 4.3, 6.3): tables, where a walk
may begin below the top, and leaves, with which it needs no memory.

One `Cache` per level of the descriptors kept, so that the level is not part of the key. The
granule is: it says which address bits a descriptor stands for, and the key holds only those.
Rights and attributes come from the descriptor each time, by the CD and STE of the transaction.
"""

from amaranth import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import ADDR_BITS, PA_BITS, Invalidation, InvOp
from hdl.tcu.bits import below, bind, choose
from hdl.tcu.cache import Cache
from hdl.tcu.context import KeptLeaf, Restriction
from hdl.tcu.walk.geometry import GRANULES
from spec.codes import TG_SHIFT
from spec.vmsa import LAST_LEVEL

LOWEST = GRANULES[0].bits  # no descriptor maps fewer address bits
SIGN = 55                  # the address bit that tells TT0 from TT1
TABLE_LEVELS = range(LAST_LEVEL)
LEAF_LEVELS = range(1, LAST_LEVEL + 1)
BLOCK_SHARE = 4            # entries for pages to those for blocks of each level,
MOST_BLOCKS = 8            # of which more do not pay


class Space(data.Struct):
    """Whose translations: world, VMID (0 in EL2), ASID (0 where there is none), and the bases of
    their tables (`root2` 0 without stage 2): a descriptor is judged by the transaction's own CD and
    STE, which would not fit those of other tables, left behind or of a stream that breaks the rule
    of one set of tables for each VMID and ASID. `nested`: the addresses in the tables are IPAs."""

    el2: unsigned(1)
    nested: unsigned(1)
    vmid: unsigned(16)
    asid: unsigned(16)
    root: unsigned(PA_BITS)
    root2: unsigned(PA_BITS)


class DescriptorKey(data.Struct):
    """What a descriptor is found by: `place` holds the bits of the address, from LOWEST up, that it
    stands for; the others are 0."""

    space: Space
    half: unsigned(1)
    granule: unsigned(2)
    place: unsigned(PA_BITS - LOWEST)


class Want(data.Struct):
    """An address and what its descriptors are found by, of whatever level."""

    space: Space
    half: unsigned(1)
    granule: unsigned(2)
    addr: unsigned(ADDR_BITS)


def descriptor_key(key: data.View, want: data.View, level: int) -> list:
    """Assignments: `key` is that of the descriptor of `level` for `want`."""
    places = {g.value: want.addr[g.shift(level):PA_BITS] << g.shift(level) - LOWEST
              for g in GRANULES if g.shift(level) < PA_BITS}
    return [key.space.eq(want.space), key.half.eq(want.half), key.granule.eq(want.granule),
            key.place.eq(choose(want.granule, places))]


class Table(data.Struct):
    """A table descriptor: the next table (an IPA if nested), hierarchical bits up to here."""

    base: unsigned(PA_BITS)
    restriction: Restriction


class Known(wiring.Signature):
    """A `LevelCache`, seen from the walker.

    Members
    -------
    hit, level, found
        Its answer.
    accept, content
        This step has read a descriptor worth keeping.
    """

    def __init__(self, value):
        super().__init__({"hit": In(1), "level": In(2), "found": In(value),
                          "accept": Out(1), "content": Out(value)})


def same_vmid(m: Module, inv):
    """Does a VMID agree with the command's, but for the bits that VMW ignores?"""
    ignored = bind(m, "ignored", below(m, inv.vmw, len(inv.vmid)))
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
    pages = bind(m, "pages", (inv.num + 1) << inv.scale)
    most = PA_BITS - LOWEST  # more bits of pages than this reach beyond any address
    past = bind(m, "past", inv.addr[:PA_BITS] + (pages[:most] << granule))
    m.d.comb += [named.first.eq(inv.addr[:PA_BITS]), named.last.eq(inv.addr[:PA_BITS])]
    with m.If(inv.tg != 0):
        m.d.comb += named.last.eq(
            Mux(past[PA_BITS:].any() | pages[most:].any(), ~0, past - 1))
    return named


def _covered(named: Range, key: data.View, level: int) -> Value:
    """The command names an address that the descriptor stands for."""
    whole = {g.value: Const((1 << g.shift(level)) - 1, PA_BITS) for g in GRANULES
             if g.shift(level) < PA_BITS}
    base = key.place << LOWEST
    size = choose(key.granule, whole, ~Const(0, PA_BITS))
    return ((base | size) >= named.first) & (base <= named.last)


def drops_stage1(level: int, leaves: bool):
    """Which stage-1 descriptors of `level` an Invalidation drops: by address those of every ASID,
    by ASID global ones too."""
    def drops(m: Module, inv):
        named, vmid = named_range(m, inv), same_vmid(m, inv)
        reaches = bind(m, "reaches", ~inv.leaf | leaves)

        def goes(key: data.View) -> Value:
            own = (key.space.el2 == inv.el2) & (inv.el2 | vmid(key.space.vmid))
            there = own & reaches & _covered(named, key, level) & (key.half == inv.addr[SIGN])
            return choose(inv.op, {
                InvOp.TLBI_NSNH_ALL: ~key.space.el2, InvOp.TLBI_EL2_ALL: key.space.el2,
                InvOp.TLBI_VMALL: own, InvOp.TLBI_S12_VMALL: own,
                InvOp.TLBI_ASID: own & (key.space.asid == inv.asid),
                InvOp.TLBI_VA: there, InvOp.TLBI_VAA: there,
            })[0]
        return goes
    return drops


def drops_stage2(level: int, leaves: bool):
    """Which stage-2 descriptors of `level` an Invalidation drops."""
    def drops(m: Module, inv):
        named, vmid = named_range(m, inv), same_vmid(m, inv)
        reaches = bind(m, "reaches", ~inv.leaf | leaves)

        def goes(key: data.View) -> Value:
            own = vmid(key.space.vmid)
            return choose(inv.op, {
                InvOp.TLBI_NSNH_ALL: 1, InvOp.TLBI_S12_VMALL: own,
                InvOp.TLBI_S2_IPA: own & reaches & _covered(named, key, level),
            })[0]
        return goes
    return drops


def table_cache(entries: int, stage: int) -> "LevelCache":
    """Table descriptors of one stage, `entries` for each level."""
    drops = drops_stage1 if stage == 1 else drops_stage2
    return LevelCache(Table, {
        n: (entries, drops(n, leaves=False)) for n in TABLE_LEVELS})


def blocks(entries: int) -> int:
    """Entries for the blocks of each level beside `entries` pages."""
    return min(-(-entries // BLOCK_SHARE), MOST_BLOCKS)


def ipa_cache(entries: int) -> "LevelCache":
    """Leaf descriptors of stage 2: `entries` pages, fewer blocks of each level."""
    return LevelCache(KeptLeaf, {
        n: (entries if n == LAST_LEVEL else blocks(entries), drops_stage2(n, leaves=True))
        for n in LEAF_LEVELS})


def block_cache(entries: int) -> "LevelCache":
    """Block descriptors of stage 1 beside `entries` pages."""
    return LevelCache(KeptLeaf, {n: (blocks(entries), drops_stage1(n, leaves=True))
                             for n in LEAF_LEVELS if n != LAST_LEVEL})


class LevelCache(wiring.Component):
    """Descriptors of several levels; the lowest one found wins.

    Parameters
    ----------
    value
        Layout of what is kept of a descriptor.
    levels
        Level to (entries, `drops` of its `Cache`).

    Members
    -------
    want
        What is asked for. Stage 2: `space` has the VMID and `root2` only, `addr` is an IPA.
    hit, level, found
        A descriptor of `level` is kept, and what it says.
    use
        Strobe: it was used.
    fill, learn, fill_level, content
        Strobe: keep the descriptor `content` of `fill_level` for `learn`.
    drop, invalidation, flush
        As in `Cache`.
    """

    def __init__(self, value, levels: dict):
        self.value, self.levels = value, levels
        super().__init__({
            "want": In(Want), "hit": Out(1), "level": Out(2), "found": Out(value), "use": In(1),
            "fill": In(1), "learn": In(Want), "fill_level": In(2), "content": In(value),
            "drop": In(1), "invalidation": In(Invalidation), "flush": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        for level, (entries, drops) in self.levels.items():
            cache = Cache(key=DescriptorKey, value=self.value, entries=entries, drops=drops)
            m.submodules[f"level{level}"] = cache
            m.d.comb += [
                descriptor_key(cache.lookup, self.want, level),
                descriptor_key(cache.place, self.learn, level),
                cache.use.eq(self.use), cache.content.eq(self.content),
                cache.fill.eq(self.fill & (self.fill_level == level)),
                cache.drop.eq(self.drop), cache.invalidation.eq(self.invalidation),
                cache.flush.eq(self.flush),
            ]
            with m.If(cache.hit):
                m.d.comb += [self.hit.eq(1), self.level.eq(level), self.found.eq(cache.found)]
        return m
