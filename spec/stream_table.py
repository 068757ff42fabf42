"""Stream table: L1 descriptor and stream table entry (reference 2)."""

from __future__ import annotations

from enum import IntEnum

from spec.codes import (
    FetchCacheability,
    InstructionOverride,
    PrivilegeOverride,
    Shareability,
    ShareabilityOverride,
    SizeCode,
    TG0Code,
    WalkCacheability,
)
from spec.fields import Field, Structure

STE_BYTES = 64
L1STD_BYTES = 8

SPAN_MAX = 11  # larger Spans are reserved and behave as 0 (reference 2.2)


class StrtabFmt(IntEnum):
    """STRTAB_BASE_CFG.FMT; 2 and 3 are reserved and behave as LINEAR."""

    LINEAR = 0
    TWO_LEVEL = 1


SPLITS = (6, 8, 10)  # legal STRTAB_BASE_CFG.SPLIT; every other value behaves as SPLIT_RESERVED
SPLIT_RESERVED = 6


def effective_split(split: int) -> int:
    """The number of StreamID bits that index the second level."""
    return split if split in SPLITS else SPLIT_RESERVED


class L1STD(Structure):
    """Level 1 stream table descriptor."""

    BITS = 64
    SECTION = "2.2"
    Span = Field(4, 0, doc="0 invalid; n: the L2 table holds 2^(n-1) STEs; 12 and up behave as 0")
    L2Ptr = Field(51, 6, addr=True, doc="L2 table, aligned to its size")


class SteConfig(IntEnum):
    """STE.Config. Every value with bit 2 clear means ABORT."""

    ABORT = 0
    BYPASS = 4
    S1 = 5
    S2 = 6
    NESTED = 7


class SteS1Fmt(IntEnum):
    """STE.S1Fmt; 3 is reserved and behaves as LINEAR."""

    LINEAR = 0
    L2_4K = 1
    L2_64K = 2


class SteS1DSS(IntEnum):
    """STE.S1DSS: traffic without SubstreamID; 3 is reserved and behaves as TERMINATE."""

    TERMINATE = 0
    BYPASS = 1
    SSID0 = 2


class SteSTRW(IntEnum):
    """STE.STRW; 1 and 3 are ILLEGAL where the field is used."""

    NS_EL1 = 0
    NS_EL2 = 2


class SteEATS(IntEnum):
    """STE.EATS."""

    DENIED = 0
    FULL = 1
    SPLIT = 2
    FULL_DPT = 3


class S2SL0Code(IntEnum):
    """STE.S2SL0; the level it means depends on the granule: spec.vmsa.S2_START_LEVEL."""

    LOWEST = 0
    MIDDLE = 1
    HIGHEST = 2
    STT = 3


class STE(Structure):
    """Stream table entry."""

    BITS = 512
    SECTION = "2.3, 2.4, 2.5"

    V = Field(0, doc="valid; 0: C_BAD_STE")
    Config = Field(3, 1, enum=SteConfig, doc="which stages are on")
    S1Fmt = Field(5, 4, enum=SteS1Fmt, doc="CD table format")
    S1ContextPtr = Field(51, 6, addr=True, doc="CD or CD table; an IPA if stage 2 is on")
    S1CDMax = Field(63, 59, doc="log2 of the number of CDs; 0: one CD, no substreams")

    S1DSS = Field(1, 0, dw=1, enum=SteS1DSS, doc="traffic without SubstreamID")
    S1CIR = Field(3, 2, dw=1, enum=FetchCacheability, doc="CD fetch, inner")
    S1COR = Field(5, 4, dw=1, enum=FetchCacheability, doc="CD fetch, outer")
    S1CSH = Field(7, 6, dw=1, enum=Shareability, doc="CD fetch, shareability")
    S2HWU59 = Field(8, dw=1, late=True)
    S2HWU60 = Field(9, dw=1, late=True)
    S2HWU61 = Field(10, dw=1, late=True)
    S2HWU62 = Field(11, dw=1, late=True)
    DRE = Field(12, dw=1, doc="destructive reads allowed")
    CONT = Field(16, 13, dw=1, doc="log2 of the number of identical neighbours, a hint")
    DCP = Field(17, dw=1, doc="directed cache prefetch allowed")
    PPAR = Field(18, dw=1, doc="PRI overflow auto-response carries the PASID")
    MEV = Field(19, dw=1, doc="similar events may be merged")
    SW_RESERVED = Field(23, 20, dw=1, doc="for software")
    S1PIE = Field(24, dw=1, late=True)
    S2FWB = Field(25, dw=1, doc="stage-2 forced write-back")
    S1MPAM = Field(26, dw=1, late=True)
    S1STALLD = Field(27, dw=1, doc="stage-1 stalls forbidden")
    EATS = Field(29, 28, dw=1, enum=SteEATS, doc="ATS")
    STRW = Field(31, 30, dw=1, enum=SteSTRW, doc="StreamWorld, with Config S1 only")
    MemAttr = Field(35, 32, dw=1, doc="memory type if MTCFG")
    MTCFG = Field(36, dw=1, doc="1: MemAttr replaces the incoming type")
    ALLOCCFG = Field(40, 37, dw=1, doc="0b0xxx incoming hints, 0b1RWT override")
    SHCFG = Field(45, 44, dw=1, enum=ShareabilityOverride, doc="shareability override")
    NSCFG = Field(47, 46, dw=1, doc="ignored for Non-secure streams")
    PRIVCFG = Field(49, 48, dw=1, enum=PrivilegeOverride, doc="privilege override")
    INSTCFG = Field(51, 50, dw=1, enum=InstructionOverride, doc="instruction override, reads")
    IMPDEF = Field(63, 52, dw=1, doc="implementation defined")

    S2VMID = Field(15, 0, dw=2, doc="also tags stage-1-only streams")
    S2T0SZ = Field(37, 32, dw=2, doc="IPA size = 64 - S2T0SZ")
    S2SL0 = Field(39, 38, dw=2, enum=S2SL0Code, doc="start level")
    S2IR0 = Field(41, 40, dw=2, enum=WalkCacheability, doc="walk, inner")
    S2OR0 = Field(43, 42, dw=2, enum=WalkCacheability, doc="walk, outer")
    S2SH0 = Field(45, 44, dw=2, enum=Shareability, doc="walk, shareability")
    S2TG = Field(47, 46, dw=2, enum=TG0Code, doc="granule")
    S2PS = Field(50, 48, dw=2, enum=SizeCode, doc="output size")
    S2AA64 = Field(51, dw=2, doc="1: AArch64 tables")
    S2ENDI = Field(52, dw=2, doc="1: big-endian tables")
    S2AFFD = Field(53, dw=2, doc="1: no access flag fault when S2HA is 0")
    S2PTW = Field(54, dw=2, doc="1: stage-1 walk or CD fetch in Device memory faults")
    S2HD = Field(55, dw=2, doc="hardware dirty update")
    S2HA = Field(56, dw=2, doc="hardware access flag update")
    S2S = Field(57, dw=2, doc="stall on stage-2 faults")
    S2R = Field(58, dw=2, doc="record stage-2 faults")
    S2HAFT = Field(59, dw=2, late=True)
    S2PIE = Field(60, dw=2, late=True)
    S2POE = Field(61, dw=2, late=True)
    DPT_VMATCH = Field(63, 62, dw=2, late=True)

    S2NSW = Field(0, dw=3, late=True, doc="Secure only")
    S2NSA = Field(1, dw=3, late=True, doc="Secure only")
    S2SL0_2 = Field(2, dw=3, late=True, doc="LPA2 only")
    S2DS = Field(3, dw=3, late=True, doc="LPA2 only")
    S2TTB = Field(51, 4, dw=3, addr=True, doc="stage-2 table base")

    PARTID = Field(31, 16, dw=4, late=True)
    MECID = Field(63, 48, dw=4, late=True)
    PMG = Field(7, 0, dw=5, late=True)
    MPAM_NS = Field(8, dw=5, late=True)
    VMSPtr = Field(55, 12, dw=5, addr=True, late=True)
    S_S2TTB = Field(51, 4, dw=6, addr=True, late=True, doc="Secure only")
    S2POI = Field(63, 0, dw=7, late=True)
