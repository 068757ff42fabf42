"""Command queue entries (reference 6)."""

from __future__ import annotations

from enum import IntEnum

from spec.codes import Shareability, TGCode
from spec.fields import Field, Structure

COMMAND_BYTES = 16


class Opcode(IntEnum):
    """Commands of the Non-secure queue; every other opcode is CERROR_ILL (reference 6.2)."""

    PREFETCH_CONFIG = 0x01
    PREFETCH_ADDR = 0x02
    CFGI_STE = 0x03
    CFGI_STE_RANGE = 0x04
    CFGI_CD = 0x05
    CFGI_CD_ALL = 0x06
    CFGI_VMS_PIDM = 0x07
    TLBI_NH_ALL = 0x10
    TLBI_NH_ASID = 0x11
    TLBI_NH_VA = 0x12
    TLBI_NH_VAA = 0x13
    TLBI_EL3_ALL = 0x18
    TLBI_EL3_VA = 0x1A
    TLBI_EL2_ALL = 0x20
    TLBI_EL2_ASID = 0x21
    TLBI_EL2_VA = 0x22
    TLBI_EL2_VAA = 0x23
    TLBI_S12_VMALL = 0x28
    TLBI_S2_IPA = 0x2A
    TLBI_NSNH_ALL = 0x30
    ATC_INV = 0x40
    PRI_RESP = 0x41
    RESUME = 0x44
    STALL_TERM = 0x45
    SYNC = 0x46
    DPTI_ALL = 0x70
    DPTI_PA = 0x73


class CommandError(IntEnum):
    """CMDQ_CONS.ERR (reference 6.5)."""

    CERROR_NONE = 0x00
    CERROR_ILL = 0x01
    CERROR_ABT = 0x02
    CERROR_ATC_INV_SYNC = 0x03


class SyncCS(IntEnum):
    """SYNC.CS: the completion signal; 3 is CERROR_ILL."""

    NONE = 0
    IRQ = 1
    SEV = 2


class PriResponse(IntEnum):
    """PRI_RESP.Resp; 3 is CERROR_ILL."""

    FAILURE = 0
    INVALID = 1
    SUCCESS = 2


class ResumeAction(IntEnum):
    """RESUME.Ab and RESUME.Ac taken together as [13:12]: Ab << 1 | Ac."""

    TERMINATE = 0
    RETRY = 1
    ABORT = 2


STE_RANGE_ALL = 31  # CFGI_STE_RANGE.Range that is called CFGI_ALL
ATC_SIZE_ALL = 52   # ATC_INV.Size that covers everything


class Command(Structure):
    """What every command has. Subclasses set `OPCODE`, and `NEEDS`: the ID fields that must all
    be nonzero for the command to be legal (CERROR_ILL otherwise)."""

    BITS = 128
    SECTION = "6.1"
    OPCODE: Opcode
    NEEDS: tuple[str, ...] = ()
    SECURE = False  # legal on the Secure queue only
    Opcode = Field(7, 0, enum=Opcode)

    @classmethod
    def pack(cls, **fields: int) -> int:
        """As `Structure.pack`, with the opcode filled in."""
        return super().pack(**{"Opcode": cls.OPCODE, **fields})


class _Stream(Command):
    """Names a stream."""

    StreamID = Field(63, 32)


class _SecStream(_Stream):
    """Names a stream and the security state it belongs to."""

    SSec = Field(10, doc="1: CERROR_ILL on this queue")


class _Substream(_Stream):
    """Names a stream and a substream."""

    SSV = Field(11, doc="SubstreamID valid")
    SubstreamID = Field(31, 12)


class _Vmid(Command):
    VMID = Field(47, 32, needs="S2P")


class _Asid(Command):
    ASID = Field(63, 48)


class _Range(Command):
    """Invalidation by address, single or range form (reference 6.3)."""

    NUM = Field(16, 12, needs="RIL", doc="range: (NUM + 1) x 2^SCALE granules")
    SCALE = Field(25, 20, needs="RIL")
    Leaf = Field(0, dw=1, doc="1: last-level entries only")
    TTL128 = Field(7, dw=1, late=True)
    TTL = Field(9, 8, dw=1, needs="RIL", doc="level of the leaf entries, 0 unknown")
    TG = Field(11, 10, dw=1, enum=TGCode, needs="RIL", doc="granule; 0: single address")


class _Va(_Range):
    VA = Field(63, 12, dw=1, addr=True)


class PREFETCH_CONFIG(_SecStream, _Substream):
    OPCODE = Opcode.PREFETCH_CONFIG
    SECTION = "6.2"


class PREFETCH_ADDR(_SecStream, _Substream):
    OPCODE = Opcode.PREFETCH_ADDR
    SECTION = "6.2"
    Size = Field(4, 0, dw=1, doc="2^Size addresses")
    Stride = Field(9, 5, dw=1, doc="steps of 2^(12 + Stride)")
    NS = Field(11, dw=1)
    Addr = Field(63, 12, dw=1, addr=True)


class CFGI_STE(_SecStream):
    OPCODE = Opcode.CFGI_STE
    SECTION = "6.3"
    Leaf = Field(0, dw=1, doc="0: the covering L1STD too")


class CFGI_STE_RANGE(_SecStream):
    OPCODE = Opcode.CFGI_STE_RANGE
    SECTION = "6.3"
    Range = Field(4, 0, dw=1, doc="2^(Range+1) StreamIDs; 31: CFGI_ALL")


class CFGI_CD(_SecStream, _Substream):
    OPCODE = Opcode.CFGI_CD
    SECTION = "6.3"
    NEEDS = ("S1P",)
    Leaf = Field(0, dw=1, doc="0: the covering L1CD too")


class CFGI_CD_ALL(_SecStream):
    OPCODE = Opcode.CFGI_CD_ALL
    SECTION = "6.3"
    NEEDS = ("S1P",)


class CFGI_VMS_PIDM(_Vmid):
    OPCODE = Opcode.CFGI_VMS_PIDM
    SECTION = "6.2"
    NEEDS = ("MPAM",)
    SSec = Field(10, doc="1: CERROR_ILL on this queue")


class TLBI_NH_ALL(_Vmid):
    OPCODE = Opcode.TLBI_NH_ALL
    SECTION = "6.3"
    NEEDS = ("S1P",)


class TLBI_NH_ASID(_Vmid, _Asid):
    OPCODE = Opcode.TLBI_NH_ASID
    SECTION = "6.3"
    NEEDS = ("S1P",)


class TLBI_NH_VA(_Vmid, _Asid, _Va):
    OPCODE = Opcode.TLBI_NH_VA
    SECTION = "6.3"
    NEEDS = ("S1P",)


class TLBI_NH_VAA(_Vmid, _Va):
    OPCODE = Opcode.TLBI_NH_VAA
    SECTION = "6.3"
    NEEDS = ("S1P",)


class TLBI_EL3_ALL(Command):
    OPCODE = Opcode.TLBI_EL3_ALL
    SECTION = "6.2"
    SECURE = True


class TLBI_EL3_VA(_Va):
    OPCODE = Opcode.TLBI_EL3_VA
    SECTION = "6.2"
    SECURE = True


class TLBI_EL2_ALL(Command):
    OPCODE = Opcode.TLBI_EL2_ALL
    SECTION = "6.3"
    NEEDS = ("HYP",)


class TLBI_EL2_ASID(_Asid):
    OPCODE = Opcode.TLBI_EL2_ASID
    SECTION = "6.3"
    NEEDS = ("HYP",)


class TLBI_EL2_VA(_Asid, _Va):
    OPCODE = Opcode.TLBI_EL2_VA
    SECTION = "6.3"
    NEEDS = ("HYP",)


class TLBI_EL2_VAA(_Va):
    OPCODE = Opcode.TLBI_EL2_VAA
    SECTION = "6.3"
    NEEDS = ("HYP",)


class TLBI_S12_VMALL(_Vmid):
    OPCODE = Opcode.TLBI_S12_VMALL
    SECTION = "6.3"
    NEEDS = ("S2P",)


class TLBI_S2_IPA(_Vmid, _Range):
    OPCODE = Opcode.TLBI_S2_IPA
    SECTION = "6.3"
    NEEDS = ("S2P",)
    IPA = Field(51, 12, dw=1, addr=True)


class TLBI_NSNH_ALL(Command):
    OPCODE = Opcode.TLBI_NSNH_ALL
    SECTION = "6.3"


class ATC_INV(_Substream):
    OPCODE = Opcode.ATC_INV
    SECTION = "6.3"
    NEEDS = ("ATS",)
    Global = Field(9, doc="Global Invalidate, with SSV only")
    Size = Field(5, 0, dw=1, doc="span of 2^Size x 4 KB; 52: everything")
    Addr = Field(63, 12, dw=1, addr=True)


class PRI_RESP(_Substream):
    OPCODE = Opcode.PRI_RESP
    SECTION = "6.3"
    NEEDS = ("PRI",)
    PRGIndex = Field(8, 0, dw=1)
    Resp = Field(13, 12, dw=1, enum=PriResponse)


class RESUME(_SecStream):
    """Legal unless STALL_MODEL is 1."""

    OPCODE = Opcode.RESUME
    SECTION = "6.3"
    Ac = Field(12, doc="1: retry")
    Ab = Field(13, doc="with Ac 0: 1 abort, 0 RAZ/WI")
    STAG = Field(15, 0, dw=1)


class STALL_TERM(_SecStream):
    """Legal unless STALL_MODEL is 1."""

    OPCODE = Opcode.STALL_TERM
    SECTION = "6.3"


class SYNC(Command):
    OPCODE = Opcode.SYNC
    SECTION = "6.4"
    CS = Field(13, 12, enum=SyncCS, doc="completion signal")
    MSH = Field(23, 22, enum=Shareability, doc="MSI shareability")
    MSIAttr = Field(27, 24, doc="MSI memory type")
    MSIData = Field(63, 32)
    MSIAddr = Field(51, 2, dw=1, addr=True, doc="0: no MSI")
    MSI_NS = Field(63, dw=1, late=True)


class DPTI_ALL(Command):
    OPCODE = Opcode.DPTI_ALL
    SECTION = "6.2"
    NEEDS = ("DPT",)


class DPTI_PA(Command):
    OPCODE = Opcode.DPTI_PA
    SECTION = "6.2"
    NEEDS = ("DPT",)


COMMANDS: dict[int, type[Command]] = {
    command.OPCODE: command for command in (
        PREFETCH_CONFIG, PREFETCH_ADDR, CFGI_STE, CFGI_STE_RANGE, CFGI_CD, CFGI_CD_ALL,
        CFGI_VMS_PIDM, TLBI_NH_ALL, TLBI_NH_ASID, TLBI_NH_VA, TLBI_NH_VAA, TLBI_EL3_ALL,
        TLBI_EL3_VA, TLBI_EL2_ALL, TLBI_EL2_ASID, TLBI_EL2_VA, TLBI_EL2_VAA, TLBI_S12_VMALL,
        TLBI_S2_IPA, TLBI_NSNH_ALL, ATC_INV, PRI_RESP, RESUME, STALL_TERM, SYNC, DPTI_ALL, DPTI_PA,
    )
}


def decode(value: int) -> Command | None:
    """The 128-bit command as its structure, or None for an unknown opcode."""
    command = COMMANDS.get(Command.Opcode.get(value))
    return None if command is None else command(value)
