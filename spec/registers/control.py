"""Control, status, bypass, error and interrupt-enable registers (reference 1.4 to 1.8)."""

from __future__ import annotations

from spec.codes import (
    InstructionOverride,
    PrivilegeOverride,
    Shareability,
    ShareabilityOverride,
    TableCacheability,
)
from spec.fields import Access, Field, Register


class _Cr0(Register):
    SECTION = "1.4"
    SMMUEN = Field(0, doc="translation on; 0: GBPA applies")
    PRIQEN = Field(1, needs="PRI", doc="PRI queue on")
    EVENTQEN = Field(2, doc="Event queue on")
    CMDQEN = Field(3, doc="Command queue on")
    ATSCHK = Field(4, needs="ATS", doc="Translated transactions are checked")
    VMW = Field(8, 6, needs="VMW", doc="VMID LSBs ignored by TLBI matching")
    DPT_WALK_EN = Field(10, late=True, needs="DPT")


class CR0(_Cr0):
    OFFSET = 0x020
    ACCESS = Access.RWA
    GUARD = "a field whose update is in progress keeps its value"
    DOC = "Enables"


class CR0ACK(_Cr0):
    OFFSET = 0x024
    ACCESS = Access.RO
    DOC = "Acknowledged enables"


class CR1(Register):
    OFFSET = 0x028
    SECTION = "1.5"
    GUARD = "TABLE_*: SMMUEN=0; QUEUE_*: CMDQEN=EVENTQEN=PRIQEN=0"
    DOC = "Attributes of accesses to tables and queues"
    QUEUE_IC = Field(1, 0, enum=TableCacheability)
    QUEUE_OC = Field(3, 2, enum=TableCacheability)
    QUEUE_SH = Field(5, 4, enum=Shareability)
    TABLE_IC = Field(7, 6, enum=TableCacheability)
    TABLE_OC = Field(9, 8, enum=TableCacheability)
    TABLE_SH = Field(11, 10, enum=Shareability)


class CR2(Register):
    OFFSET = 0x02C
    SECTION = "1.5"
    GUARD = "SMMUEN=0"
    DOC = "More controls"
    E2H = Field(0, needs="HYP", doc="NS-EL2 streams are EL2-E2H")
    RECINVSID = Field(1, doc="record C_BAD_STREAMID")
    PTM = Field(2, needs="BTM", doc="1: may ignore broadcast TLBI")
    REC_CFG_ATS = Field(3, needs="ATSRECERR", doc="record configuration errors of ATS")


class S2PII(Register):
    BITS = 64
    OFFSET = 0x030
    SECTION = "1.2"
    NEEDS = ("S2PI",)
    DOC = "Stage-2 permission indirection"
    VALUE = Field(63, 0, late=True)


class STATUSR(Register):
    OFFSET = 0x040
    ACCESS = Access.RO
    SECTION = "1.5"
    DOC = "Status"
    DORMANT = Field(0, needs="DORMHINT", doc="nothing cached")


class GBPA(Register):
    OFFSET = 0x044
    RESET = 0x1000  # every attribute "use incoming"
    SECTION = "1.6"
    GUARD = "Update=0, and the value written has Update=1"
    DOC = "Global bypass attributes, while SMMUEN=0"
    MemAttr = Field(3, 0, doc="memory type if MTCFG")
    MTCFG = Field(4)
    ALLOCCFG = Field(11, 8)
    SHCFG = Field(13, 12, enum=ShareabilityOverride)
    PRIVCFG = Field(17, 16, enum=PrivilegeOverride)
    INSTCFG = Field(19, 18, enum=InstructionOverride)
    ABORT = Field(20, doc="1: abort everything")
    Update = Field(31, doc="1: being applied")


class AGBPA(Register):
    OFFSET = 0x048
    SECTION = "1.2"
    DOC = "Alternate bypass attributes, implementation defined"
    IMPDEF = Field(31, 0)


class _IrqCtrl(Register):
    SECTION = "1.7"
    GERROR_IRQEN = Field(0)
    PRIQ_IRQEN = Field(1, needs="PRI")
    EVENTQ_IRQEN = Field(2)


class IRQ_CTRL(_IrqCtrl):
    OFFSET = 0x050
    ACCESS = Access.RWA
    GUARD = "a field whose update is in progress keeps its value"
    DOC = "Interrupt enables"


class IRQ_CTRLACK(_IrqCtrl):
    OFFSET = 0x054
    ACCESS = Access.RO
    DOC = "Acknowledged interrupt enables"


class _GError(Register):
    SECTION = "1.8"
    CMDQ_ERR = Field(0, doc="command error, see CMDQ_CONS.ERR")
    EVENTQ_ABT_ERR = Field(2, doc="abort writing the Event queue")
    PRIQ_ABT_ERR = Field(3, needs="PRI", doc="abort writing the PRI queue")
    MSI_CMDQ_ABT_ERR = Field(4, needs="MSI", doc="abort of a SYNC MSI")
    MSI_EVENTQ_ABT_ERR = Field(5, needs="MSI", doc="abort of an Event queue MSI")
    MSI_PRIQ_ABT_ERR = Field(6, needs="PRI", doc="abort of a PRI queue MSI")
    MSI_GERROR_ABT_ERR = Field(7, needs="MSI", doc="abort of a GERROR MSI")
    SFM_ERR = Field(8, doc="Service Failure Mode")
    CMDQP_ERR = Field(9, late=True, needs="ECMDQ")
    DPT_ERR = Field(10, late=True, needs="DPT")


class GERROR(_GError):
    OFFSET = 0x060
    ACCESS = Access.RO
    DOC = "Global errors: active where it differs from GERRORN"


class GERRORN(_GError):
    OFFSET = 0x064
    DOC = "Global error acknowledges"


class MPAMIDR(Register):
    OFFSET = 0x130
    ACCESS = Access.RO
    SECTION = "1.2"
    NEEDS = ("MPAM",)
    VALUE = Field(31, 0, late=True)


class GMPAM(Register):
    OFFSET = 0x138
    SECTION = "1.2"
    NEEDS = ("MPAM",)
    VALUE = Field(31, 0, late=True)


class GBPMPAM(Register):
    OFFSET = 0x13C
    SECTION = "1.2"
    NEEDS = ("MPAM",)
    VALUE = Field(31, 0, late=True)


class VATOS_SEL(Register):
    OFFSET = 0x180
    SECTION = "1.2"
    NEEDS = ("VATOS",)
    VALUE = Field(31, 0, late=True)


class DPT_BASE(Register):
    BITS = 64
    OFFSET = 0x200
    SECTION = "1.2"
    NEEDS = ("DPT",)
    VALUE = Field(63, 0, late=True)


class DPT_BASE_CFG(Register):
    OFFSET = 0x208
    SECTION = "1.2"
    NEEDS = ("DPT",)
    VALUE = Field(31, 0, late=True)


class DPT_CFG_FAR(Register):
    BITS = 64
    OFFSET = 0x210
    SECTION = "1.2"
    NEEDS = ("DPT",)
    VALUE = Field(63, 0, late=True)


CONTROL: list[type[Register]] = [
    CR0, CR0ACK, CR1, CR2, S2PII, STATUSR, GBPA, AGBPA, IRQ_CTRL, IRQ_CTRLACK, GERROR, GERRORN,
    MPAMIDR, GMPAM, GBPMPAM, VATOS_SEL, DPT_BASE, DPT_BASE_CFG, DPT_CFG_FAR,
]
