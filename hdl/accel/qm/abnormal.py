"""Errors of the device as a whole and their interrupt."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.streams import Live
from spec.qm import (
    ABNORMAL_INF00,
    ABNORMAL_INT_MASK,
    ABNORMAL_INT_SET,
    ABNORMAL_INT_SOURCE,
    ABNORMAL_INT_STATUS,
    RAS_CE_ENABLE,
    RAS_NFE_ENABLE,
    OverflowType,
)

REGISTERS = [ABNORMAL_INT_SOURCE, ABNORMAL_INT_MASK, ABNORMAL_INT_STATUS, ABNORMAL_INT_SET,
             ABNORMAL_INF00, RAS_CE_ENABLE, RAS_NFE_ENABLE]
ERRORS = sum(field.mask for field in ABNORMAL_INT_SOURCE.FIELDS.values())


class Abnormal(wiring.Component):
    """Error bits (reference 5.1): sticky until written 1, STATUS = SOURCE and not MASK.

    INF00 names the last FIFO overflow. One of a CQ shows there only, since every owner of a queue
    can cause it: no error of the device, which may mean a reset of everybody.

    Members
    -------
    raise_read, raise_write, raise_random
        Pulses: an access of the queue manager itself was answered with an error; a doorbell had
        the wrong random value.
    cq_overflow, cq_number
        Pulse: jobs of this queue wait for room in its CQ.
    eq_overflow, aeq_overflow, eq_number, aeq_number
        Pulses: an entry for this queue waits for room in EQ or AEQ.
    registers
        One `Live` per name of `REGISTERS`.
    irq
        Pulse: an error appears that is not masked and is enabled as CE or NFE.
    """

    def __init__(self, *, queues: int):
        number = range(queues)
        super().__init__({
            "raise_read": In(1), "raise_write": In(1), "raise_random": In(1),
            "cq_overflow": In(1), "eq_overflow": In(1), "aeq_overflow": In(1),
            "cq_number": In(number), "eq_number": In(number), "aeq_number": In(number),
            "registers": Out(wiring.Signature({r.__name__: In(Live()) for r in REGISTERS})),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        live = {register: getattr(self.registers, register.__name__) for register in REGISTERS}
        source, raised, set_bits = Signal(32), Signal(32), Signal(32)
        active, before = Signal(32), Signal(32)
        field = ABNORMAL_INT_SOURCE
        for register in (ABNORMAL_INT_MASK, RAS_CE_ENABLE, RAS_NFE_ENABLE):
            value = Signal(32, init=register.RESET, name=register.__name__)
            m.d.comb += live[register].value.eq(value)
            with m.If(live[register].write):
                m.d.sync += value.eq(live[register].data)
        clear, inject = live[ABNORMAL_INT_SOURCE], live[ABNORMAL_INT_SET]
        with m.If(inject.write):
            m.d.comb += set_bits.eq(inject.data & ERRORS)
        m.d.comb += [
            raised[field.axi_rresp.lsb].eq(self.raise_read),
            raised[field.axi_bresp.lsb].eq(self.raise_write),
            raised[field.db_random_invalid.lsb].eq(self.raise_random),
            raised[field.of_fifo_of.lsb].eq(self.eq_overflow | self.aeq_overflow),
            clear.value.eq(source),
            live[ABNORMAL_INT_STATUS].value.eq(source & ~live[ABNORMAL_INT_MASK].value),
            active.eq(live[ABNORMAL_INT_STATUS].value
                      & (live[RAS_CE_ENABLE].value | live[RAS_NFE_ENABLE].value)),
            self.irq.eq((active & ~before).any()),
        ]
        m.d.sync += [before.eq(active), source.eq(source | raised | set_bits)]
        with m.If(clear.write):          # what is raised in this very cycle appears anew
            m.d.sync += [before.eq(active & ~clear.data),
                         source.eq((source & ~clear.data) | raised)]
        self.note_overflow(m, live[ABNORMAL_INF00].value)
        return m

    def note_overflow(self, m, shown) -> None:
        info = Signal(32)
        m.d.comb += shown.eq(info)
        for kind, pulse, number in (
                (OverflowType.CQ, self.cq_overflow, self.cq_number),
                (OverflowType.EQ, self.eq_overflow, self.eq_number),
                (OverflowType.AEQ, self.aeq_overflow, self.aeq_number)):
            with m.If(pulse):
                m.d.sync += info.eq((kind << ABNORMAL_INF00.type.lsb)
                                    | (number << ABNORMAL_INF00.queue.lsb))
