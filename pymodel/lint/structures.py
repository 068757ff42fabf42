"""Rules for the contents of structures: illegal, reserved, misaligned (reference 2.2 to 4.6)."""

from __future__ import annotations

from collections.abc import Iterator

from pymodel.cd import decode_cd
from pymodel.lint.live import live_cd, live_ste
from pymodel.reader import World
from pymodel.rules import Rules
from pymodel.ste import Ste, decode_ste
from pymodel.ste_check import S1_ON, S2_ON, strw_used
from pymodel.walk import geometry
from spec.codes import TG0_SHIFT, TG1_SHIFT, InstructionOverride, PrivilegeOverride
from spec.context import CD, CD_BYTES, L1CD, L1CD_BYTES
from spec.fields import Field, Structure
from spec.stream_table import L1STD, SPAN_MAX, STE, STE_BYTES, SteConfig
from spec.vmsa import LAST_LEVEL, DescriptorType, S1Leaf, start_level, start_table_bytes

Problem = tuple[str, str]  # rule, text

# Fields that are RES0 without their feature.
_NEEDS: dict[Field, str] = {
    STE.S2FWB: "FWB", STE.EATS: "ATS", CD.E0PD0: "E0PD", CD.E0PD1: "E0PD", CD.HAD0: "HAD",
    CD.HAD1: "HAD",
}
# Fields in which codes outside the enum are harmless.
_FREE: dict[Field, int] = {STE.PRIVCFG: PrivilegeOverride.INCOMING + 1,
                           STE.INSTCFG: InstructionOverride.INCOMING + 1}


def check_ste(rules: Rules, raw: bytes) -> Iterator[Problem]:
    """What is wrong with an STE; an invalid or aborting one may hold anything."""
    ste, decoded = STE.from_bytes(raw), decode_ste(rules, raw)
    if not ste.V or decoded.abort:
        return
    if decoded.illegal is not None:
        yield "ste", f"ILLEGAL: {decoded.illegal}"
        return
    live = live_ste(ste.value)
    if not strw_used(rules, ste.Config):
        live &= ~STE.STRW.mask
    if not decoded.cd_max:
        live &= ~(STE.S1Fmt.mask | STE.S1DSS.mask)
    for text in _fields(rules, ste, live):
        yield "ste", text
    if ste.Config & S1_ON:
        yield from _context_table(rules, ste, decoded)
    if ste.Config & S2_ON and ste.S2TTB != decoded.s2.table:
        yield "table.align", f"S2TTB {ste.S2TTB:#x} is not aligned to the start table"


def _context_table(rules: Rules, ste: STE, decoded: Ste) -> Iterator[Problem]:
    if ste.S1ContextPtr != decoded.context_ptr:
        yield ("table.align", f"S1ContextPtr {ste.S1ContextPtr:#x} is not aligned to the table")
    if ste.Config == SteConfig.NESTED and ste.S1ContextPtr >> rules.ias_bits:
        yield "ste", "S1ContextPtr is above the intermediate size"


def check_cd(rules: Rules, raw: bytes, world: World, stalld: bool) -> Iterator[Problem]:
    """What is wrong with a CD; an invalid one may hold anything."""
    cd, decoded = CD.from_bytes(raw), decode_cd(rules, raw, world, stalld)
    if not cd.V:
        return
    if decoded.illegal is not None:
        yield "cd", f"ILLEGAL: {decoded.illegal}"
        return
    for text in _fields(rules, cd, live_cd(cd.value)):
        yield "cd", text
    for name, region, g, tsz, ttb in (
            ("TTB0", decoded.lower, TG0_SHIFT.get(cd.TG0), cd.T0SZ, cd.TTB0),
            ("TTB1", decoded.upper, TG1_SHIFT.get(cd.TG1), cd.T1SZ, cd.TTB1)):
        if region is not None and g is not None and ttb != region.table:
            ia = 64 - tsz
            size = start_table_bytes(g, start_level(g, ia), ia)
            yield ("table.align", f"{name} {ttb:#x} is not aligned to the start table's {size:#x} "
                   "bytes")


def _fields(rules: Rules, structure: Structure, live: int) -> Iterator[str]:
    """Reserved bits, missing features and reserved codes."""
    known = 0
    for field in structure.FIELDS.values():
        known |= field.mask
        code = field.get(structure.value)
        if not code:
            continue
        if field.late:
            yield f"{field.name} is not part of this version"
        elif field.mask & live:
            if field in _NEEDS and not getattr(rules.impl, _NEEDS[field]):
                yield f"{field.name} is set without {_NEEDS[field]}"
            elif field.enum is not None and code not in field.enum._value2member_map_ \
                    and _FREE.get(field) != code:
                yield f"{field.name}={code} is reserved"
    if structure.value & ~known:
        yield f"RES0 bits {structure.value & ~known:#x} are set"


def check_l1std(value: int, split: int) -> Iterator[Problem]:
    """What is wrong with an L1STD."""
    l1std = L1STD(value)
    if not l1std.Span:
        return
    if l1std.Span > min(SPAN_MAX, split + 1):
        yield "l1std", f"Span {l1std.Span} is out of bounds with SPLIT {split}"
        return
    if l1std.L2Ptr % (STE_BYTES << (l1std.Span - 1)):
        yield ("table.align", f"L2Ptr {l1std.L2Ptr:#x} is not aligned to the table's "
               f"{STE_BYTES << (l1std.Span - 1):#x} bytes")
    if value & ~(L1STD.Span.mask | L1STD.L2Ptr.mask):
        yield "l1std", "RES0 bits are set"


def check_l1cd(rules: Rules, value: int, leaf_bits: int) -> Iterator[Problem]:
    """What is wrong with an L1CD whose table holds 2^`leaf_bits` CDs."""
    l1cd = L1CD(value)
    if not l1cd.V:
        return
    if l1cd.L2Ptr % (CD_BYTES << leaf_bits):
        yield ("table.align", f"L2Ptr {l1cd.L2Ptr:#x} is not aligned to the table's "
               f"{CD_BYTES << leaf_bits:#x} bytes")
    if l1cd.L2Ptr >> max(rules.oas_bits, rules.ias_bits):
        yield "l1cd", f"L2Ptr {l1cd.L2Ptr:#x} is above the output size"
    if value & ~(L1CD.V.mask | L1CD.L2Ptr.mask):
        yield "l1cd", "RES0 bits are set"


def check_descriptor(rules: Rules, value: int, level: int, granule: int) -> Iterator[Problem]:
    """What is wrong with a translation table descriptor, in little-endian form."""
    if S1Leaf.Type.get(value) != DescriptorType.BLOCK:
        return
    if level == LAST_LEVEL or not geometry(granule, rules.oas_bits, rules.wide).blocks[level]:
        yield "descriptor", f"a block descriptor is reserved at level {level}"


def context_bytes(ste: Ste) -> int:
    """Size of the table that S1ContextPtr points to."""
    if ste.leaf_bits:
        return L1CD_BYTES << max(0, ste.cd_max - ste.leaf_bits)
    return CD_BYTES << ste.cd_max
