"""52-bit addresses, EPAN, E0PD and small tables, with their ID bits and without (reference 1.3,
4.4 to 4.7): what preset `wide` does with each stream, and what `base` does."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from tcu_harness import Access
from tcu_tables import STAGE2, machine, page, page2, put_leaf, put_ste, rights, stage1

from hdl.streams import Outcome
from spec import vmsa
from spec.codes import SizeCode, TG0Code
from spec.events import EventType
from spec.impl import PRESETS
from spec.stream_table import SteConfig
from spec.vmsa import AP, LeafOverlay, S1Table

TOP = 0xA << 48          # output bits that only 52-bit addresses have
OUT = 0x12_3456_0000
VA = 0xF_EDCB_A987_0000
BIG = 3 << 42            # a block of 4 TB
EPAN = {"PAN": 1, "EPAN": 1}
TABLES_UXN = {1: S1Table.pack(UXNTable=1)}
TRANSLATION, SIZE, PERMISSION = (
    EventType.F_TRANSLATION, EventType.F_ADDR_SIZE, EventType.F_PERMISSION)


class Case(NamedTuple):
    """A stream and an access to it; `wide` and `base` are (PA, log2 of the page), the rights, or
    the event."""

    make: Callable
    access: dict
    wide: object
    base: object


def high(pa: int) -> int:
    """A leaf of the 64 KB granule for `pa`, all 52 bits of it."""
    return page(pa & ~(0xF << 48)) | LeafOverlay.OA_51_48.put(pa >> 48)


def big(ia: int = 52, **cd):
    """The 64 KB granule from level 1: a page at VA, a block of level 1 at BIG."""
    def make(it, sid):
        ttb = it.memory.alloc(0x1_0000)
        fields = {"TG0": TG0Code.G64K, "T0SZ": 64 - ia, "EPD1": 1, "IPS": SizeCode.B52,
                  "TTB0": ttb}
        stage1(it, sid, **fields | cd)
        reach = (1 << ia) - 1
        put_leaf(it, ttb, VA & reach, high(TOP | OUT), g=16, ia=ia)
        put_leaf(it, ttb, BIG, high(TOP | 5 << 42) & ~2, level=1, g=16, ia=ia)
    return make


def big_table(it, sid):
    """IPS is 48 bits, and a table beyond it."""
    big(IPS=SizeCode.B48)(it, sid)
    ttb = it.memory.alloc(0x1_0000)
    stage1(it, sid, TG0=TG0Code.G64K, T0SZ=16, EPD1=1, IPS=SizeCode.B48, TTB0=ttb)
    put_leaf(it, ttb, 0, high(OUT), g=16, ia=48)
    it.memory.put(ttb, it.memory.get(ttb) | LeafOverlay.OA_51_48.put(TOP >> 48))


def small_pages(it, sid):
    """The 4 KB granule: bits 15:12 stay address, 51:48 are ignored."""
    ttb = stage1(it, sid, IPS=SizeCode.B52)
    put_leaf(it, ttb, 0x1000, page(OUT | 0xF000) | TOP & ~vmsa.S1Leaf.DBM.mask)


def misaligned(it, sid):
    """A start table of 16 bytes: with a 52-bit IPS bits 5:4 of TTB count as 0."""
    assert vmsa.start_table_bytes(12, vmsa.start_level(12, 31), 31) == 16
    ttb = it.memory.alloc(0x1000)
    stage1(it, sid, T0SZ=64 - 31, TTB0=ttb | 0x30, IPS=SizeCode.B52)
    put_leaf(it, ttb, 0, page(OUT), ia=31)


def stage2(ps: SizeCode, bits: int):
    def make(it, sid):
        ttb = it.memory.alloc(0x1_0000)
        put_ste(it, sid, Config=SteConfig.S2, **STAGE2 | {
            "S2T0SZ": 64 - bits, "S2SL0": 2, "S2TG": 1, "S2PS": ps, "S2TTB": ttb})
        put_leaf(it, ttb, VA & (1 << bits) - 1, page2(OUT) | LeafOverlay.OA_51_48.put(TOP >> 48),
                 g=16, ia=bits, start=1)
    return make


def leaf(tables=None, ia: int = 48, cd: dict | None = None, **fields):
    """A 4K page at 0x3000 that becomes 0x7000."""
    def make(it, sid):
        ttb = stage1(it, sid, **(cd or {}))
        put_leaf(it, ttb, 0x3000, page(0x7000, **fields), ia=ia, tables=tables)
    return make


CASES = {
    "page": Case(big(), {"addr": VA | 0x1230}, (TOP | OUT | 0x1230, 16), EventType.C_BAD_CD),
    "block of level 1": Case(
        big(), {"addr": BIG | 0x3_4567_8888}, (TOP | 5 << 42 | 0x3_4567_8888, 42),
        EventType.C_BAD_CD),
    "beyond 52 bits": Case(big(), {"addr": 1 << 52}, TRANSLATION, EventType.C_BAD_CD),
    "48-bit input, page": Case(
        big(48), {"addr": VA & (1 << 48) - 1}, (TOP | OUT, 16), (OUT, 16)),
    "48-bit input, block": Case(big(48), {"addr": BIG}, (TOP | 5 << 42, 42), TRANSLATION),
    "leaf beyond IPS": Case(
        big(48, IPS=SizeCode.B48), {"addr": VA & (1 << 48) - 1}, SIZE, (OUT, 16)),
    "reserved IPS": Case(
        big(48, IPS=7), {"addr": VA & (1 << 48) - 1}, (TOP | OUT, 16), (OUT, 16)),
    "table beyond IPS": Case(big_table, {"addr": 8}, SIZE, (OUT | 8, 16)),
    "4 KB granule": Case(small_pages, {"addr": 0x1008}, (OUT | 0xF008, 12), (OUT | 0xF008, 12)),
    "4 KB granule, TTB above bit 47": Case(
        leaf(cd={"TTB0": 1 << 49, "IPS": SizeCode.B52}), {}, EventType.C_BAD_CD,
        EventType.C_BAD_CD),
    "64 KB granule, TTB above bit 47": Case(
        big(TTB0=1 << 49), {"addr": 0}, EventType.F_WALK_EABT, EventType.C_BAD_CD),
    "4 KB granule, S2TTB above bit 47": Case(
        lambda it, sid: put_ste(it, sid, Config=SteConfig.S2, **STAGE2 | {
            "S2PS": SizeCode.B52, "S2TTB": 1 << 49}), {}, EventType.C_BAD_STE,
        EventType.C_BAD_STE),
    "least alignment": Case(misaligned, {"addr": 0}, (OUT, 12), TRANSLATION),
    "stage 2": Case(
        stage2(SizeCode.B52, 52), {"addr": VA}, (TOP | OUT, 16), EventType.C_BAD_STE),
    "stage 2, S2T0SZ": Case(
        stage2(SizeCode.B52, 52), {"addr": 0}, TRANSLATION, EventType.C_BAD_STE),
    "stage 2, beyond S2PS": Case(
        stage2(SizeCode.B48, 48), {"addr": VA & (1 << 48) - 1}, SIZE, (OUT, 16)),
    "EPAN, user code": Case(
        leaf(cd=EPAN, AP=AP.PRIV_RW), {"pnu": True, "ind": True}, "--x--x", "rwx--x"),
    "EPAN, read-only": Case(
        leaf(cd=EPAN, AP=AP.PRIV_RO), {"pnu": True}, PERMISSION, "r-x--x"),
    "EPAN, no user code": Case(
        leaf(cd=EPAN, AP=AP.PRIV_RW, UXN=1), {"pnu": True}, "rwx---", "rwx---"),
    "EPAN, UXNTable": Case(
        leaf(TABLES_UXN, cd=EPAN, AP=AP.PRIV_RW), {"pnu": True}, "rwx---", "rwx---"),
    "EPAN without PAN": Case(
        leaf(cd={"EPAN": 1}, AP=AP.PRIV_RW), {"pnu": True}, "rwx--x", "rwx--x"),
    "PAN without EPAN": Case(
        leaf(cd={"PAN": 1}, AP=AP.PRIV_RW), {"pnu": True}, "rwx--x", "rwx--x"),
    "E0PD, user": Case(leaf(cd={"E0PD0": 1}), {}, TRANSLATION, "rw-rwx"),
    "E0PD, kernel": Case(leaf(cd={"E0PD0": 1}), {"pnu": True}, "rw----", "rw-rwx"),
    "small table": Case(leaf(ia=16, cd={"T0SZ": 48}), {}, (0x7000, 12), EventType.C_BAD_CD),
    "beyond a small table": Case(
        leaf(ia=16, cd={"T0SZ": 48}), {"addr": 0x1_0000}, TRANSLATION, EventType.C_BAD_CD),
}


@pytest.mark.parametrize("preset", ["wide", "base"])
def test_id_bits(preset):
    it = machine(log2size=6, impl=PRESETS[preset])
    accesses = []
    for sid, case in enumerate(CASES.values()):
        case.make(it, sid)
        accesses.append(Access(**{"addr": 0x3000, "sid": sid, **case.access}))
    it.run(accesses)
    for (name, case), access in zip(CASES.items(), accesses, strict=True):
        expected = getattr(case, preset)
        if isinstance(expected, EventType):
            assert access.event is not None, name
            assert access.event.TYPE == expected, name
            continue
        assert access.outcome == Outcome.TRANSLATED, name
        response = access.response
        assert expected in ((access.pa, response.size), rights(response.perms)), name
