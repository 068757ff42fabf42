"""Values that several structures and registers encode the same way.

Reserved codes are left out of the enums; the tables say how they behave where the reference does.
"""

from __future__ import annotations

from enum import IntEnum


class Shareability(IntEnum):
    """SH fields everywhere; code 1 is reserved and behaves as NON."""

    NON = 0
    OUTER = 2
    INNER = 3


class WalkCacheability(IntEnum):
    """CD.IRn/ORn and STE.S2IR0/S2OR0: table walk cacheability (reference 2.5, 3.2)."""

    NC = 0
    WB_RA_WA = 1
    WT_RA = 2
    WB_RA = 3


class FetchCacheability(IntEnum):
    """STE.S1CIR/S1COR: CD fetch cacheability (reference 2.4)."""

    NC = 0
    WB_RA = 1
    WT_RA = 2
    WB = 3


class TableCacheability(IntEnum):
    """CR1.*_IC/*_OC (reference 1.5); code 3 is reserved and behaves as NC."""

    NC = 0
    WB = 1
    WT = 2


class ShareabilityOverride(IntEnum):
    """STE.SHCFG and GBPA.SHCFG."""

    NON = 0
    INCOMING = 1
    OUTER = 2
    INNER = 3


class PrivilegeOverride(IntEnum):
    """STE.PRIVCFG and GBPA.PRIVCFG; code 1 also means INCOMING."""

    INCOMING = 0
    UNPRIVILEGED = 2
    PRIVILEGED = 3


class InstructionOverride(IntEnum):
    """STE.INSTCFG and GBPA.INSTCFG, reads only; code 1 also means INCOMING."""

    INCOMING = 0
    DATA = 2
    INSTRUCTION = 3


class TG0Code(IntEnum):
    """CD.TG0 and STE.S2TG; code 3 is reserved."""

    G4K = 0
    G64K = 1
    G16K = 2


class TG1Code(IntEnum):
    """CD.TG1, which differs from TG0; code 0 is reserved."""

    G16K = 1
    G4K = 2
    G64K = 3


class TGCode(IntEnum):
    """TG of the range form of a TLBI command (reference 6.3); SINGLE is not a range."""

    SINGLE = 0
    G4K = 1
    G16K = 2
    G64K = 3


# Code to log2 of the granule's bytes. A code that is not a key is reserved.
TG0_SHIFT: dict[int, int] = {TG0Code.G4K: 12, TG0Code.G64K: 16, TG0Code.G16K: 14}
TG1_SHIFT: dict[int, int] = {TG1Code.G4K: 12, TG1Code.G64K: 16, TG1Code.G16K: 14}
TG_SHIFT: dict[int, int] = {TGCode.G4K: 12, TGCode.G16K: 14, TGCode.G64K: 16}

# Log2 of the granule's bytes to its code, the inverses.
TG0_CODE: dict[int, int] = {shift: code for code, shift in TG0_SHIFT.items()}
TG1_CODE: dict[int, int] = {shift: code for code, shift in TG1_SHIFT.items()}
TG_CODE: dict[int, int] = {shift: code for code, shift in TG_SHIFT.items()}


class SizeCode(IntEnum):
    """IDR5.OAS, CD.IPS and STE.S2PS; 7 is reserved here (56 bits from v3.4, with D128)."""

    B32 = 0
    B36 = 1
    B40 = 2
    B42 = 3
    B44 = 4
    B48 = 5
    B52 = 6


# SizeCode to address bits.
SIZE_BITS: dict[int, int] = {0: 32, 1: 36, 2: 40, 3: 42, 4: 44, 5: 48, 6: 52}
SIZE_CODE: dict[int, int] = {bits: code for code, bits in SIZE_BITS.items()}


def output_bits(code: int, oas: int) -> int:
    """Effective output size in bits of IPS or S2PS `code`, capped at `oas` bits.

    The reserved code 7 acts as 6 (v3.1 to v3.3; reference 2.5).
    """
    return min(SIZE_BITS[min(code, SizeCode.B52)], oas)
