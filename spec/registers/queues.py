"""Stream table base, queues and their interrupt targets (reference 1.9, 1.10)."""

from __future__ import annotations

from typing import ClassVar

from spec.codes import Shareability
from spec.commands import CommandError
from spec.fields import Field, Register
from spec.stream_table import StrtabFmt

PAGE1 = 0x10000  # offset of register page 1


class _Msi(Register):
    """Parts shared by the interrupt targets."""

    NEEDS: ClassVar[tuple[str, ...]] = ("MSI",)
    SECTION = "1.9"


class _IrqCfg0(_Msi):
    BITS = 64
    DOC = "MSI address; 0: no MSI"
    ADDR = Field(51, 2, addr=True)


class _IrqCfg1(_Msi):
    DOC = "MSI data"
    DATA = Field(31, 0)


class _IrqCfg2(_Msi):
    DOC = "MSI attributes"
    MemAttr = Field(3, 0)
    SH = Field(5, 4, enum=Shareability)


class GERROR_IRQ_CFG0(_IrqCfg0):
    OFFSET = 0x068
    GUARD = "GERROR_IRQEN=0"


class GERROR_IRQ_CFG1(_IrqCfg1):
    OFFSET = 0x070
    GUARD = "GERROR_IRQEN=0"


class GERROR_IRQ_CFG2(_IrqCfg2):
    OFFSET = 0x074
    GUARD = "GERROR_IRQEN=0"


class STRTAB_BASE(Register):
    BITS = 64
    OFFSET = 0x080
    SECTION = "1.10"
    GUARD = "SMMUEN=0"
    DOC = "Stream table base"
    ADDR = Field(51, 6, addr=True)
    RA = Field(62, doc="read-allocate hint")


class STRTAB_BASE_CFG(Register):
    OFFSET = 0x088
    SECTION = "1.10"
    GUARD = "SMMUEN=0"
    DOC = "Stream table format"
    LOG2SIZE = Field(5, 0, doc="log2 of the number of StreamIDs")
    SPLIT = Field(10, 6, needs="ST_LEVEL", doc="StreamID bits of the second level: 6, 8, 10")
    FMT = Field(17, 16, enum=StrtabFmt, needs="ST_LEVEL")


class CMDQ_BASE(Register):
    BITS = 64
    OFFSET = 0x090
    SECTION = "1.10"
    GUARD = "CMDQEN=0"
    DOC = "Command queue base"
    LOG2SIZE = Field(4, 0)
    ADDR = Field(51, 5, addr=True)
    RA = Field(62, doc="read-allocate hint")


class CMDQ_PROD(Register):
    OFFSET = 0x098
    SECTION = "1.10"
    DOC = "Command queue write index, the doorbell"
    WR = Field(19, 0)


class CMDQ_CONS(Register):
    OFFSET = 0x09C
    SECTION = "1.10"
    GUARD = "CMDQEN=0"
    DOC = "Command queue read index and error"
    RD = Field(19, 0)
    ERR = Field(30, 24, enum=CommandError)


class _OutBase(Register):
    BITS = 64
    SECTION = "1.10"
    LOG2SIZE = Field(4, 0)
    ADDR = Field(51, 5, addr=True)
    WA = Field(62, doc="write-allocate hint")


class _OutProd(Register):
    SECTION = "1.10"
    WR = Field(19, 0)
    OVFLG = Field(31, doc="overflow: active where it differs from OVACKFLG")


class _OutCons(Register):
    SECTION = "1.10"
    RD = Field(19, 0)
    OVACKFLG = Field(31, doc="overflow acknowledge")


class EVENTQ_BASE(_OutBase):
    OFFSET = 0x0A0
    GUARD = "EVENTQEN=0"
    DOC = "Event queue base"


class EVENTQ_IRQ_CFG0(_IrqCfg0):
    OFFSET = 0x0B0
    GUARD = "EVENTQ_IRQEN=0"


class EVENTQ_IRQ_CFG1(_IrqCfg1):
    OFFSET = 0x0B8
    GUARD = "EVENTQ_IRQEN=0"


class EVENTQ_IRQ_CFG2(_IrqCfg2):
    OFFSET = 0x0BC
    GUARD = "EVENTQ_IRQEN=0"


class PRIQ_BASE(_OutBase):
    OFFSET = 0x0C0
    GUARD = "PRIQEN=0"
    NEEDS = ("PRI",)
    DOC = "PRI queue base"


class PRIQ_IRQ_CFG0(_IrqCfg0):
    OFFSET = 0x0D0
    GUARD = "PRIQ_IRQEN=0"
    NEEDS = ("MSI", "PRI")


class PRIQ_IRQ_CFG1(_IrqCfg1):
    OFFSET = 0x0D8
    GUARD = "PRIQ_IRQEN=0"
    NEEDS = ("MSI", "PRI")


class PRIQ_IRQ_CFG2(Register):
    OFFSET = 0x0DC
    SECTION = "1.9"
    GUARD = "PRIQ_IRQEN=0"
    NEEDS = ("PRI",)
    DOC = "MSI attributes and the interrupt condition"
    MemAttr = Field(3, 0, needs="MSI")
    SH = Field(5, 4, enum=Shareability, needs="MSI")
    LO = Field(31, doc="1: interrupt at the Last request of a group")


class EVENTQ_PROD(_OutProd):
    OFFSET = PAGE1 + 0x0A8
    GUARD = "EVENTQEN=0"
    DOC = "Event queue write index"


class EVENTQ_CONS(_OutCons):
    OFFSET = PAGE1 + 0x0AC
    DOC = "Event queue read index"


class PRIQ_PROD(_OutProd):
    OFFSET = PAGE1 + 0x0C8
    GUARD = "PRIQEN=0"
    NEEDS = ("PRI",)
    DOC = "PRI queue write index"


class PRIQ_CONS(_OutCons):
    OFFSET = PAGE1 + 0x0CC
    NEEDS = ("PRI",)
    DOC = "PRI queue read index"


QUEUES: list[type[Register]] = [
    GERROR_IRQ_CFG0, GERROR_IRQ_CFG1, GERROR_IRQ_CFG2, STRTAB_BASE, STRTAB_BASE_CFG, CMDQ_BASE,
    CMDQ_PROD, CMDQ_CONS, EVENTQ_BASE, EVENTQ_IRQ_CFG0, EVENTQ_IRQ_CFG1, EVENTQ_IRQ_CFG2,
    PRIQ_BASE, PRIQ_IRQ_CFG0, PRIQ_IRQ_CFG1, PRIQ_IRQ_CFG2, EVENTQ_PROD, EVENTQ_CONS, PRIQ_PROD,
    PRIQ_CONS,
]
