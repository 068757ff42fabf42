"""Every interface between two blocks of the accelerator, declared once.

Control:  dev AXI4-Lite -> registers -> Mailbox, Doorbell -> context tables -> Scheduler
Job:      Scheduler --Job--> Lane (Gather -> engine -> Scatter) --JobDone--> Completion
Lists:    ListWalker --Segment--> Gather, Scatter
Events:   Completion, Doorbell -> EventQueue -> interrupt
Memory:   every block --ReadPort/WritePort--> MemoryMaster --AXI4--> TBU

All streams are `amaranth.lib.stream`: a producer keeps `payload` and `valid` until `ready`, and
`valid` never depends on `ready`.
"""

from amaranth import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import ADDR_BITS, SSID_BITS
from spec.sec import AES_KEY_BYTES, BD3, IV_BYTES, RESULT_BYTES, ErrorType, KeyLength

DATA_BITS = 128             # the whole accelerator works in beats of 16 bytes
BEAT_BYTES = DATA_BITS // 8
BURST_BEATS = 16            # bursts end at the next 256-byte boundary, so never cross 4 KB
LENGTH_BITS = BD3.c_len.width   # bytes of a job, or of one segment
SKIP_BITS = BD3.cipher_src_offset.width
KEY_BYTES_MAX = max(AES_KEY_BYTES.values())
VALUE_BITS = 8 * RESULT_BYTES


class Space(data.Struct):
    """Whose addresses: the function's own (`ssv` 0) or those of a SubstreamID (reference 3.10)."""

    ssv: unsigned(1)
    ssid: unsigned(SSID_BITS)


class BurstRequest(data.Struct):
    """`len` + 1 whole beats from a 16-byte aligned address, not crossing 4 KB."""

    addr: unsigned(ADDR_BITS)
    len: unsigned(8)
    space: Space


class ReadBeat(data.Struct):
    """A beat that was read; `error` means that the access to it was answered with an error."""

    data: unsigned(DATA_BITS)
    error: unsigned(1)
    last: unsigned(1)


class WriteBeat(data.Struct):
    """A beat to write: byte i of `data` where bit i of `strb` is set."""

    data: unsigned(DATA_BITS)
    strb: unsigned(BEAT_BYTES)
    last: unsigned(1)


class ReadPort(wiring.Signature):
    """A block's read access to memory, seen from the block.

    Beats come in the order of the requests. The block must be able to take every beat it asked
    for at once (`beat.ready` = 1 while any is outstanding): the bus is shared with other queues.
    """

    def __init__(self):
        super().__init__({"req": Out(stream.Signature(BurstRequest)),
                          "beat": In(stream.Signature(ReadBeat))})


class WritePort(wiring.Signature):
    """A block's write access to memory, seen from the block.

    A request may be made only when its beats can follow without waiting for anything else.
    `done` pulses for one cycle per request, in order, when the write is visible to every reader
    or was answered with an error (`error`).
    """

    def __init__(self):
        super().__init__({"req": Out(stream.Signature(BurstRequest)),
                          "beat": Out(stream.Signature(WriteBeat)),
                          "done": In(1), "error": In(1)})


class ContextPort(wiring.Signature):
    """Exclusive access to one row of a context table, seen from the block that wants it.

    The block holds `req` with a stable `queue`. While `ready` is 1 nobody else has the table and
    `row` is the queue's row as it was when `ready` rose; `write` stores `new_row`. The block gives
    the table back by dropping `req` for at least one cycle.
    """

    def __init__(self, row, queues: int):
        super().__init__({
            "req": Out(1), "queue": Out(range(queues)), "ready": In(1), "row": In(row),
            "write": Out(1), "new_row": Out(row),
        })


class Failure(data.Struct):
    """Why a job ends early, and the 16-byte aligned address of the access that failed or 0."""

    error_type: ErrorType
    addr: unsigned(ADDR_BITS)


class Segment(data.Struct):
    """`length` consecutive bytes of memory; at least 1. `last` ends the transfer; `error_type` is
    what the job ends with if they cannot be read."""

    addr: unsigned(ADDR_BITS)
    length: unsigned(LENGTH_BITS)
    space: Space
    last: unsigned(1)
    error_type: ErrorType


class Place(data.Struct):
    """`length` bytes at `addr`, or of the list that starts there (`scattered`) behind the first
    `skip` bytes (reference 3.7)."""

    addr: unsigned(ADDR_BITS)
    scattered: unsigned(1)
    skip: unsigned(SKIP_BITS)
    length: unsigned(LENGTH_BITS)
    space: Space


class Chunk(data.Struct):
    """Up to 16 bytes of a job's data, packed: all 16 valid except in the `last` chunk. What is
    read from memory is 0 behind the end."""

    data: unsigned(DATA_BITS)
    last: unsigned(1)


class EngineJob(data.Struct):
    """What an engine may want to know of its job.

    `mode` as in `spec.sec.Mode` or `Operation`; `key` and `iv` as they lie in memory, or the
    pattern or seed in `iv` (`spec.sec.BD3`); `length` in bytes.
    """

    mode: unsigned(BD3.c_mode.width)
    decrypt: unsigned(1)
    key_length: KeyLength
    key: unsigned(8 * KEY_BYTES_MAX)
    iv: unsigned(8 * IV_BYTES)
    length: unsigned(LENGTH_BITS)


class Engine(wiring.Signature):
    """An engine, seen from the lane that drives it.

    It takes the packed bytes of a job's source, if it has one, and gives the packed bytes of its
    destination, if it has one; `last` marks the end of each. It is reset between jobs.

    Members
    -------
    job, go
        `job` is stable while `go` is 1. Without `go` an engine takes and gives nothing.
    source, result
        The bytes.
    value, finished
        Of an operation without destination: its result, valid while `finished`.
    """

    def __init__(self):
        super().__init__({"job": Out(EngineJob), "go": Out(1),
                          "source": Out(stream.Signature(Chunk)),
                          "result": In(stream.Signature(Chunk)),
                          "value": In(VALUE_BITS), "finished": In(1)})


class AcceleratorInterrupts(wiring.Signature):
    """Interrupts of the device: one-cycle pulses where a message would be sent (reference 2.7)."""

    def __init__(self):
        super().__init__({"eq": Out(1), "aeq": Out(1), "abnormal": Out(1)})


class BeatWrite(data.Struct):
    """Write the strobed bytes of the beat at a 16-byte aligned address of the function's own
    space."""

    addr: unsigned(ADDR_BITS)
    data: unsigned(DATA_BITS)
    strb: unsigned(BEAT_BYTES)


class Live(wiring.Signature):
    """A register that a block implements, seen from the register file.

    `write` is a one-cycle pulse with the value that software wrote in `data`; `value` is what
    software reads; `read` is a pulse in the cycle in which its doubleword is read.
    """

    def __init__(self):
        super().__init__({"write": Out(1), "data": Out(32), "value": In(32), "read": Out(1)})
