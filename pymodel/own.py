"""Memory types of the SMMU's own accesses (reference 1.5, 2.4-2.6, 3.2, 4.10).

COHACC does not show in them: with 0 the accesses are not coherent, whatever they say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pymodel.attributes import shareability, with_stage2
from pymodel.memory import Memory
from spec.codes import FetchCacheability, Shareability, TableCacheability, WalkCacheability
from spec.context import CD
from spec.registers import CR1
from spec.stream_table import STE
from spec.vmsa import MEMATTR_MAIR, NORMAL_NC_NIBBLE, Mair, is_device

if TYPE_CHECKING:
    from pymodel.observer import Observer

_READ, _WRITE = 0b10, 0b01         # allocation hints of a MAIR nibble
_THROUGH, _BACK = 0b1000, 0b1100   # cacheable MAIR nibbles without hints

_FETCH: dict[int, int] = {
    FetchCacheability.WB_RA: _BACK | _READ, FetchCacheability.WT_RA: _THROUGH | _READ,
    FetchCacheability.WB: _BACK}
_WALK: dict[int, int] = {
    WalkCacheability.WB_RA_WA: _BACK | _READ | _WRITE, WalkCacheability.WT_RA: _THROUGH | _READ,
    WalkCacheability.WB_RA: _BACK | _READ}


class OwnType(NamedTuple):
    """MAIR byte and shareability (0 non, 2 outer, 3 inner) of an access."""

    mair: int
    sh: int


class OwnAccess(NamedTuple):
    """An access to a queue or an MSI; those of a translation are in its explanation."""

    address: int
    write: bool
    type: OwnType


def _normal(codes: dict[int, int], inner: int, outer: int, sh: int) -> OwnType:
    """A Normal type; codes that are not in `codes` are NC."""
    mair = codes.get(outer, NORMAL_NC_NIBBLE) << 4 | codes.get(inner, NORMAL_NC_NIBBLE)
    return OwnType(mair, shareability(mair, sh))


def _by_register(inner: int, outer: int, sh: int, hint: int) -> OwnType:
    codes: dict[int, int] = {TableCacheability.WB: _BACK | hint,
                             TableCacheability.WT: _THROUGH | hint}
    return _normal(codes, inner, outer, sh)


def by_table(cr1: int, allocate: int) -> OwnType:
    """L1STD and STE; `allocate` is STRTAB_BASE.RA."""
    reg = CR1(cr1)
    return _by_register(reg.TABLE_IC, reg.TABLE_OC, reg.TABLE_SH, _READ if allocate else 0)


def by_queue(cr1: int, allocate: int, *, write: bool) -> OwnType:
    """Commands and records; `allocate` is RA or WA of the queue's base."""
    reg = CR1(cr1)
    hint = _WRITE if write else _READ
    return _by_register(reg.QUEUE_IC, reg.QUEUE_OC, reg.QUEUE_SH, hint if allocate else 0)


def by_ste(ste: STE) -> OwnType:
    """L1CD and CD."""
    return _normal(_FETCH, ste.S1CIR, ste.S1COR, ste.S1CSH)


def by_walk(ste: STE) -> OwnType:
    """Stage-2 tables."""
    return _normal(_WALK, ste.S2IR0, ste.S2OR0, ste.S2SH0)


def by_cd(cd: CD, *, half: bool) -> OwnType:
    """Stage-1 tables of TT0, or TT1 if `half`."""
    if half:
        return _normal(_WALK, cd.IR1, cd.OR1, cd.SH1)
    return _normal(_WALK, cd.IR0, cd.OR0, cd.SH0)


def by_memattr(code: int, sh: int) -> OwnType:
    """MSIs: MemAttr and SH of *_IRQ_CFG2, MSIAttr and MSH of the CMD_SYNC."""
    return OwnType(MEMATTR_MAIR[code], shareability(MEMATTR_MAIR[code], sh))


def nested(own: OwnType, stage2: tuple[int, int, bool], *, ptwnnc: bool) -> OwnType:
    """A CD or stage-1 table in a page that stage 2 maps with (MemAttr, SH, S2FWB)."""
    mair, sh = with_stage2(own.mair, own.sh, stage2)
    if ptwnnc and is_device(mair):
        return OwnType(Mair.NC, Shareability.OUTER)
    return OwnType(mair, sh)


class OwnMemory:
    """Memory as queues and MSIs access it: observers hear of every access and its type."""

    def __init__(self, memory: Memory, observers: list[Observer]) -> None:
        self.memory, self.observers = memory, observers

    def read(self, address: int, size: int, type: OwnType) -> bytes:
        self._tell(OwnAccess(address, False, type))
        return self.memory.read(address, size)

    def write(self, address: int, data: bytes, type: OwnType) -> None:
        self._tell(OwnAccess(address, True, type))
        self.memory.write(address, data)

    def _tell(self, access: OwnAccess) -> None:
        for observer in self.observers:
            observer.on_access(access)
