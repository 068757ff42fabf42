"""From a SubstreamID to its CD (reference 3.1)."""

from __future__ import annotations

from pymodel.job import Fault, Job
from pymodel.memory import BusError
from pymodel.permissions import PRIV_R
from pymodel.stage2 import table_type, walk_stage2
from spec.context import CD, CD_BYTES, L1CD, L1CD_BYTES
from spec.events import EventType, FaultClass
from spec.stream_table import SteS1DSS

_VALID = L1CD.V.mask
_L2PTR = L1CD.L2Ptr.mask


def substream_decision(job: Job) -> int | None:
    """Number of the CD to use, or None if stage 1 is off or bypassed.

    Faults: C_BAD_SUBSTREAMID, F_STREAM_DISABLED.
    """
    index = _decide(job)
    if job.steps is not None:
        job.step("substream_decision", "3.1", SSV=job.ssid is not None, SubstreamID=job.ssid,
                 S1CDMax=job.ste.cd_max, S1DSS=job.ste.dss, CD=index)
    return index


def _decide(job: Job) -> int | None:
    """The rows of the table in reference 3.1, from the top."""
    ste, ssid = job.ste, job.ssid
    if not ste.s1:
        if ssid is not None:
            raise Fault(EventType.C_BAD_SUBSTREAMID, "SubstreamID with stage 1 off", "3.1")
        return None
    if not ste.cd_max:
        if ssid is not None:
            raise Fault(EventType.C_BAD_SUBSTREAMID, "SubstreamID on a stream without", "3.1")
        return 0
    if ssid is None:
        if ste.dss == SteS1DSS.TERMINATE:
            raise Fault(EventType.F_STREAM_DISABLED, "S1DSS wants a SubstreamID", "3.1")
        return None if ste.dss == SteS1DSS.BYPASS else 0
    if ssid == 0 and ste.dss == SteS1DSS.SSID0:
        raise Fault(EventType.F_STREAM_DISABLED, "SubstreamID 0 with S1DSS=2", "3.1")
    if ssid >> ste.cd_max:
        raise Fault(EventType.C_BAD_SUBSTREAMID,
                    f"SubstreamID needs more than {ste.cd_max} bits", "3.1")
    return ssid


def find_cd(job: Job, index: int) -> bytes:
    """The CD with this number, by way of its L1 descriptor if the table has two levels.

    Faults: those of stage 2 with class CD; C_BAD_SUBSTREAMID; F_CD_FETCH.
    """
    ste = job.ste
    if ste.leaf_bits:
        at = _leaf_table(job, index) + (index & ((1 << ste.leaf_bits) - 1)) * CD_BYTES
    else:
        at = ste.context_ptr + index * CD_BYTES
    address, leaf = _physical(job, at)
    try:
        raw = job.reader.cd(address, job.sid, index)
    except BusError:
        raise Fault(EventType.F_CD_FETCH, "external abort on the CD", "3.1",
                    fetch=address) from None
    if job.steps is not None:
        cd = CD.from_bytes(raw)
        job.step("find_cd", "3.1", address, cd.words(),
                 **table_type(job, ste.type, leaf)._asdict(), **dict(cd.items()))
    return raw


def _physical(job: Job, at: int) -> tuple[int, int | None]:
    """PA of an L1CD or CD, and the stage-2 leaf that maps it."""
    if not job.ste.s2on:
        return at, None
    return walk_stage2(job, at, FaultClass.CD, PRIV_R)[:2]


def _leaf_table(job: Job, index: int) -> int:
    """Address (an IPA if stage 2 is on) of the leaf CD table."""
    ste = job.ste
    at = ste.context_ptr + (index >> ste.leaf_bits) * L1CD_BYTES
    address, leaf = _physical(job, at)
    try:
        l1cd = job.reader.l1cd(address, job.sid, index)
    except BusError:
        raise Fault(EventType.F_CD_FETCH, "external abort on the L1CD", "3.1",
                    fetch=address) from None
    if job.steps is not None:
        job.step("find_cd", "3.1", address, [l1cd],
                 **table_type(job, ste.type, leaf)._asdict(), **dict(L1CD(l1cd).items()))
    if not l1cd & _VALID:
        raise Fault(EventType.C_BAD_SUBSTREAMID, "L1CD.V=0", "3.1")
    table = l1cd & _L2PTR
    # Above the intermediate size (nested) it is stage 2 that faults.
    if not ste.s2on and table >> job.rules.oas_bits:
        raise Fault(EventType.C_BAD_SUBSTREAMID, "L1CD.L2Ptr is above the output size", "3.1")
    return table & -(CD_BYTES << ste.leaf_bits)
