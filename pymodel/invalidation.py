"""What a CFGI or TLBI command obliges every cache to drop (reference 6.3).

`decode` turns a command into one normalized `Invalidation`; `covers` answers whether a cached
entry must go. It says what *must* be dropped: dropping more is always legal, so an entry that is
not covered may stay or go. Nothing here depends on a particular TLB.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypedDict

from pymodel.reader import World
from spec import commands as c
from spec.codes import TG_SHIFT, TGCode
from spec.commands import Command, Opcode
from spec.impl import Implementation

ADDRESS_MAX = (1 << 64) - 1
UPPER_HALF = 1 << 63  # addresses of TT1 start above it, sign extended


class Kind(Enum):
    """What an entry was made from."""

    L1STD = "L1STD"
    STE = "STE"
    L1CD = "L1CD"
    CD = "CD"
    TABLE = "table"  # a descriptor that points to a table
    LEAF = "leaf"    # a block or page descriptor


class Stage(Enum):
    """What an entry translates: VA to IPA (or PA without stage 2), IPA to PA, VA to PA."""

    S1 = 1
    S2 = 2
    COMBINED = 3


CONFIGURATION = frozenset({Kind.L1STD, Kind.STE, Kind.L1CD, Kind.CD})
ALL_STAGES = frozenset(Stage)
NH_STAGES = frozenset({Stage.S1, Stage.COMBINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigEntry:
    """A cached configuration structure.

    Members
    -------
    sid, ssid
        Whom it belongs to; `ssid` is the index into the CD table, so 0 for the only CD and for
        the CD that S1DSS=2 selects.
    span
        Log2 of the StreamIDs (L1STD) or SubstreamIDs (L1CD) that it covers.
    """

    kind: Kind
    sid: int
    ssid: int = 0
    span: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TlbEntry:
    """A cached translation table descriptor, or a translation made of several.

    Members
    -------
    stage, world, vmid
        Its tags. Stage-2 entries belong to NS_EL1.
    asid
        None for global entries and for worlds or stages without ASIDs. Table descriptors carry
        the ASID of the CD that led to them.
    address, size
        First input byte, sign extended as the table half asks, and log2 of the bytes covered
        (a contiguous group counts as one entry).
    level, granule
        Of the descriptor (the stage-1 one if COMBINED); the granule as log2 of its bytes.
    """

    kind: Kind
    stage: Stage = Stage.S1
    world: World = World.NS_EL1
    vmid: int = 0
    asid: int | None = None
    address: int
    size: int
    level: int
    granule: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidation:
    """A CFGI or TLBI command, normalized.

    Members
    -------
    kinds
        Kinds of entries that go.
    sids
        First and last StreamID (configuration).
    ssid
        The CD table index, None for all (configuration).
    stages, worlds
        TLB entries that go. No world at all: the command obliges nothing.
    vmid, vmid_mask
        VMID, and the bits of it that are compared (0: not compared).
    asid, asid_mask, globals
        ASID, None for any; its compared bits; whether global entries go too.
    addresses
        First and last byte of the invalidated range, None for all addresses.
    granule
        Range form: only entries made with this granule (log2 bytes) need go.
    ttl
        Level of the leaf entries that go; 0: all levels.
    """

    opcode: Opcode
    kinds: frozenset[Kind]
    sids: tuple[int, int] = (0, 0)
    ssid: int | None = None
    stages: frozenset[Stage] = frozenset()
    worlds: frozenset[World] = frozenset()
    vmid: int = 0
    vmid_mask: int = 0
    asid: int | None = None
    asid_mask: int = 0xFFFF
    globals: bool = True
    addresses: tuple[int, int] | None = None
    granule: int | None = None
    ttl: int = 0

    @property
    def configuration(self) -> bool:
        """Whether this is a CFGI rather than a TLBI."""
        return bool(self.kinds & CONFIGURATION)


def covers(inv: Invalidation, entry: ConfigEntry | TlbEntry) -> bool:
    """Whether `inv` obliges `entry` to be dropped."""
    if entry.kind not in inv.kinds:
        return False
    if isinstance(entry, ConfigEntry):
        return _covers_config(inv, entry)
    return _covers_tag(inv, entry) and _covers_address(inv, entry)


def _covers_config(inv: Invalidation, entry: ConfigEntry) -> bool:
    first, last = inv.sids
    if entry.kind is Kind.L1STD:
        return first >> entry.span <= entry.sid >> entry.span <= last >> entry.span
    if not first <= entry.sid <= last:
        return False
    if inv.ssid is None or entry.kind is Kind.STE:
        return True
    return entry.ssid >> entry.span == inv.ssid >> entry.span


def _covers_tag(inv: Invalidation, entry: TlbEntry) -> bool:
    if entry.stage not in inv.stages or entry.world not in inv.worlds:
        return False
    if (entry.vmid ^ inv.vmid) & inv.vmid_mask:
        return False
    if inv.asid is None:
        return True
    if entry.asid is None:
        return inv.globals
    return not (entry.asid ^ inv.asid) & inv.asid_mask


def _covers_address(inv: Invalidation, entry: TlbEntry) -> bool:
    if inv.addresses is None:
        return True
    first, last = inv.addresses
    if entry.address > last or entry.address + (1 << entry.size) <= first:
        return False
    if inv.granule is not None and entry.granule != inv.granule:
        return False
    if inv.ttl == 0:
        return True
    return entry.level == inv.ttl if entry.kind is Kind.LEAF else entry.level < inv.ttl


def decode(impl: Implementation, command: Command, *, e2h: bool = False,
           vmw: int = 0) -> Invalidation | None:
    """The invalidation that a legal `command` asks for.

    `e2h` and `vmw` are the values of CR2.E2H and CR0.VMW while it is consumed. None if it is no
    invalidation, or has no effect because its StreamID or SubstreamID is not implemented.
    """
    if isinstance(command, (c.CFGI_STE, c.CFGI_STE_RANGE, c.CFGI_CD, c.CFGI_CD_ALL)):
        return _decode_config(impl, command)
    stages = _STAGES.get(command.OPCODE)
    return None if stages is None else _decode_tlbi(impl, command, stages, e2h, vmw)


def _decode_tlbi(impl: Implementation, command: Command, stages: frozenset[Stage], e2h: bool,
                 vmw: int) -> Invalidation:
    operands = dict(command.items())
    el2 = command.OPCODE in _EL2
    kinds = _kinds(Kind.LEAF) if operands.get("Leaf") else _kinds(Kind.LEAF, Kind.TABLE)
    return Invalidation(
        opcode=command.OPCODE, kinds=kinds, stages=stages,
        worlds=_el2_worlds(command, e2h) if el2 else _worlds(World.NS_EL1),
        vmid=operands.get("VMID", 0),
        vmid_mask=_vmid_mask(impl, vmw) if "VMID" in operands else 0,
        asid=None if el2 and not e2h else operands.get("ASID"),
        asid_mask=(1 << impl.asid_bits) - 1,
        globals=command.OPCODE not in (Opcode.TLBI_NH_ASID, Opcode.TLBI_EL2_ASID),
        **_addresses(impl, command, operands))


def _kinds(*kinds: Kind) -> frozenset[Kind]:
    return frozenset(kinds)


def _worlds(*worlds: World) -> frozenset[World]:
    return frozenset(worlds)


def _el2_worlds(command: Command, e2h: bool) -> frozenset[World]:
    if isinstance(command, c.TLBI_EL2_ALL):
        return _worlds(World.NS_EL2, World.NS_EL2_E2H)
    if isinstance(command, c.TLBI_EL2_ASID) and not e2h:
        return _worlds()  # entries without an ASID tag need not go
    return _worlds(World.NS_EL2_E2H if e2h else World.NS_EL2)


def _vmid_mask(impl: Implementation, vmw: int) -> int:
    """VMID bits compared: none without stage 2, and VMW drops 1 to 4 of the lowest."""
    dropped = vmw if vmw <= 4 else 0
    return ((1 << impl.vmid_bits) - 1) >> dropped << dropped if impl.S2P else 0


def _decode_config(impl: Implementation, command: Command) -> Invalidation | None:
    if isinstance(command, c.CFGI_STE_RANGE):
        low = (2 << command.Range) - 1
        first = command.StreamID & ~low
        return Invalidation(opcode=command.OPCODE, kinds=CONFIGURATION,
                            sids=(first, first | low))
    assert isinstance(command, (c.CFGI_STE, c.CFGI_CD, c.CFGI_CD_ALL))
    sid = command.StreamID
    if sid >> impl.SIDSIZE:
        return None
    if isinstance(command, c.CFGI_STE):
        kinds = CONFIGURATION - ({Kind.L1STD} if command.Leaf else set())
        return Invalidation(opcode=command.OPCODE, kinds=kinds, sids=(sid, sid))
    if isinstance(command, c.CFGI_CD_ALL):
        return Invalidation(opcode=command.OPCODE, kinds=_kinds(Kind.CD, Kind.L1CD),
                            sids=(sid, sid))
    if command.SubstreamID >> impl.SSIDSIZE:
        return None
    kinds = _kinds(Kind.CD) if command.Leaf else _kinds(Kind.CD, Kind.L1CD)
    return Invalidation(opcode=command.OPCODE, kinds=kinds, sids=(sid, sid),
                        ssid=command.SubstreamID)


def is_range(impl: Implementation, operands: dict[str, int]) -> bool:
    """Whether a by-address TLBI has the range form: TG is nonzero, which needs IDR3.RIL."""
    return bool(impl.RIL) and operands.get("TG", TGCode.SINGLE) != TGCode.SINGLE


def effective_ttl(operands: dict[str, int]) -> int:
    """TTL of a range TLBI; 1 with 16 KB granules is reserved and means 0."""
    ttl = operands["TTL"]
    return 0 if ttl == 1 and operands["TG"] == TGCode.G16K else ttl


class _Addresses(TypedDict, total=False):
    addresses: tuple[int, int]
    granule: int
    ttl: int


def _addresses(impl: Implementation, command: Command, operands: dict[str, int]) -> _Addresses:
    address = operands.get("IPA" if isinstance(command, c.TLBI_S2_IPA) else "VA")
    if address is None:
        return {}
    if not is_range(impl, operands):
        return {"addresses": (address, address)}
    granule, ttl = TG_SHIFT[operands["TG"]], effective_ttl(operands)
    # The start counts as aligned to what TTL names: a block of that level, else the granule.
    aligned = granule + (3 - ttl) * (granule - 3) if ttl else granule
    first = address >> aligned << aligned
    length = (operands["NUM"] + 1) << (operands["SCALE"] + granule)
    # A range neither wraps nor crosses into the other half of the address space.
    limit = UPPER_HALF - 1 if first < UPPER_HALF else ADDRESS_MAX
    return {"addresses": (first, min(first + length - 1, limit)), "granule": granule, "ttl": ttl}


_EL2 = frozenset({Opcode.TLBI_EL2_ALL, Opcode.TLBI_EL2_ASID, Opcode.TLBI_EL2_VA,
                  Opcode.TLBI_EL2_VAA})

_STAGES: dict[Opcode, frozenset[Stage]] = {
    Opcode.TLBI_NH_ALL: NH_STAGES, Opcode.TLBI_NH_ASID: NH_STAGES,
    Opcode.TLBI_NH_VA: NH_STAGES, Opcode.TLBI_NH_VAA: NH_STAGES,
    Opcode.TLBI_S12_VMALL: ALL_STAGES, Opcode.TLBI_NSNH_ALL: ALL_STAGES,
    Opcode.TLBI_S2_IPA: frozenset({Stage.S2}),
    **dict.fromkeys(_EL2, frozenset({Stage.S1})),
}
