"""Many `MemRead` ports onto the read channels of one AXI4 master."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.axi import AXI4, Burst, Resp, axi_cache
from hdl.mem.grant import Grant
from hdl.onehot import decode, encode, first_one, index_shape, select
from hdl.streams import PA_BITS, MemRead, MemReadRequest

WIDTH = 128     # data bits of the memory port
LOCK_ID = 0xFF  # AxID of the one exclusive pair, the same for its read and its write


def failed(resp):
    """xRESP says SLVERR or DECERR."""
    return (resp == Resp.SLVERR) | (resp == Resp.DECERR)


class ReadArbiter(wiring.Component):
    """`ports` readers share one AXI4 master; up to `outstanding` reads in memory.

    Combinational both ways: a request reaches AR in its cycle, a beat its reader in its cycle.
    ARID is a tag of this arbiter, so memory may answer in any order and interleave the beats of
    several reads. Ports take turns. A locked read goes out with LOCK_ID.

    Members
    -------
    port
        One `MemRead` per reader; its `id` comes back unchanged.
    axi
        Only AR and R are driven.
    """

    def __init__(self, *, ports: int, outstanding: int):
        self.ports, self.outstanding = ports, outstanding
        super().__init__({
            "port": In(MemRead()).array(ports),
            "axi": Out(AXI4(addr_width=PA_BITS, data_width=WIDTH, id_width=8)),
        })

    def elaborate(self, platform):
        m = Module()
        axi, n, count = self.axi, self.ports, self.outstanding
        grant = m.submodules.grant = Grant(n)
        owner = data.StructLayout({"port": index_shape(n), "id": unsigned(8), "low": 1})
        tags = m.submodules.tags = memory.Memory(shape=owner, depth=count, init=[])
        write, read = tags.write_port(), tags.read_port(domain="comb")
        busy, free, done, taken = (Signal(count, name=s) for s in ("busy", "free", "done", "taken"))

        # AR: the lowest free tag names the reader.
        requests = [p.req for p in self.port]
        request = Signal(MemReadRequest)
        locked_tag, tag_held, fire = Signal(count), Signal(), Signal()
        tagged = Signal(owner)  # what to remember of the read
        exclusive = Signal(owner)  # of the exclusive one
        m.d.comb += [
            request.as_value().eq(select(grant.chosen, [r.payload.as_value() for r in requests])),
            free.eq(Mux(tag_held, locked_tag, first_one(~busy))),
            fire.eq(axi.arvalid & axi.arready),
            axi.arvalid.eq(grant.valid & (request.lock | free.any())),
            axi.arid.eq(Mux(request.lock, LOCK_ID, encode(free))),
            axi.araddr.eq(request.addr),
            axi.arsize.eq(Mux(request.size > 4, 4, request.size)),
            axi.arlen.eq(Mux(request.size > 4, (1 << (request.size - 4)[:2]) - 1, 0)),
            axi.arburst.eq(Burst.INCR),
            axi.arlock.eq(request.lock),
            axi.arcache.eq(axi_cache(request.mair, write=False)),
            axi.arprot.pnu.eq(1), axi.arprot.ns.eq(1),
            grant.taken.eq(fire),
            tagged.port.eq(encode(grant.chosen)),
            tagged.id.eq(request.id),
            tagged.low.eq((request.size == 3) & request.addr[3]),
            write.en.eq(fire & ~request.lock),
            write.addr.eq(encode(free)),
            write.data.eq(tagged),
            taken.eq(Mux(write.en, free, 0)),
            done.eq(Mux(axi.rvalid & axi.rready & axi.rlast & (axi.rid != LOCK_ID),
                        decode(axi.rid, count), 0)),
        ]
        m.d.sync += [busy.eq((busy & ~done) | taken),
                     tag_held.eq(axi.arvalid & ~axi.arready), locked_tag.eq(free)]
        with m.If(fire & request.lock):
            m.d.sync += exclusive.eq(tagged)
        for i, r in enumerate(requests):
            m.d.comb += [grant.request[i].eq(r.valid), r.ready.eq(fire & grant.chosen[i])]

        # R: to the reader of the tag.
        answered = Signal(owner)
        m.d.comb += [
            read.addr.eq(axi.rid),
            answered.eq(Mux(axi.rid == LOCK_ID, exclusive.as_value(), read.data.as_value())),
        ]
        for i, p in enumerate(self.port):
            mine = answered.port == i
            out = p.resp.payload
            m.d.comb += [
                p.resp.valid.eq(axi.rvalid & mine),
                out.id.eq(answered.id),
                out.data.eq(Mux(answered.low, axi.rdata[64:], axi.rdata)),
                out.last.eq(axi.rlast),
                out.error.eq(failed(axi.rresp)),
                out.exclusive.eq(axi.rresp == Resp.EXOKAY),
            ]
            with m.If(mine):
                m.d.comb += axi.rready.eq(p.resp.ready)
        return m
