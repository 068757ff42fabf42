"""What is implemented: the one place that says so. The ID registers follow from it.

`Implementation` has one attribute per field of IDR0, IDR1, IDR3, IDR5, IIDR and AIDR, by its
architecture name (reference 1.3). The golden model and the RTL take every "is this supported" from
it, and `FEATURES` lists them for the documents.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from spec import registers as r
from spec.codes import SIZE_BITS, SizeCode
from spec.commands import COMMANDS, Opcode
from spec.fields import Register, SpecError


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """The ID fields. SpecError if a combination is illegal; the message names both fields."""

    # IDR0
    S2P: int = 0
    S1P: int = 0
    TTF: int = r.TTF.AARCH64
    COHACC: int = 0
    BTM: int = 0
    HTTU: int = r.HTTU.NONE
    DORMHINT: int = 0
    HYP: int = 0
    ATS: int = 0
    NS1ATS: int = 0
    ASID16: int = 0
    MSI: int = 0
    SEV: int = 0
    ATOS: int = 0
    PRI: int = 0
    VMW: int = 0
    VMID16: int = 0
    CD2L: int = 0
    VATOS: int = 0
    TTENDIAN: int = r.TTENDIAN.MIXED
    ATSRECERR: int = 0
    STALL_MODEL: int = r.StallModel.BOTH
    TERM_MODEL: int = 0
    ST_LEVEL: int = 0
    RME_IMPL: int = 0
    # IDR1
    SIDSIZE: int = 0
    SSIDSIZE: int = 0
    PRIQS: int = 0
    EVENTQS: int = 0
    CMDQS: int = 0
    ATTR_PERMS_OVR: int = 0
    ATTR_TYPES_OVR: int = 0
    REL: int = 0
    QUEUES_PRESET: int = 0
    TABLES_PRESET: int = 0
    ECMDQ: int = 0
    # IDR3
    HAD: int = 0
    PBHA: int = 0
    XNX: int = 0
    PPS: int = 0
    MPAM: int = 0
    FWB: int = 0
    STT: int = 0
    RIL: int = 0
    BBML: int = 0
    E0PD: int = 0
    PTWNNC: int = 0
    DPT: int = 0
    PASIDTT: int = 0
    EPAN: int = 0
    S1PI: int = 0
    S2PI: int = 0
    S2PO: int = 0
    THE: int = 0
    MTEPERM: int = 0
    AIE: int = 0
    # IDR5
    OAS: int = SizeCode.B32
    GRAN4K: int = 0
    GRAN16K: int = 0
    GRAN64K: int = 0
    DS: int = 0
    D128: int = 0
    VAX: int = 0
    STALL_MAX: int = 0
    # IIDR
    Implementer: int = 0
    Revision: int = 0
    Variant: int = 0
    ProductID: int = 0
    # AIDR
    ArchMinorRev: int = 0
    ArchMajorRev: int = 0

    def __post_init__(self) -> None:
        for register in ID_REGISTERS:
            self._pack(register)
        for broken, text in _rules(self):
            if broken:
                raise SpecError(text)

    @classmethod
    def from_idrs(cls, idr0: int, idr1: int, idr3: int, idr5: int, aidr: int,
                  iidr: int = 0) -> Implementation:
        """The implementation that shows these ID registers."""
        values = zip(ID_REGISTERS, (idr0, idr1, idr3, idr5, iidr, aidr), strict=True)
        return cls(**{name: value for register, word in values
                      for name, value in register(word).items()})

    def _pack(self, register: type[Register]) -> int:
        return register.pack(**{name: getattr(self, name) for name in register.FIELDS})

    @property
    def idr0(self) -> int:
        return self._pack(r.IDR0)

    @property
    def idr1(self) -> int:
        return self._pack(r.IDR1)

    @property
    def idr3(self) -> int:
        return self._pack(r.IDR3)

    @property
    def idr5(self) -> int:
        return self._pack(r.IDR5)

    @property
    def iidr(self) -> int:
        return self._pack(r.IIDR)

    @property
    def aidr(self) -> int:
        return self._pack(r.AIDR)

    @property
    def oas_bits(self) -> int:
        """Physical address bits."""
        return SIZE_BITS[self.OAS]

    @property
    def ias_bits(self) -> int:
        """Intermediate address bits."""
        return max(40, self.oas_bits) if self.TTF & r.TTF.AARCH32 else self.oas_bits

    @property
    def granules(self) -> frozenset[int]:
        """Log2 of the page sizes: a subset of 12, 14, 16."""
        return frozenset(shift for shift, present in (
            (12, self.GRAN4K), (14, self.GRAN16K), (16, self.GRAN64K)) if present)

    @property
    def asid_bits(self) -> int:
        return 16 if self.ASID16 else 8

    @property
    def vmid_bits(self) -> int:
        return 16 if self.VMID16 else 8

    @property
    def stalls(self) -> bool:
        """Whether transactions can stall; RESUME and STALL_TERM are legal exactly then."""
        return self.STALL_MODEL != r.StallModel.TERMINATE

    def tsz_min(self, granule: int) -> int:
        """Smallest CD.TnSZ for the granule of 2^`granule` bytes (reference 4.5)."""
        return 12 if granule == 16 and self.VAX else 16

    def s2tsz_min(self, granule: int) -> int:
        """Smallest STE.S2T0SZ for the granule of 2^`granule` bytes (reference 4.5)."""
        if self.ArchMinorRev == 0:
            return 64 - self.ias_bits
        return max(12 if granule == 16 else 16, 64 - self.ias_bits)

    def tsz_max(self, granule: int) -> int:
        """Largest TnSZ and S2T0SZ (reference 4.5)."""
        if not self.STT:
            return 39
        return 47 if granule == 16 else 48

    def exists(self, register: type[Register]) -> bool:
        """Whether the register exists; otherwise it is RES0."""
        return all(getattr(self, name) for name in register.NEEDS)

    def mask(self, register: type[Register]) -> int:
        """The bits of a register that exist; the others are RES0. Physical addresses end at OAS."""
        if not self.exists(register):
            return 0
        mask = 0
        for field in register.FIELDS.values():
            if field.needs and not getattr(self, field.needs):
                continue
            physical = field.addr and field.hi < 52  # the longer ones are virtual
            mask |= field.mask & ((1 << self.oas_bits) - 1 if physical else field.mask)
        return mask

    def legal(self, opcode: int) -> bool:
        """Whether the Non-secure Command queue knows the opcode (reference 6.2)."""
        command = COMMANDS.get(opcode)
        if command is None or command.SECURE:
            return False
        if opcode in (Opcode.RESUME, Opcode.STALL_TERM):
            return self.stalls
        return all(getattr(self, name) for name in command.NEEDS)


# The order of `from_idrs`.
ID_REGISTERS: tuple[type[Register], ...] = (r.IDR0, r.IDR1, r.IDR3, r.IDR5, r.IIDR, r.AIDR)

if {f.name for f in fields(Implementation)} != {n for i in ID_REGISTERS for n in i.FIELDS}:
    raise SpecError("Implementation does not have the fields of the ID registers")


def _rules(i: Implementation) -> list[tuple[bool, str]]:
    """(broken, why) for every rule of reference 1.3."""
    both, minor = bool(i.S1P and i.S2P), i.ArchMinorRev
    return [
        (not (i.S1P or i.S2P), "S1P=0 and S2P=0: no stage at all"),
        (i.TTF == 0, "TTF=0: no table format for S1P, S2P"),
        (not i.granules, "GRAN4K, GRAN16K and GRAN64K are all 0"),
        (bool(i.TTF & r.TTF.AARCH32 and not i.GRAN4K), "TTF has AArch32 but GRAN4K=0"),
        (bool(i.HYP and not both), "HYP=1 needs S1P=1 and S2P=1"),
        (both and minor >= 2 and not i.HYP, "HYP=0 with S1P=S2P=1 and ArchMinorRev >= 2"),
        (bool(i.NS1ATS and not (i.ATS and both)), "NS1ATS=1 needs ATS=1 and S1P=S2P=1"),
        (bool(i.PRI and not i.ATS), "PRI=1 needs ATS=1"),
        (bool(i.ATSRECERR and not i.ATS), "ATSRECERR=1 needs ATS=1"),
        (bool(i.VMW and not i.S2P), "VMW=1 needs S2P=1"),
        (i.TTENDIAN == 1, "TTENDIAN=1 is reserved (TTF tables)"),
        (i.STALL_MODEL == 3, "STALL_MODEL=3 is reserved (STALL_MAX)"),
        (not i.stalls and i.STALL_MAX != 0, "STALL_MAX is not 0 with STALL_MODEL=1"),
        (i.stalls and i.STALL_MAX == 0, "STALL_MAX=0 with STALL_MODEL other than 1"),
        (i.ST_LEVEL > 1, "ST_LEVEL above 1 is reserved (SIDSIZE)"),
        (i.SIDSIZE > 32, "SIDSIZE above 32 does not fit StreamID"),
        (i.SIDSIZE >= 7 and i.ST_LEVEL == 0, "SIDSIZE >= 7 needs ST_LEVEL=1"),
        (i.SSIDSIZE > 20, "SSIDSIZE above 20 does not fit SubstreamID"),
        (i.CMDQS > 19, "CMDQS above 19 does not fit CMDQ_PROD.WR"),
        (i.EVENTQS > 19, "EVENTQS above 19 does not fit EVENTQ_PROD.WR"),
        (i.PRIQS > 19, "PRIQS above 19 does not fit PRIQ_PROD.WR"),
        (bool(i.PBHA and not i.HAD), "PBHA=1 needs HAD=1"),
        (i.BBML == 3, "BBML=3 is reserved (RIL)"),
        (minor >= 1 and bool(i.S1P) and not i.HAD, "HAD=0 with S1P=1 and ArchMinorRev >= 1"),
        (minor >= 1 and bool(i.S2P) and not i.XNX, "XNX=0 with S2P=1 and ArchMinorRev >= 1"),
        (minor >= 2 and bool(i.S2P) and not i.FWB, "FWB=0 with S2P=1 and ArchMinorRev >= 2"),
        (minor >= 2 and not i.RIL, "RIL=0 with ArchMinorRev >= 2"),
        (minor >= 2 and not i.BBML, "BBML=0 with ArchMinorRev >= 2"),
        (minor >= 3 and not i.E0PD, "E0PD=0 with ArchMinorRev >= 3"),
        (minor >= 3 and bool(i.S2P) and not i.PTWNNC, "PTWNNC=0 with S2P=1, ArchMinorRev >= 3"),
        (minor >= 4 and not i.EPAN, "EPAN=0 with ArchMinorRev >= 4"),
        (minor >= 4 and bool(i.S2P) and not i.MTEPERM, "MTEPERM=0 with S2P=1, ArchMinorRev >= 4"),
        (i.OAS not in SIZE_BITS, "OAS=7 is reserved without D128=1"),
        (i.VAX > 1, "VAX above 1 needs D128=1"),
        (bool(i.VAX and not i.GRAN64K), "VAX=1 needs GRAN64K=1"),
    ]


_BASE = Implementation(
    S2P=1, S1P=1, COHACC=1, HTTU=r.HTTU.DIRTY, HYP=1, ASID16=1, MSI=1, VMID16=1, CD2L=1,
    ST_LEVEL=1, SIDSIZE=16, SSIDSIZE=20, EVENTQS=16, CMDQS=16, ATTR_PERMS_OVR=1,
    ATTR_TYPES_OVR=1, HAD=1, XNX=1, FWB=1, RIL=1, BBML=2, OAS=SizeCode.B48, GRAN4K=1, GRAN16K=1,
    GRAN64K=1, STALL_MAX=16, ArchMinorRev=2)

# What costs area is gone: one stage, one granule, linear CD tables, nothing stalls.
_TINY = Implementation(
    S1P=1, COHACC=1, MSI=1, TTENDIAN=r.TTENDIAN.LITTLE, STALL_MODEL=r.StallModel.TERMINATE,
    ST_LEVEL=1, SIDSIZE=16, SSIDSIZE=8, EVENTQS=8, CMDQS=8, ATTR_PERMS_OVR=1,
    ATTR_TYPES_OVR=1, HAD=1, OAS=SizeCode.B44, GRAN4K=1, ArchMinorRev=1)

PRESETS: dict[str, Implementation] = {
    "tiny": _TINY,
    # The fastest build in which something stalls, for regressions.
    "tiny-stall": replace(_TINY, STALL_MODEL=r.StallModel.BOTH, STALL_MAX=3),
    "base": _BASE,
    "full": Implementation.from_idrs(
        _BASE.idr0, _BASE.idr1, _BASE.idr3,
        r.IDR5.STALL_MAX.replace(_BASE.idr5, 64), _BASE.aidr),
    # What the architecture has beyond base's profile: 52-bit addresses, later permissions.
    "wide": replace(_BASE, OAS=SizeCode.B52, VAX=1, EPAN=1, E0PD=1, PTWNNC=1, STT=1, VMW=1, SEV=1,
                    ArchMinorRev=3),
    # The ID registers of QEMU's model, with both stages and with one.
    "qemu": Implementation.from_idrs(0x0D44_101B, 0x0273_0010, 0x1414, 0x74, 1),
    "qemu-s1": Implementation.from_idrs(0x0D44_101A, 0x0273_0010, 0x1404, 0x74, 1),
    "qemu-s2": Implementation.from_idrs(0x0D44_1019, 0x0273_0010, 0x1414, 0x74, 1),
}


class Feature(NamedTuple):
    """One line of the feature table; `field` is an attribute of Implementation."""

    name: str
    field: str
    section: str
    text: str


FEATURES: tuple[Feature, ...] = (
    Feature("Stage 1", "S1P", "4.4", "context descriptors and VA to IPA translation"),
    Feature("Stage 2", "S2P", "4.7", "IPA to PA translation; nested with stage 1"),
    Feature("Hypervisor worlds", "HYP", "4.3", "EL2 and EL2-E2H streams and TLBI commands"),
    Feature("Hardware table update", "HTTU", "4.6", "1 access flag, 2 and dirty state"),
    Feature("Stall model", "STALL_MODEL", "4.9", "0 stall and terminate, 1 terminate only"),
    Feature("Stalls outstanding", "STALL_MAX", "4.9", "most stalls recorded and not answered"),
    Feature("Terminate model", "TERM_MODEL", "4.9", "0: CD.A chooses abort or RAZ/WI"),
    Feature("Coherent", "COHACC", "4.10", "the SMMU's own accesses are coherent"),
    Feature("Two-level stream table", "ST_LEVEL", "2.2", "otherwise linear only"),
    Feature("StreamID bits", "SIDSIZE", "2", "size of the StreamID space"),
    Feature("SubstreamID bits", "SSIDSIZE", "3.1", "size of the SubstreamID space"),
    Feature("Two-level CD tables", "CD2L", "3.1", "4 KB and 64 KB leaf tables"),
    Feature("16-bit ASID", "ASID16", "3.2", "otherwise 8 bits"),
    Feature("16-bit VMID", "VMID16", "2.5", "otherwise 8 bits"),
    Feature("VMID wildcard", "VMW", "1.4", "CR0.VMW"),
    Feature("Table endianness", "TTENDIAN", "3.2", "0 mixed, 2 little, 3 big"),
    Feature("MSI", "MSI", "7.5", "interrupts as memory writes"),
    Feature("Events to PEs", "SEV", "6.4", "CMD_SYNC with CS=2 wakes"),
    Feature("Broadcast TLBI", "BTM", "6.3", "listens to the PEs' invalidations"),
    Feature("Command queue", "CMDQS", "7.2", "log2 of the most entries"),
    Feature("Event queue", "EVENTQS", "7.3", "log2 of the most entries"),
    Feature("PRI queue size", "PRIQS", "7.4", "log2 of the most entries"),
    Feature("ATS", "ATS", "8.1", "Translation Requests and Translated transactions"),
    Feature("PRI", "PRI", "8.4", "page requests"),
    Feature("GATOS", "ATOS", "1.11", "translation by register"),
    Feature("Type overrides", "ATTR_TYPES_OVR", "4.10", "MTCFG, MemAttr, ALLOCCFG, SHCFG"),
    Feature("Permission overrides", "ATTR_PERMS_OVR", "4.10", "PRIVCFG, INSTCFG"),
    Feature("Hierarchical disable", "HAD", "4.6", "CD.HAD0 and CD.HAD1"),
    Feature("Stage-2 execute control", "XNX", "4.6", "separate privileged and unprivileged"),
    Feature("Forced write-back", "FWB", "2.6", "STE.S2FWB"),
    Feature("Small tables", "STT", "4.5", "TnSZ up to 48"),
    Feature("Range invalidation", "RIL", "6.3", "range form of TLBI and TTL"),
    Feature("Break before make", "BBML", "4.6", "level of change of block size in place"),
    Feature("E0PD", "E0PD", "4.4", "unprivileged access to one half always faults"),
    Feature("EPAN", "EPAN", "4.6", "PAN also where unprivileged code may execute"),
    Feature("Walk into Device", "PTWNNC", "2.5", "done as Normal-NC"),
    Feature("Output size", "OAS", "1.3", "code of the physical address size"),
    Feature("4 KB granule", "GRAN4K", "4.6", ""),
    Feature("16 KB granule", "GRAN16K", "4.6", ""),
    Feature("64 KB granule", "GRAN64K", "4.6", ""),
    Feature("52-bit VA", "VAX", "4.5", "64 KB granule"),
)
