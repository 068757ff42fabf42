"""Client ports: AXI4 requests in batches, played by native code."""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from tb.native import REQUEST, RESPONSE, ClientKnobs

if TYPE_CHECKING:
    from tb.env import Env

CHANCE = 65536  # denominators of the native settings
_STROBES, _FENCE = 1, 2
_PRIVILEGED, _NON_SECURE, _INSTRUCTION = 1, 2, 4


class Burst(IntEnum):
    """AxBURST."""

    FIXED = 0
    INCR = 1
    WRAP = 2


class Resp(IntEnum):
    """xRESP."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One AXI4 transaction of a client.

    Members
    -------
    data
        Bytes to write, from `addr` on, all beats; None reads.
    enable
        One byte a data byte, 0 = its strobe is low; None: all high.
    size
        log2 of the bytes of a beat; `beats` how many.
    gap
        Cycles at least between the valid of the request before and this one's.
    fence
        Start only when all earlier requests have been answered.
    """

    addr: int
    sid: int = 0
    ssid: int | None = None
    data: bytes | None = None
    enable: bytes | None = None
    size: int = 4
    beats: int = 1
    id: int = 0
    pnu: bool = False
    ind: bool = False
    burst: Burst = Burst.INCR
    lock: bool = False
    cache: int = 0b1111
    gap: int = 0
    fence: bool = False

    @property
    def length(self) -> int:
        """Bytes of data that pass."""
        first = (1 << self.size) - self.addr % (1 << self.size)
        rest = first if self.burst is Burst.FIXED else 1 << self.size
        return first + rest * (self.beats - 1)


@dataclass(frozen=True, slots=True)
class Response:
    """What became of a request. Times are cycle numbers of clock edges.

    Members
    -------
    resp
        BRESP, or the largest RRESP of its beats.
    data
        What a read returned, in the order of beats; empty for writes.
    issue, accept, first, done
        First edge with AxVALID high; handshakes of the address, of the first and of the last
        data beat (of B, for writes).
    """

    resp: Resp
    data: bytes
    issue: int
    accept: int
    first: int
    done: int

    @property
    def ok(self) -> bool:
        return self.resp <= Resp.EXOKAY


class Client:
    """AXI4 master of port `client{number}`.

    `knobs` can be changed at any time: outstanding limit, chances of RREADY, BREADY and WVALID
    being low (of 65536).
    """

    def __init__(self, env: Env, number: int, width: int):
        self._env, self.number = env, number
        self.knobs: ClientKnobs = env.library.sim_client_knobs(number).contents
        self.knobs.outstanding = 2**31
        self.knobs.r_stall = self.knobs.b_stall = self.knobs.w_stall = 0
        self.knobs.bytes = width // 8

    async def run(self, batch: Sequence[Request]) -> list[Response]:
        """Play requests back to back after those queued before; their responses, in order.

        Raises `tb.events.Hang` when none is answered for `env.patience` cycles.
        """
        if not batch:
            return []
        requests, buffer, places = _pack(batch)
        packed = c.create_string_buffer(requests, len(requests))
        data = c.create_string_buffer(bytes(buffer), len(buffer) or 1)
        answers = c.create_string_buffer(RESPONSE.size * len(batch))
        number = self._env.events.new()
        self._env.keep(number, packed, data, answers)
        self._env.library.sim_client_queue(self.number, number, packed, answers, len(batch), data)
        await self._env.answer(number, lambda: _progress(answers.raw, batch, self.number))
        self._env.release(number)
        return _unpack(batch, answers.raw, data.raw, places)

    async def read(self, addr: int, length: int = 16, **fields) -> Response:
        """One read of `length` bytes (a power of two); `fields` as of `Request`."""
        return (await self.run([_shape(addr, length, None, fields)]))[0]

    async def write(self, addr: int, data: bytes, **fields) -> Response:
        """One write of a power of two of bytes."""
        return (await self.run([_shape(addr, len(data), data, fields)]))[0]


def _shape(addr: int, length: int, data: bytes | None, fields: dict) -> Request:
    size = min(length.bit_length() - 1, 4)
    if addr % (1 << size):
        raise ValueError(f"address {addr:#x} is not aligned to a beat of {1 << size} bytes")
    return Request(addr=addr, size=size, beats=length >> size, data=data, **fields)


def _pack(batch: Sequence[Request]) -> tuple[bytes, bytearray, list[int]]:
    out, data, places = bytearray(), bytearray(), []
    for q in batch:
        length, at = q.length, len(data)
        places.append(at)
        write = q.data is not None
        if q.data is None:
            data += bytes(length)
        else:
            if len(q.data) != length or len(q.enable or q.data) != length:
                raise ValueError(f"{len(q.data)} bytes of data where {length} pass: {q}")
            data += q.data + (q.enable or b"")
        out += REQUEST.pack(
            q.addr, at, q.sid, q.ssid or 0, q.gap, q.ssid is not None, write,
            _PRIVILEGED * q.pnu | _NON_SECURE | _INSTRUCTION * q.ind, q.beats - 1, q.size, q.id,
            q.burst, q.lock, q.cache, _STROBES * (q.enable is not None) | _FENCE * q.fence)
    return bytes(out), data, places


def _unpack(batch: Sequence[Request], answers: bytes, data: bytes,
            places: list[int]) -> list[Response]:
    return [Response(Resp(resp), data[at:at + q.length] if q.data is None else b"",
                     issue, accept, first, done)
            for q, at, (issue, accept, first, done, resp, _)
            in zip(batch, places, RESPONSE.iter_unpack(answers), strict=True)]


def _progress(answers: bytes, batch: Sequence[Request], number: int) -> tuple[int, str]:
    """How many are answered, and in words which is the first that is not."""
    done = [answer[3] != 0 for answer in RESPONSE.iter_unpack(answers)]
    stuck = next((q for q, ok in zip(batch, done, strict=True) if not ok), None)
    return sum(done), (f"client{number}: {sum(done)} of {len(batch)} requests answered; "
                       f"the first unanswered is {stuck}")
