"""Interrupts as memory writes."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.dma.single import BeatWriter
from hdl.accel.qm.config_space import MsiSettings
from hdl.accel.streams import WritePort
from hdl.onehot import encode, first_one
from spec.qm import VECTORS

MESSAGE_BYTES = 4


class MsiUnit(wiring.Component):
    """Sends one message per interrupt, lowest vector first, in the function's own space.

    Interrupts of a vector that waits already are merged with it. While a vector is masked its
    interrupt is pending; while MSI is disabled nothing is kept (reference 1.3, 4.9).

    Members
    -------
    irq
        Pulses, one bit per vector.
    settings, pending
        From and for the configuration space.
    write
        The memory.
    bus_error
        Pulse: a message was answered with an error, and is lost.
    """

    def __init__(self):
        super().__init__({
            "irq": In(VECTORS), "settings": In(MsiSettings), "pending": Out(VECTORS),
            "write": Out(WritePort()), "bus_error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.writer = writer = BeatWriter()
        wiring.connect(m, writer.write, wiring.flipped(self.write))
        settings, request = self.settings, writer.request
        waiting, sendable, chosen = Signal(VECTORS), Signal(VECTORS), Signal(VECTORS)
        vector, message = Signal(range(VECTORS)), Signal(8 * MESSAGE_BYTES)
        given = Signal.like(settings.data)     # the bits of DATA that name the vector
        m.d.comb += [
            sendable.eq(waiting & ~settings.mask), chosen.eq(first_one(sendable)),
            vector.eq(encode(chosen)), self.pending.eq(waiting),
            given.eq(Mux(settings.given >= VECTORS.bit_length() - 1, VECTORS - 1,
                         settings.given)),                # 0 bits: 0, 1 bit: 1
            message.eq((settings.data & ~given) | (vector & given)),
            request.valid.eq(sendable.any() & settings.enable),
            request.payload.addr.eq(settings.address & ~15),
            request.payload.data.eq(message.replicate(4)),
            request.payload.strb.eq(Const(2**MESSAGE_BYTES - 1) << (settings.address[2:4] << 2)),
            self.bus_error.eq(writer.done & writer.error),
        ]
        sent = Mux(request.valid & request.ready, chosen, 0)
        m.d.sync += waiting.eq(Mux(settings.enable, (waiting & ~sent) | self.irq, 0))
        return m
