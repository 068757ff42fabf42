"""Output attributes: overrides, stage 1, stage 2, forced write-back (reference 2.6, 4.10).

Memory types are MAIR bytes: outer nibble above inner nibble; nibble 0 on top means Device. In the
nibble of a cacheable type bits 1 and 0 are the read and write allocate hints, bit 3 clear means
transient and bit 2 set means write-back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from pymodel.transaction import Attributes
from spec.codes import Shareability, ShareabilityOverride
from spec.impl import Implementation
from spec.vmsa import (
    MEMATTR_MAIR,
    NORMAL_NC_NIBBLE,
    FwbMemAttr,
    Mair,
    effective_mair,
    is_device,
)

_ALLOCATE = 0b11      # nibble: both allocate hints
_PERSISTENT = 0b1000  # nibble: not transient
_WRITE_BACK = 0b0100
_ALLOC_VALID = 0b1000  # ALLOCCFG: 0b1RWT overrides


class Override(NamedTuple):
    """What MTCFG, ALLOCCFG and SHCFG of an STE or GBPA force; None: use incoming.

    Members
    -------
    type : int | None
        MAIR byte; its hints do not count.
    hints : int | None
        Low bits and persistence of a cacheable nibble.
    sh : int | None
    """

    type: int | None = None
    hints: int | None = None
    sh: int | None = None

    @classmethod
    def make(cls, impl: Implementation, mtcfg: int, memattr: int, alloccfg: int,
             shcfg: int) -> Override:
        """From the fields; without ATTR_TYPES_OVR all of them mean "use incoming"."""
        if not impl.ATTR_TYPES_OVR:
            return cls()
        hints = None
        if alloccfg & _ALLOC_VALID:
            hints = (alloccfg >> 1 & _ALLOCATE) | (0 if alloccfg & 1 else _PERSISTENT)
        return cls(MEMATTR_MAIR[memattr] if mtcfg else None, hints,
                   None if shcfg == ShareabilityOverride.INCOMING else shcfg)


def _cacheable(nibble: int) -> bool:
    return nibble not in (0, NORMAL_NC_NIBBLE)


def _with_hints(nibble: int, hints: int) -> int:
    """A cacheable nibble with other hints. Transient without any allocation has no code of its
    own: it is plain no-allocate."""
    if not hints & _ALLOCATE:
        hints = _PERSISTENT
    return nibble & _WRITE_BACK | hints


def shareability(mair: int, sh: int) -> int:
    """Device and Normal-NC are always outer shareable; the reserved code 1 is non-shareable."""
    if is_device(mair) or mair == Mair.NC:
        return Shareability.OUTER
    return sh if sh in (Shareability.OUTER, Shareability.INNER) else Shareability.NON


def _each(function: Callable[[int, int], int], first: int, second: int) -> int:
    """`function` of the outer nibbles and of the inner nibbles of two Normal types."""
    return (function(first >> 4, second >> 4) << 4
            | function(first & 0xF, second & 0xF))


def _overridden(mair: int, override: Override) -> int:
    """The incoming type after MTCFG and ALLOCCFG. A new type keeps the incoming hints, and gets
    allocate where the incoming type had none (a free choice, docs/differences.md)."""
    def hinted(new: int, incoming: int) -> int:
        if not _cacheable(new):
            return new
        keep = incoming & (_PERSISTENT | _ALLOCATE) if _cacheable(incoming) else 0xF
        return _with_hints(new, keep if override.hints is None else override.hints)

    new = mair if override.type is None else override.type
    if is_device(new):
        return new
    return _each(hinted, new, Mair.NC if is_device(mair) else mair)


def _stage1(mair: int, incoming: int) -> int:
    """The stage-1 type; no-allocate and transient of a cacheable input win."""
    def hinted(nibble: int, other: int) -> int:
        if not (_cacheable(nibble) and _cacheable(other)):
            return nibble
        return _with_hints(nibble, nibble & other & (_PERSISTENT | _ALLOCATE))

    if is_device(mair) or is_device(incoming):
        return mair
    return _each(hinted, mair, incoming)


def _weaker(nibble: int, other: int) -> int:
    """Combination of two Normal nibbles: NC before WT before WB, hints of the first."""
    if not (_cacheable(nibble) and _cacheable(other)):
        return NORMAL_NC_NIBBLE
    return nibble & (other | ~_WRITE_BACK)


def _stage2(mair: int, stage2: int) -> int:
    """Stage-1 (or bypass) type combined with a stage-2 type."""
    if is_device(mair) or is_device(stage2):
        return min(byte for byte in (mair, stage2) if is_device(byte))
    return _each(_weaker, mair, stage2)


def _stage2_forced(mair: int, memattr: int) -> int:
    """The same with STE.S2FWB=1, where the descriptor's MemAttr has other codes."""
    if memattr == FwbMemAttr.STAGE1:
        return mair
    if memattr == FwbMemAttr.NORMAL_NC:
        return mair if is_device(mair) else int(Mair.NC)
    if memattr == FwbMemAttr.NORMAL_WB:
        def back(nibble: int, _: int) -> int:
            return nibble | _WRITE_BACK if _cacheable(nibble) else int(Mair.WB) & 0xF
        return int(Mair.WB) if is_device(mair) else _each(back, mair, mair)
    # Device types; other codes are reserved: Device-nGnRnE (a free choice).
    return _stage2(mair, MEMATTR_MAIR[memattr & 3] if memattr < 4 else Mair.DEVICE_nGnRnE)


def stage2_is_device(memattr: int, fwb: bool) -> bool:
    """Whether a stage-2 descriptor alone makes memory Device (for S2PTW)."""
    return is_device(_stage2_forced(Mair.WB, memattr & 7) if fwb else MEMATTR_MAIR[memattr])


def _share_stage2(sh: int, sh2: int) -> int:
    """Outer beats inner beats non."""
    both = (sh, sh2)
    return next((s for s in (Shareability.OUTER, Shareability.INNER) if s in both),
                Shareability.NON)


def with_stage2(mair: int, sh: int, stage2: tuple[int, int, bool]) -> tuple[int, int]:
    """(MAIR byte, SH) combined with MemAttr and SH of a stage-2 leaf; whether S2FWB."""
    code, sh2, fwb = stage2
    mair = _stage2_forced(mair, code & 7) if fwb else _stage2(mair, MEMATTR_MAIR[code])
    return mair, shareability(mair, _share_stage2(sh, sh2))


@lru_cache(maxsize=4096)
def combine_attributes(memattr: int, sh: int, override: Override, stage1: tuple[int, int] | None,
                       stage2: tuple[int, int, bool] | None, pnu: bool, ind: bool) -> Attributes:
    """Output attributes of a transaction.

    Parameters
    ----------
    memattr, sh, override
        Incoming MAIR byte and shareability, and the type overrides of STE or GBPA.
    stage1
        MAIR byte and SH that stage 1 gave, or None if it was bypassed or is off.
    stage2
        MemAttr, SH of the stage-2 leaf and whether S2FWB, or None without stage 2.
    pnu, ind
        After PRIVCFG and INSTCFG; they appear on the output (up to v3.3).
    """
    incoming = effective_mair(memattr)
    if stage1 is None:
        mair = _overridden(incoming, override)
        out_sh = shareability(mair, sh if override.sh is None else override.sh)
    else:
        mair = _stage1(effective_mair(stage1[0]),
                       _overridden(incoming, override._replace(type=None)))
        out_sh = shareability(mair, stage1[1])
    if stage2 is not None:
        mair, out_sh = with_stage2(mair, out_sh, stage2)
    return Attributes(mair, out_sh, pnu, ind)
