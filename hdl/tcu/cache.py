"""A fully associative cache that invalidations reach in one cycle."""

from collections.abc import Callable

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.onehot import encode, first_one
from hdl.streams import Invalidation

# Given the module and the Invalidation, says for a key whether its entry goes.
Drops = Callable[[Module, data.View], Callable[[data.View], Value]]


class Cache(wiring.Component):
    """Entries found by the equality of their keys: keys in flip-flops, values in a memory.

    A fill replaces the entry of the same key, else an empty one, else one not used since all
    others were. Without entries nothing ever hits.

    Parameters
    ----------
    key, value
        Layouts.
    entries
        How many; 0 disables the cache.
    drops
        Which entries an Invalidation drops; more than it asks for is legal.

    Members
    -------
    lookup, hit, found
        Key, whether an entry has it, its value; combinational.
    use
        Strobe: the entry of `lookup` was used.
    fill, place, content
        Strobe: keep `content` for key `place`. Not together with `drop` or `flush`.
    drop, invalidation
        Strobe: apply `invalidation`, from the next cycle on.
    flush
        Drop everything.
    """

    def __init__(self, *, key, value, entries: int, drops: Drops):
        self.key, self.entries, self.drops = key, entries, drops
        self.value = value
        super().__init__({
            "lookup": In(key), "hit": Out(1), "found": Out(value), "use": In(1),
            "fill": In(1), "place": In(key), "content": In(value),
            "drop": In(1), "invalidation": In(Invalidation), "flush": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        n = self.entries
        if not n:
            return m
        wanted, place = self.lookup.as_value(), self.place.as_value()
        keys = [Signal(len(wanted), name=f"key{i}") for i in range(n)]
        valid, used, match, victim = Signal(n), Signal(n), Signal(n), Signal(n)
        same, touch, dropped = Signal(n), Signal(n), Signal(n)
        number = Signal(range(max(n, 2)))
        m.submodules.values = values = memory.Memory(shape=self.value, depth=max(n, 2), init=[])
        read, write = values.read_port(domain="comb"), values.write_port()
        m.d.comb += [
            match.eq(Cat(valid[i] & (keys[i] == wanted) for i in range(n))),
            self.hit.eq(match.any()), number.eq(encode(match)),
            read.addr.eq(number), self.found.eq(read.data),
            same.eq(Cat(valid[i] & (keys[i] == place) for i in range(n))),
            victim.eq(Mux(same.any(), same,
                          Mux(valid.all(), first_one(~used), first_one(~valid))) if n > 1 else 1),
            write.addr.eq(encode(victim)), write.data.eq(self.content), write.en.eq(self.fill),
            touch.eq(Mux(self.fill, victim, Mux(self.use, match, 0))),
        ]
        goes = self.drops(m, self.invalidation)
        m.d.comb += dropped.eq(Cat(goes(data.View(self.lookup.shape(), k)) for k in keys))
        with m.If(touch.any()):
            m.d.sync += used.eq(Mux((used | touch).all(), touch, used | touch))
        for i in range(n):
            with m.If(self.fill & victim[i]):
                m.d.sync += keys[i].eq(place)
        with m.If(self.flush):
            m.d.sync += valid.eq(0)
        with m.Elif(self.drop):
            m.d.sync += valid.eq(valid & ~dropped)
        with m.Elif(self.fill):
            m.d.sync += valid.eq(valid | victim)
        return m
