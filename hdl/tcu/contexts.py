"""Storage and lifetime of the translations in progress."""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.streams import Sync, TranslationRequest
from hdl.tcu.context import Found, KeptCD, KeptSTE, Walk


def index_bits(walks: int) -> int:
    """Bits of the number of a context."""
    return max(1, ceil_log2(walks))


class Contexts(wiring.Component):
    """The parts of every context in memories; reads are combinational, writes take effect in the
    next cycle.

    Members
    -------
    index, req, ste, cd, walk, found
        The context whose step it is, and its parts; `found` is what the main TLB has for it.
    peeks, peek_reqs
        The requests of two other contexts.
    new, new_index, new_req
        Strobe: a context begins with this request.
    write_walk, next
        Strobe, and the new value for `index`.
    write_ste, ste_index, ste_in; cd, found the same
        Strobe, context and new value of the other parts.
    """

    def __init__(self, walks: int):
        self.walks = walks
        bits = index_bits(walks)
        super().__init__({
            "index": In(bits), "req": Out(TranslationRequest), "ste": Out(KeptSTE.layout),
            "cd": Out(KeptCD.layout), "walk": Out(Walk), "found": Out(Found),
            "peeks": In(bits).array(2), "peek_reqs": Out(TranslationRequest).array(2),
            "new": In(1), "new_index": In(bits), "new_req": In(TranslationRequest),
            "write_walk": In(1), "next": In(Walk),
            "write_ste": In(1), "ste_index": In(bits), "ste_in": In(KeptSTE.layout),
            "write_cd": In(1), "cd_index": In(bits), "cd_in": In(KeptCD.layout),
            "write_found": In(1), "found_index": In(bits), "found_in": In(Found),
        })

    def elaborate(self, platform):
        m = Module()
        parts = (
            ("req", TranslationRequest, self.req, self.new_index, self.new_req, self.new),
            ("ste", KeptSTE.layout, self.ste, self.ste_index, self.ste_in, self.write_ste),
            ("cd", KeptCD.layout, self.cd, self.cd_index, self.cd_in, self.write_cd),
            ("walk", Walk, self.walk, self.index, self.next, self.write_walk),
            ("found", Found, self.found, self.found_index, self.found_in, self.write_found),
        )
        stores = {}
        for name, shape, output, index, value, enable in parts:
            store = memory.Memory(shape=shape, depth=1 << len(self.index), init=[])
            stores[name] = m.submodules[name] = store
            read, write = store.read_port(domain="comb"), store.write_port()
            m.d.comb += [read.addr.eq(self.index), output.eq(read.data), write.addr.eq(index),
                         write.data.eq(value), write.en.eq(enable)]
        for peek, output in zip(self.peeks, self.peek_reqs, strict=True):
            read = stores["req"].read_port(domain="comb")
            m.d.comb += [read.addr.eq(peek), output.eq(read.data)]
        return m


class Ends(wiring.Signature):
    """Strobes by which contexts end, seen from where they do: the answer of `answered_index` has
    been accepted; `faulted_index` has handed over its fault, whose answer comes later."""

    def __init__(self, walks: int):
        bits = index_bits(walks)
        super().__init__({"answered": Out(1), "answered_index": Out(bits),
                          "faulted": Out(1), "faulted_index": Out(bits)})


class Lifetimes(wiring.Component):
    """Which contexts are in use, which of them began before an Invalidation, and the Sync that
    waits for them and for faults that have left theirs (reference 6.4).

    Parameters
    ----------
    walks, faults
        Number of contexts; most faults that can be without their answer.

    Members
    -------
    room, free_index, begin
        A context is free, which one, strobe that takes it.
    ends
        Contexts that end.
    told
        Strobe: the answer to a fault has been accepted, in the order in which they were handed
        over.
    invalidate
        Strobe: every context in use is stale from now on.
    stale
        One bit per context: the answer must not be cached.
    sync
        Acknowledged when every context in use at the request has ended, and every fault known
        then, or handed over by one of those contexts, has been answered.
    """

    def __init__(self, walks: int, faults: int):
        self.walks, self.faults = walks, faults
        bits = index_bits(walks)
        super().__init__({
            "room": Out(1), "free_index": Out(bits), "begin": In(1),
            "ends": In(Ends(walks)), "told": In(1),
            "invalidate": In(1), "stale": Out(walks), "sync": In(Sync()),
        })

    def elaborate(self, platform):
        m = Module()
        active, awaited, waiting = Signal(self.walks), Signal(self.walks), Signal()
        begins, ends, faulted = Signal(self.walks), Signal(self.walks), Signal(self.walks)
        owed, behind = Signal(range(self.faults + 1)), Signal(range(self.faults + 1))
        next_owed = Signal.like(owed)  # faults without answers; those of them that Sync awaits
        for n in reversed(range(self.walks)):
            with m.If(~active[n]):
                m.d.comb += [self.room.eq(1), self.free_index.eq(n)]
        for n in range(self.walks):
            m.d.comb += [begins[n].eq(self.begin & (self.free_index == n)),
                         ends[n].eq(self.ends.answered & (self.ends.answered_index == n)
                                    | faulted[n]),
                         faulted[n].eq(self.ends.faulted & (self.ends.faulted_index == n))]
        m.d.sync += [
            active.eq((active | begins) & ~ends),
            self.stale.eq(Mux(self.invalidate, active | self.stale, self.stale) & ~begins),
            awaited.eq(awaited & ~ends),
        ]
        m.d.comb += next_owed.eq(owed + self.ends.faulted - self.told)
        m.d.sync += owed.eq(next_owed)
        # Answers come in order: the last one awaited comes after all that are owed before it.
        with m.If(~waiting | (awaited & faulted).any()):
            m.d.sync += behind.eq(next_owed)
        with m.Elif(self.told & behind.any()):
            m.d.sync += behind.eq(behind - 1)
        with m.If(~self.sync.req):
            m.d.sync += waiting.eq(0)
        with m.Elif(~waiting):
            m.d.sync += [waiting.eq(1), awaited.eq((active | begins) & ~ends)]
        m.d.comb += self.sync.ack.eq(waiting & (awaited == 0) & (behind == 0))
        return m
