"""Stream lookup: from a StreamID to its STE (reference 2.1, 2.2)."""

from __future__ import annotations

from functools import lru_cache

from pymodel.job import Fault, Job
from pymodel.memory import BusError
from pymodel.rules import Rules
from pymodel.state import SmmuState
from spec.events import EventType
from spec.stream_table import (
    L1STD,
    L1STD_BYTES,
    SPAN_MAX,
    STE,
    STE_BYTES,
    StrtabFmt,
    effective_split,
)

_SPAN = L1STD.Span.max << L1STD.Span.lsb
_SPAN_LSB = L1STD.Span.lsb
_L2PTR = L1STD.L2Ptr.mask


@lru_cache(maxsize=64)
def _table(base: int, log2size: int, split: int, fmt: int, sid_bits: int,
           two_level: bool) -> tuple[int, int, int]:
    """(aligned base, StreamID bits in range, StreamID bits of the second level or 0).

    The base is aligned to the table as software wrote its size; range and index use the size the
    implementation has (reference 1.10). A reserved FMT, or two levels where there is only one,
    means a linear table.
    """
    bits = min(log2size, sid_bits)
    if fmt == StrtabFmt.TWO_LEVEL and two_level:
        split = effective_split(split)
        size = max(STE_BYTES, L1STD_BYTES << max(0, log2size - split))
        return base & -size, bits, split
    return base & -(STE_BYTES << log2size), bits, 0


def stream_table(state: SmmuState, rules: Rules) -> tuple[int, int, int]:
    """(aligned base, StreamID bits in range, StreamID bits of the second level or 0)."""
    return _table(state.strtab_base, state.strtab_log2size, state.strtab_split, state.strtab_fmt,
                  rules.sid_bits, rules.two_level)


def find_ste(job: Job) -> bytes:
    """The STE of the transaction's StreamID.

    Faults: C_BAD_STREAMID; F_STE_FETCH for an external abort, and for an address above the output
    size (a free choice, docs/differences.md).
    """
    sid = job.sid
    base, bits, split = stream_table(job.state, job.rules)
    if sid >> bits:
        raise Fault(EventType.C_BAD_STREAMID, f"StreamID needs more than {bits} bits", "2.1")
    address = _second_level(job, base, split) if split else base + sid * STE_BYTES
    if address >> job.rules.oas_bits:
        raise Fault(EventType.F_STE_FETCH, "STE address above OAS", "2.2", fetch=address)
    try:
        raw = job.reader.ste(address, sid)
    except BusError:
        raise Fault(EventType.F_STE_FETCH, "external abort on the STE", "2.2",
                    fetch=address) from None
    if job.steps is not None:
        ste = STE.from_bytes(raw)
        job.step("find_ste", "2.2" if split else "2.1", address, ste.words(),
                 **job.state.table._asdict(), **dict(ste.items()))
    return raw


def _second_level(job: Job, base: int, split: int) -> int:
    """Address of the STE by way of its L1 descriptor."""
    sid = job.sid
    at = base + (sid >> split) * L1STD_BYTES
    if at >> job.rules.oas_bits:
        raise Fault(EventType.F_STE_FETCH, "L1STD address above OAS", "2.2", fetch=at)
    try:
        l1std = job.reader.l1std(at, sid)
    except BusError:
        raise Fault(EventType.F_STE_FETCH, "external abort on the L1STD", "2.2",
                    fetch=at) from None
    span = (l1std & _SPAN) >> _SPAN_LSB
    if job.steps is not None:
        job.step("find_ste", "2.2", at, [l1std], **job.state.table._asdict(),
                 **dict(L1STD(l1std).items()))
    if not 0 < span <= min(SPAN_MAX, split + 1):
        raise Fault(EventType.C_BAD_STREAMID, f"L1STD.Span {span} is invalid", "2.2")
    index = sid & ((1 << split) - 1)
    if index >> (span - 1):
        raise Fault(EventType.C_BAD_STREAMID, f"L2 index {index} is beyond the span", "2.2")
    return (l1std & _L2PTR & -(STE_BYTES << (span - 1))) + index * STE_BYTES
