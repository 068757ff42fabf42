"""The CRC32C engine."""

from pymodel.accel.engines.engine import Engine
from spec.sec import BD3

POLYNOMIAL = 0x82F6_3B78  # Castagnoli, bit-reflected
ONES = 0xFFFF_FFFF


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
    return byte


TABLE = [_table_entry(byte) for byte in range(256)]


class Crc32cEngine(Engine):
    """The CRC of the source, reflected, initial value and final xor all ones."""

    WRITES = False

    def __init__(self, bd: BD3, key: bytes = b"", iv: bytes = b"") -> None:
        self._crc = ONES

    def work(self, data: bytes) -> bytes:
        crc = self._crc
        for byte in data:
            crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
        self._crc = crc
        return data

    def result(self) -> int:
        return self._crc ^ ONES
