"""AXI4-Lite slave that turns bus transfers into aligned register accesses."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.axi import AXI4Lite, Resp

WORDS = data.ArrayLayout(unsigned(32), 2)   # a doubleword as its two registers or halves


class RegisterSlave(wiring.Component):
    """One register access at a time in each direction, never an error response (reference 1.1).

    A write reaches the registers in the cycle that accepts its address and data, and is answered
    in the next. Byte strobes must select the low word, the high word or both; any other pattern,
    and an address that is not word aligned, writes nothing. A read gives the whole doubleword as
    it is in the cycle that accepts the address, or zeros if the address is not word aligned.

    Members
    -------
    bus
        The slave port.
    hold
        No access is taken while 1.
    write, write_index, write_words, write_data
        One-cycle pulse: change these words of doubleword `write_index`.
    read, read_index, read_data
        Doubleword to show and its value, combinational; `read` pulses when it is taken.
    """

    def __init__(self, *, addr_width: int):
        super().__init__({
            "bus": In(AXI4Lite(addr_width=addr_width)),
            "hold": In(1),
            "write": Out(1), "write_index": Out(addr_width - 3), "write_words": Out(2),
            "write_data": Out(WORDS),
            "read": Out(1), "read_index": Out(addr_width - 3), "read_data": In(WORDS),
        })

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        m.d.comb += [bus.bresp.eq(Resp.OKAY), bus.rresp.eq(Resp.OKAY)]

        # Writes: address and data are taken together, when no answer is pending.
        take = Signal()
        whole_words = Signal()
        low, high = bus.wstrb[:4], bus.wstrb[4:]
        m.d.comb += [
            take.eq(bus.awvalid & bus.wvalid & ~bus.bvalid & ~self.hold),
            bus.awready.eq(take),
            bus.wready.eq(take),
            whole_words.eq((low.all() | ~low.any()) & (high.all() | ~high.any())),
            self.write.eq(take & whole_words & (bus.awaddr[:2] == 0)),
            self.write_index.eq(bus.awaddr[3:]),
            self.write_words.eq(bus.wstrb[3::4]),
            self.write_data.eq(bus.wdata),
        ]
        with m.If(take):
            m.d.sync += bus.bvalid.eq(1)
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)

        # Reads.
        m.d.comb += [bus.arready.eq(~bus.rvalid & ~self.hold),
                     self.read.eq(bus.arvalid & bus.arready & (bus.araddr[:2] == 0)),
                     self.read_index.eq(bus.araddr[3:])]
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [
                bus.rdata.eq(Mux(bus.araddr[:2] == 0, self.read_data, 0)),
                bus.rvalid.eq(1),
            ]
        with m.Elif(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        return m
