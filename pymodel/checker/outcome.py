"""What a client and software can see of a transaction."""

from __future__ import annotations

from dataclasses import dataclass

from pymodel.transaction import Attributes, Ending, Result
from spec.events import EVENT_BYTES, F_TRANSLATION

_STAG = F_TRANSLATION.STAG.mask


@dataclass(frozen=True, slots=True)
class Outcome:
    """One legal ending of a transaction.

    Members
    -------
    ending
        STALLED means that this attempt ends with a stall record.
    pa, attrs
        TRANSLATED and BYPASS: where it goes, and how.
    event
        The record that is due, or None. STAG is 0: it is the implementation's to choose.
    """

    ending: Ending
    pa: int | None = None
    attrs: Attributes | None = None
    event: bytes | None = None

    @classmethod
    def of(cls, result: Result) -> Outcome:
        return cls(result.ending, result.pa, result.attrs,
                   None if result.event is None else masked(result.event))


def masked(record: bytes) -> bytes:
    """An event record with STAG 0."""
    if not F_TRANSLATION.Stall.get(int.from_bytes(record, "little")):
        return record
    return (int.from_bytes(record, "little") & ~_STAG).to_bytes(EVENT_BYTES, "little")
