"""The C_BAD_STE checklist (reference 2.7), row by row. Behaviour from v3.1 on."""

from __future__ import annotations

from collections.abc import Iterator

from pymodel.rules import Rules
from spec.codes import TG0_SHIFT, output_bits
from spec.context import CD_LEAF_BITS
from spec.registers import HTTU, TTF, StallModel
from spec.stream_table import STE, SteConfig, SteEATS, SteSTRW
from spec.vmsa import S2_START_OAS, S1Leaf, s2_start_fits, s2_start_level

S1_ON = SteConfig.S1 & SteConfig.NESTED & ~SteConfig.BYPASS  # the Config bit that says so
S2_ON = SteConfig.S2 & SteConfig.NESTED & ~SteConfig.BYPASS


def strw_used(rules: Rules, config: int) -> bool:
    """Whether STE.STRW selects the StreamWorld (reference 2.4, 4.3)."""
    return config == SteConfig.S1 and bool(rules.impl.S1P and rules.impl.HYP)


def vmid_used(rules: Rules, ste: STE) -> bool:
    """Whether S2VMID tags this stream's translations (reference 2.5)."""
    strw = ste.STRW if strw_used(rules, ste.Config) else SteSTRW.NS_EL1
    return bool(rules.impl.S2P and ste.Config & (S1_ON | S2_ON) and strw == SteSTRW.NS_EL1)


def illegal_ste(rules: Rules, ste: STE) -> str | None:
    """Why a valid, translating or bypassing STE is ILLEGAL, or None. V and abort are decided
    before."""
    return next((why for broken, why in _rows(rules, ste) if broken), None)


def _rows(rules: Rules, ste: STE) -> Iterator[tuple[bool, str]]:
    """(broken, why) in the order of reference 2.7; the numbers are its rows."""
    impl, config = rules.impl, ste.Config
    s1, s2 = bool(config & S1_ON), bool(config & S2_ON)
    # 2
    yield s1 and not impl.S1P, "stage 1 is not implemented"
    yield s2 and not impl.S2P, "stage 2 is not implemented"
    # 3, 4 (5 needs DPT)
    if impl.ATS and config != SteConfig.BYPASS:
        yield (ste.EATS == SteEATS.SPLIT
               and bool(config != SteConfig.NESTED or ste.S2S or impl.NS1ATS),
               "EATS asks for split-stage ATS")
        yield ste.EATS == SteEATS.FULL and s2 and bool(ste.S2S), "EATS=1 with S2S=1"
    # 6
    yield (strw_used(rules, config) and ste.STRW not in (SteSTRW.NS_EL1, SteSTRW.NS_EL2),
           "STRW is reserved")
    if s1:
        yield from _stage1_rows(rules, ste, nested=s2)
    if s2:
        yield from _stage2_rows(rules, ste)
    # 19
    yield (vmid_used(rules, ste) and bool(ste.S2VMID >> impl.vmid_bits),
           "S2VMID is wider than VMIDs are")


def _stage1_rows(rules: Rules, ste: STE, *, nested: bool) -> Iterator[tuple[bool, str]]:
    impl = rules.impl
    # 7
    yield (bool(ste.S1STALLD) and impl.STALL_MODEL != StallModel.BOTH,
           "S1STALLD=1 while STALL_MODEL is not 0")
    if impl.SSIDSIZE:
        # 8
        yield ste.S1CDMax > impl.SSIDSIZE, "S1CDMax is above SSIDSIZE"
        # 9
        yield (ste.S1CDMax > 0 and ste.S1Fmt in CD_LEAF_BITS and not impl.CD2L,
               "two-level CD tables are not implemented")
    # 10 (11, nested: the untruncated address faults at stage 2)
    yield (not nested and bool(ste.S1ContextPtr >> rules.oas_bits),
           "S1ContextPtr is above the output size")


def _stage2_rows(rules: Rules, ste: STE) -> Iterator[tuple[bool, str]]:
    impl = rules.impl
    # 12
    yield bool(ste.S2S) and impl.STALL_MODEL == StallModel.TERMINATE, "S2S=1 cannot stall"
    yield not ste.S2S and impl.STALL_MODEL == StallModel.STALL, "S2S=0 must stall"
    # 13: AArch32 tables are out of scope, so no TTF offers them
    yield not ste.S2AA64 or not impl.TTF & TTF.AARCH64, "S2AA64 table format"
    # 14
    yield impl.HTTU == HTTU.NONE and bool(ste.S2HA or ste.S2HD), "S2HA or S2HD without HTTU"
    yield impl.HTTU == HTTU.ACCESS and bool(ste.S2HD), "S2HD without HTTU of dirty state"
    yield (impl.HTTU == HTTU.TABLE and bool(ste.S2HAFT) and not ste.S2HA), "S2HAFT without S2HA"
    # 15
    g = TG0_SHIFT.get(ste.S2TG)
    if g is None or g not in rules.granules:
        yield True, "S2TG granule"
        return
    # 16
    top = output_bits(ste.S2PS, rules.oas_bits)
    yield bool(ste.S2TTB >> top), "S2TTB is above S2PS"
    yield g != 16 and bool(ste.S2TTB >> (S1Leaf.Address.hi + 1)), "S2TTB is above bit 47"
    # 17
    yield (not impl.s2tsz_min(g) <= ste.S2T0SZ <= impl.tsz_max(g), "S2T0SZ is out of range")
    level = s2_start_level(g, ste.S2SL0, bool(impl.STT))
    yield (level is None or not s2_start_fits(g, level, 64 - ste.S2T0SZ)
           or rules.oas_bits < S2_START_OAS.get((g, level), 0),
           "S2SL0 does not go with S2T0SZ and S2TG")
    # 18
    yield not rules.endianness_ok(ste.S2ENDI), "S2ENDI is not permitted"
