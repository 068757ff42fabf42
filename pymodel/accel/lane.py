"""A lane takes one job from its descriptor to its result (reference 3.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pymodel.accel.check import check
from pymodel.accel.dma import AccessError, Dma, Task
from pymodel.accel.engines import AesEngine, Engine, engine_for
from pymodel.accel.spans import BadList, Spans
from pymodel.memory import PAGE
from spec.sec import AES_KEY_BYTES, BD3, IV_BYTES, ErrorType, Mode

ACCESS_ALIGN = 16  # to which the address of a failed access is given


@dataclass(frozen=True)
class Ended:
    """How a job ended: what its SQE shows."""

    error: ErrorType
    result: int = 0


class Failed(Exception):
    """A job that a failed access ends as `args[0]`, an `Ended`."""


class Lane:
    """Does one job in the address space `ssid`.

    If several accesses fail, a device that reads ahead may report any of them; this one reports
    the first it meets, source before destination, a page at a time. `pymodel.accel.allowed` has
    all that are legal.
    """

    def __init__(self, dma: Dma, ssid: int | None, bd: BD3) -> None:
        self._dma, self._ssid, self._bd = dma, ssid, bd

    def run(self) -> Task[Ended]:
        error = check(self._bd)
        engine_class = engine_for(self._bd)
        if error or engine_class is None:
            return Ended(error)
        try:
            return (yield from self._move(engine_class))
        except Failed as failed:
            ended: Ended = failed.args[0]
            return ended
        except BadList:
            return Ended(ErrorType.SGL)

    def _move(self, engine_class: type[Engine]) -> Task[Ended]:
        bd = self._bd
        key = iv = b""
        if engine_class is AesEngine:
            key = yield from self._read(bd.c_key_addr, AES_KEY_BYTES[bd.c_key_len],
                                        ErrorType.KEY_READ)
            if bd.c_mode != Mode.ECB:
                iv = yield from self._read(bd.c_ivin_addr, IV_BYTES, ErrorType.IV_READ)
        engine = engine_class(bd, key, iv)
        source, target = spans(bd, lambda at, size: self._read(at, size, ErrorType.SGL_READ))
        if engine.READS:
            yield from source.take(bd.cipher_src_offset)
        if engine.WRITES and not bd.de:
            yield from target.take(bd.cipher_src_offset)
        for done in range(0, bd.c_len, PAGE):
            data = bytes(min(PAGE, bd.c_len - done))
            if engine.READS:
                data = yield from self._gather(source, len(data))
            data = engine.work(data)
            if engine.WRITES:
                yield from self._scatter(target, data)
        return Ended(ErrorType.OK, engine.result())

    def _gather(self, source: Spans, size: int) -> Task[bytes]:
        out = b""
        for address, part in (yield from source.take(size)):
            out += yield from self._read(address, part, ErrorType.DATA_READ)
        return out

    def _scatter(self, target: Spans, data: bytes) -> Task[None]:
        for address, part in (yield from target.take(len(data))):
            try:
                yield from self._dma.write(self._ssid, address, data[:part])
            except AccessError as error:
                raise Failed(_at(ErrorType.DATA_WRITE, error)) from None
            data = data[part:]

    def _read(self, address: int, size: int, failure: ErrorType) -> Task[bytes]:
        try:
            return (yield from self._dma.read(self._ssid, address, size))
        except AccessError as error:
            raise Failed(_at(failure, error)) from None


def spans(bd: BD3, read: Callable[[int, int], Task[bytes]]) -> tuple[Spans, Spans]:
    """Source and destination from their first byte; `cipher_src_offset` is not skipped yet."""
    source = bd.src_addr_type, bd.data_src_addr
    target = (bd.dst_addr_type, bd.data_dst_addr) if bd.de else source
    return Spans(*source, read), Spans(*target, read)


def _at(failure: ErrorType, error: AccessError) -> Ended:
    return Ended(failure, error.address & -ACCESS_ALIGN)
