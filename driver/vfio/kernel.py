"""Which kernel's rules hold, where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Generation(Enum):
    """Kernel generations whose interface differs."""

    V5_10 = "5.10"
    V7_2 = "7.2"


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The rules of one host.

    Members
    -------
    noiommu
        Whether the administrator allows devices without an IOMMU; refused by default.
    dma_entry_limit
        Mappings that one container may have.
    """

    generation: Generation = Generation.V7_2
    noiommu: bool = False
    dma_entry_limit: int = 65535

    @property
    def old(self) -> bool:
        return self.generation is Generation.V5_10
