"""Numbers of vfio-pci.

From memory of the kernel's header; vfio.md gives the counts of regions and interrupts only.
"""

from __future__ import annotations

from enum import IntEnum


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
