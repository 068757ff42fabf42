"""The STE as translation uses it: checked, its ignored fields gone, its limits worked out."""

from __future__ import annotations

from functools import lru_cache

from pymodel.attributes import Override
from pymodel.job import Fault, Job
from pymodel.own import by_ste, by_walk
from pymodel.rules import Rules
from pymodel.ste_check import S1_ON, S2_ON, illegal_ste, strw_used, vmid_used
from pymodel.walk import geometry
from spec.codes import TG0_SHIFT, InstructionOverride, PrivilegeOverride, output_bits
from spec.context import CD_BYTES, CD_LEAF_BITS, L1CD_BYTES
from spec.events import EventType
from spec.registers import HTTU
from spec.stream_table import STE, SteConfig, SteS1DSS, SteSTRW
from spec.vmsa import WIDE_TABLE_BYTES, s2_start_level, start_table_bytes


class Stage2:
    """Stage-2 parameters of an STE (reference 2.5, 4.7).

    Members
    -------
    vmid : int
    input_bits
        IPAs of more bits fault.
    table, start, start_mask
        Base (aligned), level and index mask of the concatenated start tables.
    output_bits
        Effective output size.
    big, affd, ha, hd, ptw, fwb, stall, record : bool
        S2ENDI, S2AFFD, S2HA, S2HD (with S2HA), S2PTW, S2FWB, S2S, S2R.
    rights
        Memo of the permissions that descriptor bits give.
    """

    __slots__ = ("affd", "big", "fwb", "geometry", "ha", "hd", "input_bits", "output_bits", "ptw",
                 "record", "rights", "stall", "start", "start_mask", "table", "type", "vmid", "xnx")

    def __init__(self, rules: Rules, ste: STE):
        impl = rules.impl
        g = TG0_SHIFT[ste.S2TG]
        self.geometry = geometry(g, rules.oas_bits, rules.wide)
        self.vmid = ste.S2VMID
        self.input_bits = 64 - ste.S2T0SZ
        start = s2_start_level(g, ste.S2SL0, bool(impl.STT))
        assert start is not None
        self.start = start
        self.start_mask = (1 << (self.input_bits - self.geometry.shifts[start])) - 1
        self.output_bits = output_bits(ste.S2PS, rules.oas_bits)
        size = start_table_bytes(g, start, self.input_bits)
        least = WIDE_TABLE_BYTES if self.output_bits == rules.wide_bits else 0
        self.table = ste.S2TTB & -max(size, least)
        self.big, self.affd = bool(ste.S2ENDI), bool(ste.S2AFFD)
        self.ha = bool(ste.S2HA and impl.HTTU)
        # S2HD with S2HA=0 behaves as both 0.
        self.hd = self.ha and bool(ste.S2HD) and impl.HTTU >= HTTU.DIRTY
        self.ptw = bool(ste.S2PTW) and ste.Config == SteConfig.NESTED
        self.fwb = bool(ste.S2FWB and impl.FWB)
        self.stall, self.record = bool(ste.S2S), bool(ste.S2R)
        self.type = by_walk(ste)
        self.xnx = bool(impl.XNX)
        self.rights: dict[int, int] = {}


class Ste:
    """A valid STE's live fields under one implementation (reference 2.3-2.7).

    Members
    -------
    abort : bool
        Config[2]=0: nothing else counts.
    illegal : str | None
        Why the STE is ILLEGAL; nothing below is meaningful then.
    s1, s2on : bool
        Which stages Config turns on.
    cd_max, leaf_bits, context_ptr
        log2 of the number of CDs (0: no substreams), SubstreamID bits of a leaf table (0: linear),
        aligned table address.
    dss : int
        S1DSS with the reserved code resolved.
    stalld, el2 : bool
        S1STALLD; STRW selects an EL2 StreamWorld.
    vmid : int | None
        S2VMID where it tags translations.
    privilege, instruction : bool | None
        What PRIVCFG and INSTCFG force.
    override
        Type overrides for what no stage 1 translates.
    type
        Memory type of the CD table.
    s2
        Stage-2 parameters; set when stage 2 is on.
    """

    __slots__ = ("abort", "cd_max", "context_ptr", "dss", "el2", "illegal", "instruction",
                 "leaf_bits", "override", "privilege", "s1", "s2", "s2on", "stalld", "type", "vmid")

    s2: Stage2

    def __init__(self, rules: Rules, ste: STE):
        impl, config = rules.impl, ste.Config
        self.abort = bool(ste.V) and not config & SteConfig.BYPASS
        self.illegal: str | None = None
        if not ste.V:
            self.illegal = "V=0"
        elif not self.abort:
            self.illegal = illegal_ste(rules, ste)
        if self.abort or self.illegal:
            return
        self.s1, self.s2on = bool(config & S1_ON), bool(config & S2_ON)
        self.cd_max = ste.S1CDMax if impl.SSIDSIZE else 0
        self.leaf_bits = CD_LEAF_BITS.get(ste.S1Fmt, 0) if self.cd_max else 0
        # Bits below the table's alignment count as 0 (a free choice, docs/differences.md).
        size = (CD_BYTES << self.cd_max if not self.leaf_bits
                else max(CD_BYTES, L1CD_BYTES << max(0, self.cd_max - self.leaf_bits)))
        self.context_ptr = ste.S1ContextPtr & -size
        self.dss = ste.S1DSS if ste.S1DSS in tuple(SteS1DSS) else SteS1DSS.TERMINATE
        self.type = by_ste(ste)
        self.stalld = bool(ste.S1STALLD)
        self.el2 = strw_used(rules, config) and ste.STRW == SteSTRW.NS_EL2
        self.vmid = ste.S2VMID if vmid_used(rules, ste) else None
        self.privilege = self.instruction = None
        if impl.ATTR_PERMS_OVR:
            self.privilege = PRIVILEGE.get(ste.PRIVCFG)
            self.instruction = INSTRUCTION.get(ste.INSTCFG)
        self.override = Override.make(impl, ste.MTCFG, ste.MemAttr, ste.ALLOCCFG, ste.SHCFG)
        if self.s2on:
            self.s2 = Stage2(rules, ste)


# Codes of PRIVCFG and INSTCFG that force something.
PRIVILEGE: dict[int, bool] = {PrivilegeOverride.UNPRIVILEGED: False,
                              PrivilegeOverride.PRIVILEGED: True}
INSTRUCTION: dict[int, bool] = {InstructionOverride.DATA: False,
                                InstructionOverride.INSTRUCTION: True}


@lru_cache(maxsize=4096)
def decode_ste(rules: Rules, raw: bytes) -> Ste:
    """The STE of these 64 bytes. Keyed by content, so never stale."""
    return Ste(rules, STE.from_bytes(raw))


def check_ste(job: Job, raw: bytes) -> bool:
    """Step 3 of reference 4.2: decode into `job.ste`; False: abort without an event.

    Faults: C_BAD_STE.
    """
    ste = job.ste = decode_ste(job.rules, raw)
    if job.steps is not None:
        job.step("check_ste", "2.7", illegal=ste.illegal, abort=ste.abort)
    if ste.illegal is not None:
        raise Fault(EventType.C_BAD_STE, ste.illegal, "2.7")
    return not ste.abort


def apply_overrides(job: Job) -> None:
    """Step 4 of reference 4.2: PRIVCFG and INSTCFG; writes are data whatever INSTCFG says."""
    ste = job.ste
    if ste.privilege is not None:
        job.pnu = ste.privilege
    if ste.instruction is not None and not job.write:
        job.ind = ste.instruction
