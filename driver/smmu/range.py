"""Invalidation of an address range, in the commands that Linux sends (reference 6.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spec.commands import TLBI_NH_VA, TGCode
from spec.impl import Implementation
from spec.vmsa import shift

NUM_MAX = TLBI_NH_VA.NUM.get(~0)
TG = {12: TGCode.G4K, 14: TGCode.G16K, 16: TGCode.G64K}
RESERVED_TTL = (14, 1)  # granule and level that mean "unknown"


@dataclass(frozen=True)
class Step:
    """One command: its address and its range fields, by name."""

    address: int
    fields: dict[str, int]


def steps(impl: Implementation, address: int, size: int, granule: int,
          level: int | None) -> Iterator[Step]:
    """Commands that cover [address, +size), whole pages of 2^`granule` bytes.

    `level` is that of all its leaves if only leaf entries matter, else None: tables go too, or the
    leaves are of different sizes. Without range invalidation it is a command for each page, or for
    each leaf.
    """
    if not impl.RIL:
        step = 1 << (granule if level is None else shift(granule, level))
        for at in range(address, address + size, step):
            yield Step(at, {})
        return
    ttl = 0 if level is None or (granule, level) == RESERVED_TTL else level
    pages = size >> granule
    # A range of one page and unknown level would have all fields 0, which is CERROR_ILL.
    if not ttl and pages & NUM_MAX == 1:
        pages += 1
    while pages:
        scale = (pages & -pages).bit_length() - 1
        num = pages >> scale & NUM_MAX
        yield Step(address, {"TG": TG[granule], "TTL": ttl, "SCALE": scale, "NUM": num - 1})
        pages -= num << scale
        address += num << scale + granule
