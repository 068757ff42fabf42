"""Many `MemRead` ports onto the read channels of one AXI4 master."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.axi import AXI4, Burst, Resp
from hdl.mem.grant import Grant
from hdl.onehot import decode, encode, first_one, index_shape, select
from hdl.streams import PA_BITS, MemRead

WIDTH = 128  # data bits of the memory port


def failed(resp):
    """xRESP says SLVERR or DECERR."""
    return (resp == Resp.SLVERR) | (resp == Resp.DECERR)


class ReadArbiter(wiring.Component):
    """`ports` readers share one AXI4 master; up to `outstanding` reads in memory.

    Combinational both ways: a request reaches AR in its cycle, a beat its reader in its cycle.
    ARID is a tag of this arbiter, so memory may answer in any order, but it must not interleave
    the beats of two reads. Ports take turns.

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
        request = requests[0].payload.shape()(
            select(grant.chosen, [r.payload.as_value() for r in requests]))
        locked_tag, tag_held = Signal(count), Signal()
        fire = axi.arvalid & axi.arready
        m.d.comb += [
            free.eq(Mux(tag_held, locked_tag, first_one(~busy))),
            axi.arvalid.eq(grant.valid & free.any()),
            axi.arid.eq(encode(free)),
            axi.araddr.eq(request.addr),
            axi.arsize.eq(Mux(request.size > 4, 4, request.size)),
            axi.arlen.eq(Mux(request.size > 4, (1 << (request.size - 4)[:2]) - 1, 0)),
            axi.arburst.eq(Burst.INCR),
            axi.arcache.eq(0b1111), axi.arprot.pnu.eq(1), axi.arprot.ns.eq(1),
            grant.taken.eq(fire),
            write.en.eq(fire),
            write.addr.eq(encode(free)),
            write.data.port.eq(encode(grant.chosen)),
            write.data.id.eq(request.id),
            write.data.low.eq((request.size == 3) & request.addr[3]),
            taken.eq(Mux(fire, free, 0)),
            done.eq(Mux(axi.rvalid & axi.rready & axi.rlast,
                        decode(axi.rid, count), 0)),
        ]
        m.d.sync += [busy.eq((busy & ~done) | taken),
                     tag_held.eq(axi.arvalid & ~axi.arready), locked_tag.eq(free)]
        for i, r in enumerate(requests):
            m.d.comb += [grant.request[i].eq(r.valid), r.ready.eq(fire & grant.chosen[i])]

        # R: to the reader of the tag.
        m.d.comb += read.addr.eq(axi.rid)
        for i, p in enumerate(self.port):
            mine = read.data.port == i
            out = p.resp.payload
            m.d.comb += [
                p.resp.valid.eq(axi.rvalid & mine),
                out.id.eq(read.data.id),
                out.data.eq(Mux(read.data.low, axi.rdata[64:], axi.rdata)),
                out.last.eq(axi.rlast),
                out.error.eq(failed(axi.rresp)),
            ]
            with m.If(mine):
                m.d.comb += axi.rready.eq(p.resp.ready)
        return m
