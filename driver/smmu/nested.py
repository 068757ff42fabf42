"""What a guest may say of its own stage 1: parts of an STE, and invalidations (reference 9.3)."""

from __future__ import annotations

from spec.commands import (
    ATC_INV,
    CFGI_CD,
    CFGI_CD_ALL,
    TLBI_NH_ALL,
    TLBI_NH_ASID,
    TLBI_NH_VA,
    TLBI_NH_VAA,
    TLBI_NSNH_ALL,
    Command,
    decode,
)
from spec.impl import Implementation
from spec.stream_table import STE, SteConfig, SteEATS

FIELDS = (STE.V, STE.Config, STE.S1Fmt, STE.S1ContextPtr, STE.S1CDMax, STE.S1DSS, STE.S1CIR,
          STE.S1COR, STE.S1CSH, STE.S1STALLD, STE.EATS)
CONFIGS = (SteConfig.ABORT, SteConfig.BYPASS, SteConfig.S1)
TAGGED = (TLBI_NH_ALL, TLBI_NH_ASID, TLBI_NH_VA, TLBI_NH_VAA)
STREAMED = (ATC_INV, CFGI_CD, CFGI_CD_ALL)


def nested_entry(guest: STE, stage2: STE) -> STE:
    """The STE of a stream whose guest wrote the first two doublewords of `guest`, over the stage 2
    of `stage2`. ValueError: the guest says what is not its to say."""
    allowed = sum(field.mask for field in FIELDS)
    if not guest.V:
        return STE.make(V=1, Config=SteConfig.ABORT)
    if guest.value & ~allowed or guest.Config not in CONFIGS:
        raise ValueError(f"a guest's STE cannot be {guest}")
    if guest.EATS not in (SteEATS.DENIED, SteEATS.FULL):
        raise ValueError("ATS that a guest cannot have")
    if guest.Config == SteConfig.ABORT:
        return STE.make(V=1, Config=SteConfig.ABORT)
    if guest.Config == SteConfig.BYPASS:
        return stage2
    fields = {field.name: field.get(guest.value) for field in FIELDS}
    return stage2.replace(**{**fields, "Config": SteConfig.NESTED, "MEV": 1})


def guest_command(impl: Implementation, raw: int, vmid: int, streams: dict[int, int]) -> Command:
    """The command that does what a guest's does, and not more: for its own VMID and streams, which
    `streams` translates. ValueError: not one of those that a guest may send."""
    command = decode(raw)
    if command is None or not impl.legal(command.Opcode):
        raise ValueError(f"command {raw:#x}")
    if isinstance(command, TLBI_NSNH_ALL):
        return TLBI_NH_ALL.make(VMID=vmid)
    if isinstance(command, TAGGED):
        return command.replace(VMID=vmid)
    if isinstance(command, STREAMED) and command.StreamID in streams:
        return command.replace(StreamID=streams[command.StreamID])
    raise ValueError(f"{command} is not a guest's to send")
