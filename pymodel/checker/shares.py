"""TLB entries that outlive the configuration they were made under, or belong to another stream
with the same tags: what of a hit comes from the entry and what from the transaction's own STE/CD.
"""

from __future__ import annotations

from typing import NamedTuple

from pymodel.checker.registry import Tags
from spec.context import CD
from spec.fields import Field
from spec.stream_table import STE, SteConfig

# What applies to the transaction, not to its translation: overrides, and what a fault does.
_STE_OWN = (STE.MTCFG, STE.MemAttr, STE.ALLOCCFG, STE.SHCFG, STE.PRIVCFG, STE.INSTCFG, STE.S2S,
            STE.S2R, STE.S1STALLD)
_CD_OWN = (CD.S, CD.R, CD.A)
_STE_OWN_MASK = sum(field.mask for field in _STE_OWN)
CD_OWN_MASK = sum(field.mask for field in _CD_OWN)


class User(NamedTuple):
    """The configuration that a transaction may have found for itself; `cd` None: stage 2 only."""

    tags: Tags
    ste: bytes
    cd: bytes | None


def _mix(own: bytes, other: bytes, mask: int) -> int:
    return (int.from_bytes(own, "little") & mask) | (int.from_bytes(other, "little") & ~mask)


def borrow_ste(user: User, other: bytes) -> bytes:
    """An STE that translates like `other` and treats the transaction like the user's."""
    value = _mix(user.ste, other, _STE_OWN_MASK)
    if user.cd is None:
        config: Field = STE.Config
        value = config.replace(value, SteConfig.S2)
    return STE(value).to_bytes()


def borrow_cd(own: bytes, other: bytes) -> bytes:
    """A CD that translates like `other` and treats faults like `own`."""
    return CD(_mix(own, other, CD_OWN_MASK)).to_bytes()
