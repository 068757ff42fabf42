"""What the TCU remembers about one translation in progress.

A context is one client transaction on its way through the algorithm of reference 4.2. Its phase
names what its next step needs; a step is combinational (`config/step.py`, `walk/step.py`), takes
the context and, in the phases that wait for memory, the structure read, and gives the next
context and an action.
"""

from amaranth import unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import (
    PA_BITS,
    Attributes,
    Outcome,
    Permissions,
    TranslationRequest,
)
from hdl.tcu.bits import Kept
from spec.context import CD
from spec.stream_table import STE

# STE and CD are read as far as they have fields that the SMMU knows.
STRUCTURE_SHIFT = 5
MEMORY_BITS = 8 << STRUCTURE_SHIFT


class Phase(enum.Enum, shape=4):
    """What the next step of a context does. R: needs the structure it read."""

    START = 0      # GBPA or stream table lookup
    L1STD = 1      # R
    STE = 2        # R
    SUBSTREAM = 3  # which CD, or none
    L1CD = 4       # R
    CD = 5         # R
    SELECT = 6     # TT0 or TT1, first stage-1 descriptor
    S1 = 7         # R: stage-1 descriptor
    S2START = 8    # first stage-2 descriptor
    S2 = 9         # R: stage-2 descriptor
    FAULT = 10     # record the fault, answer
    LOCK = 11      # read the descriptor again, to change it
    WROTE = 12     # the changed descriptor has been written, or not


class Target(enum.Enum, shape=2):
    """What the IPA under stage-2 translation points at."""

    L1CD = 0
    CD = 1
    S1 = 2
    IN = 3


# Target to the phase that takes what is read there.
PHASE_OF = {Target.L1CD: Phase.L1CD, Target.CD: Phase.CD, Target.S1: Phase.S1}


class Action(enum.Enum, shape=3):
    """What a step asks for."""

    READ = 0     # read `next.fetch`, then the step of `next.phase`
    AGAIN = 1    # another step without memory
    RESPOND = 2  # `reply` ends the transaction
    FAULT = 3    # `next.fault` ends it
    LOCK = 4     # the step of phase LOCK, when no other context is changing a descriptor
    WRITE = 5    # write `word` to `next.fetch`, then the step of phase WROTE


class Leaf(data.Struct):
    """Result of stage 1: output page size (log2 of bytes), rights, memory attributes."""

    size: unsigned(6)
    perms: Permissions
    mair: unsigned(8)
    sh: unsigned(2)


class Restriction(data.Struct):
    """Hierarchical bits of the stage-1 tables passed, ORed (reference 4.6)."""

    ap: unsigned(2)
    uxn: unsigned(1)
    pxn: unsigned(1)


class KeptLeaf(data.Struct):
    """A leaf descriptor with AF set (little-endian), hierarchical bits of the tables above it."""

    word: unsigned(64)
    restriction: Restriction


class Found(data.Struct):
    """What the main TLB has for an address: the descriptor of a leaf of `level`; `page`: it is in
    way `way` of its set."""

    hit: unsigned(1)
    level: unsigned(2)
    page: unsigned(1)
    way: unsigned(2)
    leaf: KeptLeaf


class Fault(data.Struct):
    """A fault found by a step (reference 4.8); addresses are in the context.

    `always`: recorded and aborted whatever CD and STE say.
    """

    type: unsigned(8)
    s2: unsigned(1)
    cls: unsigned(2)
    ttrnw: unsigned(1)
    always: unsigned(1)


class Walk(data.Struct):
    """The part of a context that changes from step to step.

    Members
    -------
    stage1
        Stage 1 translates (not bypassed by Config or S1DSS).
    half
        TT1 was selected.
    level, level2
        Level of the stage-1 and stage-2 descriptor being read.
    ipa
        Address under stage-2 translation.
    fetch, mair
        Physical address being read, and its memory type (a MAIR byte), which its hardware update
        keeps.
    second, locked, plain
        Hardware update of a descriptor (reference 4.6): it is a stage-2 one; it has just been read
        to be changed; memory cannot watch it, so that the write is not atomic.
    update
        Stage 2 translates the stage-1 descriptor's address again, for writing.
    kept, fresh
        The descriptor of this step comes from a cache; leaves are read from memory, since a kept
        one did not do.
    owed, commit
        A nested write needs a dirty stage-1 page, which must not become dirty before stage 2
        allows the write: owed on the first walk, done on the second.
    """

    phase: Phase
    target: Target
    stage1: unsigned(1)
    half: unsigned(1)
    level: unsigned(2)
    level2: unsigned(2)
    ipa: unsigned(PA_BITS)
    fetch: unsigned(PA_BITS)
    mair: unsigned(8)
    second: unsigned(1)
    locked: unsigned(1)
    plain: unsigned(1)
    update: unsigned(1)
    kept: unsigned(1)
    fresh: unsigned(1)
    owed: unsigned(1)
    commit: unsigned(1)
    restriction: Restriction
    leaf: Leaf
    fault: Fault


class Reply(data.Struct):
    """The answer without its addressee; members as in `TranslationResponse`."""

    outcome: Outcome
    bypass: unsigned(1)
    cacheable: unsigned(1)
    pa: unsigned(PA_BITS)
    size: unsigned(6)
    perms: Permissions
    attrs: Attributes


class Answer(data.Struct):
    """A reply with its context."""

    id: unsigned(8)
    tbu: unsigned(4)
    tag: unsigned(8)
    reply: Reply


_STE_STAGE1 = ("Config", "S1Fmt", "S1ContextPtr", "S1CDMax", "S1DSS", "S1COR", "S1STALLD", "STRW",
               "MemAttr", "MTCFG", "ALLOCCFG", "SHCFG", "PRIVCFG", "INSTCFG", "S2VMID")
_STE_STAGE2 = ("S2FWB", "S2T0SZ", "S2SL0", "S2OR0", "S2TG", "S2PS", "S2AA64", "S2ENDI", "S2AFFD",
               "S2PTW", "S2HD", "S2HA", "S2S", "S2R", "S2TTB")
_CD = ("T0SZ", "TG0", "OR0", "EPD0", "ENDI", "T1SZ", "TG1", "OR1", "EPD1", "IPS", "AFFD", "WXN",
       "TBI0", "TBI1", "PAN", "EPAN", "HD", "HA", "S", "R", "A", "ASET", "ASID", "HAD0", "E0PD0",
       "TTB0", "HAD1", "E0PD1", "TTB1", "MAIR0", "MAIR1")

KeptSTE = Kept(STE, _STE_STAGE1 + _STE_STAGE2)
KeptCD = Kept(CD, _CD)


class Step(wiring.Signature):
    """A step function, seen from the function.

    Members
    -------
    req, ste, cd, walk
        The context; `ste` and `cd` hold the last accepted structures of this transaction.
    data, error, exclusive
        The structure read (from bit 0) in the phases that read, external abort, and whether a
        locked read or write was exclusive.
    action, next, size, lock, word, reply
        The result; `size` is log2 of the bytes of a READ, `lock` makes a READ or WRITE locked.
    """

    def __init__(self) -> None:
        super().__init__({
            "req": In(TranslationRequest), "ste": In(KeptSTE.layout), "cd": In(KeptCD.layout),
            "walk": In(Walk), "data": In(MEMORY_BITS), "error": In(1), "exclusive": In(1),
            "action": Out(Action), "next": Out(Walk), "size": Out(3), "lock": Out(1),
            "word": Out(64), "reply": Out(Reply),
        })
