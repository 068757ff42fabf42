"""Top level: wiring only."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.axi import AXI4, AXI4Lite, StreamUser
from hdl.mem.read import WIDTH
from hdl.regs.file import ADDR_WIDTH
from hdl.smmu import Smmu
from hdl.streams import ADDR_BITS, PA_BITS, Interrupts, Trace
from hdl.tbu.layouts import ID_BITS

DEVICE_ADDR_BITS = 24  # BAR2 at 0, doorbell pages of BAR4 from 0x400000


class Substream(wiring.Component):
    """The SMMU with the accelerator on its first TBU.

    Members
    -------
    cfg, irq
        The SMMU's register pages and wired interrupts.
    dev, dev_irq
        The accelerator's BARs and interrupts.
    client{i}
        Ports for other AXI4 masters.
    mem0
        The SMMU's own accesses.
    mem1, trace0
        The accelerator's TBU.
    mem{2+i}, trace{1+i}
        Client i's TBU.
    """

    def __init__(self, config):
        self.config = config
        width = config.data_width
        members: dict = {
            "cfg": In(AXI4Lite(addr_width=ADDR_WIDTH)),
            "dev": In(AXI4Lite(addr_width=DEVICE_ADDR_BITS)),
            "irq": Out(Interrupts()),
            "dev_irq": Out(wiring.Signature({"eq": Out(1), "aeq": Out(1), "abnormal": Out(1)})),
            "mem0": Out(AXI4(addr_width=PA_BITS, data_width=WIDTH, id_width=ID_BITS)),
        }
        for i in range(config.clients):
            members[f"client{i}"] = In(AXI4(addr_width=ADDR_BITS, data_width=width,
                                            id_width=ID_BITS, user=StreamUser))
        for i in range(config.tbus):
            members[f"mem{1 + i}"] = Out(AXI4(addr_width=PA_BITS, data_width=width,
                                              id_width=ID_BITS))
            members[f"trace{i}"] = Out(Trace())
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        smmu = m.submodules.smmu = Smmu(self.config)
        connect(m, flipped(self.cfg), smmu.cfg)
        connect(m, smmu.irq, flipped(self.irq))
        connect(m, smmu.tables, flipped(self.mem0))
        for i in range(self.config.tbus):
            connect(m, smmu.mem[i], flipped(getattr(self, f"mem{1 + i}")))
            connect(m, smmu.trace[i], flipped(getattr(self, f"trace{i}")))
        for i in range(self.config.clients):
            connect(m, flipped(getattr(self, f"client{i}")), smmu.client[1 + i])
        return m
