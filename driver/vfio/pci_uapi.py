"""Numbers of vfio-pci, and of the PCI configuration space it shows.

From memory of the kernel's headers and of the PCI specification; vfio.md gives the counts of
regions and interrupts only.
"""

from __future__ import annotations

from enum import IntEnum

CONFIG_SIZE = 4096


class PciRegion(IntEnum):
    """Region indices; a BAR's index is its number."""

    BAR0 = 0
    BAR1 = 1
    BAR2 = 2
    BAR3 = 3
    BAR4 = 4
    BAR5 = 5
    ROM = 6
    CONFIG = 7
    VGA = 8


class PciIrq(IntEnum):
    """IRQ indices."""

    INTX = 0
    MSI = 1
    MSIX = 2
    ERR = 3
    REQ = 4


class Config(IntEnum):
    """Offsets in the configuration space."""

    VENDOR = 0x00
    DEVICE = 0x02
    COMMAND = 0x04
    STATUS = 0x06
    REVISION = 0x08
    CLASS = 0x09  # 3 bytes
    BARS = 0x10
    CAPABILITIES = 0x34
    EXTENDED = 0x100


COMMAND_BITS = 0x0406  # memory, bus master, INTx disable
STATUS_CAPABILITIES = 0x10
BAR_64BIT = 0x4

PCIE = 0x10  # capability ids
MSI = 0x05
PASID = 0x1B  # extended

PCIE_BYTES = 0x3C
PCIE_ENDPOINT = 0x0002  # version 2, endpoint
PCIE_DEVCAP, PCIE_DEVCTL = 0x04, 0x08
DEVCAP_FLR = 1 << 28
DEVCTL_FLR = 1 << 15
DEVCTL_BITS = 0x7FFF & ~0x700

MSI_BYTES = 0x18
MSI_CONTROL, MSI_ADDRESS, MSI_DATA, MSI_MASK = 0x02, 0x04, 0x0C, 0x10
MSI_64BIT, MSI_MASKING = 1 << 7, 1 << 8
MSI_ENABLE, MSI_LOG2_ASKED_SHIFT, MSI_LOG2_GIVEN = 1, 1, 0x70

PASID_BYTES = 8
PASID_CAP, PASID_CONTROL = 0x04, 0x06
PASID_WIDTH_SHIFT = 8
