"""Context descriptors (reference 3)."""

from __future__ import annotations

from spec.codes import Shareability, SizeCode, TG0Code, TG1Code, WalkCacheability
from spec.fields import Field, Structure

CD_BYTES = 64
L1CD_BYTES = 8

# STE.S1Fmt code to the number of SubstreamID bits that index the leaf table.
CD_LEAF_BITS: dict[int, int] = {1: 6, 2: 10}


class L1CD(Structure):
    """Level 1 context descriptor."""

    BITS = 64
    SECTION = "3.1"
    V = Field(0, doc="valid; 0: C_BAD_SUBSTREAMID")
    L2Ptr = Field(51, 12, addr=True, doc="leaf table; an IPA if stage 2 is on")


class CD(Structure):
    """Context descriptor."""

    BITS = 512
    SECTION = "3.2"

    T0SZ = Field(5, 0, doc="input size of TT0 = 64 - T0SZ")
    TG0 = Field(7, 6, enum=TG0Code, doc="granule of TT0")
    IR0 = Field(9, 8, enum=WalkCacheability, doc="walk of TT0, inner")
    OR0 = Field(11, 10, enum=WalkCacheability, doc="walk of TT0, outer")
    SH0 = Field(13, 12, enum=Shareability, doc="walk of TT0, shareability")
    EPD0 = Field(14, doc="1: TT0 walks disabled")
    ENDI = Field(15, doc="1: big-endian tables")
    T1SZ = Field(21, 16, doc="input size of TT1 = 64 - T1SZ")
    TG1 = Field(23, 22, enum=TG1Code, doc="granule of TT1, not the code of TG0")
    IR1 = Field(25, 24, enum=WalkCacheability, doc="walk of TT1, inner")
    OR1 = Field(27, 26, enum=WalkCacheability, doc="walk of TT1, outer")
    SH1 = Field(29, 28, enum=Shareability, doc="walk of TT1, shareability")
    EPD1 = Field(30, doc="1: TT1 walks disabled")
    V = Field(31, doc="valid; 0: C_BAD_CD")
    IPS = Field(34, 32, enum=SizeCode, doc="stage-1 output size")
    AFFD = Field(35, doc="1: no access flag fault when HA is 0")
    WXN = Field(36, doc="writable implies execute-never")
    UWXN = Field(37, doc="AArch32 only")
    TBI0 = Field(38, doc="TT0: top byte ignored")
    TBI1 = Field(39, doc="TT1: top byte ignored")
    PAN = Field(40, doc="privileged access never")
    AA64 = Field(41, doc="1: AArch64 tables")
    HD = Field(42, doc="hardware dirty update")
    HA = Field(43, doc="hardware access flag update")
    S = Field(44, doc="stall on stage-1 faults")
    R = Field(45, doc="record stage-1 faults")
    A = Field(46, doc="terminate as: 1 abort, 0 RAZ/WI")
    ASET = Field(47, doc="ASID set; separates global entries")
    ASID = Field(63, 48)

    NSCFG0 = Field(0, dw=1, doc="ignored for Non-secure streams")
    HAD0 = Field(1, dw=1, doc="TT0: table attributes ignored")
    E0PD0 = Field(2, dw=1, doc="TT0: unprivileged access never; needs IDR3.E0PD")
    HAFT = Field(3, dw=1, late=True)
    TTB0 = Field(51, 4, dw=1, addr=True)
    PnCH = Field(58, dw=1, late=True)
    EPAN = Field(59, dw=1, late=True)
    HWU059 = Field(60, dw=1, late=True)
    HWU060 = Field(61, dw=1, late=True)
    HWU061 = Field(62, dw=1, late=True, doc="or SKL0[0]")
    HWU062 = Field(63, dw=1, late=True, doc="or SKL0[1]")

    NSCFG1 = Field(0, dw=2, doc="ignored for Non-secure streams")
    HAD1 = Field(1, dw=2, doc="TT1: table attributes ignored")
    E0PD1 = Field(2, dw=2, doc="TT1: unprivileged access never; needs IDR3.E0PD")
    AIE = Field(3, dw=2, late=True)
    TTB1 = Field(51, 4, dw=2, addr=True)
    DS = Field(58, dw=2, late=True)
    PIE = Field(59, dw=2, late=True)
    HWU159 = Field(60, dw=2, late=True)
    HWU160 = Field(61, dw=2, late=True)
    HWU161 = Field(62, dw=2, late=True, doc="or SKL1[0]")
    HWU162 = Field(63, dw=2, late=True, doc="or SKL1[1]")

    MAIR0 = Field(31, 0, dw=3, doc="attribute bytes 0 to 3")
    MAIR1 = Field(63, 32, dw=3, doc="attribute bytes 4 to 7")
    AMAIR0 = Field(31, 0, dw=4, doc="implementation defined")
    AMAIR1 = Field(63, 32, dw=4, doc="implementation defined")
    IMPDEF = Field(31, 0, dw=5, doc="implementation defined")
    PARTID = Field(47, 32, dw=5, late=True)
    PMG = Field(55, 48, dw=5, late=True)
    PIIU = Field(63, 0, dw=6, late=True)
    PIIP = Field(63, 0, dw=7, late=True)
