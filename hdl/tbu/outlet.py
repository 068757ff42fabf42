"""Where a decided transaction goes: the memory address channel, or its termination."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.onehot import decode, index_shape
from hdl.streams import Outcome
from hdl.tbu.layouts import Address, Finish, MemoryAddress, Termination, Verdict


class Outlet(wiring.Component):
    """One register towards memory and one for the termination in progress.

    Members
    -------
    take, address, verdict, thread
        A decision; only with room: `room_issue` for a translated one, `room_end` for a
        terminated one.
    idle
        Per thread: nothing in memory.
    finish
        From the return path; ends the termination in progress.
    blocked
        Per thread: its termination is in progress, so nothing of it may go to memory.
    memory
        Valid one cycle after `take`.
    terminate
        Valid when the thread is idle, until taken.
    """

    def __init__(self, *, threads: int):
        self.threads = threads
        super().__init__({
            "take": In(1), "address": In(Address), "verdict": In(Verdict),
            "thread": In(index_shape(threads)),
            "room_issue": Out(1), "room_end": Out(1),
            "idle": In(threads), "finish": In(Finish()), "blocked": Out(threads),
            "memory": Out(stream.Signature(MemoryAddress)),
            "terminate": Out(stream.Signature(Termination)),
        })

    def elaborate(self, platform):
        m = Module()
        translated = self.verdict.outcome == Outcome.TRANSLATED
        m.d.comb += self.room_issue.eq(~self.memory.valid | self.memory.ready)
        with m.If(self.room_issue):
            m.d.sync += self.memory.valid.eq(self.take & translated)
        with m.If(self.take & translated):
            out = self.memory.payload
            m.d.sync += [getattr(out, name).eq(getattr(self.address, name))
                         for name in ("id", "len", "size", "burst", "lock")]
            m.d.sync += [
                out.addr.eq(self.verdict.pa),
                out.cache.eq(self.verdict.cache),
                out.prot.eq(self.verdict.prot),
            ]

        busy, sent = Signal(), Signal()
        thread = Signal(index_shape(self.threads))
        m.d.comb += [
            self.room_end.eq(~busy),
            self.blocked.eq(Mux(busy, decode(thread, self.threads), 0)),
            self.terminate.valid.eq(busy & ~sent & self.idle.bit_select(thread, 1)),
        ]
        with m.If(self.terminate.valid & self.terminate.ready):
            m.d.sync += sent.eq(1)
        with m.If(self.finish.valid & ~self.finish.memory):
            m.d.sync += [busy.eq(0), sent.eq(0)]
        with m.If(self.take & ~translated):
            m.d.sync += [
                busy.eq(1),
                thread.eq(self.thread),
                self.terminate.payload.id.eq(self.address.id),
                self.terminate.payload.len.eq(self.address.len),
                self.terminate.payload.outcome.eq(self.verdict.outcome),
            ]
        return m
