"""Address translation operations by register, optional (reference 1.11)."""

from __future__ import annotations

from enum import IntEnum

from spec.fields import Access, Field, Register, Structure


class GatosType(IntEnum):
    """GATOS_ADDR.TYPE; 0 is reserved."""

    VA_TO_IPA = 1
    IPA_TO_PA = 2
    VA_TO_PA = 3


class GatosFault(IntEnum):
    """GATOS_PAR_FAULT.FAULTCODE where it is not an event number."""

    INTERNAL_ERR = 0xFD
    INV_STAGE = 0xFE
    INV_REQ = 0xFF


class GatosReason(IntEnum):
    """GATOS_PAR_FAULT.REASON."""

    STAGE1_OR_OTHER = 0
    S2_CD = 1
    S2_TT = 2
    S2_IN = 3


class _Gatos(Register):
    SECTION = "1.11"
    NEEDS = ("ATOS",)
    GUARD = "RUN=0"


class GATOS_CTRL(_Gatos):
    OFFSET = 0x100
    GUARD = "SMMUEN=1 and RUN=0"
    DOC = "Start and state"
    RUN = Field(0, doc="cleared when GATOS_PAR is valid")


class GATOS_SID(_Gatos):
    BITS = 64
    OFFSET = 0x108
    DOC = "Stream"
    STREAMID = Field(31, 0)
    SUBSTREAMID = Field(51, 32)
    SSID_VALID = Field(52)


class GATOS_ADDR(_Gatos):
    BITS = 64
    OFFSET = 0x110
    DOC = "Address and kind"
    HTTUI = Field(6, doc="1: no hardware update")
    InD = Field(7)
    RnW = Field(8)
    PnU = Field(9)
    TYPE = Field(11, 10, enum=GatosType)
    ADDR = Field(63, 12, addr=True)


class GATOS_PAR(_Gatos):
    BITS = 64
    OFFSET = 0x118
    ACCESS = Access.RO
    GUARD = ""
    DOC = "Result; laid out as GATOS_PAR_FAULT if FAULT"
    FAULT = Field(0)
    SH = Field(9, 8)
    Size = Field(11, doc="1: the lowest set bit of ADDR encodes the size")
    ADDR = Field(51, 12, addr=True)
    ATTR = Field(63, 56, doc="MAIR format")


class GATOS_PAR_FAULT(Structure):
    """GATOS_PAR with FAULT=1."""

    SECTION = "1.11"
    FAULT = Field(0)
    REASON = Field(2, 1, enum=GatosReason)
    FAULTCODE = Field(11, 4, doc="event number or GatosFault")
    FADDR = Field(51, 12, addr=True)
    IMPDEF = Field(63, 60)


GATOS: list[type[Register]] = [GATOS_CTRL, GATOS_SID, GATOS_ADDR, GATOS_PAR]
