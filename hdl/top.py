"""Top level: wiring only."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.accel.accelerator import Accelerator
from hdl.accel.qm.registers import ADDR_WIDTH as DEVICE_ADDR_WIDTH
from hdl.accel.streams import AcceleratorInterrupts
from hdl.axi import AXI4, AXI4Lite, StreamUser
from hdl.mem.read import WIDTH
from hdl.regs.file import ADDR_WIDTH
from hdl.smmu import Smmu
from hdl.streams import ADDR_BITS, PA_BITS, Interrupts, TbuActivity, TcuActivity, Trace
from hdl.tbu.layouts import ID_BITS


class Substream(wiring.Component):
    """The SMMU with the accelerator on its first TBU.

    Members
    -------
    cfg, irq
        The SMMU's register pages and wired interrupts.
    dev, dev_irq
        The accelerator's BARs (hdl/accel) and interrupts.
    client{i}
        Ports for other AXI4 masters.
    mem0, tcu_activity
        The SMMU's own accesses; what its TCU does, for counters.
    mem1, trace0, activity0
        The accelerator's TBU.
    mem{2+i}, trace{1+i}, activity{1+i}
        Client i's TBU.
    """

    def __init__(self, config):
        self.config = config
        members: dict = {
            "cfg": In(AXI4Lite(addr_width=ADDR_WIDTH)),
            "dev": In(AXI4Lite(addr_width=DEVICE_ADDR_WIDTH)),
            "irq": Out(Interrupts()),
            "dev_irq": Out(AcceleratorInterrupts()),
            "tcu_activity": Out(TcuActivity()),
            "mem0": Out(AXI4(addr_width=PA_BITS, data_width=WIDTH, id_width=ID_BITS)),
        }
        for i in range(config.clients):
            members[f"client{i}"] = In(AXI4(addr_width=ADDR_BITS, data_width=config.data_width,
                                            id_width=ID_BITS, user=StreamUser))
        for i, width in enumerate(config.port_widths):
            members[f"mem{1 + i}"] = Out(AXI4(addr_width=PA_BITS, data_width=width,
                                              id_width=ID_BITS))
            members[f"trace{i}"] = Out(Trace())
            members[f"activity{i}"] = Out(TbuActivity())
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        smmu = m.submodules.smmu = Smmu(self.config)
        accelerator = m.submodules.accelerator = Accelerator(self.config)
        connect(m, flipped(self.dev), accelerator.dev)
        connect(m, accelerator.irq, flipped(self.dev_irq))
        connect(m, accelerator.axi, smmu.client0)
        connect(m, flipped(self.cfg), smmu.cfg)
        connect(m, smmu.irq, flipped(self.irq))
        connect(m, smmu.tcu_activity, flipped(self.tcu_activity))
        connect(m, smmu.tables, flipped(self.mem0))
        for i in range(self.config.tbus):
            connect(m, getattr(smmu, f"mem{i}"), flipped(getattr(self, f"mem{1 + i}")))
            for name in (f"trace{i}", f"activity{i}"):
                connect(m, getattr(smmu, name), flipped(getattr(self, name)))
        for i in range(self.config.clients):
            connect(m, flipped(getattr(self, f"client{i}")),
                    getattr(smmu, f"client{1 + i}"))
        return m
