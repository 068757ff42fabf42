"""Return paths of a TBU: responses from memory and of terminated transactions to the client."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.axi import Resp
from hdl.streams import Outcome
from hdl.tbu.layouts import ID_BITS, Finish, Termination

WRITES_WITHOUT_DATA = 16  # writes decided before their W beats have passed


def read_beat(data_width: int) -> data.StructLayout:
    """One R beat."""
    return data.StructLayout({"id": ID_BITS, "data": data_width, "resp": Resp, "last": 1})


def write_beat(data_width: int) -> data.StructLayout:
    """One W beat."""
    return data.StructLayout({"data": data_width, "strb": data_width // 8, "last": 1})


WRITE_RESPONSE = data.StructLayout({"id": ID_BITS, "resp": Resp})


class Owner(wiring.Component):
    """Who drives a response channel to the client: memory or the termination, a burst at a time.

    A burst that has begun, or that the client has not accepted yet, keeps the channel. After a
    memory burst a waiting termination goes first, so that neither starves.

    Members
    -------
    memory, termination
        Each has a beat for the client.
    ready, last
        The client takes the beat; the beat ends its burst.
    chosen
        1: the termination's beat is shown.
    """

    memory: In(1)
    termination: In(1)
    ready: In(1)
    last: In(1)
    chosen: Out(1)

    def elaborate(self, platform):
        m = Module()
        locked, owner, turn = Signal(), Signal(), Signal()
        m.d.comb += self.chosen.eq(
            Mux(locked, owner, self.termination & (turn | ~self.memory)))
        with m.If(Mux(self.chosen, self.termination, self.memory)):
            m.d.sync += [owner.eq(self.chosen), locked.eq(~(self.ready & self.last))]
            with m.If(self.ready & self.last):
                m.d.sync += turn.eq(~self.chosen)
        return m


def termination_response(outcome):
    """xRESP of a terminated transaction: RAZ/WI looks successful."""
    return Mux(outcome == Outcome.RAZWI, Resp.OKAY, Resp.SLVERR)


class ReadReturn(wiring.Component):
    """R channel. A terminated read gets all its beats, zero data, in one uninterrupted burst.

    Members
    -------
    client, memory
        R beats to the client and from memory; combinational.
    terminate
        Terminated reads, one at a time; taken with the last beat.
    finish
        Last beat handed to the client.
    """

    def __init__(self, *, data_width: int):
        beat = stream.Signature(read_beat(data_width))
        super().__init__({
            "client": Out(beat), "memory": In(beat),
            "terminate": In(stream.Signature(Termination)), "finish": Out(Finish()),
        })

    def elaborate(self, platform):
        m = Module()
        owner = m.submodules.owner = Owner()
        client, memory, end = self.client, self.memory, self.terminate
        beat = Signal(8)
        m.d.comb += [
            owner.memory.eq(memory.valid), owner.termination.eq(end.valid),
            owner.ready.eq(client.ready), owner.last.eq(client.payload.last),
        ]
        with m.If(owner.chosen):
            m.d.comb += [
                client.valid.eq(end.valid),
                client.payload.id.eq(end.payload.id),
                client.payload.resp.eq(termination_response(end.payload.outcome)),
                client.payload.last.eq(beat == end.payload.len),
                end.ready.eq(client.ready & client.payload.last),
            ]
            with m.If(client.valid & client.ready):
                m.d.sync += beat.eq(Mux(client.payload.last, 0, beat + 1))
        with m.Else():
            m.d.comb += [client.valid.eq(memory.valid), client.payload.eq(memory.payload),
                         memory.ready.eq(client.ready)]
        m.d.comb += [
            self.finish.valid.eq(client.valid & client.ready & client.payload.last),
            self.finish.id.eq(client.payload.id),
            self.finish.memory.eq(~owner.chosen),
        ]
        return m


class WriteReturn(wiring.Component):
    """W and B channels. W beats pass in the order of decisions; those of a terminated write are
    swallowed, then it gets its B.

    Members
    -------
    decided, dropped, room
        From the address channel: a write goes to memory, or (`dropped`) is terminated. Never
        without `room`.
    client_data, memory_data, client_response, memory_response
        W and B; combinational once the write is decided.
    terminate
        Terminated writes, one at a time; taken with the B.
    finish
        B handed to the client.
    """

    def __init__(self, *, data_width: int):
        beat = stream.Signature(write_beat(data_width))
        super().__init__({
            "decided": In(1), "dropped": In(1), "room": Out(1),
            "client_data": In(beat), "memory_data": Out(beat),
            "client_response": Out(stream.Signature(WRITE_RESPONSE)),
            "memory_response": In(stream.Signature(WRITE_RESPONSE)),
            "terminate": In(stream.Signature(Termination)), "finish": Out(Finish()),
        })

    def elaborate(self, platform):
        m = Module()
        order = m.submodules.order = fifo.SyncFIFO(width=1, depth=WRITES_WITHOUT_DATA)
        owner = m.submodules.owner = Owner()

        # W: the oldest decision says where the burst goes.
        source, sink = self.client_data, self.memory_data
        drop, swallowed = Signal(), Signal()
        ended = source.valid & source.ready & source.payload.last
        m.d.comb += [
            self.room.eq(order.w_rdy), order.w_en.eq(self.decided), order.w_data.eq(self.dropped),
            drop.eq(order.r_data[0]),
            sink.payload.eq(source.payload),
            sink.valid.eq(source.valid & order.r_rdy & ~drop),
            source.ready.eq(order.r_rdy & (drop | sink.ready)),
            order.r_en.eq(ended),
        ]
        with m.If(ended & drop):
            m.d.sync += swallowed.eq(1)

        # B
        client, memory, end = self.client_response, self.memory_response, self.terminate
        m.d.comb += [
            owner.memory.eq(memory.valid), owner.termination.eq(end.valid & swallowed),
            owner.ready.eq(client.ready), owner.last.eq(1),
        ]
        with m.If(owner.chosen):
            m.d.comb += [
                client.valid.eq(end.valid & swallowed),
                client.payload.id.eq(end.payload.id),
                client.payload.resp.eq(termination_response(end.payload.outcome)),
                end.ready.eq(client.ready & swallowed),
            ]
            with m.If(client.ready):
                m.d.sync += swallowed.eq(0)
        with m.Else():
            m.d.comb += [client.valid.eq(memory.valid), client.payload.eq(memory.payload),
                         memory.ready.eq(client.ready)]
        m.d.comb += [
            self.finish.valid.eq(client.valid & client.ready),
            self.finish.id.eq(client.payload.id),
            self.finish.memory.eq(~owner.chosen),
        ]
        return m
