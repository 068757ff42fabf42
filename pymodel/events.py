"""Event records (reference 5): from a fault to its 32 bytes."""

from __future__ import annotations

from pymodel.job import Fault, Job
from spec.events import (
    EVENT_BYTES,
    EVENTS,
    F_PERMISSION,
    F_WALK_EABT,
    EventType,
    FaultClass,
)


def _having(field: str) -> frozenset[int]:
    """The types whose record has `field`."""
    return frozenset(number for number, event in EVENTS.items() if field in event.FIELDS)


_HAS_SSV = _having("SSV")
_HAS_SSID = _having("SubstreamID")
_HAS_ACCESS = _having("PnU")
_HAS_CLASS = _having("CLASS")
_HAS_INPUT = _having("InputAddr")
_HAS_IPA = _having("IPA")
_HAS_FETCH = _having("FetchAddr")

_SID, _SID_MAX = F_PERMISSION.StreamID.lsb, F_PERMISSION.StreamID.max
_SSV = F_PERMISSION.SSV.mask
_SSID, _SSID_MAX = F_PERMISSION.SubstreamID.lsb, F_PERMISSION.SubstreamID.max
_STALL = F_PERMISSION.Stall.mask
_PNU, _IND, _RNW = F_PERMISSION.PnU.mask, F_PERMISSION.InD.mask, F_PERMISSION.RnW.mask
_S2, _CLASS = F_PERMISSION.S2.mask, F_PERMISSION.CLASS.lsb
_TTRNW = F_PERMISSION.TTRnW.mask
_INPUT = F_PERMISSION.InputAddr.lsb
_IPA, _FETCH = F_PERMISSION.IPA, F_WALK_EABT.FetchAddr


def record(job: Job, fault: Fault, *, stall: bool = False) -> bytes:
    """The record that is due for `fault`; with `stall` its STAG is left 0 for the stall buffer.

    PnU, InD and RnW describe the client's transaction after the STE's overrides. What the
    reference calls UNKNOWN is 0: SubstreamID without SSV, IPA without S2, TTRnW unless
    F_PERMISSION met a table.
    """
    kind = fault.type
    value = int(kind) | (job.sid & _SID_MAX) << _SID
    if job.ssid is not None and kind in _HAS_SSID:
        value |= (job.ssid & _SSID_MAX) << _SSID
        if kind in _HAS_SSV:
            value |= _SSV
    if kind in _HAS_ACCESS:
        value |= (_PNU if job.pnu else 0) | (_IND if job.ind else 0) | (0 if job.write else _RNW)
    if kind in _HAS_CLASS:
        value |= fault.cls << _CLASS | (_S2 if fault.stage == 2 else 0)
    if kind in _HAS_INPUT:
        value |= job.addr << _INPUT
    if kind in _HAS_IPA and fault.stage == 2:
        value |= (fault.ipa >> _IPA.lo & _IPA.max) << _IPA.lsb
    if kind in _HAS_FETCH:
        value |= (fault.fetch >> _FETCH.lo & _FETCH.max) << _FETCH.lsb
    if kind is EventType.F_PERMISSION and fault.cls is FaultClass.TT and not fault.update:
        value |= _TTRNW
    if stall:
        value |= _STALL
    return value.to_bytes(EVENT_BYTES, "little")
