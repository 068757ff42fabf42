"""Identification registers (reference 1.3)."""

from __future__ import annotations

from enum import IntEnum

from spec.codes import SizeCode
from spec.fields import Access, Field, Register


class TTF(IntEnum):
    """IDR0.TTF: two capability bits."""

    AARCH32 = 1
    AARCH64 = 2
    BOTH = 3


class HTTU(IntEnum):
    """IDR0.HTTU."""

    NONE = 0
    ACCESS = 1
    DIRTY = 2
    TABLE = 3


class TTENDIAN(IntEnum):
    """IDR0.TTENDIAN; 1 is reserved."""

    MIXED = 0
    LITTLE = 2
    BIG = 3


class StallModel(IntEnum):
    """IDR0.STALL_MODEL."""

    BOTH = 0
    TERMINATE = 1
    STALL = 2


class _Ident(Register):
    ACCESS = Access.RO
    SECTION = "1.3"


class IDR0(_Ident):
    OFFSET = 0x000
    DOC = "Features"
    S2P = Field(0, doc="stage 2")
    S1P = Field(1, doc="stage 1")
    TTF = Field(3, 2, enum=TTF, doc="table formats")
    COHACC = Field(4, doc="coherent accesses of the SMMU")
    BTM = Field(5, doc="broadcast TLB maintenance")
    HTTU = Field(7, 6, enum=HTTU, doc="hardware updates of tables")
    DORMHINT = Field(8, doc="STATUSR.DORMANT")
    HYP = Field(9, doc="EL2 StreamWorlds")
    ATS = Field(10)
    NS1ATS = Field(11, doc="1: no split-stage ATS")
    ASID16 = Field(12, doc="16-bit ASIDs")
    MSI = Field(13)
    SEV = Field(14, doc="wake-up events")
    ATOS = Field(15, doc="GATOS registers")
    PRI = Field(16)
    VMW = Field(17, doc="VMID wildcard")
    VMID16 = Field(18, doc="16-bit VMIDs")
    CD2L = Field(19, doc="two-level CD tables")
    VATOS = Field(20, late=True)
    TTENDIAN = Field(22, 21, enum=TTENDIAN, doc="table endianness")
    ATSRECERR = Field(23, doc="CR2.REC_CFG_ATS")
    STALL_MODEL = Field(25, 24, enum=StallModel)
    TERM_MODEL = Field(26, doc="1: CD.A must be 1")
    ST_LEVEL = Field(28, 27, doc="1: two-level stream table")
    RME_IMPL = Field(30, late=True)


class IDR1(_Ident):
    OFFSET = 0x004
    DOC = "Sizes"
    SIDSIZE = Field(5, 0, doc="StreamID bits")
    SSIDSIZE = Field(10, 6, doc="SubstreamID bits")
    PRIQS = Field(15, 11, doc="log2 of the largest PRI queue")
    EVENTQS = Field(20, 16, doc="log2 of the largest Event queue")
    CMDQS = Field(25, 21, doc="log2 of the largest Command queue")
    ATTR_PERMS_OVR = Field(26, doc="INSTCFG, PRIVCFG honoured")
    ATTR_TYPES_OVR = Field(27, doc="MTCFG, MemAttr, ALLOCCFG, SHCFG honoured")
    REL = Field(28, doc="preset bases are relative")
    QUEUES_PRESET = Field(29)
    TABLES_PRESET = Field(30)
    ECMDQ = Field(31, late=True)


class IDR2(_Ident):
    OFFSET = 0x008
    DOC = "Virtual ATOS"
    BA_VATOS = Field(9, 0, late=True)


class IDR3(_Ident):
    OFFSET = 0x00C
    DOC = "More features"
    HAD = Field(2, doc="CD.HADn")
    PBHA = Field(3, doc="page-based hardware attributes")
    XNX = Field(4, doc="stage-2 XN[1:0]")
    PPS = Field(5, doc="PRI overflow responses carry the PASID")
    MPAM = Field(7, late=True)
    FWB = Field(8, doc="STE.S2FWB")
    STT = Field(9, doc="small translation tables")
    RIL = Field(10, doc="range invalidation and TTL")
    BBML = Field(12, 11, doc="break-before-make level")
    E0PD = Field(13, doc="CD.E0PDn")
    PTWNNC = Field(14, doc="walks into Device memory as Normal-NC")
    DPT = Field(15, late=True)
    PASIDTT = Field(16, late=True)
    EPAN = Field(17, late=True)
    S1PI = Field(18, late=True)
    S2PI = Field(19, late=True)
    S2PO = Field(20, late=True)
    THE = Field(21, late=True)
    MTEPERM = Field(22, late=True)
    AIE = Field(23, late=True)


class IDR4(_Ident):
    OFFSET = 0x010
    DOC = "Implementation defined"
    IMPDEF = Field(31, 0)


class IDR5(_Ident):
    OFFSET = 0x014
    DOC = "Addresses, granules, stalls"
    OAS = Field(2, 0, enum=SizeCode, doc="output address size")
    GRAN4K = Field(4)
    GRAN16K = Field(5)
    GRAN64K = Field(6)
    DS = Field(7, late=True)
    D128 = Field(8, late=True)
    VAX = Field(11, 10, doc="0: 48-bit VA, 1: 52")
    STALL_MAX = Field(31, 16, doc="most unanswered stalls")


class IIDR(_Ident):
    OFFSET = 0x018
    DOC = "Implementer"
    Implementer = Field(11, 0)
    Revision = Field(15, 12)
    Variant = Field(19, 16)
    ProductID = Field(31, 20)


class AIDR(_Ident):
    OFFSET = 0x01C
    DOC = "Architecture version: SMMUv3.minor, with major 0"
    ArchMinorRev = Field(3, 0)
    ArchMajorRev = Field(7, 4)


class IDR6(_Ident):
    OFFSET = 0x190
    NEEDS = ("ECMDQ",)
    DOC = "Enhanced command queues"
    VALUE = Field(31, 0, late=True)


class _IdByte(_Ident):
    SECTION = "1.2"
    DOC = "Component identification byte"
    VALUE = Field(7, 0)


class PIDR4(_IdByte):
    OFFSET = 0xFD0


class PIDR5(_IdByte):
    OFFSET = 0xFD4


class PIDR6(_IdByte):
    OFFSET = 0xFD8


class PIDR7(_IdByte):
    OFFSET = 0xFDC


class PIDR0(_IdByte):
    OFFSET = 0xFE0


class PIDR1(_IdByte):
    OFFSET = 0xFE4


class PIDR2(_IdByte):
    OFFSET = 0xFE8


class PIDR3(_IdByte):
    OFFSET = 0xFEC


class CIDR0(_IdByte):
    OFFSET = 0xFF0
    RESET = 0x0D


class CIDR1(_IdByte):
    OFFSET = 0xFF4
    RESET = 0xF0


class CIDR2(_IdByte):
    OFFSET = 0xFF8
    RESET = 0x05


class CIDR3(_IdByte):
    OFFSET = 0xFFC
    RESET = 0xB1


IDENT: list[type[Register]] = [
    IDR0, IDR1, IDR2, IDR3, IDR4, IDR5, IIDR, AIDR, IDR6,
    PIDR4, PIDR5, PIDR6, PIDR7, PIDR0, PIDR1, PIDR2, PIDR3, CIDR0, CIDR1, CIDR2, CIDR3,
]
