"""Event queue records (reference 5)."""

from __future__ import annotations

from enum import IntEnum

from spec.fields import Field, Structure

EVENT_BYTES = 32


class EventType(IntEnum):
    """Event numbers (reference 5.2); 0xE0 to 0xEF are IMPLEMENTATION DEFINED."""

    F_UUT = 0x01
    C_BAD_STREAMID = 0x02
    F_STE_FETCH = 0x03
    C_BAD_STE = 0x04
    F_BAD_ATS_TREQ = 0x05
    F_STREAM_DISABLED = 0x06
    F_TRANSL_FORBIDDEN = 0x07
    C_BAD_SUBSTREAMID = 0x08
    F_CD_FETCH = 0x09
    C_BAD_CD = 0x0A
    F_WALK_EABT = 0x0B
    F_TRANSLATION = 0x10
    F_ADDR_SIZE = 0x11
    F_ACCESS = 0x12
    F_PERMISSION = 0x13
    F_TLB_CONFLICT = 0x20
    F_CFG_CONFLICT = 0x21
    E_PAGE_REQUEST = 0x24
    F_VMS_FETCH = 0x25


class FaultClass(IntEnum):
    """CLASS: what was being translated."""

    CD = 0
    TT = 1
    IN = 2


# The events a translating stage may stall or leave unrecorded (reference 4.9).
TRANSLATION_FAULTS = frozenset({
    EventType.F_TRANSLATION, EventType.F_ADDR_SIZE, EventType.F_ACCESS, EventType.F_PERMISSION})


class Event(Structure):
    """What every record has. A field that a type does not list is RES0."""

    BITS = 256
    SECTION = "5.1"
    NUMBER: EventType
    TYPE = Field(7, 0, enum=EventType)
    StreamID = Field(63, 32)

    @classmethod
    def pack(cls, **fields: int) -> int:
        """As `Structure.pack`, with the event number filled in."""
        return super().pack(**{"TYPE": cls.NUMBER, **fields})


class _Substream(Event):
    SECTION = "5.2"
    SSV = Field(11, doc="SubstreamID valid")
    SubstreamID = Field(31, 12)


class _Reason(Event):
    Reason = Field(15, 0, dw=1, doc="implementation defined")


class _Access(Event):
    PnU = Field(33, dw=1, doc="1: privileged")
    InD = Field(34, dw=1, doc="1: instruction")
    RnW = Field(35, dw=1, doc="1: read")


class _Class(Event):
    NSIPA = Field(38, dw=1, doc="0 on the Non-secure queue")
    S2 = Field(39, dw=1, doc="1: stage-2 fault")
    CLASS = Field(41, 40, dw=1, enum=FaultClass, doc="what was being translated")


class _Input(Event):
    InputAddr = Field(63, 0, dw=2)


class _Fetch(Event):
    FetchAddr = Field(51, 3, dw=3, addr=True)


class _Gpcf(Event):
    GPCF = Field(16, dw=1, late=True)


class _Translation(_Substream, _Access, _Class, _Input):
    """The four faults of a translating stage."""

    SECTION = "5.2"
    STAG = Field(15, 0, dw=1, doc="stall tag, with Stall")
    Stall = Field(31, dw=1, doc="1: the transaction waits for RESUME")
    IPA = Field(51, 12, dw=3, addr=True, doc="with S2")


class F_UUT(_Substream, _Reason, _Access, _Input):
    NUMBER = EventType.F_UUT


class C_BAD_STREAMID(_Substream):
    NUMBER = EventType.C_BAD_STREAMID


class F_STE_FETCH(_Substream, _Reason, _Gpcf, _Fetch):
    NUMBER = EventType.F_STE_FETCH


class C_BAD_STE(_Substream):
    NUMBER = EventType.C_BAD_STE


class F_BAD_ATS_TREQ(_Substream):
    NUMBER = EventType.F_BAD_ATS_TREQ
    Span = Field(3, 0, dw=1)
    Priv = Field(28, dw=1)
    Exec = Field(29, dw=1)
    Write = Field(30, dw=1)
    Read = Field(31, dw=1)
    InputAddr = Field(63, 12, dw=2, addr=True)


class F_STREAM_DISABLED(Event):
    NUMBER = EventType.F_STREAM_DISABLED
    SECTION = "5.2"


class F_TRANSL_FORBIDDEN(_Input):
    NUMBER = EventType.F_TRANSL_FORBIDDEN
    SECTION = "5.2"
    RnW = Field(35, dw=1, doc="1: read")


class C_BAD_SUBSTREAMID(Event):
    NUMBER = EventType.C_BAD_SUBSTREAMID
    SECTION = "5.2"
    SubstreamID = Field(31, 12)


class F_CD_FETCH(_Substream, _Reason, _Gpcf, _Fetch):
    NUMBER = EventType.F_CD_FETCH


class C_BAD_CD(_Substream):
    NUMBER = EventType.C_BAD_CD


class F_WALK_EABT(_Substream, _Reason, _Gpcf, _Access, _Class, _Input, _Fetch):
    NUMBER = EventType.F_WALK_EABT


class F_TRANSLATION(_Translation):
    NUMBER = EventType.F_TRANSLATION


class F_ADDR_SIZE(_Translation):
    NUMBER = EventType.F_ADDR_SIZE


class F_ACCESS(_Translation):
    NUMBER = EventType.F_ACCESS


class F_PERMISSION(_Translation):
    NUMBER = EventType.F_PERMISSION
    DirtyBit = Field(42, dw=1, late=True)
    AssuredOnly = Field(43, dw=1, late=True)
    TTRnW = Field(44, dw=1, doc="CLASS TT: 1 read, 0 hardware update")
    Overlay = Field(45, dw=1, late=True)


class F_TLB_CONFLICT(_Substream, _Access, _Class, _Input):
    NUMBER = EventType.F_TLB_CONFLICT
    Reason = Field(31, 0, dw=1, doc="implementation defined")
    IPA = Field(51, 12, dw=3, addr=True, doc="with S2")


class F_CFG_CONFLICT(_Substream):
    NUMBER = EventType.F_CFG_CONFLICT
    Reason = Field(31, 0, dw=1, doc="implementation defined")


class E_PAGE_REQUEST(_Substream):
    NUMBER = EventType.E_PAGE_REQUEST
    uX = Field(33, dw=1)
    uW = Field(34, dw=1)
    uR = Field(35, dw=1)
    pX = Field(37, dw=1)
    pW = Field(38, dw=1)
    pR = Field(39, dw=1)
    Span = Field(51, 44, dw=1, doc="in units of 4 KB")
    InputAddr = Field(63, 12, dw=2, addr=True)


class F_VMS_FETCH(_Substream, _Reason, _Gpcf, _Fetch):
    NUMBER = EventType.F_VMS_FETCH


EVENTS: dict[int, type[Event]] = {
    event.NUMBER: event for event in (
        F_UUT, C_BAD_STREAMID, F_STE_FETCH, C_BAD_STE, F_BAD_ATS_TREQ, F_STREAM_DISABLED,
        F_TRANSL_FORBIDDEN, C_BAD_SUBSTREAMID, F_CD_FETCH, C_BAD_CD, F_WALK_EABT, F_TRANSLATION,
        F_ADDR_SIZE, F_ACCESS, F_PERMISSION, F_TLB_CONFLICT, F_CFG_CONFLICT, E_PAGE_REQUEST,
        F_VMS_FETCH,
    )
}


def decode(value: int) -> Event | None:
    """The 256-bit record as its structure, or None for an unknown type."""
    event = EVENTS.get(Event.TYPE.get(value))
    return None if event is None else event(value)
