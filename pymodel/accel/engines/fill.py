"""The fill engine."""

from pymodel.accel.engines.engine import Engine
from spec.sec import BD3

PATTERN_BYTES = 8


class FillEngine(Engine):
    """Repeats the pattern in `c_ivin_addr`, from the first byte of the destination on."""

    READS = False

    def __init__(self, bd: BD3, key: bytes = b"", iv: bytes = b"") -> None:
        self._pattern = bd.c_ivin_addr.to_bytes(PATTERN_BYTES, "little")

    def work(self, data: bytes) -> bytes:
        return (self._pattern * (len(data) // PATTERN_BYTES + 1))[:len(data)]
