"""The C_BAD_CD checklist (reference 3.3), row by row. Behaviour from v3.1 on."""

from __future__ import annotations

from collections.abc import Iterator

from pymodel.reader import World
from pymodel.rules import Rules
from spec.codes import TG0_SHIFT, TG1_SHIFT, output_bits
from spec.context import CD
from spec.registers import HTTU, TTF, StallModel
from spec.vmsa import S1Leaf


def illegal_cd(rules: Rules, cd: CD, world: World, *, stalld: bool) -> str | None:
    """Why a CD is ILLEGAL in `world` below an STE with S1STALLD=`stalld`, or None.

    Row 8's S2AA64=0 cannot occur: such an STE is ILLEGAL itself.
    """
    return next((why for broken, why in _rows(rules, cd, world, stalld) if broken), None)


def _rows(rules: Rules, cd: CD, world: World, stalld: bool) -> Iterator[tuple[bool, str]]:
    """(broken, why) in the order of reference 3.3; the numbers are its rows."""
    impl = rules.impl
    el2 = world is World.NS_EL2
    epd0, epd1 = not el2 and bool(cd.EPD0), el2 or bool(cd.EPD1)
    # 1
    yield not cd.V, "V=0"
    # 2
    yield bool(cd.S) and stalld, "S=1 with S1STALLD=1"
    # 3
    yield not cd.A and bool(impl.TERM_MODEL), "A=0 with TERM_MODEL=1"
    # 4, 5
    yield bool(cd.S) and impl.STALL_MODEL == StallModel.TERMINATE, "S=1 cannot stall"
    yield not cd.S and impl.STALL_MODEL == StallModel.STALL, "S=0 must stall"
    # 6
    yield (not (epd0 and epd1) and not rules.endianness_ok(cd.ENDI)), "ENDI is not permitted"
    # 7, 8: AArch32 tables are out of scope, so no TTF offers them
    yield not cd.AA64 or not impl.TTF & TTF.AARCH64, "AA64 table format"
    # 9
    yield impl.HTTU == HTTU.NONE and bool(cd.HA or cd.HD), "HA or HD without HTTU"
    yield impl.HTTU == HTTU.ACCESS and bool(cd.HD), "HD without HTTU of dirty state"
    yield impl.HTTU == HTTU.TABLE and bool(cd.HAFT) and not cd.HA, "HAFT without HA"
    # 10
    yield not el2 and bool(cd.ASID >> impl.asid_bits), "ASID is wider than ASIDs are"
    # 11 to 13, for each half in use
    if not epd0:
        yield from _half(rules, cd, 0, TG0_SHIFT.get(cd.TG0), cd.T0SZ, cd.TTB0)
    if not epd1:
        yield from _half(rules, cd, 1, TG1_SHIFT.get(cd.TG1), cd.T1SZ, cd.TTB1)


def _half(rules: Rules, cd: CD, n: int, g: int | None, tsz: int,
          ttb: int) -> Iterator[tuple[bool, str]]:
    """Rows 11 to 13 for TT`n`; the granule decides the limits, so it is first."""
    if g is None or g not in rules.granules:
        yield True, f"TG{n} granule"
        return
    yield (not rules.impl.tsz_min(g) <= tsz <= rules.impl.tsz_max(g), f"T{n}SZ is out of range")
    yield bool(ttb >> output_bits(cd.IPS, rules.oas_bits)), f"TTB{n} is above IPS"
    yield g != 16 and bool(ttb >> (S1Leaf.Address.hi + 1)), f"TTB{n} is above bit 47"
