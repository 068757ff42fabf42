"""Translation tables: descriptors, geometry, permissions, memory attributes (reference 2.6, 4.5 to
4.7, 4.10). AArch64 only.

A granule is named by `g`, the log2 of its bytes: 12, 14 or 16.
"""

from __future__ import annotations

from enum import IntEnum

from spec.codes import Shareability
from spec.fields import Field, Structure

GRANULES = (12, 14, 16)
LAST_LEVEL = 3
DESCRIPTOR_BYTES = 8


class DescriptorType(IntEnum):
    """Bits [1:0]; bit 0 clear is a fault."""

    INVALID = 0
    BLOCK = 1            # levels above the last; reserved (a fault) at the last
    TABLE_OR_PAGE = 3


class AP(IntEnum):
    """AP[2:1]. Bit 0 gives unprivileged access, bit 1 takes write access away."""

    PRIV_RW = 0
    RW = 1
    PRIV_RO = 2
    RO = 3


AP_UNPRIV = 1   # bits of AP
AP_RO = 2
APTABLE_NO_UNPRIV = 1  # bits of APTable
APTABLE_NO_WRITE = 2


class S2AP(IntEnum):
    """S2AP[1:0]. Bit 0 gives read, bit 1 write access."""

    NONE = 0
    READ = 1
    WRITE = 2
    RW = 3


S2AP_READ = 1   # bits of S2AP
S2AP_WRITE = 2


class S2XN(IntEnum):
    """Stage-2 XN[54:53] with XNX=1; without it only bit 1 counts (execution forbidden)."""

    ALL = 0
    UNPRIV_ONLY = 1
    NONE = 2
    PRIV_ONLY = 3


S2XN_FORBID = 2  # bit of S2Leaf.XN that alone counts without XNX


class S1Leaf(Structure):
    """Stage-1 block or page descriptor. `nT` of a block lies inside Address: LeafOverlay."""

    SECTION = "4.6"
    Type = Field(1, 0, enum=DescriptorType)
    AttrIndx = Field(4, 2, doc="byte of MAIR")
    NS = Field(5)
    AP = Field(7, 6, enum=AP, doc="AP[2:1]")
    SH = Field(9, 8, enum=Shareability)
    AF = Field(10, doc="access flag")
    nG = Field(11, doc="1: the entry belongs to the ASID")
    Address = Field(47, 12, addr=True, doc="output address; bits below the size are ignored")
    DBM = Field(51, doc="dirty bit modifier")
    Contiguous = Field(52)
    PXN = Field(53, doc="privileged execute-never")
    UXN = Field(54, doc="unprivileged execute-never; XN in the EL2 world")
    Software = Field(58, 55)
    PBHA = Field(62, 59, late=True)


class S1Table(Structure):
    """Stage-1 table descriptor. CD.HADn=1 ignores the upper fields."""

    SECTION = "4.6"
    Type = Field(1, 0, enum=DescriptorType)
    Address = Field(47, 12, addr=True, doc="next table; bits below the granule are ignored")
    PXNTable = Field(59)
    UXNTable = Field(60)
    APTable = Field(62, 61, doc="[0] removes unprivileged, [1] write access")
    NSTable = Field(63)


class S2Leaf(Structure):
    """Stage-2 block or page descriptor. `nT` of a block lies inside Address: LeafOverlay."""

    SECTION = "4.6"
    Type = Field(1, 0, enum=DescriptorType)
    MemAttr = Field(5, 2, doc="MEMATTR_MAIR, or FwbMemAttr with STE.S2FWB")
    S2AP = Field(7, 6, enum=S2AP)
    SH = Field(9, 8, enum=Shareability)
    AF = Field(10, doc="access flag")
    Address = Field(47, 12, addr=True, doc="output address; bits below the size are ignored")
    DBM = Field(51, doc="dirty bit modifier")
    Contiguous = Field(52)
    XN = Field(54, 53, enum=S2XN, doc="without XNX only bit 54 counts")
    Software = Field(58, 55)
    PBHA = Field(62, 59, late=True)


class S2Table(Structure):
    """Stage-2 table descriptor: no permissions."""

    SECTION = "4.6"
    Type = Field(1, 0, enum=DescriptorType)
    Address = Field(47, 12, addr=True, doc="next table; bits below the granule are ignored")


class LeafOverlay(Structure):
    """Fields that lie where Address has no significant bits."""

    SECTION = "4.6"
    OA_51_48 = Field(15, 12, late=True, doc="OA[51:48]: 64 KB granule, 52-bit output; tables too")
    nT = Field(16, doc="blocks: the block size may be changing")


# ---- geometry (reference 4.6) -------------------------------------------------------------------

def stride(g: int) -> int:
    """Address bits that one table level resolves."""
    return g - 3


def shift(g: int, level: int) -> int:
    """Lowest address bit that a table of `level` resolves: log2 of what one entry maps."""
    return g + (LAST_LEVEL - level) * stride(g)


def start_level(g: int, ia: int) -> int:
    """Stage-1 start level for an input of `ia` bits."""
    return 4 + -(ia - g) // stride(g)


def index(g: int, level: int, address: int, ia: int | None = None) -> int:
    """Entry number of `address` in its table of `level`. With `ia` the table is the start table,
    which resolves all bits below `ia` (stage 2: concatenated tables included)."""
    top = shift(g, level) + stride(g) if ia is None else ia
    return (address & ((1 << top) - 1)) >> shift(g, level)


def start_table_bytes(g: int, level: int, ia: int) -> int:
    """Size and alignment of the start table (or of all concatenated ones together)."""
    return DESCRIPTOR_BYTES << max(0, ia - shift(g, level))


# Least alignment of a start table where the effective IPS or S2PS is 52 bits.
WIDE_TABLE_BYTES = 64

# Levels that may hold a block, with output addresses of up to 48 bits.
BLOCK_LEVELS: dict[int, tuple[int, ...]] = {12: (1, 2), 14: (2,), 16: (2,)}


def block_levels(g: int, oas_bits: int) -> tuple[int, ...]:
    """Levels that may hold a block."""
    return (1, 2) if g == 16 and oas_bits == 52 else BLOCK_LEVELS[g]


# (granule, level) to the number of entries of a contiguous group.
CONTIGUOUS: dict[tuple[int, int], int] = {
    (12, 1): 16, (12, 2): 16, (12, 3): 16,
    (14, 2): 32, (14, 3): 128,
    (16, 2): 32, (16, 3): 32,
}

# ---- stage-2 start (reference 4.7) --------------------------------------------------------------

# Granule to the level for S2SL0 0, 1, 2; other codes are ILLEGAL.
S2_START_LEVEL: dict[int, tuple[int, ...]] = {12: (2, 1, 0), 14: (3, 2, 1), 16: (3, 2, 1)}

# (granule, level) to the least OAS in bits that allows starting there; all others: any.
S2_START_OAS: dict[tuple[int, int], int] = {(12, 0): 44, (14, 1): 42, (16, 1): 44}

S2_CONCAT_BITS = 4  # up to 16 start tables one behind the other


def s2_start_level(g: int, sl0: int, stt: bool = False) -> int | None:
    """Start level that STE.S2SL0 asks for, None if the code is ILLEGAL."""
    if sl0 == 3 and g == 12 and stt:
        return 3
    levels = S2_START_LEVEL[g]
    return levels[sl0] if sl0 < len(levels) else None


def s2_start_fits(g: int, level: int, ia: int) -> bool:
    """Whether an IPA of `ia` bits may start at `level`, up to 16 tables concatenated."""
    return shift(g, level) + 1 <= ia <= shift(g, level) + stride(g) + S2_CONCAT_BITS


def s2_concatenated(g: int, level: int, ia: int) -> int:
    """Number of start tables."""
    return 1 << max(0, ia - shift(g, level) - stride(g))


# ---- memory attributes (reference 2.6, 3.2, 4.10) -----------------------------------------------

class Mair(IntEnum):
    """Common MAIR bytes: outer nibble [7:4], inner nibble [3:0]; [7:4] = 0 is Device."""

    DEVICE_nGnRnE = 0x00
    DEVICE_nGnRE = 0x04
    DEVICE_nGRE = 0x08
    DEVICE_GRE = 0x0C
    NC = 0x44
    WT = 0xBB
    WB = 0xFF


class MemAttr(IntEnum):
    """Common 4-bit MemAttr codes; all of them: MEMATTR_MAIR."""

    DEVICE_nGnRnE = 0x0
    DEVICE_nGnRE = 0x1
    DEVICE_nGRE = 0x2
    DEVICE_GRE = 0x3
    NC = 0x5
    WT = 0xA
    WB = 0xF


class FwbMemAttr(IntEnum):
    """S2Leaf.MemAttr with STE.S2FWB=1; 0 to 3 are the Device types of MemAttr."""

    NORMAL_NC = 0x5   # a Device type of stage 1 stays
    NORMAL_WB = 0x6
    STAGE1 = 0x7


# Two-bit cacheability of MemAttr to the nibble of a MAIR byte, allocating.
_NIBBLE = {1: 0x4, 2: 0xB, 3: 0xF}

# 4-bit MemAttr to its MAIR byte. 4, 8 and 12 are reserved and behave as Device-nGnRnE.
MEMATTR_MAIR: tuple[int, ...] = tuple(
    code << 2 if code < 4 else 0 if code & 3 == 0 else _NIBBLE[code >> 2] << 4 | _NIBBLE[code & 3]
    for code in range(16))


def effective_mair(byte: int) -> int:
    """The MAIR byte that CD.MAIRn `byte` behaves as: reserved codes replaced (reference 3.2)."""
    outer, inner = byte >> 4, byte & 0xF
    if outer == 0:
        return inner & 0xC
    return byte | 0x3 if inner == 0 else byte


def is_device(mair: int) -> bool:
    """Whether an effective MAIR byte is a Device type."""
    return mair >> 4 == 0


NORMAL_NC_NIBBLE = 0x4  # nibble of a MAIR byte that means Non-cacheable
