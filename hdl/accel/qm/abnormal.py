"""Errors of the device as a whole and their interrupt."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.streams import Live
from spec.qm import (
    ABNORMAL_INT_MASK,
    ABNORMAL_INT_SOURCE,
    ABNORMAL_INT_STATUS,
    RAS_CE_ENABLE,
    RAS_NFE_ENABLE,
)

REGISTERS = [ABNORMAL_INT_SOURCE, ABNORMAL_INT_MASK, ABNORMAL_INT_STATUS, RAS_CE_ENABLE,
             RAS_NFE_ENABLE]


class Abnormal(wiring.Component):
    """Error bits (reference 5.1): sticky until written 1, STATUS = SOURCE and not MASK.

    Members
    -------
    raise_read, raise_write, raise_random
        Pulses: an access of the queue manager itself was answered with an error; a doorbell had
        the wrong random value.
    registers
        One `Live` per name of `REGISTERS`.
    irq
        Pulse: an error appears that is not masked and is enabled as CE or NFE.
    """

    def __init__(self):
        super().__init__({
            "raise_read": In(1), "raise_write": In(1), "raise_random": In(1),
            "registers": Out(wiring.Signature({r.__name__: In(Live()) for r in REGISTERS})),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        live = {register: getattr(self.registers, register.__name__) for register in REGISTERS}
        source, raised = Signal(32), Signal(32)
        active, before = Signal(32), Signal(32)
        field = ABNORMAL_INT_SOURCE
        for register in (ABNORMAL_INT_MASK, RAS_CE_ENABLE, RAS_NFE_ENABLE):
            value = Signal(32, init=register.RESET, name=register.__name__)
            m.d.comb += live[register].value.eq(value)
            with m.If(live[register].write):
                m.d.sync += value.eq(live[register].data)
        clear = live[ABNORMAL_INT_SOURCE]
        m.d.comb += [
            raised[field.axi_rresp.lsb].eq(self.raise_read),
            raised[field.axi_bresp.lsb].eq(self.raise_write),
            raised[field.db_random_invalid.lsb].eq(self.raise_random),
            clear.value.eq(source),
            live[ABNORMAL_INT_STATUS].value.eq(source & ~live[ABNORMAL_INT_MASK].value),
            active.eq(live[ABNORMAL_INT_STATUS].value
                      & (live[RAS_CE_ENABLE].value | live[RAS_NFE_ENABLE].value)),
            self.irq.eq((active & ~before).any()),
        ]
        m.d.sync += before.eq(active)
        with m.If(clear.write):
            m.d.sync += source.eq((source & ~clear.data) | raised)
        with m.Else():
            m.d.sync += source.eq(source | raised)
        return m
