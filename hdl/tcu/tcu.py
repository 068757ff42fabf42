"""Translation control unit: registers, queues and the Translator on one memory port."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.axi import AXI4, AXI4Lite
from hdl.mem.merge import StreamMerge, StreamSplit
from hdl.mem.read import WIDTH, ReadArbiter
from hdl.mem.write import WriteArbiter
from hdl.regs.file import ADDR_WIDTH, RegisterFile
from hdl.streams import (
    PA_BITS,
    Interrupts,
    Invalidation,
    Sync,
    TcuActivity,
    TranslationRequest,
    TranslationResponse,
)
from hdl.tcu.maintenance import Maintenance
from hdl.tcu.queues.engine import QueueEngine
from hdl.tcu.stalls.buffer import StallBuffer
from hdl.tcu.translate import Translator


class Tcu(wiring.Component):
    """Answers the TBUs and serves the programming interface.

    Members
    -------
    cfg
        The SMMU's register pages.
    mem
        Every access of the SMMU itself: tables, queues, MSIs.
    request, response, invalidation, sync
        Per TBU.
    enable
        SMMUEN, for the TBUs.
    irq
        Wired interrupts.
    """

    def __init__(self, config):
        self.config = config
        tbus = config.tbus
        super().__init__({
            "cfg": In(AXI4Lite(addr_width=ADDR_WIDTH)),
            "mem": Out(AXI4(addr_width=PA_BITS, data_width=WIDTH, id_width=8)),
            "request": In(stream.Signature(TranslationRequest)).array(tbus),
            "response": Out(stream.Signature(TranslationResponse)).array(tbus),
            "invalidation": Out(stream.Signature(Invalidation)).array(tbus),
            "sync": Out(Sync()).array(tbus),
            "enable": Out(1),
            "irq": Out(Interrupts()),
            "activity": Out(TcuActivity()),
        })

    def elaborate(self, platform):
        m = Module()
        config, tbus = self.config, self.config.tbus
        registers = m.submodules.registers = RegisterFile(config)
        queues = m.submodules.queues = QueueEngine(config, consumers=1)
        translator = m.submodules.translator = Translator(config)
        maintenance = m.submodules.maintenance = Maintenance(tbus=tbus)
        requests = m.submodules.requests = StreamMerge(TranslationRequest, count=tbus)
        responses = m.submodules.responses = StreamSplit(TranslationResponse, count=tbus, by="tbu")
        reads = m.submodules.reads = ReadArbiter(ports=2, outstanding=config.memory_reads)
        writes = m.submodules.writes = WriteArbiter(ports=2)

        connect(m, flipped(self.cfg), registers.cfg)
        connect(m, registers.state, translator.state)
        connect(m, registers.queues, queues.regs)
        connect(m, queues.irq, flipped(self.irq))
        connect(m, translator.activity, flipped(self.activity))
        m.d.comb += self.enable.eq(registers.state.smmuen)

        for i in range(tbus):
            connect(m, flipped(self.request[i]), requests.source[i])
            connect(m, responses.sink[i], flipped(self.response[i]))
            connect(m, maintenance.tbu_inv[i], flipped(self.invalidation[i]))
            connect(m, maintenance.tbu_sync[i], flipped(self.sync[i]))
        connect(m, requests.sink, translator.req)
        if config.impl.stalls:
            self._stalls(m, translator, queues, responses)
        else:
            connect(m, translator.resp, responses.source)
            connect(m, translator.event, queues.event)
        connect(m, queues.inv, maintenance.inv)
        connect(m, queues.syncs[0], maintenance.sync)
        connect(m, maintenance.translator_inv, translator.inv)
        connect(m, maintenance.translator_sync, translator.sync)

        connect(m, translator.mem, reads.port[0])
        connect(m, queues.read, reads.port[1])
        connect(m, queues.write, writes.port[0])
        connect(m, translator.write, writes.port[1])
        m.d.comb += axi_join(self.mem, reads.axi, writes.axi)
        return m

    def _stalls(self, m, translator, queues, responses) -> None:
        """The stall buffer between the translator, the Event queue and the TBUs."""
        stalls = m.submodules.stalls = StallBuffer(self.config)
        connect(m, translator.event, stalls.event)
        connect(m, translator.resp, stalls.response)
        connect(m, stalls.record, queues.event)
        connect(m, stalls.answer, responses.source)
        connect(m, queues.stall_cmd, stalls.command)
        m.d.comb += [stalls.verdict.eq(queues.verdict), stalls.writable.eq(queues.writable),
                     stalls.enable.eq(self.enable)]


def axi_join(port, reads, writes) -> list:
    """Assignments that make one AXI4 master of one that reads and one that writes."""
    statements = []
    for name, member in port.signature.members.items():
        side = reads if name.startswith(("ar", "r")) else writes
        inner, outer = getattr(side, name), getattr(port, name)
        statements.append(outer.eq(inner) if member.flow == Out else inner.eq(outer))
    return statements
