"""AxCACHE and AxPROT that say what the model's attributes say, as far as AXI4 can."""

from __future__ import annotations

from pymodel.transaction import Attributes
from spec.vmsa import NORMAL_NC_NIBBLE

# AxPROT bits.
_PRIVILEGED, _NON_SECURE, _INSTRUCTION = 1, 2, 4

# Allocation hints to (ARCACHE, AWCACHE) of write-through types (AXI4 table A4-5; where it has two
# codes, the one of AXI3).
_THROUGH = {"none": (0b1010, 0b0110), "read": (0b0110, 0b0110), "write": (0b1010, 0b1010),
            "both": (0b1110, 0b1110)}


def axi_cache(mair: int, *, write: bool) -> int:
    """AxCACHE of a MAIR byte."""
    outer = mair >> 4
    if outer == 0:
        return int(mair != 0)  # Device: nGnRnE alone is non-bufferable
    if outer == NORMAL_NC_NIBBLE:
        return 0b0011
    hints = ("none", "write", "read", "both")[outer & 3]
    back = outer >> 2 & 1
    return _THROUGH[hints][write] | back


def axi_attributes(attrs: Attributes, *, write: bool) -> tuple[int, int]:
    """(AxCACHE, AxPROT) of a translated transaction."""
    prot = _PRIVILEGED * attrs.pnu | _NON_SECURE | _INSTRUCTION * (attrs.ind and not write)
    return axi_cache(attrs.mair, write=write), prot
