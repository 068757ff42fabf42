"""Return paths of a TBU: responses from memory and of terminated transactions to the client."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.axi import Resp
from hdl.onehot import index_shape
from hdl.streams import Outcome
from hdl.tbu.aside import SideBuffer, write_beat
from hdl.tbu.layouts import ID_BITS, Finish, Step, Termination

WRITES_WITHOUT_DATA = 16  # writes routed, and writes decided, before their W beats have passed


def read_beat(data_width: int) -> data.StructLayout:
    """One R beat."""
    return data.StructLayout({"id": ID_BITS, "data": data_width, "resp": Resp, "last": 1})


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
    """W and B channels.

    The client's bursts come in the order in which its writes were routed: decided straight away,
    or set aside, into the side buffer. Memory gets bursts in the order of decisions, from the
    client or from the side buffer. The data of a terminated write are swallowed, then it gets its
    B.

    Members
    -------
    aside
        A write is set aside; ready if there is room for its data.
    stored, stored_slot
        Pulse: all data of the write set aside for this slot are there; it may be decided now.
    decided, dropped, from_aside, slot, room
        From the address channel: a write goes to memory, or (`dropped`) is terminated;
        `from_aside`: that of `slot`, set aside before. Never without `room`.
    client_data, memory_data, client_response, memory_response
        W and B; combinational once the write is decided.
    terminate
        Terminated writes, one at a time; taken with the B.
    finish
        B handed to the client.
    """

    def __init__(self, config, *, data_width: int):
        self.config, self.data_width = config, data_width
        beat = stream.Signature(write_beat(data_width))
        slot = index_shape(config.tbu_slots)
        super().__init__({
            "aside": In(stream.Signature(Step)), "stored": Out(1), "stored_slot": Out(slot),
            "decided": In(1), "dropped": In(1), "from_aside": In(1), "slot": In(slot),
            "room": Out(1),
            "client_data": In(beat), "memory_data": Out(beat),
            "client_response": Out(stream.Signature(WRITE_RESPONSE)),
            "memory_response": In(stream.Signature(WRITE_RESPONSE)),
            "terminate": In(stream.Signature(Termination)), "finish": Out(Finish()),
        })

    def elaborate(self, platform):
        m = Module()
        slots, blocks = self.config.tbu_slots, self.config.write_blocks
        side = m.submodules.side = SideBuffer(blocks=blocks, slots=slots,
                                              data_width=self.data_width)
        route = data.StructLayout({"aside": 1, "slot": index_shape(slots)})
        decision = data.StructLayout({"drop": 1, "aside": 1, "block": index_shape(blocks)})
        routes = m.submodules.routes = fifo.SyncFIFO(width=route.size, depth=WRITES_WITHOUT_DATA)
        order = m.submodules.order = fifo.SyncFIFO(width=decision.size, depth=WRITES_WITHOUT_DATA)
        swallowed = Signal()
        self._route(m, side, routes, data.View(route, routes.w_data))
        self._decide(m, side, order, data.View(decision, order.w_data))
        m.d.comb += self.room.eq(order.w_rdy & routes.w_rdy)
        self._data(m, side, routes, data.View(route, routes.r_data),
                   order, data.View(decision, order.r_data), swallowed)
        self._respond(m, swallowed)
        return m

    def _route(self, m: Module, side, routes, route) -> None:
        """Where the client's next burst goes: in the order of its writes."""
        aside = self.aside
        straight = self.decided & ~self.from_aside
        m.d.comb += [
            side.reserve.payload.eq(aside.payload.len),
            side.reserve.valid.eq(aside.valid & routes.w_rdy),
            aside.ready.eq(side.reserve.ready & routes.w_rdy),
            routes.w_en.eq(straight | aside.valid & aside.ready),
            route.aside.eq(~straight), route.slot.eq(aside.payload.slot),
            self.stored.eq(side.stored), self.stored_slot.eq(side.stored_slot),
        ]

    def _decide(self, m: Module, side, order, decision) -> None:
        """Where the burst of the next decision comes from."""
        m.d.comb += [
            side.find_slot.eq(self.slot),
            order.w_en.eq(self.decided), decision.drop.eq(self.dropped),
            decision.aside.eq(self.from_aside), decision.block.eq(side.found),
        ]

    def _data(self, m: Module, side, routes, route, order, decision, swallowed) -> None:
        """W: the client's burst into the side buffer or on; the oldest decision's burst to memory,
        or nowhere."""
        client, sink = self.client_data, self.memory_data
        source = stream.Signature(write_beat(self.data_width)).create(path=("source",))
        straight = routes.r_rdy & ~route.aside
        m.d.comb += [
            side.write.payload.eq(client.payload), side.write_slot.eq(route.slot),
            side.write.valid.eq(client.valid & routes.r_rdy & route.aside),
            side.read_block.eq(decision.block),
            source.payload.eq(Mux(decision.aside, side.read.payload.as_value(),
                                  client.payload.as_value())),
            source.valid.eq(order.r_rdy & (decision.aside | straight & client.valid)),
            side.read.ready.eq(order.r_rdy & decision.aside & source.ready),
            client.ready.eq(Mux(straight, order.r_rdy & ~decision.aside & source.ready,
                                routes.r_rdy)),
            routes.r_en.eq(client.valid & client.ready & client.payload.last),
            sink.payload.eq(source.payload),
            sink.valid.eq(source.valid & ~decision.drop),
            source.ready.eq(decision.drop | sink.ready),
            order.r_en.eq(source.valid & source.ready & source.payload.last),
        ]
        with m.If(order.r_en & decision.drop):
            m.d.sync += swallowed.eq(1)

    def _respond(self, m: Module, swallowed) -> None:
        """B: memory's, or that of a terminated write whose data have gone."""
        owner = m.submodules.owner = Owner()
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
