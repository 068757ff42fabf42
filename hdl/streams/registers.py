"""Between the register file and the blocks: values, queue controls, interrupts."""

from amaranth import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams.invalidation import Sync
from hdl.streams.widths import PA_BITS


class SmmuState(wiring.Signature):
    """Register values the blocks use, seen from the register file. Plain wires.

    `smmuen`, `evtqen`, `cmdqen` are the acknowledged enables. `strtab_*`, `table_oc` and `cr2_*`
    change only while `smmuen` is 0 (guards of reference 1.2).
    """

    def __init__(self):
        super().__init__({
            "smmuen": Out(1), "evtqen": Out(1), "cmdqen": Out(1),
            "strtab_base": Out(PA_BITS), "strtab_log2size": Out(6), "strtab_split": Out(5),
            "strtab_fmt": Out(2), "strtab_ra": Out(1), "table_oc": Out(2),   # CR1.TABLE_OC
            "cr2_e2h": Out(1), "cr2_recinvsid": Out(1),
            "gbpa": Out(32),   # layout spec.registers.GBPA
        })


class Interrupts(wiring.Signature):
    """Wired interrupts of the SMMU: one-cycle pulses (reference 7.5)."""

    def __init__(self):
        super().__init__({"evtq": Out(1), "priq": Out(1), "gerror": Out(1), "cmdq_sync": Out(1)})


class MsiTarget(data.Struct):
    """Where an MSI goes: a 4-byte write of `data`. Address 0: none is sent. `mair`: memory type, a
    MAIR byte."""

    addr: unsigned(PA_BITS)
    data: unsigned(32)
    mair: unsigned(8)


class CommandQueueControl(wiring.Signature):
    """Command queue registers, seen from the register file.

    Members
    -------
    run
        Fetching is allowed: CMDQEN acknowledged and CMDQ_ERR inactive.
    base, log2size, prod, cons
        Effective values; `cons` changes on `consume`, indices count modulo 2^(log2size + 1).
    mair
        Memory type of the queue, a MAIR byte.
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
            "run": Out(1), "base": Out(PA_BITS), "log2size": Out(5), "mair": Out(8),
            "prod": Out(20), "cons": Out(20), "e2h": Out(1), "vmw": Out(3),
            "busy": In(1), "consume": In(1), "fail": In(1), "reason": In(7),
        })


class EventQueueControl(wiring.Signature):
    """Event queue registers, seen from the register file.

    Members
    -------
    run
        EVENTQEN acknowledged and EVENTQ_ABT_ERR inactive.
    mair
        Memory type of the queue, a MAIR byte.
    overflow
        OVFLG != OVACKFLG.
    busy
        A record is being written; falls in finite time after `run`.
    advance, overflowed, abort
        Pulses: PROD moves past one visible record; OVFLG toggles; a record write was aborted.
    """

    def __init__(self):
        super().__init__({
            "run": Out(1), "base": Out(PA_BITS), "log2size": Out(5), "mair": Out(8),
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
