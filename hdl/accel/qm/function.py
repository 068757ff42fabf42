"""The function's own state: which queues it has, and internal memory initialisation."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.streams import Live
from hdl.layouts import view
from spec.qm import (
    CQC_VFT,
    MEM_INIT_DONE,
    MEM_START_INIT,
    SQC_VFT,
    VFT_CFG,
    VFT_CFG_DATA_H,
    VFT_CFG_DATA_L,
    VFT_CFG_OP_ENABLE,
    VFT_CFG_OP_WR,
    VFT_CFG_RDY,
    VFT_CFG_TYPE,
    VftType,
)

REGISTERS = [MEM_START_INIT, MEM_INIT_DONE, VFT_CFG_OP_ENABLE, VFT_CFG_OP_WR, VFT_CFG_TYPE, VFT_CFG,
             VFT_CFG_DATA_L, VFT_CFG_DATA_H, VFT_CFG_RDY]


class FunctionState(wiring.Component):
    """VFT handshake (reference 2.5) and memory initialisation, both done one cycle after they are
    asked for. Only function 0 has queues; operations on others read 0 and change nothing.

    Members
    -------
    registers
        One `Live` per name of `REGISTERS`.
    queue_count
        Queues of the function; 0 without a valid SQC and CQC entry.
    sqc_vft
        The SQC entry (mailbox SQC_VFT_V2).
    forget_sq, forget_cq, forget_events
        Pulses: all contexts of the kind are void.
    """

    def __init__(self, *, queues: int):
        self.queues = queues
        super().__init__({
            "registers": Out(wiring.Signature({r.__name__: In(Live()) for r in REGISTERS})),
            "queue_count": Out(range(queues + 1)), "sqc_vft": Out(64),
            "forget_sq": Out(1), "forget_cq": Out(1), "forget_events": Out(1),
        })

    def register(self, register):
        return getattr(self.registers, register.__name__)

    def elaborate(self, platform):
        m = Module()
        stored = {}
        for register in (VFT_CFG_OP_WR, VFT_CFG_TYPE, VFT_CFG, VFT_CFG_DATA_L, VFT_CFG_DATA_H,
                         VFT_CFG_RDY):
            live = self.register(register)
            stored[register] = value = Signal(32, init=register.RESET, name=register.__name__)
            m.d.comb += live.value.eq(value)
            with m.If(live.write):
                m.d.sync += value.eq(live.data)

        entries = {kind: Signal(64, name=f"vft_{kind.name}") for kind in VftType}
        self.operate(m, stored, entries)
        sqc, cqc = view(SQC_VFT, entries[VftType.SQC]), view(CQC_VFT, entries[VftType.CQC])
        asked = sqc.number_minus_1 + 1
        m.d.comb += self.sqc_vft.eq(entries[VftType.SQC])
        with m.If(sqc.valid & cqc.valid):
            m.d.comb += self.queue_count.eq(Mux(asked < self.queues, asked, self.queues))

        start, done = self.register(MEM_START_INIT), self.register(MEM_INIT_DONE)
        with m.If(start.write & start.data[0]):
            m.d.comb += [self.forget_sq.eq(1), self.forget_cq.eq(1), self.forget_events.eq(1)]
            m.d.sync += done.value.eq(1)
            m.d.sync += [entry.eq(0) for entry in entries.values()]
        return m

    def operate(self, m, stored, entries) -> None:
        """Run a VFT operation; VFT_CFG_RDY says done in the next cycle."""
        enable = self.register(VFT_CFG_OP_ENABLE)
        reads = view(VFT_CFG_OP_WR, stored[VFT_CFG_OP_WR]).READ
        function_0 = view(VFT_CFG, stored[VFT_CFG]).FUNCTION == 0
        word = Cat(stored[VFT_CFG_DATA_L], stored[VFT_CFG_DATA_H])
        run = Signal()
        m.d.comb += run.eq(enable.write & enable.data[0])
        with m.If(run):
            m.d.sync += stored[VFT_CFG_RDY].eq(1)
            with m.If(reads):
                m.d.sync += word.eq(0)
            with m.Switch(view(VFT_CFG_TYPE, stored[VFT_CFG_TYPE]).TYPE):
                for kind, entry in entries.items():
                    with m.Case(kind), m.If(function_0):
                        with m.If(reads):
                            m.d.sync += word.eq(entry)
                        with m.Else():
                            m.d.sync += entry.eq(word)
                            m.d.comb += [self.forget_sq.eq(kind == VftType.SQC),
                                         self.forget_cq.eq(kind == VftType.CQC)]
