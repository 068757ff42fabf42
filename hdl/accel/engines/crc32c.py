"""The checksum engine."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.accel.streams import BEAT_BYTES, DATA_BITS, Engine

CRC_BITS = 32
POLYNOMIAL = 0x82F6_3B78      # Castagnoli, bit-reversed: the coefficient of x^31 is bit 0
ONES = (1 << CRC_BITS) - 1


class Crc32cEngine(wiring.Component):
    """Operation CRC32C: 16 bytes per cycle, the bytes of a last chunk that is not full one per
    cycle."""

    def __init__(self):
        super().__init__({"port": In(Engine())})

    def elaborate(self, platform):
        m = Module()
        port = self.port
        crc = Signal(CRC_BITS, init=ONES)
        tail, left = Signal(DATA_BITS - 8), Signal(range(BEAT_BYTES))   # bytes still to do
        odd, chunk = port.job.length % BEAT_BYTES, port.source.payload
        m.d.comb += [
            port.source.ready.eq(port.go & (left == 0)), port.value.eq(crc ^ ONES),
        ]
        with m.If(left != 0):
            m.d.sync += [
                crc.eq(advance(crc ^ tail[:8], 1)), tail.eq(tail >> 8), left.eq(left - 1),
                port.finished.eq(left == 1),
            ]
        with m.Elif(port.source.valid & port.source.ready):
            with m.If(chunk.last & (odd != 0)):
                m.d.sync += [tail.eq(chunk.data), left.eq(odd)]
            with m.Else():
                m.d.sync += [crc.eq(advance(chunk.data ^ crc, BEAT_BYTES)),
                             port.finished.eq(chunk.last)]
        return m


def advance(value, count: int):
    """The CRC register after `count` bytes: `value` is the register before, with the bytes added
    from bit 0 on."""
    width = max(CRC_BITS, 8 * count)
    effect = [_shift(1 << bit, count) for bit in range(width)]     # of each bit of `value`
    return Cat((value & Const(sum((effect[bit] >> out & 1) << bit for bit in range(width)), width))
               .xor() for out in range(CRC_BITS))


def _shift(value: int, count: int) -> int:
    """Divide bit by bit; bits above the register come down as its lower ones leave."""
    for _ in range(8 * count):
        value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
    return value
