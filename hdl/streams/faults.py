"""What software is told of transactions that fail or stall, and what it answers."""

from amaranth import unsigned
from amaranth.lib import data, enum

from hdl.streams.widths import SID_BITS


class EventRecord(data.Struct):
    """TCU to EVTQ: a 32-byte record as software will read it; `tbu` and `tag` say whose.

    `ready` means that its place in the queue is decided: it will be visible before any later
    CMD_SYNC completes, or it has been discarded (queue disabled or full). A `stall` record is never
    discarded: a StallVerdict says whether it was recorded or must be tried again.
    """

    record: unsigned(256)
    stall: unsigned(1)
    tbu: unsigned(4)
    tag: unsigned(8)


class StallAction(enum.Enum, shape=2):
    """What a stall command asks for."""

    RETRY = 0   # CMD_RESUME: execute the transaction again from the start
    RAZWI = 1   # CMD_RESUME: OKAY; reads return 0, writes are dropped
    ABORT = 2   # CMD_RESUME: error response
    TERM = 3    # CMD_STALL_TERM: abort every stalled transaction of `sid`; `stag` is not used


class StallCommand(data.Struct):
    """CMDQ to the stall buffer: accepted when the stalls it names are marked (reference 6.3).

    No match, or a stall whose record is not yet visible: no effect.
    """

    action: StallAction
    sid: unsigned(SID_BITS)
    stag: unsigned(16)


class StallVerdict(data.Struct):
    """EVTQ to the stall buffer, one for every accepted stall record, in order. Not a stream:
    `valid` is a one-cycle pulse.

    `recorded`: the record is visible and awaits a stall command, or `lost`: its write was aborted,
    and nobody knows of the stall. Otherwise the queue was not writable: the buffer keeps the
    transaction and retries it from the start when `writable` of the event queue rises (reference
    4.9).
    """

    valid: unsigned(1)
    stag: unsigned(16)
    recorded: unsigned(1)
    lost: unsigned(1)
