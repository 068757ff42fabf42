"""Translation buffer unit: an AXI4 client's way to memory."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.axi import AXI4, StreamUser
from hdl.streams import (
    ADDR_BITS,
    PA_BITS,
    Invalidation,
    Sync,
    TbuActivity,
    Trace,
    TranslationRequest,
    TranslationResponse,
)
from hdl.tbu.channel import TAG_WRITE, Channel
from hdl.tbu.layouts import ID_BITS
from hdl.tbu.report import TraceMerge
from hdl.tbu.returns import ReadReturn, WriteReturn
from hdl.tbu.utlb import MicroTlb


class Tbu(wiring.Component):
    """Translates every transaction of `client` and passes it to `memory`, or terminates it.

    A micro TLB hit adds 2 cycles from ARVALID (AWVALID) of the client to the handshake in
    memory, and both directions take one transaction per cycle. Transactions reorder across AXI
    ids and keep order within one. A write that waits for its translation, or behind one of its id,
    steps aside with its data, as far as `config.write_blocks` go: AXI4 gives data in the order of
    addresses, so that no other write could pass it otherwise. AxID, AxLEN, AxSIZE, AxBURST and
    AxLOCK pass through; AxPROT and AxCACHE come from the translation. R, W and B of what does not
    step aside are combinational.

    An INCR burst across a 4 KB boundary, which AXI4 forbids, is aborted without an event.

    Members
    -------
    client, memory
        AXI4 slave with `StreamUser`, AXI4 master.
    request, response
        Micro TLB misses. The tag tells direction and slot.
    enable
        CR0ACK.SMMUEN. While 0 the micro TLB is empty and stays so.
    invalidation
        Always ready; takes effect at once, also on translations asked for before.
    sync
        `ack` when each transaction with a translation known before `req` has had its last
        response. Those whose turn has not come (behind another one of their AXI id, an earlier
        write that does not step aside, data still to come) ask again.
    trace
        Every decision; per direction and id in the order of memory.
    """

    def __init__(self, config, *, number: int, data_width: int):
        self.config, self.number, self.data_width = config, number, data_width
        width = data_width
        super().__init__({
            "client": In(AXI4(addr_width=ADDR_BITS, data_width=width, id_width=ID_BITS,
                              user=StreamUser)),
            "memory": Out(AXI4(addr_width=PA_BITS, data_width=width, id_width=ID_BITS)),
            "request": Out(stream.Signature(TranslationRequest)),
            "response": In(stream.Signature(TranslationResponse)),
            "enable": In(1),
            "invalidation": In(stream.Signature(Invalidation)),
            "sync": In(Sync()),
            "trace": Out(Trace()),
            "activity": Out(TbuActivity()),
        })

    def elaborate(self, platform):
        m = Module()
        width = self.data_width
        reads = m.submodules.reads = Channel(self.config, number=self.number, write=False)
        writes = m.submodules.writes = Channel(self.config, number=self.number, write=True)
        tlb = m.submodules.tlb = MicroTlb(entries=self.config.utlb_entries, ports=2)
        read_return = m.submodules.read_return = ReadReturn(data_width=width)
        write_return = m.submodules.write_return = WriteReturn(self.config, data_width=width)
        report = m.submodules.report = TraceMerge()
        connect(m, reads.lookup, tlb.lookup[0])
        connect(m, writes.lookup, tlb.lookup[1])
        for channel, back in ((reads, read_return), (writes, write_return)):
            connect(m, channel.terminate, back.terminate)
            connect(m, back.finish, channel.finish)
        m.d.comb += [
            write_return.decided.eq(writes.decided),
            write_return.dropped.eq(writes.dropped),
            write_return.from_aside.eq(writes.from_aside), write_return.slot.eq(writes.slot),
            writes.stored.eq(write_return.stored), writes.stored_slot.eq(write_return.stored_slot),
            reads.room.eq(report.room[0]),
            writes.room.eq(report.room[1] & write_return.room),
            report.valid[0].eq(reads.trace_valid), report.record[0].eq(reads.trace),
            report.valid[1].eq(writes.trace_valid), report.record[1].eq(writes.trace),
        ]
        connect(m, report.trace, flipped(self.trace))
        connect(m, writes.aside, write_return.aside)
        self._client_side(m, reads, writes, read_return, write_return)
        self._memory_side(m, reads, writes, read_return, write_return)
        self._requests(m, reads, writes)
        self._maintenance(m, reads, writes, tlb)
        m.d.comb += [
            self.activity.hits.eq(reads.hit + writes.hit),
            self.activity.misses.eq(reads.missed + writes.missed),
            self.activity.asked.eq(self.request.valid & self.request.ready),
            self.activity.blocked.eq(reads.blocked + writes.blocked),
            self.activity.waiting.eq(reads.waiting + writes.waiting),
        ]
        return m

    def _client_side(self, m, reads, writes, read_return, write_return):
        axi = self.client
        for prefix, channel in (("ar", reads), ("aw", writes)):
            ax = {name: getattr(axi, prefix + name)
                  for name in ("id", "addr", "len", "size", "burst", "lock", "prot", "user")}
            to = channel.client.payload
            m.d.comb += [getattr(to, name).eq(ax[name])
                         for name in ("id", "addr", "len", "size", "burst", "lock")]
            m.d.comb += [
                to.pnu.eq(ax["prot"].pnu),
                to.ind.eq(0 if channel.write else ax["prot"].ind),
                to.sid.eq(ax["user"].sid),
                to.ssv.eq(ax["user"].ssv),
                to.ssid.eq(Mux(ax["user"].ssv, ax["user"].ssid, 0)),
                channel.client.valid.eq(getattr(axi, prefix + "valid")),
                getattr(axi, prefix + "ready").eq(channel.client.ready),
            ]
        m.d.comb += beat_from_axi(write_return.client_data, axi, "w")
        m.d.comb += beat_to_axi(axi, "r", read_return.client)
        m.d.comb += beat_to_axi(axi, "b", write_return.client_response)

    def _memory_side(self, m, reads, writes, read_return, write_return):
        axi = self.memory
        for prefix, channel in (("ar", reads), ("aw", writes)):
            m.d.comb += beat_to_axi(axi, prefix, channel.memory)
        m.d.comb += beat_to_axi(axi, "w", write_return.memory_data)
        m.d.comb += beat_from_axi(read_return.memory, axi, "r")
        m.d.comb += beat_from_axi(write_return.memory_response, axi, "b")

    def _requests(self, m, reads, writes):
        """Both directions share the way to the TCU, taking turns."""
        turn, locked, write = Signal(), Signal(), Signal()
        m.d.comb += [
            write.eq(Mux(locked, turn, Mux(turn, writes.request.valid, ~reads.request.valid))),
            self.request.valid.eq(Mux(write, writes.request.valid, reads.request.valid)),
            self.request.payload.as_value().eq(
                Mux(write, writes.request.payload.as_value(), reads.request.payload.as_value())),
            reads.request.ready.eq(~write & self.request.ready),
            writes.request.ready.eq(write & self.request.ready),
        ]
        with m.If(self.request.valid):
            m.d.sync += [locked.eq(~self.request.ready),
                         turn.eq(Mux(self.request.ready, ~write, write))]
        answered = self.response.valid & self.response.ready
        for channel in (reads, writes):
            m.d.comb += [
                channel.response.eq(self.response.payload),
                channel.response_valid.eq(
                    answered & (self.response.payload.tag[TAG_WRITE] == channel.write)),
            ]

    def _maintenance(self, m, reads, writes, tlb):
        drop, snapshot, waiting = Signal(), Signal(), Signal()
        m.d.comb += [
            self.invalidation.ready.eq(1),
            drop.eq(self.invalidation.valid),
            tlb.drop.eq(drop), tlb.invalidation.eq(self.invalidation.payload),
            tlb.flush.eq(~self.enable),
            tlb.fill.eq((reads.fillable | writes.fillable) & ~drop),
            tlb.fill_key.eq(Mux(self.response.payload.tag[TAG_WRITE],
                                writes.fill_key.as_value(), reads.fill_key.as_value())),
            tlb.fill_response.eq(self.response.payload),
            # Sync: one cycle to take the snapshot, then wait.
            snapshot.eq(self.sync.req & ~waiting),
            self.sync.ack.eq(waiting & reads.drained & writes.drained),
            self.response.ready.eq(~snapshot),
        ]
        m.d.sync += waiting.eq(self.sync.req)
        for channel in (reads, writes):
            m.d.comb += [
                channel.enabled.eq(self.enable),
                channel.invalidated.eq(drop | ~self.enable),
                channel.snapshot.eq(snapshot),
            ]


def beat_to_axi(axi, prefix: str, source) -> list:
    """Assignments that drive one AXI channel from a stream with members of the same names."""
    names = [name for name, _ in data.Layout.cast(source.payload.shape())]
    return [getattr(axi, prefix + name).eq(getattr(source.payload, name)) for name in names] + [
        getattr(axi, prefix + "valid").eq(source.valid),
        source.ready.eq(getattr(axi, prefix + "ready"))]


def beat_from_axi(sink, axi, prefix: str) -> list:
    """Assignments that drive a stream from one AXI channel with members of the same names."""
    names = [name for name, _ in data.Layout.cast(sink.payload.shape())]
    return [getattr(sink.payload, name).eq(getattr(axi, prefix + name)) for name in names] + [
        sink.valid.eq(getattr(axi, prefix + "valid")),
        getattr(axi, prefix + "ready").eq(sink.ready)]
