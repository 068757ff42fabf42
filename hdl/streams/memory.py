"""Memory ports of the SMMU's own reads and writes."""

from amaranth import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams.widths import PA_BITS


class MemReadRequest(data.Struct):
    """A read by the SMMU itself: 2^size bytes, naturally aligned, 3 <= size <= 6.

    `lock`: the exclusive read of 8 bytes that a locked write of the same bytes will follow. Only
    one such pair is in progress at a time, on all ports together. `mair`: memory type, a MAIR byte.
    """

    addr: unsigned(PA_BITS)
    size: unsigned(3)
    id: unsigned(8)
    lock: unsigned(1)
    mair: unsigned(8)


class MemReadResponse(data.Struct):
    """One 128-bit beat, lowest address first; 8-byte reads give the doubleword in [63:0].

    `error` on any beat means external abort. Requests with different ids may be answered in any
    order, their beats interleaved. `exclusive` answers `lock`: memory will watch the bytes; without
    it, it cannot.
    """

    id: unsigned(8)
    data: unsigned(128)
    last: unsigned(1)
    error: unsigned(1)
    exclusive: unsigned(1)


class MemWriteRequest(data.Struct):
    """A write by the SMMU itself: 2^size bytes, naturally aligned, 2 <= size <= 5, data from bit
    0. `lock`: write only if the bytes have not changed since the locked read. `mair`: memory type,
    a MAIR byte."""

    addr: unsigned(PA_BITS)
    size: unsigned(3)
    data: unsigned(256)
    id: unsigned(8)
    lock: unsigned(1)
    mair: unsigned(8)


class MemWriteResponse(data.Struct):
    """The write is visible to every reader (or was aborted). A locked write without `exclusive`
    has written nothing."""

    id: unsigned(8)
    error: unsigned(1)
    exclusive: unsigned(1)


class MemRead(wiring.Signature):
    """Read port of a block of the TCU, seen from the block."""

    def __init__(self):
        super().__init__({"req": Out(stream.Signature(MemReadRequest)),
                          "resp": In(stream.Signature(MemReadResponse))})


class MemWrite(wiring.Signature):
    """Write port of a block of the TCU, seen from the block."""

    def __init__(self):
        super().__init__({"req": Out(stream.Signature(MemWriteRequest)),
                          "resp": In(stream.Signature(MemWriteResponse))})
