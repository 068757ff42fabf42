"""The random number engine."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.accel.streams import BEAT_BYTES, DATA_BITS, LENGTH_BITS, Engine
from spec.sec import RAND48_BITS, RAND48_INCREMENT, RAND48_MULTIPLIER

STEP_BITS = 32                        # given by each step: the upper bits of the new state
STEPS = DATA_BITS // STEP_BITS


class Rand48Engine(wiring.Component):
    """Operation RAND48: one step of the sequence per cycle, 4 bytes."""

    def __init__(self):
        super().__init__({"port": In(Engine())})

    def elaborate(self, platform):
        m = Module()
        port = self.port
        started, ended = Signal(), Signal()
        old, new = Signal(RAND48_BITS), Signal(RAND48_BITS)
        words, step = Signal(DATA_BITS), Signal(range(STEPS))
        left = Signal(LENGTH_BITS)
        m.d.comb += [
            new.eq(Mux(started, old, port.job.iv[:RAND48_BITS]) * RAND48_MULTIPLIER
                   + RAND48_INCREMENT),
            port.result.payload.data.eq(words), port.result.payload.last.eq(left <= BEAT_BYTES),
        ]
        with m.If(port.result.valid & port.result.ready):
            m.d.sync += [
                port.result.valid.eq(0), left.eq(left - BEAT_BYTES),
                ended.eq(port.result.payload.last),
            ]
        with m.If(port.go & ~started):
            m.d.sync += left.eq(port.job.length)
        with m.If(port.go & ~ended & (~port.result.valid | port.result.ready)
                  & ~(port.result.valid & port.result.payload.last)):
            m.d.sync += [
                old.eq(new), started.eq(1), step.eq(step + 1),
                words.eq(Cat(words[STEP_BITS:], new[-STEP_BITS:])),
                port.result.valid.eq(step == STEPS - 1),
            ]
        return m
