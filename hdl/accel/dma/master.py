"""The accelerator's only way to memory: many read and write ports on one AXI4 master."""

from amaranth import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import StreamArbiter
from hdl.accel.streams import (
    BEAT_BYTES,
    DATA_BITS,
    BurstRequest,
    ReadPort,
    WriteBeat,
    WritePort,
)
from hdl.axi import AXI4, Burst, StreamUser
from hdl.streams import ADDR_BITS

OUTSTANDING = 256
ID_BITS = 8
PORTS = 2 ** (ID_BITS - 1)   # of each kind; the upper half of the ids belongs to the other life


class LifeRequest(data.Struct):
    """A burst, and in which life of the device it was asked for."""

    request: BurstRequest
    life: unsigned(1)


class MemoryMaster(wiring.Component):
    """Ports in turn, burst by burst; AxID is the port's number, so ports never wait for each
    other's answers.

    A reset of the device (`reset`) begins a new life with the other half of the ids. What is under
    way is completed as AXI4 wants: beats still owed to a write are sent without strobes, and
    answers go to nobody. Only if accesses of the life before last are still under way, the new life
    waits for them.

    All accesses carry `sid`, the request's Space, and PnU = InD = 0 (unprivileged data).

    Members
    -------
    reads, writes
        The ports; read port n and write port n use the same AXI id.
    reset
        Pulse: the blocks behind all ports are reset in this cycle. This block must not be.
    stop, read_idle, write_idle
        While `stop` no burst is begun; idle: none is under way (reference 2.3, TRANS_RETURN).
    """

    def __init__(self, *, sid: int, reads: int, writes: int):
        assert max(reads, writes) <= PORTS
        self.sid = sid
        super().__init__({
            "reads": In(ReadPort()).array(reads), "writes": In(WritePort()).array(writes),
            "axi": Out(AXI4(addr_width=ADDR_BITS, data_width=DATA_BITS, id_width=ID_BITS,
                            user=StreamUser)),
            "reset": In(1), "stop": In(1), "read_idle": Out(1), "write_idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        self.life = Signal()
        with m.If(self.reset):
            m.d.sync += self.life.eq(~self.life)
        self.connect_reads(m)
        self.connect_writes(m)
        return m

    def address(self, m, c: str, turn) -> None:
        """Drive address channel `c` (ar, aw) with the chosen request."""
        axi, request = self.axi, turn.output.payload.request
        user = getattr(axi, f"{c}user")
        m.d.comb += [
            getattr(axi, f"{c}id").eq(turn.port | turn.output.payload.life << ID_BITS - 1),
            getattr(axi, f"{c}addr").eq(request.addr),
            getattr(axi, f"{c}len").eq(request.len),
            getattr(axi, f"{c}size").eq((BEAT_BYTES - 1).bit_length()),
            getattr(axi, f"{c}burst").eq(Burst.INCR),
            getattr(axi, f"{c}cache").eq(Const(0xF, 4)),   # write-back, allocate
            getattr(axi, f"{c}prot").ns.eq(1),
            user.sid.eq(self.sid), user.ssv.eq(request.space.ssv),
            user.ssid.eq(request.space.ssid),
        ]

    def choose(self, m, name: str, ports, end, ended_life):
        """Arbiter over the ports' requests, stopped when it must be; whether this life may have
        answers; whether no burst of any life is under way. `end`: a burst of `ended_life` has its
        last answer."""
        m.submodules[f"{name}_turn"] = turn = StreamArbiter(LifeRequest, len(ports))
        taken, blocked = Signal(name=f"{name}_taken"), Signal(name=f"{name}_blocked")
        for n, port in enumerate(ports):
            inner = turn.inputs[n]
            m.d.comb += [
                inner.valid.eq(port.req.valid), inner.payload.request.eq(port.req.payload),
                inner.payload.life.eq(self.life), port.req.ready.eq(inner.ready),
            ]
            with m.If(inner.valid & inner.ready):
                m.d.comb += taken.eq(1)
        counts = [Signal(range(OUTSTANDING), name=f"{name}_of_life{life}") for life in range(2)]
        for life, count in enumerate(counts):
            m.d.sync += count.eq(count + (taken & (self.life == life))
                                 - (end & (ended_life == life)))
        now, other = Mux(self.life, *reversed(counts)), Mux(self.life, *counts)
        with m.If(self.reset):
            m.d.sync += blocked.eq(other != 0)
        with m.Elif(now == 0):
            m.d.sync += blocked.eq(0)
        m.d.comb += turn.stop.eq(self.stop | blocked | now[-1])
        return turn, ~blocked, (now == 0) & (other == 0)

    def connect_reads(self, m) -> None:
        axi = self.axi
        turn, mine, idle = self.choose(m, "read", self.reads,
                                       axi.rvalid & axi.rready & axi.rlast, axi.rid[-1])
        m.d.comb += axi.rready.eq(1)
        for n, port in enumerate(self.reads):
            here = mine & (axi.rid == (n | self.life << ID_BITS - 1))
            m.d.comb += [
                port.beat.payload.data.eq(axi.rdata),
                port.beat.payload.error.eq(axi.rresp.as_value()[1]),
                port.beat.payload.last.eq(axi.rlast),
                port.beat.valid.eq(axi.rvalid & here),
            ]
            with m.If(here):
                m.d.comb += axi.rready.eq(port.beat.ready)
        self.address(m, "ar", turn)
        m.d.comb += [
            axi.arvalid.eq(turn.output.valid), turn.output.ready.eq(axi.arready),
            self.read_idle.eq(idle),
        ]

    def connect_writes(self, m) -> None:
        axi = self.axi
        ports = len(self.writes)
        turn, mine, idle = self.choose(m, "write", self.writes, axi.bvalid & axi.bready,
                                       axi.bid[-1])
        # AXI4 wants the data of bursts in the order of their addresses, and lets a slave wait for
        # data before it takes the address.
        owed = data.StructLayout({"port": range(ports), "len": 8, "life": 1})
        m.submodules.order = order = fifo.SyncFIFOBuffered(width=owed.size, depth=8)
        first, last = data.View(owed, order.r_data), data.View(owed, order.w_data)
        known = Signal()                        # the chosen burst is in `order` already
        beats = Signal(8)                       # of the first burst that have been sent
        give, room, ends = Signal(), ~axi.wvalid | axi.wready, beats == first.len
        beat = Signal(WriteBeat)
        with m.If(axi.wready):
            m.d.sync += axi.wvalid.eq(0)
        with m.If(give):
            m.d.sync += [
                axi.wvalid.eq(1), axi.wdata.eq(beat.data), axi.wstrb.eq(beat.strb),
                axi.wlast.eq(ends), beats.eq(Mux(ends, 0, beats + 1)),
            ]
        with m.If(~mine | (first.life != self.life)):
            m.d.comb += give.eq(order.r_rdy & room)          # nobody has the data any more
        for n, port in enumerate(self.writes):
            with m.If(order.r_rdy & mine & (first.life == self.life) & (first.port == n)):
                m.d.comb += [
                    beat.eq(port.beat.payload), give.eq(port.beat.valid & room),
                    port.beat.ready.eq(room),
                ]
            m.d.comb += [
                port.done.eq(axi.bvalid & mine & (axi.bid == (n | self.life << ID_BITS - 1))),
                port.error.eq(axi.bresp.as_value()[1]),
            ]
        self.address(m, "aw", turn)
        m.d.sync += known.eq(axi.awvalid & ~axi.awready)
        m.d.comb += [
            axi.awvalid.eq(turn.output.valid & (known | order.w_rdy)),
            turn.output.ready.eq(axi.awvalid & axi.awready),
            last.port.eq(turn.port), last.len.eq(turn.output.payload.request.len),
            last.life.eq(turn.output.payload.life), order.w_en.eq(axi.awvalid & ~known),
            order.r_en.eq(give & ends),
            axi.bready.eq(1),
            self.write_idle.eq(idle),
        ]
