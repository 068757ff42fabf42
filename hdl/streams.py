"""Every interface between two blocks of the design, declared once.

Data path:    client AXI4 -> TBU --TranslationRequest--> TCU --MemRead--> memory port
                                <-TranslationResponse--
Maintenance:  CMDQ --Invalidation--> TCU caches and every TBU;  Sync: request, then acknowledge
Faults:       TCU --EventRecord--> EVTQ;  GERROR conditions as pulses
Registers:    SmmuState, the values of the programming interface that the blocks use

All are `amaranth.lib.stream` streams (payload, valid, ready) unless the class says otherwise: a
producer keeps `payload` and `valid` until `ready`, and `valid` never depends on `ready`.
"""

from amaranth import unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

ADDR_BITS = 64   # client addresses
PA_BITS = 52     # physical addresses; bits above OAS are 0
SID_BITS = 32
SSID_BITS = 20


class Outcome(enum.Enum, shape=2):
    """How a transaction ends at the TBU (reference 0 and 4.9).

    RETRY is no end: this attempt has stalled. From the translator it means that the stall buffer
    has the transaction; to a TBU, that it asks again.
    """

    TRANSLATED = 0   # goes on with the translated (or, bypassing, the same) address
    ABORT = 1        # SLVERR to the client, nothing reaches memory
    RAZWI = 2        # OKAY; reads return 0, writes are dropped
    RETRY = 3


class Permissions(data.Struct):
    """What a translation allows, both stages combined: privileged and unprivileged R, W, X.

    `w` is clear for a writable-clean page: the write must go to the TCU, which makes it dirty.
    """

    pr: unsigned(1)
    pw: unsigned(1)
    px: unsigned(1)
    ur: unsigned(1)
    uw: unsigned(1)
    ux: unsigned(1)


class Attributes(data.Struct):
    """Output memory attributes: MAIR-format byte, shareability, output privilege and instruction
    overrides (PRIVCFG, INSTCFG encodings, applied by the TBU to AxPROT)."""

    mair: unsigned(8)
    sh: unsigned(2)
    privcfg: unsigned(2)
    instcfg: unsigned(2)


class TranslationRequest(data.Struct):
    """TBU to TCU: one uTLB miss.

    Members
    -------
    tbu, tag
        Who asks; returned unchanged. A tag is not reused before its response; after RETRY the same
        request comes again.
    sid, ssv, ssid, addr, rnw, pnu, ind
        The transaction as the client drives it (`ind` is 0 for writes).
    """

    tbu: unsigned(4)
    tag: unsigned(8)
    sid: unsigned(SID_BITS)
    ssv: unsigned(1)
    ssid: unsigned(SSID_BITS)
    addr: unsigned(ADDR_BITS)
    rnw: unsigned(1)
    pnu: unsigned(1)
    ind: unsigned(1)


class TranslationResponse(data.Struct):
    """TCU to TBU: the answer, in any order between tags.

    Members
    -------
    outcome
        ABORT and RAZWI end the transaction; its event, if any, is already with the EVTQ. A
        transaction that stalls has no response before software has answered.
    bypass
        TRANSLATED without any stage (for the trace).
    cacheable
        The TBU may keep the entry until an invalidation.
    pa, size
        Output address of the page of 2^size bytes (12 <= size <= 52); pa bits below are 0.
        The answer holds for every address of the same 2^size-aligned input block.
    """

    tbu: unsigned(4)
    tag: unsigned(8)
    outcome: Outcome
    bypass: unsigned(1)
    cacheable: unsigned(1)
    pa: unsigned(PA_BITS)
    size: unsigned(6)
    perms: Permissions
    attrs: Attributes


class InvOp(enum.Enum, shape=4):
    """What an Invalidation drops (reference 6.3). CFGI drop configuration, TLBI translations."""

    CFGI_STE = 0        # by sid, `mask` low bits ignored (CFGI_STE, CFGI_STE_RANGE, CFGI_ALL)
    CFGI_CD = 1         # by sid, ssid
    CFGI_CD_ALL = 2     # by sid
    TLBI_NSNH_ALL = 3   # all NS-EL1
    TLBI_EL2_ALL = 4    # all EL2 and EL2-E2H
    TLBI_VMALL = 5      # NS-EL1 stage 1 and combined of vmid (NH_ALL)
    TLBI_S12_VMALL = 6  # NS-EL1 stage 1, 2 and combined of vmid
    TLBI_ASID = 7       # not globals; `el2` chooses the world
    TLBI_VA = 8         # by asid or global
    TLBI_VAA = 9        # any asid
    TLBI_S2_IPA = 10


class Invalidation(data.Struct):
    """CMDQ to every cache: one decoded command. Dropping more than asked is always legal.

    Consumers accept it (ready) when no lookup that starts later can use what it drops, and
    walks in flight that used it will not be cached.
    """

    op: InvOp
    el2: unsigned(1)
    leaf: unsigned(1)
    sid: unsigned(SID_BITS)
    mask: unsigned(6)      # number of low sid bits to ignore, 0..32
    ssid: unsigned(SSID_BITS)
    vmid: unsigned(16)
    vmw: unsigned(3)       # number of low vmid bits to ignore, 0..4
    asid: unsigned(16)
    addr: unsigned(ADDR_BITS)
    tg: unsigned(2)        # 0: one address; else the range form of reference 6.3
    num: unsigned(5)
    scale: unsigned(6)
    ttl: unsigned(2)


class Sync(wiring.Signature):
    """CMD_SYNC towards one block, seen from the CMDQ: four-phase.

    The CMDQ raises `req`; the block raises `ack` when everything that may still use what earlier
    Invalidations dropped has been answered (reference 6.4); `req` falls, then `ack` falls.
    """

    def __init__(self):
        super().__init__({"req": Out(1), "ack": In(1)})


class MemReadRequest(data.Struct):
    """A read by the SMMU itself: 2^size bytes, naturally aligned, 3 <= size <= 6.

    `lock`: the exclusive read of 8 bytes that a locked write of the same bytes will follow. Only
    one such pair is in progress at a time, on all ports together.
    """

    addr: unsigned(PA_BITS)
    size: unsigned(3)
    id: unsigned(8)
    lock: unsigned(1)


class MemReadResponse(data.Struct):
    """One 128-bit beat, lowest address first; 8-byte reads give the doubleword in [63:0].

    `error` on any beat means external abort. Beats of one request are consecutive; requests
    with different ids may be answered in any order. `exclusive` answers `lock`: memory will watch
    the bytes; without it, it cannot.
    """

    id: unsigned(8)
    data: unsigned(128)
    last: unsigned(1)
    error: unsigned(1)
    exclusive: unsigned(1)


class MemWriteRequest(data.Struct):
    """A write by the SMMU itself: 2^size bytes, naturally aligned, 2 <= size <= 5, data from bit
    0. `lock`: write only if the bytes have not changed since the locked read."""

    addr: unsigned(PA_BITS)
    size: unsigned(3)
    data: unsigned(256)
    id: unsigned(8)
    lock: unsigned(1)


class MemWriteResponse(data.Struct):
    """The write is visible to every reader (or was aborted). A locked write without `exclusive`
    has written nothing."""

    id: unsigned(8)
    error: unsigned(1)
    exclusive: unsigned(1)


class MemRead(wiring.Signature):
    """Read port of a block of the TCU, seen from the block."""

    def __init__(self):
        super().__init__({"req": Out(stream.Signature(MemReadRequest)),
                          "resp": In(stream.Signature(MemReadResponse))})


class MemWrite(wiring.Signature):
    """Write port of a block of the TCU, seen from the block."""

    def __init__(self):
        super().__init__({"req": Out(stream.Signature(MemWriteRequest)),
                          "resp": In(stream.Signature(MemWriteResponse))})


class EventRecord(data.Struct):
    """TCU to EVTQ: a 32-byte record as software will read it; `tbu` and `tag` say whose.

    `ready` means that its place in the queue is decided: it will be visible before any later
    CMD_SYNC completes, or it has been discarded (queue disabled or full). A `stall` record is never
    discarded: a StallVerdict says whether it was recorded or must be tried again.
    """

    record: unsigned(256)
    stall: unsigned(1)
    tbu: unsigned(4)
    tag: unsigned(8)


class SmmuState(wiring.Signature):
    """Register values the blocks use, seen from the register file. Plain wires.

    `smmuen`, `evtqen`, `cmdqen` are the acknowledged enables. `strtab_*` and `cr2_*` change only
    while `smmuen` is 0 (guards of reference 1.2).
    """

    def __init__(self):
        super().__init__({
            "smmuen": Out(1), "evtqen": Out(1), "cmdqen": Out(1),
            "strtab_base": Out(PA_BITS), "strtab_log2size": Out(6), "strtab_split": Out(5),
            "strtab_fmt": Out(2),
            "cr2_e2h": Out(1), "cr2_recinvsid": Out(1),
            "gbpa": Out(32),   # layout spec.registers.GBPA
        })


class TraceRecord(data.Struct):
    """A transaction leaving the TBU's decision point, for benches; one cycle, no back-pressure.

    `hit`: answered by the uTLB. `pa` is the output address of the first byte.
    """

    sid: unsigned(SID_BITS)
    ssv: unsigned(1)
    ssid: unsigned(SSID_BITS)
    addr: unsigned(ADDR_BITS)
    rnw: unsigned(1)
    pnu: unsigned(1)
    ind: unsigned(1)
    axid: unsigned(8)
    len: unsigned(8)
    size: unsigned(3)
    outcome: Outcome
    bypass: unsigned(1)
    hit: unsigned(1)
    pa: unsigned(PA_BITS)


class Trace(wiring.Signature):
    """Trace port of a TBU, seen from the TBU."""

    def __init__(self):
        super().__init__({"valid": Out(1), "record": Out(TraceRecord)})


class Interrupts(wiring.Signature):
    """Wired interrupts of the SMMU: one-cycle pulses (reference 7.5)."""

    def __init__(self):
        super().__init__({"evtq": Out(1), "priq": Out(1), "gerror": Out(1), "cmdq_sync": Out(1)})


class StallAction(enum.Enum, shape=2):
    """What a stall command asks for."""

    RETRY = 0   # CMD_RESUME: execute the transaction again from the start
    RAZWI = 1   # CMD_RESUME: OKAY; reads return 0, writes are dropped
    ABORT = 2   # CMD_RESUME: error response
    TERM = 3    # CMD_STALL_TERM: abort every stalled transaction of `sid`; `stag` is not used


class StallCommand(data.Struct):
    """CMDQ to the stall buffer: accepted when the stalls it names are marked (reference 6.3).

    No match, or a stall whose record is not yet visible: no effect.
    """

    action: StallAction
    sid: unsigned(SID_BITS)
    stag: unsigned(16)


class StallVerdict(data.Struct):
    """EVTQ to the stall buffer, one for every accepted stall record, in order. Not a stream:
    `valid` is a one-cycle pulse.

    `recorded`: the record is visible and awaits a stall command, or `lost`: its write was aborted,
    and nobody knows of the stall. Otherwise the queue was not writable: the buffer keeps the
    transaction and retries it from the start when `writable` of the event queue rises (reference
    4.9).
    """

    valid: unsigned(1)
    stag: unsigned(16)
    recorded: unsigned(1)
    lost: unsigned(1)


class MsiTarget(data.Struct):
    """Where an MSI goes: a 4-byte write of `data`. Address 0: none is sent."""

    addr: unsigned(PA_BITS)
    data: unsigned(32)


class CommandQueueControl(wiring.Signature):
    """Command queue registers, seen from the register file.

    Members
    -------
    run
        Fetching is allowed: CMDQEN acknowledged and CMDQ_ERR inactive.
    base, log2size, prod, cons
        Effective values; `cons` changes on `consume`, indices count modulo 2^(log2size + 1).
    e2h, vmw
        CR2.E2H and CR0ACK.VMW.
    busy
        A command or fetch is in progress; falls in finite time after `run`.
    consume, fail, reason
        Pulses: CONS moves past one command; the one at CONS failed with `reason`. The register
        file lowers `run` in the cycle after `fail`.
    """

    def __init__(self):
        super().__init__({
            "run": Out(1), "base": Out(PA_BITS), "log2size": Out(5),
            "prod": Out(20), "cons": Out(20), "e2h": Out(1), "vmw": Out(3),
            "busy": In(1), "consume": In(1), "fail": In(1), "reason": In(7),
        })


class EventQueueControl(wiring.Signature):
    """Event queue registers, seen from the register file.

    Members
    -------
    run
        EVENTQEN acknowledged and EVENTQ_ABT_ERR inactive.
    overflow
        OVFLG != OVACKFLG.
    busy
        A record is being written; falls in finite time after `run`.
    advance, overflowed, abort
        Pulses: PROD moves past one visible record; OVFLG toggles; a record write was aborted.
    """

    def __init__(self):
        super().__init__({
            "run": Out(1), "base": Out(PA_BITS), "log2size": Out(5),
            "prod": Out(20), "cons": Out(20), "overflow": Out(1),
            "busy": In(1), "advance": In(1), "overflowed": In(1), "abort": In(1),
        })


class InterruptControl(wiring.Signature):
    """Interrupt registers, seen from the register file.

    Members
    -------
    evtq_enable, gerror_enable
        Acknowledged IRQ_CTRL enables.
    evtq_msi, gerror_msi
        The MSI of each source.
    gerror
        Pulse: an error other than MSI_GERROR_ABT_ERR became active.
    evtq_busy, gerror_busy
        An interrupt of that source is still to be sent or to be answered.
    evtq_abort, gerror_abort, sync_abort
        Pulses: an MSI write was aborted.
    """

    def __init__(self):
        super().__init__({
            "evtq_enable": Out(1), "gerror_enable": Out(1),
            "evtq_msi": Out(MsiTarget), "gerror_msi": Out(MsiTarget), "gerror": Out(1),
            "evtq_busy": In(1), "gerror_busy": In(1),
            "evtq_abort": In(1), "gerror_abort": In(1), "sync_abort": In(1),
        })


class QueueRegisters(wiring.Signature):
    """Everything between the register file and the queues, seen from the register file.

    `drain` is raised when SMMUEN falls: the queues then synchronise every consumer as CMD_SYNC
    does, so that transactions begun under the old value have ended before CR0ACK shows it.
    """

    def __init__(self):
        super().__init__({
            "cmdq": Out(CommandQueueControl()), "evtq": Out(EventQueueControl()),
            "irq": Out(InterruptControl()), "drain": Out(Sync()),
        })


class TbuActivity(wiring.Signature):
    """What a TBU does in each cycle, seen from the TBU: numbers to be added up by whoever counts.

    Members
    -------
    hits, misses
        Transactions that found their translation in the micro TLB, that did not.
    asked
        Requests that the TCU took.
    blocked
        Directions in which a transaction of the client could not go on.
    waiting
        Transactions in slots.
    """

    def __init__(self):
        super().__init__({"hits": Out(2), "misses": Out(2), "asked": Out(1), "blocked": Out(2),
                          "waiting": Out(8)})


class TcuActivity(wiring.Signature):
    """What the TCU does in each cycle, seen from the TCU: numbers to be added up.

    Members
    -------
    requests, merged
        Requests taken; those that began to wait for another one of their page.
    ste_hits, cd_hits, tlb_hits
        Found by the intake: STE cache, CD cache, main TLB.
    walks, reads
        Requests that began to read memory, reads. Their quotient is the length of a walk.
    updates, faults, answers
        Writes of descriptors, faults reported, requests answered.
    invalidations
        Invalidations taken.
    active
        Requests in progress.
    """

    def __init__(self):
        super().__init__({name: Out(1) for name in (
            "requests", "merged", "ste_hits", "cd_hits", "tlb_hits", "walks", "reads", "updates",
            "faults", "answers", "invalidations")} | {"active": Out(7)})
