"""The SMMU: one TBU per client, and the TCU."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.axi import AXI4, AXI4Lite, StreamUser
from hdl.mem.read import WIDTH
from hdl.regs.file import ADDR_WIDTH
from hdl.streams import ADDR_BITS, PA_BITS, Interrupts, Trace
from hdl.tbu.layouts import ID_BITS
from hdl.tbu.tbu import Tbu
from hdl.tcu.tcu import Tcu


class Smmu(wiring.Component):
    """`config.tbus` translated ports.

    Members
    -------
    cfg, irq
        Programming interface; wired interrupts.
    client, mem, trace
        Per TBU: its client, its memory port, its trace.
    tables
        Memory port of the TCU.
    """

    def __init__(self, config):
        self.config = config
        tbus, width = config.tbus, config.data_width
        super().__init__({
            "cfg": In(AXI4Lite(addr_width=ADDR_WIDTH)),
            "irq": Out(Interrupts()),
            "tables": Out(AXI4(addr_width=PA_BITS, data_width=WIDTH, id_width=ID_BITS)),
            "client": In(AXI4(addr_width=ADDR_BITS, data_width=width, id_width=ID_BITS,
                              user=StreamUser)).array(tbus),
            "mem": Out(AXI4(addr_width=PA_BITS, data_width=width, id_width=ID_BITS)).array(tbus),
            "trace": Out(Trace()).array(tbus),
        })

    def elaborate(self, platform):
        m = Module()
        tcu = m.submodules.tcu = Tcu(self.config)
        connect(m, flipped(self.cfg), tcu.cfg)
        connect(m, tcu.mem, flipped(self.tables))
        connect(m, tcu.irq, flipped(self.irq))
        for i in range(self.config.tbus):
            tbu = Tbu(self.config, number=i)
            m.submodules[f"tbu{i}"] = tbu
            connect(m, flipped(self.client[i]), tbu.client)
            connect(m, tbu.memory, flipped(self.mem[i]))
            connect(m, tbu.trace, flipped(self.trace[i]))
            connect(m, tbu.request, tcu.request[i])
            connect(m, tcu.response[i], tbu.response)
            connect(m, tcu.invalidation[i], tbu.invalidation)
            connect(m, tcu.sync[i], tbu.sync)
            m.d.comb += tbu.enable.eq(tcu.enable)
        return m
