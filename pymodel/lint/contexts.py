"""From the bytes of an STE or CD to the walks that they start."""

from __future__ import annotations

from pymodel.cd import Cd, Region, decode_cd
from pymodel.lint.walks import Reach, Root, Tag, Walk
from pymodel.reader import World
from pymodel.rules import Rules
from pymodel.ste import Ste, decode_ste
from spec.vmsa import LAST_LEVEL


def usable(ste: Ste) -> bool:
    """Whether the STE lets anything be walked."""
    return ste.illegal is None and not ste.abort


def world_of(ste: Ste, e2h: bool) -> World:
    """StreamWorld of a stream with stage 1 on (reference 4.3)."""
    if not ste.el2:
        return World.NS_EL1
    return World.NS_EL2_E2H if e2h else World.NS_EL2


def stage1_walk(cd: Cd, region: Region) -> Walk:
    shape = region.geometry
    root = Root(region.table, region.start, shape.shifts[LAST_LEVEL],
                (region.start_mask, cd.big, region.had, cd.mair))
    return Walk(root, region.name, shape, cd.big, cd.affd)


def stage2_walk(ste: Ste) -> Walk:
    s2 = ste.s2
    root = Root(s2.table, s2.start, s2.geometry.shifts[LAST_LEVEL],
                (s2.start_mask, s2.big, s2.fwb))
    return Walk(root, "IPA", s2.geometry, s2.big, s2.affd)


def stage1_reach(rules: Rules, ste: Ste, e2h: bool, raw: bytes) -> set[Reach]:
    """The address spaces that a CD under `ste` opens."""
    if not usable(ste) or not ste.s1:
        return set()
    world = world_of(ste, e2h)
    cd = decode_cd(rules, raw, world, ste.stalld)
    if cd.illegal is not None:
        return set()
    tag: Tag = (world, ste.vmid, cd.asid)
    return {(tag, region.name, stage1_walk(cd, region).root)
            for region in (cd.lower, cd.upper) if region is not None}


def stage2_reach(rules: Rules, raw: bytes) -> set[Reach]:
    """The address space that an STE's stage 2 opens."""
    ste = decode_ste(rules, raw)
    if not usable(ste) or not ste.s2on:
        return set()
    return {((World.NS_EL1, ste.s2.vmid, None), "IPA", stage2_walk(ste).root)}
