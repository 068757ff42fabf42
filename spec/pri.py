"""PRI queue records and ATS codes, optional (reference 8)."""

from __future__ import annotations

from enum import IntEnum

from spec.fields import Field, Structure

PRI_BYTES = 16


class AutoResponse(IntEnum):
    """Response code of a PRG Response that the SMMU sends by itself (reference 8.4)."""

    SUCCESS = 0b0000
    FAILURE = 0b1111


class PPR(Structure):
    """Page request, as written to the PRI queue."""

    BITS = 128
    SECTION = "8.4"
    StreamID = Field(31, 0)
    SubstreamID = Field(51, 32)
    Priv = Field(58, doc="privileged access requested")
    Exec = Field(59, doc="execute requested")
    Read = Field(60, doc="read requested")
    Write = Field(61, doc="write requested")
    Last = Field(62, doc="last of its group")
    SSV = Field(63, doc="SubstreamID valid")
    PRGIndex = Field(8, 0, dw=1)
    Addr = Field(63, 12, dw=1, addr=True)
