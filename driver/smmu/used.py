"""Which bits of an STE or a CD the SMMU does not ignore (reference 2.4, 2.5, 3.2).

Naming too many only makes an update less smooth; naming too few makes it wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from driver.smmu.entry import ALL, Words
from spec.context import CD
from spec.fields import Field
from spec.stream_table import STE, SteConfig, SteS1DSS

_WORDS = STE.BITS // 64
_S1_ON, _S2_ON, _TRANSLATES = 1, 2, 4  # bits of Config; without the last: abort

_STAGE1 = (STE.S1Fmt, STE.S1ContextPtr, STE.S1CDMax, STE.S1DSS, STE.S1CIR, STE.S1COR, STE.S1CSH,
           STE.S1STALLD, STE.STRW, STE.S2VMID)
_STAGE2 = (STE.S2FWB, STE.S2VMID, STE.S2T0SZ, STE.S2SL0, STE.S2IR0, STE.S2OR0, STE.S2SH0, STE.S2TG,
           STE.S2PS, STE.S2AA64, STE.S2ENDI, STE.S2AFFD, STE.S2PTW, STE.S2HD, STE.S2HA, STE.S2S,
           STE.S2R, STE.S2TTB)
_TYPES = (STE.MTCFG, STE.MemAttr, STE.ALLOCCFG, STE.SHCFG)  # of what stage 1 does not decide
_ALWAYS = (STE.Config, STE.EATS, STE.MEV, STE.CONT, STE.DRE, STE.DCP, STE.PPAR, STE.NSCFG,
           STE.PRIVCFG, STE.INSTCFG)
_TT0 = (CD.T0SZ, CD.TG0, CD.IR0, CD.OR0, CD.SH0, CD.TTB0)


def ste_used(words: Sequence[int]) -> Words:
    """Masks of the bits that an STE with these doublewords uses."""
    masks = [0] * _WORDS
    _add(masks, STE.V)
    if not _get(words, STE.V):
        return masks
    _add(masks, STE.Config)
    config = _get(words, STE.Config)
    if not config & _TRANSLATES:
        return masks
    _add(masks, *_ALWAYS)
    if config & _S1_ON:
        _add(masks, *_STAGE1)
    if config & _S2_ON:
        _add(masks, *_STAGE2)
    if config != SteConfig.S1 or _get(words, STE.S1DSS) == SteS1DSS.BYPASS:
        _add(masks, *_TYPES)
    return masks


def cd_used(words: Sequence[int]) -> Words:
    """Masks of the bits that a CD with these doublewords uses, in a world where EPD0 counts."""
    if not _get(words, CD.V):
        masks = [0] * _WORDS
        _add(masks, CD.V)
        return masks
    masks = [ALL] * _WORDS
    if _get(words, CD.EPD0):
        for field in _TT0:
            masks[field.lsb // 64] &= ~(field.mask >> field.lsb // 64 * 64)
    return masks


def _get(words: Sequence[int], field: Field) -> int:
    return words[field.lsb // 64] >> field.lsb % 64 & field.max


def _add(masks: Words, *fields: Field) -> None:
    for field in fields:
        masks[field.lsb // 64] |= field.mask >> field.lsb // 64 * 64
