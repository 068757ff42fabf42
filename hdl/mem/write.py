"""Many `MemWrite` ports onto the write channels of one AXI4 master."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.axi import AXI4, Burst, Resp, axi_cache
from hdl.mem.grant import Grant
from hdl.mem.read import LOCK_ID, WIDTH, failed
from hdl.onehot import decode, encode, first_one, index_shape, select
from hdl.streams import PA_BITS, MemWrite, MemWriteRequest

OUTSTANDING = 4


class WriteArbiter(wiring.Component):
    """`ports` writers share one AXI4 master; up to 4 writes in memory, in any order of answers.

    Members
    -------
    port
        One `MemWrite` per writer; its `id` comes back unchanged.
    axi
        Only AW, W and B are driven. AW and the first W beat are offered together; exclusive
        writes have the id of exclusive reads.
    """

    def __init__(self, *, ports: int):
        self.ports = ports
        super().__init__({
            "port": In(MemWrite()).array(ports),
            "axi": Out(AXI4(addr_width=PA_BITS, data_width=WIDTH, id_width=8)),
        })

    def elaborate(self, platform):
        m = Module()
        axi, n = self.axi, self.ports
        grant = m.submodules.grant = Grant(n)
        owner = data.StructLayout({"port": index_shape(n), "id": unsigned(8)})
        tags = m.submodules.tags = memory.Memory(shape=owner, depth=OUTSTANDING, init=[])
        write, read = tags.write_port(), tags.read_port(domain="comb")
        busy, free, done = (Signal(OUTSTANDING, name=s) for s in ("busy", "free", "done"))

        # Take a request when the previous one is on its way.
        current = Signal(MemWriteRequest)
        tag = Signal(index_shape(OUTSTANDING))
        address_left, data_left, second = Signal(), Signal(), Signal()
        requests = [p.req for p in self.port]
        request, take, tagged = Signal(MemWriteRequest), Signal(), Signal(owner)
        exclusive = Signal(owner)  # who waits for the exclusive write
        m.d.comb += [
            request.as_value().eq(select(grant.chosen, [r.payload.as_value() for r in requests])),
            take.eq(grant.valid & free.any() & ~address_left & ~data_left),
            free.eq(first_one(~busy)), grant.taken.eq(take),
            tagged.port.eq(encode(grant.chosen)), tagged.id.eq(request.id),
            write.en.eq(take & ~request.lock), write.addr.eq(encode(free)), write.data.eq(tagged),
        ]
        for i, r in enumerate(requests):
            m.d.comb += [grant.request[i].eq(r.valid), r.ready.eq(take & grant.chosen[i])]
        with m.If(take):
            m.d.sync += [current.eq(request), tag.eq(encode(free)), address_left.eq(1),
                         data_left.eq(1), second.eq(0)]
        with m.If(take & request.lock):
            m.d.sync += exclusive.eq(tagged)

        # AW and W.
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += address_left.eq(0)
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += [second.eq(1), data_left.eq(~axi.wlast)]
        m.d.comb += [
            axi.awvalid.eq(address_left), axi.awid.eq(Mux(current.lock, LOCK_ID, tag)),
            axi.awaddr.eq(current.addr),
            axi.awsize.eq(Mux(current.size > 4, 4, current.size)),
            axi.awlen.eq(current.size > 4), axi.awburst.eq(Burst.INCR),
            axi.awlock.eq(current.lock),
            axi.awcache.eq(axi_cache(current.mair, write=True)),
            axi.awprot.pnu.eq(1), axi.awprot.ns.eq(1),
            axi.wvalid.eq(data_left),
            axi.wlast.eq((current.size <= 4) | second),
        ]
        m.d.comb += self._lanes(current, second)

        # B: to the writer of the tag.
        whose = Signal(owner)
        locked = axi.bid == LOCK_ID
        m.d.comb += [
            read.addr.eq(axi.bid),
            whose.eq(Mux(locked, exclusive.as_value(), read.data.as_value())),
            done.eq(Mux(axi.bvalid & axi.bready & ~locked, decode(axi.bid, OUTSTANDING), 0)),
        ]
        m.d.sync += busy.eq((busy & ~done) | Mux(write.en, free, 0))
        for i, p in enumerate(self.port):
            mine = whose.port == i
            m.d.comb += [p.resp.valid.eq(axi.bvalid & mine), p.resp.payload.id.eq(whose.id),
                         p.resp.payload.error.eq(failed(axi.bresp)),
                         p.resp.payload.exclusive.eq(axi.bresp == Resp.EXOKAY)]
            with m.If(mine):
                m.d.comb += axi.bready.eq(p.resp.ready)
        return m

    def _lanes(self, current, second):
        """Data from bit 0 of the request to the byte lanes of its address."""
        word, low = current.data, current.addr[:4]
        return [
            self.axi.wdata.eq(Mux(
                current.size == 2, word[:32].replicate(4),
                Mux(current.size == 3, word[:64].replicate(2),
                    Mux(second, word[128:], word[:128])))),
            self.axi.wstrb.eq(Mux(
                current.size == 2, 0xF << Cat(0, 0, low[2:]),
                Mux(current.size == 3, Mux(low[3], 0xFF00, 0x00FF), 0xFFFF))),
        ]
