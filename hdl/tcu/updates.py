"""Who may change a descriptor: one context at a time."""

from amaranth import Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import PA_BITS, MemWriteRequest
from hdl.tcu.contexts import index_bits
from hdl.tcu.walk.geometry import DESCRIPTOR_SHIFT


class Updates(wiring.Component):
    """The lock of hardware updates, its queue, and the write.

    A context owns the lock from the step of phase LOCK on, until a step of it that neither begins
    (phase LOCK) nor ends in a write.

    Members
    -------
    index, step, wants, writes, addr, mair, word, lock
        The step of this cycle: context, strobe, it asks for the lock, it writes `word` to `addr`,
        memory of type `mair`.
    locks
        The context whose step of phase LOCK is due.
    write
        To memory; it always has room for the owner's write.
    """

    def __init__(self, walks: int):
        self.walks = walks
        bits = index_bits(walks)
        super().__init__({
            "index": In(bits), "step": In(1), "wants": In(1), "writes": In(1),
            "addr": In(PA_BITS), "mair": In(8), "word": In(64), "lock": In(1),
            "locks": Out(stream.Signature(bits)),
            "write": Out(stream.Signature(MemWriteRequest)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.waiting = waiting = fifo.SyncFIFO(width=len(self.index), depth=self.walks)
        held, owner, writes = Signal(), Signal.like(self.index), Signal()
        begins = self.locks.valid & self.locks.ready
        m.d.comb += [
            waiting.w_data.eq(self.index), waiting.w_en.eq(self.step & self.wants),
            self.locks.payload.eq(waiting.r_data), self.locks.valid.eq(waiting.r_rdy & ~held),
            waiting.r_en.eq(begins), writes.eq(self.step & self.writes),
        ]
        with m.If(begins):
            m.d.sync += [held.eq(1), owner.eq(self.index)]
        with m.Elif(self.step & (self.index == owner) & ~self.writes):
            m.d.sync += held.eq(0)

        with m.If(self.write.ready):
            m.d.sync += self.write.valid.eq(0)
        with m.If(writes):
            m.d.sync += [
                self.write.valid.eq(1), self.write.payload.addr.eq(self.addr),
                self.write.payload.size.eq(DESCRIPTOR_SHIFT),
                self.write.payload.data.eq(self.word), self.write.payload.id.eq(self.index),
                self.write.payload.lock.eq(self.lock), self.write.payload.mair.eq(self.mair),
            ]
        return m
