"""The SMMU: one TBU per client, and the TCU."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.axi import AXI4, AXI4Lite, StreamUser
from hdl.mem.read import WIDTH
from hdl.regs.file import ADDR_WIDTH
from hdl.streams import ADDR_BITS, PA_BITS, Interrupts, TbuActivity, TcuActivity, Trace
from hdl.tbu.layouts import ID_BITS
from hdl.tbu.tbu import Tbu
from hdl.tcu.tcu import Tcu


class Smmu(wiring.Component):
    """`config.tbus` translated ports.

    Members
    -------
    cfg, irq
        Programming interface; wired interrupts.
    client{i}, mem{i}, trace{i}, activity{i}
        Of TBU i: its client, its memory port, its trace, what it does.
    tcu_activity
        What the TCU does.
    tables
        Memory port of the TCU.
    """

    def __init__(self, config):
        self.config = config
        members: dict = {}
        for i, width in enumerate(config.port_widths):
            members[f"client{i}"] = In(AXI4(addr_width=ADDR_BITS, data_width=width,
                                            id_width=ID_BITS, user=StreamUser))
            members[f"mem{i}"] = Out(AXI4(addr_width=PA_BITS, data_width=width, id_width=ID_BITS))
            members[f"trace{i}"] = Out(Trace())
            members[f"activity{i}"] = Out(TbuActivity())
        super().__init__(members | {
            "cfg": In(AXI4Lite(addr_width=ADDR_WIDTH)),
            "irq": Out(Interrupts()),
            "tcu_activity": Out(TcuActivity()),
            "tables": Out(AXI4(addr_width=PA_BITS, data_width=WIDTH, id_width=ID_BITS)),
        })

    def elaborate(self, platform):
        m = Module()
        tcu = m.submodules.tcu = Tcu(self.config)
        connect(m, flipped(self.cfg), tcu.cfg)
        connect(m, tcu.mem, flipped(self.tables))
        connect(m, tcu.irq, flipped(self.irq))
        connect(m, tcu.activity, flipped(self.tcu_activity))
        for i, width in enumerate(self.config.port_widths):
            tbu = Tbu(self.config, number=i, data_width=width)
            m.submodules[f"tbu{i}"] = tbu
            connect(m, flipped(getattr(self, f"client{i}")), tbu.client)
            connect(m, tbu.memory, flipped(getattr(self, f"mem{i}")))
            connect(m, tbu.trace, flipped(getattr(self, f"trace{i}")))
            connect(m, tbu.activity, flipped(getattr(self, f"activity{i}")))
            connect(m, tbu.request, tcu.request[i])
            connect(m, tcu.response[i], tbu.response)
            connect(m, tcu.invalidation[i], tbu.invalidation)
            connect(m, tcu.sync[i], tbu.sync)
            m.d.comb += tbu.enable.eq(tcu.enable)
        return m
