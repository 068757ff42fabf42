"""Which bits of an STE or a CD count, so that changing them changes something (reference 2.7, 3.2).

Everything else is ignored: software may prepare it while the entry is in use.
"""

from __future__ import annotations

from functools import lru_cache

from pymodel.ste_check import S1_ON, S2_ON
from spec.context import CD
from spec.fields import Field, Structure
from spec.stream_table import STE, SteConfig, SteS1DSS


def _mask(structure: type[Structure], names: str) -> int:
    return sum(structure.FIELDS[name].mask for name in names.split())


def _fields(structure: type[Structure]) -> list[Field]:
    return [field for field in structure.FIELDS.values() if not field.late]


_PERMS = _mask(STE, "PRIVCFG INSTCFG")
_TYPES = _mask(STE, "SHCFG MemAttr MTCFG")
_ALLOC = _mask(STE, "ALLOCCFG")
_STAGE1 = _mask(STE, "S1Fmt S1ContextPtr S1CDMax S1DSS S1CIR S1COR S1CSH S1STALLD STRW EATS MEV "
                     "S2VMID")
_STAGE2 = _mask(STE, "S2FWB EATS MEV") | sum(
    field.mask for field in _fields(STE) if field.dw >= 2)

_CD_HALVES = (_mask(CD, "T0SZ TG0 IR0 OR0 SH0 TBI0 HAD0 E0PD0 TTB0"),
              _mask(CD, "T1SZ TG1 IR1 OR1 SH1 TBI1 HAD1 E0PD1 TTB1"))
_CD_ALL = sum(field.mask for field in _fields(CD)) & ~_mask(CD, "NSCFG0 NSCFG1 UWXN IMPDEF")


@lru_cache(maxsize=4096)
def live_ste(value: int) -> int:
    """The bits of this STE that count."""
    if not STE.V.get(value):
        return STE.V.mask
    config = STE.Config.get(value)
    live = STE.V.mask | STE.Config.mask
    if not config & SteConfig.BYPASS:
        return live
    live |= _PERMS | _ALLOC
    if config & S1_ON:
        live |= _STAGE1
    if config & S2_ON:
        live |= _STAGE2
    if config != SteConfig.S1 or STE.S1DSS.get(value) == SteS1DSS.BYPASS:
        live |= _TYPES
    return live


@lru_cache(maxsize=4096)
def live_cd(value: int) -> int:
    """The bits of this CD that count."""
    if not CD.V.get(value):
        return CD.V.mask
    live = _CD_ALL
    for disabled, half in zip((CD.EPD0, CD.EPD1), _CD_HALVES, strict=True):
        if disabled.get(value):
            live &= ~half
    return live


def changed_words(old: int, new: int, live: int) -> list[int]:
    """Numbers of the doublewords in which `live` bits differ."""
    difference, words, n = (old ^ new) & live, [], 0
    while difference:
        if difference & (1 << 64) - 1:
            words.append(n)
        difference, n = difference >> 64, n + 1
    return words
