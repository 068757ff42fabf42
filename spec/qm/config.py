"""The function's PCI configuration space: identity, BARs, FLR, MSI, PASID (qm.md 1.1 to 1.3).

Offsets are those inside the space; on the accelerator's register port it lies at `CONFIG_BASE`.
"""

from __future__ import annotations

from typing import ClassVar

from spec.fields import Access, Field, Register, RegisterMap
from spec.qm.function import BAR2_SIZE, BAR4_BASE, DOORBELL_PAGE, QUEUES_MAX, REVISION

CONFIG_BASE = BAR4_BASE + QUEUES_MAX * DOORBELL_PAGE
CONFIG_SIZE = 0x1000
VECTORS = 4                  # MSI messages


class ConfigWord(Register):
    """One doubleword; `WRITABLE` has the bits that software can change."""

    WRITABLE: ClassVar[int] = 0
    SECTION = "1.3"


class PCI_ID(ConfigWord):
    OFFSET = 0x00
    ACCESS = Access.RO
    RESET = 0xA255_19E5
    SECTION = "1.1"
    VENDOR = Field(15, 0)
    DEVICE = Field(31, 16)


class PCI_COMMAND(ConfigWord):
    OFFSET = 0x04
    RESET = 0x0010_0006
    WRITABLE = 0x406
    DOC = "Command and status. On chip: memory and bus master are enabled at reset"
    MEMORY = Field(1, doc="stored, no effect")
    MASTER = Field(2, doc="0: no new bus transactions")
    INTX_DISABLE = Field(10, doc="stored, there is no INTx")
    CAPABILITIES = Field(20, doc="status: there is a list")


class PCI_CLASS(ConfigWord):
    OFFSET = 0x08
    ACCESS = Access.RO
    RESET = 0x10_0000 << 8 | REVISION
    SECTION = "1.1"
    REVISION = Field(7, 0)
    CODE = Field(31, 8)


class _BarLow(ConfigWord):
    RESET = 0x4
    SECTION = "1.2"
    TYPE = Field(3, 0, doc="4: 64-bit memory")
    ADDRESS = Field(31, 4, doc="only the bits above the size can be written")


class _BarHigh(ConfigWord):
    SECTION = "1.2"
    WRITABLE = 0xFFFF_FFFF
    ADDRESS = Field(31, 0)


class PCI_BAR2(_BarLow):
    OFFSET = 0x18
    WRITABLE = 2**32 - BAR2_SIZE


class PCI_BAR3(_BarHigh):
    OFFSET = 0x1C


class PCI_BAR4(_BarLow):
    OFFSET = 0x20
    WRITABLE = 2**32 - DOORBELL_PAGE
    DOC = "A page per queue: the lowest address bits of more than one page are not writable"


class PCI_BAR5(_BarHigh):
    OFFSET = 0x24


class PCI_CAPABILITIES(ConfigWord):
    OFFSET = 0x34
    ACCESS = Access.RO
    RESET = 0x40
    POINTER = Field(7, 0)


class PCIE_CAP(ConfigWord):
    OFFSET = 0x40
    ACCESS = Access.RO
    RESET = 2 << 16 | 0x7C << 8 | 0x10
    ID = Field(7, 0)
    NEXT = Field(15, 8)
    VERSION = Field(19, 16)
    PORT_TYPE = Field(23, 20, doc="0: endpoint")


class PCIE_DEVCAP(ConfigWord):
    OFFSET = 0x44
    ACCESS = Access.RO
    RESET = 1 << 28
    FLR = Field(28, doc="function level reset")


class PCIE_DEVCTL(ConfigWord):
    OFFSET = 0x48
    WRITABLE = 0x78FF
    DOC = "Control and status"
    SETTINGS = Field(14, 0, doc="stored, no effect")
    FLR = Field(15, doc="write 1: function level reset; reads 0")
    PENDING = Field(21, doc="status: bus transactions are under way")


class MSI_CONTROL(ConfigWord):
    OFFSET = 0x7C
    RESET = 1 << 24 | 1 << 23 | (VECTORS.bit_length() - 1) << 17 | 0x05
    WRITABLE = 0x71_0000
    ID = Field(7, 0)
    NEXT = Field(15, 8)
    ENABLE = Field(16)
    ASKED = Field(19, 17, doc="log2 of the vectors")
    GIVEN = Field(22, 20, doc="log2 of the vectors that software allotted")
    ADDR64 = Field(23)
    MASKING = Field(24)


class MSI_ADDRESS(ConfigWord):
    OFFSET = 0x80
    WRITABLE = 0xFFFF_FFFC
    ADDRESS = Field(31, 2)


class MSI_ADDRESS_HIGH(ConfigWord):
    OFFSET = 0x84
    WRITABLE = 0xFFFF_FFFF
    ADDRESS = Field(31, 0)


class MSI_DATA(ConfigWord):
    OFFSET = 0x88
    WRITABLE = 0xFFFF
    DATA = Field(15, 0, doc="the low GIVEN bits are replaced by the vector")


class MSI_MASK(ConfigWord):
    OFFSET = 0x8C
    WRITABLE = 2**VECTORS - 1
    VECTORS = Field(VECTORS - 1, 0, doc="1: masked")


class MSI_PENDING(ConfigWord):
    OFFSET = 0x90
    ACCESS = Access.RO
    VECTORS = Field(VECTORS - 1, 0, doc="1: held back by the mask; 0 while not enabled")


class PASID_CAP(ConfigWord):
    OFFSET = 0x100
    ACCESS = Access.RO
    RESET = 1 << 16 | 0x1B
    ID = Field(15, 0)
    VERSION = Field(19, 16)
    NEXT = Field(31, 20)


class PASID_CONTROL(ConfigWord):
    OFFSET = 0x104
    RESET = 16 << 8
    WRITABLE = 1 << 16
    WIDTH = Field(12, 8, doc="bits of a PASID, as in the SQC")
    ENABLE = Field(16, doc="stored, no effect: PASIDs travel beside the transaction")


CONFIG_WORDS: list[type[ConfigWord]] = [
    PCI_ID, PCI_COMMAND, PCI_CLASS, PCI_BAR2, PCI_BAR3, PCI_BAR4, PCI_BAR5, PCI_CAPABILITIES,
    PCIE_CAP, PCIE_DEVCAP, PCIE_DEVCTL, MSI_CONTROL, MSI_ADDRESS, MSI_ADDRESS_HIGH, MSI_DATA,
    MSI_MASK, MSI_PENDING, PASID_CAP, PASID_CONTROL]
CONFIG = RegisterMap("CONFIG", CONFIG_SIZE, [*CONFIG_WORDS])


def bar4_writable(queues: int) -> int:
    """PCI_BAR4.WRITABLE of a function with `queues` doorbell pages (a power of two)."""
    return 2**32 - queues * DOORBELL_PAGE
