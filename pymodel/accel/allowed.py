"""Everything that one job may legally end as, and leave in memory.

A device reads ahead, so that where several accesses fail any of them may end the job, and bytes
that the job had got to may have been written. `pymodel.accel.lane` is one legal behaviour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pymodel.accel.check import check
from pymodel.accel.dma import Task, pieces
from pymodel.accel.engines import AesEngine, Engine, engine_for
from pymodel.accel.lane import ACCESS_ALIGN, spans
from pymodel.accel.spans import BadList, Span, Spans
from pymodel.memory import BusError, Memory
from spec.sec import AES_KEY_BYTES, BD3, IV_BYTES, ErrorType, Mode

Where = Callable[[int, bool], int | None]
"""(address, write) to the physical address; None if the access is answered with an error."""


@dataclass
class Allowed:
    """What a job may do.

    Members
    -------
    endings
        (error type, result) of every legal completion.
    effect
        (physical address, bytes) that memory holds afterwards if the job ends well; otherwise
        each of these bytes may have been written or not, and no other.
    """

    endings: set[tuple[ErrorType, int]] = field(default_factory=set)
    effect: list[tuple[int, bytes]] = field(default_factory=list)


def allowed(memory: Memory, where: Where, bd: BD3) -> Allowed:
    """For a job that finds `memory` and the translations of `where`, and changes neither before
    it has ended. Source and destination are the same bytes or have none in common."""
    error = check(bd)
    engine_class = engine_for(bd)
    if error or engine_class is None:
        return Allowed({(error, 0)})
    return _Survey(memory, where, bd, engine_class).run()


class _ListUnreadable(Exception):
    """Of a list no more is known."""


class _Survey:
    """Tries every access of a job."""

    def __init__(self, memory: Memory, where: Where, bd: BD3, engine: type[Engine]) -> None:
        self._memory, self._where, self._bd, self._engine = memory, where, bd, engine
        self._failed: set[tuple[ErrorType, int]] = set()

    def run(self) -> Allowed:
        bd, engine_class = self._bd, self._engine
        key = iv = b""
        if engine_class is AesEngine:
            key = self._fetch(bd.c_key_addr, AES_KEY_BYTES[bd.c_key_len], ErrorType.KEY_READ)
            if bd.c_mode != Mode.ECB:
                iv = self._fetch(bd.c_ivin_addr, IV_BYTES, ErrorType.IV_READ)
        secrets_known = not self._failed
        source, target = spans(bd, self._read_list)
        data = bytes(bd.c_len)
        if engine_class.READS:
            data = self._source(self._pieces(source, bd.cipher_src_offset))
        places: list[tuple[int, int | None, int]] = []
        if engine_class.WRITES:
            places = self._target(self._pieces(target, 0 if bd.de else bd.cipher_src_offset))
        result, out = 0, b""
        if secrets_known:
            engine = engine_class(bd, key, iv)
            whole = data if len(data) == bd.c_len else data[:-(len(data) % 16) or None]
            out = engine.work(whole) if engine_class is AesEngine else engine.work(data)
            result = engine.result()
        effect = [(pa, out[at:at + size]) for at, pa, size in places
                  if pa is not None and out[at:at + size]]
        return Allowed(self._failed or {(ErrorType.OK, result)}, effect)

    def _pieces(self, side: Spans, skip: int) -> list[Span]:
        """As many of a side's bytes as its lists lead to."""
        found: list[Span] = []
        left = self._bd.c_len
        try:
            while skip:
                skip -= _finish(side.piece(skip))[1]
            while left:
                found.append(_finish(side.piece(left)))
                left -= found[-1][1]
        except BadList:
            self._failed.add((ErrorType.SGL, 0))
        except _ListUnreadable:
            pass
        return found

    def _source(self, spans: list[Span]) -> bytes:
        """The bytes before the first that cannot be read."""
        out, lost = b"", False
        for address, size in spans:
            for at, part in pieces(address, size):
                data = self._read(at, part, ErrorType.DATA_READ)
                lost = lost or data is None
                out += b"" if lost or data is None else data
        return out

    def _target(self, spans: list[Span]) -> list[tuple[int, int | None, int]]:
        """(place in the job, physical address or None, bytes) of each part."""
        out, done = [], 0
        for address, size in spans:
            for at, part in pieces(address, size):
                pa = self._where(at, True)
                if pa is None or not _backed(self._memory, pa, part):
                    pa = None
                    self._fail(at, part, ErrorType.DATA_WRITE)
                out.append((done, pa, part))
                done += part
        return out

    def _fetch(self, address: int, size: int, failure: ErrorType) -> bytes:
        """Key or IV; what cannot be read is missing."""
        return b"".join(self._read(at, part, failure) or b"" for at, part in pieces(address, size))

    def _read_list(self, address: int, size: int) -> Task[bytes]:
        """Never waits."""
        out = self._fetch(address, size, ErrorType.SGL_READ)
        if len(out) != size:
            raise _ListUnreadable
        return out
        yield

    def _read(self, address: int, size: int, failure: ErrorType) -> bytes | None:
        """Bytes inside one page."""
        pa = self._where(address, False)
        try:
            if pa is not None:
                return self._memory.read(pa, size)
        except BusError:
            pass
        self._fail(address, size, failure)
        return None

    def _fail(self, address: int, size: int, failure: ErrorType) -> None:
        first = address & -ACCESS_ALIGN
        self._failed |= {(failure, at) for at in range(first, address + size, ACCESS_ALIGN)}


def _backed(memory: Memory, pa: int, size: int) -> bool:
    """Whether a write would be answered without an error; memory that can be read can be
    written."""
    try:
        memory.read(pa, size)
    except BusError:
        return False
    return True


def _finish(task: Task[Span]) -> Span:
    """The result of a task that does not wait."""
    try:
        next(task)
    except StopIteration as end:
        span: Span = end.value
        return span
    raise AssertionError("a survey never waits")
