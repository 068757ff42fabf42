"""What an implementation's ID registers mean for translation, worked out once."""

from __future__ import annotations

from spec.codes import SIZE_BITS, SizeCode
from spec.impl import Implementation
from spec.registers import TTENDIAN


class Rules:
    """Limits that every translation needs (reference 1.3).

    Compared and hashed by identity, so that it serves as a key of the content caches.

    Members
    -------
    oas_bits, ias_bits
        Output and intermediate address size.
    wide
        52-bit output addresses exist, which only the 64 KB granule can express.
    """

    def __init__(self, impl: Implementation):
        self.impl = impl
        self.sid_bits = impl.SIDSIZE
        self.two_level = bool(impl.ST_LEVEL)
        self.oas_bits, self.ias_bits = impl.oas_bits, impl.ias_bits
        self.wide = impl.OAS == SizeCode.B52
        self.wide_bits = SIZE_BITS[SizeCode.B52]
        self.granules = impl.granules

    def endianness_ok(self, big: int) -> bool:
        """Whether ENDI or S2ENDI may have this value (IDR0.TTENDIAN)."""
        return (TTENDIAN.LITTLE if big else TTENDIAN.BIG) != self.impl.TTENDIAN


_known: dict[int, Rules] = {}


def rules_of(impl: Implementation) -> Rules:
    """The rules of `impl`, made once per object."""
    rules = _known.get(id(impl))
    if rules is None or rules.impl is not impl:
        rules = _known[id(impl)] = Rules(impl)
    return rules
