"""Engines: what is done with the bytes of a job, one file each."""

from __future__ import annotations

from pymodel.accel.engines.aes import AesEngine
from pymodel.accel.engines.copy import CopyEngine
from pymodel.accel.engines.crc32c import Crc32cEngine
from pymodel.accel.engines.engine import Engine
from pymodel.accel.engines.fill import FillEngine
from pymodel.accel.engines.rand48 import Rand48Engine
from pymodel.accel.engines.sum import SumEngine
from spec.sec import BD3, Cipher, Operation

__all__ = ["DATA_MOVER", "AesEngine", "Engine", "engine_for"]

DATA_MOVER: dict[int, type[Engine]] = {
    Operation.COPY: CopyEngine, Operation.FILL: FillEngine, Operation.RAND48: Rand48Engine,
    Operation.SUM: SumEngine, Operation.CRC32C: Crc32cEngine,
}


def engine_for(bd: BD3) -> type[Engine] | None:
    """The engine of a BD's class and mode; None if there is none. AES leaves what it finds wrong
    with algorithm, mode and key to `pymodel.accel.check`."""
    return DATA_MOVER.get(bd.c_mode) if bd.cipher == Cipher.COPY else AesEngine
