"""The SMMU as software and its clients see it: registers, queues, translation, stalls.

    smmu = Smmu(PRESETS["base"], memory, irq=print)
    smmu.write(CR0.OFFSET, 4, CR0.pack(SMMUEN=1))
    result = smmu.access(Transaction(sid=3, addr=0x1000, write=True))

Synchronous: everything a write sets off has happened when `write` returns.
"""

from __future__ import annotations

from collections.abc import Callable

from pymodel.cmdq import CommandQueue
from pymodel.evtq import EventQueue
from pymodel.irq import Interrupts
from pymodel.memory import Memory
from pymodel.observer import Completion, Observer, RegisterWrite
from pymodel.own import OwnMemory
from pymodel.reader import MemoryReader, Reader
from pymodel.registers import ACKNOWLEDGES, Part, Registers, parts
from pymodel.stall import StallBuffer
from pymodel.state import SmmuState
from pymodel.transaction import Ending, Result, Transaction
from pymodel.translate import translate
from pymodel.update import busy, next_update, start_update
from spec import registers as r
from spec.fields import Field, Register
from spec.impl import Implementation

# Registers whose value is part of the state that translation uses.
_STATE = frozenset({r.CR1, r.CR2, r.GBPA, r.STRTAB_BASE, r.STRTAB_BASE_CFG})


class Smmu:
    """One SMMU. ATS, PRI and GATOS are not modelled: with their ID bits at 1 nothing happens.

    Parameters
    ----------
    impl
        What is implemented; the ID registers follow from it.
    memory
        Where structures, queues and MSI targets are.
    irq
        Called with the name of a wired interrupt (`pymodel.irq.Source`) at each of its pulses;
        None: no wires. It may access the SMMU.

    Members
    -------
    state : SmmuState
        The register values that translation uses, as they are in effect.
    stalls : StallBuffer
    completed : list of Completion
        Stalled transactions that have ended, oldest first; the user empties it.
    observers : list of Observer
    reader : Reader
        How `access` reads memory; an observer may put its own reader around it.
    """

    def __init__(self, impl: Implementation, memory: Memory,
                 irq: Callable[[str], None] | None = None) -> None:
        self.impl, self.memory = impl, memory
        self.registers = Registers(impl)
        self.observers: list[Observer] = []
        self.completed: list[Completion] = []
        own = OwnMemory(memory, self.observers)
        self.interrupts = Interrupts(impl, self.registers, own, irq)
        self.eventq = EventQueue(self.registers, own, self.interrupts, self._on_event)
        self.stalls = StallBuffer(impl, self.eventq, self._retry, self._complete)
        self.cmdq = CommandQueue(impl, self.registers, own, self.interrupts, self.stalls,
                                 self.observers)
        self.reader: Reader = MemoryReader(memory)
        self._refresh()

    # Registers

    def read(self, offset: int, size: int) -> int:
        """A register read of 4 or 8 bytes; 0 where nothing is, or if the access is not aligned."""
        value = 0
        for part in parts(offset, size):
            if part.register is not None:
                bits = self.registers.visible(part.register) >> part.lsb
                value |= (bits & ((1 << part.width) - 1)) << part.shift
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        """A register write of 4 or 8 bytes; other sizes and unaligned ones are ignored."""
        for part in parts(offset, size):
            bits = (value >> part.shift) & ((1 << part.width) - 1)
            if part.register is None:
                self._observe(RegisterWrite(None, offset, size, value))
            else:
                self._write_part(part, bits, RegisterWrite(part.register, offset, size, value))

    def _write_part(self, part: Part, bits: int, access: RegisterWrite) -> None:
        register = part.register
        assert register is not None
        covered = ((1 << part.width) - 1) << part.lsb
        old = self.registers.get(register)
        value = (old & ~covered) | bits << part.lsb
        guarded = self.registers.guarded(register) & covered
        if register in (r.CR0, r.IRQ_CTRL):
            guarded |= busy(self.registers, register)
            start_update(self.registers, register, value)
        elif register is r.GBPA:
            # 1. Only a write with Update=1 counts. 2. The value is in effect at once, so that
            # software always finds Update=0 afterwards (reference 1.6).
            if r.GBPA.Update.get(value):
                self.registers.store(r.GBPA, r.GBPA.Update.replace(value, 0))
            else:
                guarded |= covered
        else:
            self.registers.store(register, value)
        if register in _STATE:
            self._refresh()
        self._observe(RegisterWrite(register, access.offset, access.size, access.value, covered,
                                    old, self.registers.get(register),
                                    guarded & self.registers.implemented(register)))
        self._after_write(register)

    def _after_write(self, register: type[Register]) -> None:
        """What a write sets off."""
        if register in (r.CR0, r.IRQ_CTRL):
            while (field := next_update(self.registers, register)) is not None:
                self._update(register, field)
        if register in (r.CR0, r.GERRORN, r.EVENTQ_CONS):
            self.stalls.pump()
        if register in (r.CR0, r.GERRORN, r.CMDQ_PROD):
            self.cmdq.run()

    def _update(self, register: type[Register], field: Field) -> None:
        """Finish the update of one field: its side effects, then the acknowledge."""
        ack = ACKNOWLEDGES[register]
        value = field.get(self.registers.get(register))
        if field is r.CR0.SMMUEN and not value:
            # Nothing can stall any more before what has stalled is let go.
            self._refresh()
            self.stalls.terminate()
        self.registers.set(ack, field.replace(self.registers.get(ack), value))
        self._refresh()

    def _refresh(self) -> None:
        values = self.registers
        self.state = SmmuState.from_registers(
            cr0=values.acknowledged(r.CR0), cr2=values.get(r.CR2), gbpa=values.get(r.GBPA),
            strtab_base=values.get(r.STRTAB_BASE), strtab_base_cfg=values.get(r.STRTAB_BASE_CFG),
            cr1=values.get(r.CR1))

    # Clients

    def access(self, txn: Transaction) -> Result:
        """Translate one transaction, record its event, keep it if it stalls.

        A STALLED transaction ends later: see `completed` and `Observer.on_completion`.
        """
        result = translate(self.impl, self.state, self.reader, txn)
        if result.ending is Ending.STALLED:
            self.stalls.admit(txn, result)
        elif result.event is not None:
            result.recorded = self.eventq.record(result.event)
        return result

    def explain(self, txn: Transaction) -> Result:
        """As `access`, with every step, and without any effect on memory, queues or stalls."""
        return translate(self.impl, self.state, MemoryReader(self.memory), txn,
                         explain=True)

    def _retry(self, txn: Transaction) -> None:
        result = self.access(txn)
        if result.ending is not Ending.STALLED:
            self._complete(txn, result)

    def _complete(self, txn: Transaction, result: Result) -> None:
        completion = Completion(txn, result)
        self.completed.append(completion)
        for observer in self.observers:
            observer.on_completion(completion)

    def _on_event(self, record: bytes, written: bool) -> None:
        for observer in self.observers:
            observer.on_event(record, written)

    def _observe(self, write: RegisterWrite) -> None:
        for observer in self.observers:
            observer.on_register_write(write)
