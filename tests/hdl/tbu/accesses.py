"""What goes through a TBU in its bench, at the client, at memory and at the TCU."""

from __future__ import annotations

from dataclasses import dataclass, field

from hdl.axi import Burst
from hdl.streams import Outcome

OKAY, SLVERR = 0, 2
ALL = 0b111111  # every permission


@dataclass
class Access:
    """One client transaction and what became of it."""

    addr: int
    write: bool = False
    id: int = 0
    len: int = 0
    size: int = 4
    burst: Burst = Burst.INCR
    sid: int = 1
    ssv: int = 0
    ssid: int = 0
    pnu: int = 0
    ind: int = 0
    start: int = -1           # cycle of the first AxVALID
    end: int = -1             # cycle of the last response
    memory: MemoryAccess | None = None
    resp: list[int] = field(default_factory=list)
    data: list[int] = field(default_factory=list)


@dataclass
class MemoryAccess:
    """One transaction at the memory port."""

    id: int
    addr: int
    len: int
    size: int
    burst: int
    cache: int
    prot: int
    cycle: int
    due: int = 0
    beat: int = 0
    data: list[int] = field(default_factory=list)


@dataclass
class Answer:
    """What the TCU says about a page."""

    pa: int = 0
    size: int = 12
    outcome: Outcome = Outcome.TRANSLATED
    cacheable: int = 1
    perms: int = ALL
    mair: int = 0xFF
    privcfg: int = 0
    instcfg: int = 0
    delay: int = -1           # cycles; -1: random
    bypass: int = 0


def content(addr: int) -> int:
    """What memory holds at a beat address."""
    return (addr * 0x9E3779B97F4A7C15 + 0x1234) & ((1 << 128) - 1)
