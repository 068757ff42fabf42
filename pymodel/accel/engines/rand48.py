"""The random fill engine."""

from pymodel.accel.engines.engine import Engine
from spec.sec import BD3, RAND48_BITS, RAND48_INCREMENT, RAND48_MULTIPLIER

STEP_BYTES = 4


class Rand48Engine(Engine):
    """Gives the sequence of rand48 from the seed in `c_ivin_addr`, 4 bytes a step."""

    READS = False

    def __init__(self, bd: BD3, key: bytes = b"", iv: bytes = b"") -> None:
        self._state = bd.c_ivin_addr % (1 << RAND48_BITS)

    def work(self, data: bytes) -> bytes:
        out = bytearray()
        while len(out) < len(data):
            self._state = (self._state * RAND48_MULTIPLIER + RAND48_INCREMENT) % (1 << RAND48_BITS)
            out += (self._state >> RAND48_BITS - 8 * STEP_BYTES).to_bytes(STEP_BYTES, "little")
        return bytes(out[:len(data)])
