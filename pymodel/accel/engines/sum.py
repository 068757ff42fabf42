"""The sum engine."""

from pymodel.accel.engines.engine import Engine
from spec.sec import BD3

WORD_BYTES = 8


class SumEngine(Engine):
    """Adds the little-endian words of the source; the last one is padded with zeros."""

    WRITES = False

    def __init__(self, bd: BD3, key: bytes = b"", iv: bytes = b"") -> None:
        self._sum = 0

    def work(self, data: bytes) -> bytes:
        for at in range(0, len(data), WORD_BYTES):
            self._sum += int.from_bytes(data[at:at + WORD_BYTES], "little")
        return data

    def result(self) -> int:
        return self._sum % (1 << 8 * WORD_BYTES)
