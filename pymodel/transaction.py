"""What goes into the SMMU and what comes out: transactions, outcomes, the steps between."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One client transaction, as the client drives it (reference 4.1).

    `ssid` None means SSV=0. `ind` is meaningful for reads only (writes are always data). `memattr`
    is a MAIR-format byte, `sh` 0 non, 2 outer, 3 inner; `alloc` the RWT hints of the reference.
    """

    sid: int
    addr: int
    write: bool = False
    ssid: int | None = None
    pnu: bool = False
    ind: bool = False
    size: int = 4
    memattr: int = 0xFF
    sh: int = 0


class Ending(Enum):
    """How a transaction ends, or that it has not ended yet."""

    TRANSLATED = "translated"
    BYPASS = "bypass"
    ABORT = "abort"
    RAZWI = "razwi"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Attributes:
    """Output attributes: MAIR-format byte, shareability (0/2/3), privilege and instruction."""

    mair: int
    sh: int
    pnu: bool
    ind: bool


@dataclass(slots=True)
class Step:
    """One step of a translation for people and tools; the keys of `substream explain --json`."""

    step: str
    address: int | None = None
    words: list[int] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    section: str = ""


@dataclass(slots=True)
class Result:
    """The answer for one transaction.

    Members
    -------
    ending
        How it ended.
    pa, size
        TRANSLATED and BYPASS: output address of the first byte, and log2 of the bytes around it
        that the same translation covers.
    perm
        Stage-1 (or only-stage) leaf permission R | W << 1 before privilege is considered, as QEMU
        traces it; None where no walk happened.
    stage
        1, 2, 3 = nested; 0 = none.
    event
        The 32-byte record that is due for it, or None.
    recorded
        Whether that record reached the Event queue (False: discarded, held, or no event).
    steps
        What was looked up, in order; empty unless asked for.
    """

    ending: Ending
    pa: int | None = None
    size: int = 0
    attrs: Attributes | None = None
    perm: int | None = None
    stage: int = 0
    event: bytes | None = None
    recorded: bool = False
    stag: int | None = None
    steps: list[Step] = field(default_factory=list)
