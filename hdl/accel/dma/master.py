"""The accelerator's only way to memory: many read and write ports on one AXI4 master."""

from amaranth import Const, Module, Signal
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import StreamArbiter
from hdl.accel.streams import (
    BEAT_BYTES,
    DATA_BITS,
    BurstRequest,
    ReadPort,
    WritePort,
)
from hdl.axi import AXI4, Burst, StreamUser
from hdl.streams import ADDR_BITS

OUTSTANDING = 256
ID_BITS = 8


class MemoryMaster(wiring.Component):
    """Ports in turn, burst by burst; AxID is the port's number, so ports never wait for each
    other's answers.

    All accesses carry `sid`, the request's Space, and PnU = InD = 0 (unprivileged data).

    Members
    -------
    reads, writes
        The ports; read port n and write port n use the same AXI id.
    stop, read_idle, write_idle
        While `stop` no burst is begun; idle: none is under way (reference 2.3, TRANS_RETURN).
    """

    def __init__(self, *, sid: int, reads: int, writes: int):
        self.sid = sid
        super().__init__({
            "reads": In(ReadPort()).array(reads), "writes": In(WritePort()).array(writes),
            "axi": Out(AXI4(addr_width=ADDR_BITS, data_width=DATA_BITS, id_width=ID_BITS,
                            user=StreamUser)),
            "stop": In(1), "read_idle": Out(1), "write_idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        self.connect_reads(m)
        self.connect_writes(m)
        return m

    def address(self, m, c: str, request, port) -> None:
        """Drive address channel `c` (ar, aw) with a BurstRequest."""
        axi, space = self.axi, request.payload.space
        user = getattr(axi, f"{c}user")
        m.d.comb += [
            getattr(axi, f"{c}id").eq(port),
            getattr(axi, f"{c}addr").eq(request.payload.addr),
            getattr(axi, f"{c}len").eq(request.payload.len),
            getattr(axi, f"{c}size").eq((BEAT_BYTES - 1).bit_length()),
            getattr(axi, f"{c}burst").eq(Burst.INCR),
            getattr(axi, f"{c}cache").eq(Const(0xF, 4)),   # write-back, allocate
            getattr(axi, f"{c}prot").ns.eq(1),
            user.sid.eq(self.sid), user.ssv.eq(space.ssv), user.ssid.eq(space.ssid),
        ]

    def count(self, m, name: str, begin, end):
        """Bursts under way."""
        outstanding = Signal(range(OUTSTANDING), name=name)
        m.d.sync += outstanding.eq(outstanding + begin - end)
        return outstanding

    def connect_reads(self, m) -> None:
        axi = self.axi
        m.submodules.read_turn = turn = StreamArbiter(BurstRequest, len(self.reads))
        for n, port in enumerate(self.reads):
            wiring.connect(m, wiring.flipped(port.req), turn.inputs[n])
            m.d.comb += [
                port.beat.payload.data.eq(axi.rdata),
                port.beat.payload.error.eq(axi.rresp.as_value()[1]),
                port.beat.payload.last.eq(axi.rlast),
                port.beat.valid.eq(axi.rvalid & (axi.rid == n)),
            ]
            with m.If(axi.rid == n):
                m.d.comb += axi.rready.eq(port.beat.ready)
        outstanding = self.count(m, "reads_outstanding", axi.arvalid & axi.arready,
                                 axi.rvalid & axi.rready & axi.rlast)
        self.address(m, "ar", turn.output, turn.port)
        m.d.comb += [
            axi.arvalid.eq(turn.output.valid), turn.output.ready.eq(axi.arready),
            turn.stop.eq(self.stop | outstanding[-1]),
            self.read_idle.eq((outstanding == 0) & ~turn.output.valid),
        ]

    def connect_writes(self, m) -> None:
        axi = self.axi
        ports = len(self.writes)
        m.submodules.write_turn = turn = StreamArbiter(BurstRequest, ports)
        # AXI4 wants the data of bursts in the order of their addresses.
        m.submodules.order = order = fifo.SyncFIFOBuffered(width=range(ports).stop.bit_length(),
                                                           depth=8)
        for n, port in enumerate(self.writes):
            wiring.connect(m, wiring.flipped(port.req), turn.inputs[n])
            with m.If(order.r_rdy & (order.r_data == n)):
                m.d.comb += [
                    axi.wdata.eq(port.beat.payload.data), axi.wstrb.eq(port.beat.payload.strb),
                    axi.wlast.eq(port.beat.payload.last), axi.wvalid.eq(port.beat.valid),
                    port.beat.ready.eq(axi.wready),
                ]
            m.d.comb += [
                port.done.eq(axi.bvalid & (axi.bid == n)), port.error.eq(axi.bresp.as_value()[1]),
            ]
        outstanding = self.count(m, "writes_outstanding", axi.awvalid & axi.awready,
                                 axi.bvalid & axi.bready)
        self.address(m, "aw", turn.output, turn.port)
        m.d.comb += [
            axi.awvalid.eq(turn.output.valid & order.w_rdy),
            turn.output.ready.eq(axi.awready & order.w_rdy),
            order.w_data.eq(turn.port), order.w_en.eq(axi.awvalid & axi.awready),
            order.r_en.eq(axi.wvalid & axi.wready & axi.wlast),
            axi.bready.eq(1),
            turn.stop.eq(self.stop | outstanding[-1]),
            self.write_idle.eq((outstanding == 0) & ~turn.output.valid),
        ]
