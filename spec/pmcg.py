"""Performance monitor counter group, optional: one or two 64 KB pages (reference 1.12)."""

from __future__ import annotations

from enum import IntEnum

from spec.fields import Access, Field, Register, RegisterMap

PAGE_SIZE = 0x1_0000
COUNTERS_MAX = 64

# Offsets of counter n's registers: base + n * stride.
EVCNTR_BASE = 0x000  # EVCNTR_STRIDE
EVTYPER_BASE = 0x400
SVR_BASE = 0x600     # EVCNTR_STRIDE
SMR_BASE = 0xA00
EVTYPER_STRIDE = SMR_STRIDE = 4


def evcntr_stride(size: int) -> int:
    """Bytes from one counter to the next for CFGR.SIZE `size`; the same for SVRn."""
    return 8 if size > 31 else 4


SIZES = (31, 35, 39, 43, 47, 63)  # legal CFGR.SIZE


class PmcgEvent(IntEnum):
    """What a counter can count; 0 to 5 are mandatory, 6 and 7 come with ATS."""

    CYCLES = 0
    TRANSACTIONS = 1
    TLB_MISSES = 2
    CONFIG_MISSES = 3
    WALK_ACCESSES = 4
    CONFIG_ACCESSES = 5
    ATS_REQUESTS = 6
    ATS_TRANSLATED = 7


class EVTYPER(Register):
    """EVTYPERn; its offset is EVTYPER_BASE + n * EVTYPER_STRIDE."""

    SECTION = "1.12"
    EVENT = Field(15, 0, enum=PmcgEvent)
    FILTER_SID_SPAN = Field(29, doc="1: SMRn encodes a prefix")
    FILTER_SEC_SID = Field(30, late=True)
    OVFCAP = Field(31, doc="overflow captures all counters")


class SMR(Register):
    """SMRn; its offset is SMR_BASE + n * SMR_STRIDE."""

    SECTION = "1.12"
    STREAMID = Field(31, 0)


class _Bitmap(Register):
    """One bit for each counter."""

    BITS = 64
    SECTION = "1.12"
    COUNTERS = Field(63, 0)


class CNTENSET0(_Bitmap):
    OFFSET = 0xC00
    DOC = "write 1 to set"


class CNTENCLR0(_Bitmap):
    OFFSET = 0xC20
    ACCESS = Access.W1C


class INTENSET0(_Bitmap):
    OFFSET = 0xC40
    DOC = "write 1 to set"


class INTENCLR0(_Bitmap):
    OFFSET = 0xC60
    ACCESS = Access.W1C


class OVSCLR0(_Bitmap):
    OFFSET = 0xC80
    ACCESS = Access.W1C


class OVSSET0(_Bitmap):
    OFFSET = 0xCC0
    DOC = "write 1 to set"


class CAPR(Register):
    OFFSET = 0xD88
    ACCESS = Access.WO
    SECTION = "1.12"
    CAPTURE = Field(0, doc="copy all counters to SVRn")


class SCR(Register):
    OFFSET = 0xDF8
    SECTION = "1.12"
    VALUE = Field(31, 0, late=True, doc="Secure control")


class CFGR(Register):
    OFFSET = 0xE00
    ACCESS = Access.RO
    SECTION = "1.12"
    NCTR = Field(5, 0, doc="counters - 1")
    SIZE = Field(13, 8, doc="counter bits - 1")
    RELOC_CTRS = Field(20, doc="counters in the second page")
    MSI = Field(21)
    CAPTURE = Field(22)
    SID_FILTER_TYPE = Field(23, doc="1: one filter for all counters")
    MPAM = Field(24, late=True)
    FILTER_PARTID_PMG = Field(25, late=True)


class CR(Register):
    OFFSET = 0xE04
    SECTION = "1.12"
    E = Field(0, doc="counting on")


class PMCG_IIDR(Register):
    OFFSET = 0xE08
    ACCESS = Access.RO
    SECTION = "1.12"
    Implementer = Field(11, 0)
    Revision = Field(15, 12)
    Variant = Field(19, 16)
    ProductID = Field(31, 20)


class CEID0(Register):
    BITS = 64
    OFFSET = 0xE20
    ACCESS = Access.RO
    SECTION = "1.12"
    EVENTS = Field(63, 0, doc="supported events 0 to 63")


class CEID1(Register):
    BITS = 64
    OFFSET = 0xE28
    ACCESS = Access.RO
    SECTION = "1.12"
    EVENTS = Field(63, 0, doc="supported events 64 to 127")


class PMCG_IRQ_CTRL(Register):
    OFFSET = 0xE50
    ACCESS = Access.RWA
    SECTION = "1.12"
    IRQEN = Field(0)


class PMCG_IRQ_CTRLACK(Register):
    OFFSET = 0xE54
    ACCESS = Access.RO
    SECTION = "1.12"
    IRQEN = Field(0)


class PMCG_IRQ_CFG0(Register):
    BITS = 64
    OFFSET = 0xE58
    SECTION = "1.12"
    ADDR = Field(51, 2, addr=True)


class PMCG_IRQ_CFG1(Register):
    OFFSET = 0xE60
    SECTION = "1.12"
    DATA = Field(31, 0)


class PMCG_IRQ_CFG2(Register):
    OFFSET = 0xE64
    SECTION = "1.12"
    MemAttr = Field(3, 0)
    SH = Field(5, 4)


class PMCG_IRQ_STATUS(Register):
    OFFSET = 0xE68
    ACCESS = Access.RO
    SECTION = "1.12"
    IRQ_ABT = Field(0)


class PMCG_AIDR(Register):
    OFFSET = 0xE70
    ACCESS = Access.RO
    SECTION = "1.12"
    ArchMinorRev = Field(3, 0)
    ArchMajorRev = Field(7, 4)


class PMDEVARCH(Register):
    OFFSET = 0xFBC
    ACCESS = Access.RO
    RESET = 0x4770_2A56
    SECTION = "1.12"
    VALUE = Field(31, 0)


class PMDEVTYPE(Register):
    OFFSET = 0xFCC
    ACCESS = Access.RO
    RESET = 0x56
    SECTION = "1.12"
    VALUE = Field(31, 0)


PMCG = RegisterMap("PMCG", PAGE_SIZE, [
    CNTENSET0, CNTENCLR0, INTENSET0, INTENCLR0, OVSCLR0, OVSSET0, CAPR, SCR, CFGR, CR, PMCG_IIDR,
    CEID0, CEID1, PMCG_IRQ_CTRL, PMCG_IRQ_CTRLACK, PMCG_IRQ_CFG0, PMCG_IRQ_CFG1, PMCG_IRQ_CFG2,
    PMCG_IRQ_STATUS, PMCG_AIDR, PMDEVARCH, PMDEVTYPE,
])
