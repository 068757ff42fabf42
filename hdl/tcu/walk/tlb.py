"""The main TLB: leaves of stage 1, pages in a set-associative memory (reference 4.3, 6.3).

Tags and descriptors are in memory, which is read a cycle after it is asked. What an Invalidation
needs is in flip-flops, one bit of every entry side by side: whether it is valid, and a colour, some
low bits of its VMID, ASID and page number. An Invalidation drops at once every entry whose
colour it names, and so now and then one more than it asks for, which is legal.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import and_

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.onehot import any_of, decode, encode, first_one, index_shape, select
from hdl.streams import Invalidation, InvOp
from hdl.tcu.bits import bind, choose, pick
from hdl.tcu.context import Found, KeptLeaf
from hdl.tcu.walk.cache import (
    DescriptorKey,
    Want,
    block_cache,
    descriptor_key,
    named_range,
)
from hdl.tcu.walk.geometry import GRANULES
from spec.vmsa import LAST_LEVEL, S1Leaf

WAYS = 4
ID_COLOURS = 4    # low bits of VMID and of ASID in a colour; no fewer than VMW can ignore
PAGE_COLOURS = 5  # low bits of the page number

STAGE1 = (InvOp.TLBI_NSNH_ALL, InvOp.TLBI_EL2_ALL, InvOp.TLBI_VMALL, InvOp.TLBI_S12_VMALL,
          InvOp.TLBI_ASID, InvOp.TLBI_VA, InvOp.TLBI_VAA)

# A colour bit by name, what it is compared with, and whether it is (None: always); a condition,
# and the terms that an entry must meet to be dropped under it.
Term = tuple[str, Value, Value | None]
Rule = tuple[Value, list[Term]]


class MainTlb(wiring.Component):
    """`entries` pages in sets of 4, and a few blocks of each size, fully associative.

    Parameters
    ----------
    entries
        0 (nothing ever hits) or a power of two.

    Members
    -------
    look, want
        Strobe: find `want`.
    found
        The answer, in the cycle after `look`: as the entries were in the cycle of `look`.
    fill, learn, level, content, known
        Strobe: keep the leaf `content` of `level` for `learn`. `known` is what was found for it
        before: a page found takes its own place again. Not together with `drop` or `flush`.
    drop, invalidation
        Strobe: apply `invalidation`, from the next cycle on.
    flush
        Drop everything.
    """

    def __init__(self, entries: int):
        if entries & (entries - 1):
            raise ValueError(f"{entries} entries: must be 0 or a power of two")
        self.entries = entries
        self.ways = min(entries, WAYS)
        self.sets = entries // self.ways if entries else 0
        super().__init__({
            "look": In(1), "want": In(Want), "found": Out(Found),
            "fill": In(1), "learn": In(Want), "level": In(2), "content": In(KeptLeaf),
            "known": In(Found),
            "drop": In(1), "invalidation": In(Invalidation), "flush": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        if not self.entries:
            return m
        held = Signal(Want)
        with m.If(self.look):
            m.d.sync += held.eq(self.want)
        self._blocks(m, held)
        self._pages(m, held)
        return m

    def _blocks(self, m: Module, held: data.View) -> None:
        m.submodules.blocks = cache = block_cache(self.entries)
        m.d.comb += [
            cache.want.eq(held), cache.use.eq(1), cache.learn.eq(self.learn),
            cache.fill.eq(self.fill), cache.fill_level.eq(self.level),
            cache.content.eq(self.content),
            cache.drop.eq(self.drop), cache.invalidation.eq(self.invalidation),
            cache.flush.eq(self.flush),
        ]
        with m.If(cache.hit):
            m.d.comb += [self.found.hit.eq(1), self.found.level.eq(cache.level),
                         self.found.leaf.eq(cache.found)]

    def _pages(self, m: Module, held: data.View) -> None:
        sets, ways = self.sets, self.ways
        row = data.StructLayout({"key": DescriptorKey, "leaf": KeptLeaf})
        wanted, learned = (Signal(DescriptorKey, name=n) for n in ("wanted", "learned"))
        asked, filled = (Signal(index_shape(sets), name=n) for n in ("asked", "filled"))
        fill, victim = Signal(), Signal(ways)
        m.d.comb += [
            descriptor_key(wanted, held, LAST_LEVEL),
            descriptor_key(learned, self.learn, LAST_LEVEL),
            asked.eq(self._set(self.want)), filled.eq(self._set(self.learn)),
            fill.eq(self.fill & (self.level == LAST_LEVEL)),
        ]
        match, leaves, empty = Signal(ways), [], Signal(ways)
        drops = self._drops(m)
        for way in range(ways):
            store = memory.Memory(shape=row, depth=max(sets, 2), init=[])
            m.submodules[f"way{way}"] = store
            read, write = store.read_port(), store.write_port()
            place = Signal(sets, name=f"place{way}")
            m.d.comb += place.eq(Mux(fill & victim[way], decode(filled, sets), 0))
            valid = self._entries(m, way, place, drops)
            was_valid = Signal(name=f"was_valid{way}")
            with m.If(self.look):
                m.d.sync += was_valid.eq(valid.bit_select(asked, 1))
            m.d.comb += [
                read.addr.eq(asked), read.en.eq(self.look),
                write.addr.eq(filled), write.en.eq(fill & victim[way]),
                write.data.key.eq(learned), write.data.leaf.eq(self.content),
                match[way].eq(was_valid & (read.data.key == wanted)),
                empty[way].eq(~valid.bit_select(filled, 1)),
            ]
            leaves.append(read.data.leaf)
        chosen, turn = Signal(ways), Signal(ways, init=1)
        m.d.comb += [
            chosen.eq(first_one(match)),  # two walks of one page may both have filled
            victim.eq(Mux(self.known.hit & self.known.page, decode(self.known.way, ways),
                          Mux(empty.any(), first_one(empty), turn))),
        ]
        with m.If(fill):
            m.d.sync += turn.eq(turn.rotate_left(1))
        with m.If(chosen.any()):
            m.d.comb += [
                self.found.hit.eq(1), self.found.level.eq(LAST_LEVEL), self.found.page.eq(1),
                self.found.way.eq(encode(chosen)),
                self.found.leaf.eq(select(chosen, [leaf.as_value() for leaf in leaves])),
            ]

    def _set(self, want: data.View) -> Value:
        """The set of a page: low bits of page number, ASID and VMID, mixed so that neither
        neighbours nor the same page of neighbouring address spaces meet."""
        bits = ceil_log2(self.sets)
        if not bits:
            return Value.cast(0)
        number = _page(want.granule, want.addr, 2 * bits)
        asid, vmid = want.space.asid, want.space.vmid
        far = Cat(asid[n] for n in reversed(range(bits)))
        return number[:bits] ^ number[bits:] ^ far ^ vmid[:bits]

    def _entries(self, m: Module, way: int, place: Signal, drops: list[Rule]) -> Signal:
        """The valid bits of a way. `place`: the entry that is filled."""
        sets = self.sets
        valid, dropped = (Signal(sets, name=f"{name}{way}") for name in ("valid", "dropped"))
        planes = {}
        for name, bit in self._colour():
            plane = planes[name] = Signal(sets, name=f"{name}_of_way{way}")
            m.d.sync += plane.eq((plane & ~place) | Mux(bit, place, 0))
        m.d.comb += dropped.eq(any_of(
            Mux(applies, every(agrees(planes[name], bit, compared)
                               for name, bit, compared in terms), 0)
            for applies, terms in drops))
        with m.If(self.flush):
            m.d.sync += valid.eq(0)
        with m.Elif(self.drop):
            m.d.sync += valid.eq(valid & ~dropped)
        with m.Else():
            m.d.sync += valid.eq(valid | place)
        return valid

    def _colour(self) -> Iterator[tuple[str, Value]]:
        """Names and values of the bits that an entry for `learn` gets."""
        learn = self.learn
        yield "el2", learn.space.el2
        yield "shared", ~pick(self.content.word, S1Leaf.nG)
        page = _page(learn.granule, learn.addr, PAGE_COLOURS)
        for name, value, width in (("granule", learn.granule, 2), ("page", page, PAGE_COLOURS),
                                   ("vmid", learn.space.vmid, ID_COLOURS),
                                   ("asid", learn.space.asid, ID_COLOURS)):
            for n in range(width):
                yield f"{name}{n}", value[n]

    def _drops(self, m: Module) -> list[Rule]:
        """What the Invalidation drops."""
        inv = self.invalidation
        named = named_range(m, inv)
        differ = bind(m, "differ", named.first ^ named.last)
        op = {which: bind(m, f"is_{InvOp(which).name}", inv.op == which) for which in STAGE1}
        vmid = [(f"vmid{n}", inv.vmid[n], bind(m, f"vmid{n}", ~inv.el2 & (inv.vmw <= n)))
                for n in range(ID_COLOURS)]
        asid: list[Term] = [(f"asid{n}", inv.asid[n], None) for n in range(ID_COLOURS)]
        own: list[Term] = [("el2", inv.el2, None), *vmid]
        rules: list[Rule] = [
            (bind(m, "world", op[InvOp.TLBI_NSNH_ALL] | op[InvOp.TLBI_EL2_ALL]),
             [("el2", op[InvOp.TLBI_EL2_ALL], None)]),
            (bind(m, "all", op[InvOp.TLBI_VMALL] | op[InvOp.TLBI_S12_VMALL]), own),
            (op[InvOp.TLBI_ASID], own + asid)]
        for g in GRANULES:
            # Of a range only what all its pages have in common can be compared.
            there = [*own, *((f"granule{n}", Const(g.value >> n & 1, 1), None) for n in range(2)),
                     *((f"page{n}", named.first[g.bits + n],
                        bind(m, f"page{n}_of_{g.bits}", ~differ[g.bits + n:].any()))
                       for n in range(PAGE_COLOURS))]
            rules += [(op[InvOp.TLBI_VAA], there), (op[InvOp.TLBI_VA], there + asid),
                      (op[InvOp.TLBI_VA], [*there, ("shared", Const(1, 1), None)])]
        return rules


def agrees(plane: Signal, bit: Value, compared: Value | None) -> Value:
    """Entries whose colour bit is `bit`; all of them unless `compared` (None: always)."""
    same = Mux(bit, plane, ~plane)
    return same if compared is None else Mux(compared, same, ~Const(0, len(plane)))


def every(terms: Iterable[Value]) -> Value:
    """AND of at least one value."""
    return reduce(and_, terms)


def _page(granule: Value, addr: Value, width: int) -> Value:
    """Low bits of the number of the page of `addr`."""
    return choose(granule, {g.value: addr[g.bits:g.bits + width] for g in GRANULES})[:width]
