"""The CD as translation uses it: checked, its ignored fields gone, its limits worked out."""

from __future__ import annotations

from functools import lru_cache

from pymodel.cd_check import illegal_cd
from pymodel.job import Fault, Job
from pymodel.own import OwnType, by_cd
from pymodel.permissions import stage1_rights, stage1_rights_el2
from pymodel.reader import World
from pymodel.rules import Rules
from pymodel.walk import geometry
from spec.codes import TG0_SHIFT, TG1_SHIFT, output_bits
from spec.context import CD
from spec.events import EventType
from spec.registers import HTTU
from spec.vmsa import WIDE_TABLE_BYTES, start_level, start_table_bytes

_TAG_BITS = 8  # the top byte that TBI ignores


class Region:
    """One half of the address space: TT0 or TT1 with its limits (reference 4.4-4.6).

    Members
    -------
    check_mask, check_value
        Address bits above the input size, and what they must be.
    table, start, start_mask
        Base (aligned), level and index mask of the start table.
    type
        Memory type of the tables.
    had, e0pd : bool
        HADn and E0PDn where implemented.
    """

    __slots__ = ("check_mask", "check_value", "e0pd", "geometry", "had", "name", "start",
                 "start_mask", "table", "type")

    def __init__(self, rules: Rules, name: str, *, g: int, tsz: int, ttb: int, tbi: int, had: int,
                 e0pd: bool, upper: bool, out_bits: int, type: OwnType):
        self.name, self.type = name, type
        ia = 64 - tsz
        self.geometry = geometry(g, rules.oas_bits, rules.wide)
        self.start = start_level(g, ia)
        self.start_mask = (1 << (ia - self.geometry.shifts[self.start])) - 1
        self.table = ttb & -max(start_table_bytes(g, self.start, ia),
                                WIDE_TABLE_BYTES if out_bits == rules.wide_bits else 0)
        self.check_mask = (1 << (64 - _TAG_BITS if tbi else 64)) - (1 << ia)
        self.check_value = self.check_mask if upper else 0
        self.had = bool(had and rules.impl.HAD)
        self.e0pd = e0pd and bool(rules.impl.E0PD)


class Cd:
    """A CD's live fields in one StreamWorld (reference 3.2).

    Members
    -------
    illegal : str | None
        Why the CD is ILLEGAL; nothing below is meaningful then.
    lower, upper : Region | None
        TT0 and TT1, None where walks are disabled.
    single : bool
        EL2 world without E2H: only TT0, whatever VA[55] says.
    output_bits
        Effective output size.
    asid : int | None
    big, affd, ha, hd, stall, record, abort, aset : bool
        ENDI, AFFD, HA, HD (with HA), S, R, A, ASET.
    mair
        The eight attribute bytes.
    """

    __slots__ = ("_epan", "_known", "_pan", "_wxn", "abort", "affd", "aset", "asid", "big", "ha",
                 "hd", "illegal", "lower", "mair", "output_bits", "record", "single", "stall",
                 "upper")

    def __init__(self, rules: Rules, cd: CD, world: World, stalld: bool):
        impl = rules.impl
        self.illegal = illegal_cd(rules, cd, world, stalld=stalld)
        if self.illegal:
            return
        self.single = world is World.NS_EL2
        self.output_bits = output_bits(cd.IPS, rules.oas_bits)
        self.asid = None if self.single else cd.ASID
        self.aset, self.big, self.affd = bool(cd.ASET), bool(cd.ENDI), bool(cd.AFFD)
        self.stall, self.record, self.abort = bool(cd.S), bool(cd.R), bool(cd.A)
        self.ha = bool(cd.HA and impl.HTTU)
        # HD with HA=0 behaves as both 0.
        self.hd = self.ha and bool(cd.HD) and impl.HTTU >= HTTU.DIRTY
        self.mair = (cd.MAIR0 | cd.MAIR1 << CD.MAIR0.width).to_bytes(8, "little")
        self.lower: Region | None = None
        self.upper: Region | None = None
        if self.single or not cd.EPD0:
            self.lower = Region(
                rules, "TT0", g=TG0_SHIFT[cd.TG0], tsz=cd.T0SZ, ttb=cd.TTB0, tbi=cd.TBI0,
                had=cd.HAD0, e0pd=bool(cd.E0PD0) and not self.single, upper=False,
                out_bits=self.output_bits, type=by_cd(cd, half=False))
        if not self.single and not cd.EPD1:
            self.upper = Region(
                rules, "TT1", g=TG1_SHIFT[cd.TG1], tsz=cd.T1SZ, ttb=cd.TTB1, tbi=cd.TBI1,
                had=cd.HAD1, e0pd=bool(cd.E0PD1), upper=True, out_bits=self.output_bits,
                type=by_cd(cd, half=True))
        self._wxn, self._pan = bool(cd.WXN), bool(cd.PAN)
        self._epan = bool(cd.EPAN and impl.EPAN)
        self._known: dict[int, int] = {}

    def rights(self, bits: int) -> int:
        """The rights that these leaf and accumulated table bits give (pymodel.permissions)."""
        rights = self._known.get(bits)
        if rights is None:
            if self.single:
                rights = stage1_rights_el2(bits, hd=self.hd, wxn=self._wxn)
            else:
                rights = stage1_rights(bits, hd=self.hd, wxn=self._wxn, pan=self._pan,
                                       epan=self._epan)
            self._known[bits] = rights
        return rights


@lru_cache(maxsize=4096)
def decode_cd(rules: Rules, raw: bytes, world: World, stalld: bool) -> Cd:
    """The CD of these 64 bytes. Keyed by content, so never stale."""
    return Cd(rules, CD.from_bytes(raw), world, stalld)


def stream_world(job: Job) -> World:
    """StreamWorld of a stream with stage 1 on (reference 4.3)."""
    if not job.ste.el2:
        return World.NS_EL1
    return World.NS_EL2_E2H if job.state.e2h else World.NS_EL2


def check_cd(job: Job, raw: bytes) -> None:
    """Step 9 of reference 4.2: decode into `job.cd` and `job.world`. Faults: C_BAD_CD."""
    world = job.world = stream_world(job)
    cd = job.cd = decode_cd(job.rules, raw, world, job.ste.stalld)
    if job.steps is not None:
        job.step("check_cd", "3.3", world=world.value, illegal=cd.illegal)
    if cd.illegal is not None:
        raise Fault(EventType.C_BAD_CD, cd.illegal, "3.3")
