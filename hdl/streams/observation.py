"""What benches and counters see; nothing in the design waits for it."""

from amaranth import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from hdl.streams.translation import Outcome
from hdl.streams.widths import ADDR_BITS, PA_BITS, SID_BITS, SSID_BITS


class TraceRecord(data.Struct):
    """A transaction leaving the TBU's decision point, for benches; one cycle, no back-pressure.

    `hit`: answered by the uTLB. `pa` is the output address of the first byte.
    """

    sid: unsigned(SID_BITS)
    ssv: unsigned(1)
    ssid: unsigned(SSID_BITS)
    addr: unsigned(ADDR_BITS)
    rnw: unsigned(1)
    pnu: unsigned(1)
    ind: unsigned(1)
    axid: unsigned(8)
    len: unsigned(8)
    size: unsigned(3)
    outcome: Outcome
    bypass: unsigned(1)
    hit: unsigned(1)
    pa: unsigned(PA_BITS)


class Trace(wiring.Signature):
    """Trace port of a TBU, seen from the TBU."""

    def __init__(self):
        super().__init__({"valid": Out(1), "record": Out(TraceRecord)})


class TbuActivity(wiring.Signature):
    """What a TBU does in each cycle, seen from the TBU: numbers to be added up by whoever counts.

    Members
    -------
    hits, misses
        Transactions that found their translation in the micro TLB, that did not.
    asked
        Requests that the TCU took.
    blocked
        Directions in which a transaction of the client could not go on.
    waiting
        Transactions in slots.
    """

    def __init__(self):
        super().__init__({"hits": Out(2), "misses": Out(2), "asked": Out(1), "blocked": Out(2),
                          "waiting": Out(8)})


class TcuActivity(wiring.Signature):
    """What the TCU does in each cycle, seen from the TCU: numbers to be added up.

    Members
    -------
    requests, merged
        Requests taken; those that began to wait for another one of their page.
    ste_hits, cd_hits, tlb_hits
        Found by the intake: STE cache, CD cache, main TLB.
    walks, reads
        Requests that began to read memory, reads. Their quotient is the length of a walk.
    updates, faults, answers
        Writes of descriptors, faults reported, requests answered.
    invalidations
        Invalidations taken.
    active
        Contexts in use: requests in progress, without faults whose record waits for those before.
    """

    def __init__(self):
        super().__init__({name: Out(1) for name in (
            "requests", "merged", "ste_hits", "cd_hits", "tlb_hits", "walks", "reads", "updates",
            "faults", "answers", "invalidations")} | {"active": Out(7)})
