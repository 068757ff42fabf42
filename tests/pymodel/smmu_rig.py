"""A small machine around the model: RAM, queues, a linear stream table, a log of everything."""

from __future__ import annotations

from dataclasses import replace

from pymodel.memory import PAGE, SparseMemory
from pymodel.observer import Observer
from pymodel.smmu import Smmu
from pymodel.transaction import Transaction
from spec import registers as r
from spec.commands import COMMAND_BYTES
from spec.events import EVENT_BYTES, F_TRANSLATION
from spec.impl import PRESETS, Implementation
from spec.stream_table import STE
from spec.vmsa import DescriptorType, S2Leaf, S2Table

CMDQ, EVENTQ, STRTAB, TABLES, MSI = 0x10000, 0x20000, 0x40000, 0x80000, 0xF0000
OUTSIDE = 1 << 41  # an address below OAS with no memory
RAM = 1 << 40


def implementation(**fields: int) -> Implementation:
    """The preset `base` with some ID fields changed."""
    return replace(PRESETS["base"], **fields)


class Log(Observer):
    """Everything the model reports, as tuples."""

    def __init__(self) -> None:
        self.entries: list[tuple] = []

    def on_register_write(self, write):
        self.entries.append(("write", write))

    def on_command(self, command, invalidation):
        self.entries.append(("command", command, invalidation))

    def on_sync_complete(self, command):
        self.entries.append(("sync", command))

    def on_command_error(self, error, why, command):
        self.entries.append(("error", error, why, command))

    def on_event(self, record, written):
        self.entries.append(("event", record, written))

    def on_completion(self, completion):
        self.entries.append(("completion", completion.txn, completion.result.ending))

    def of(self, kind: str) -> list[tuple]:
        return [entry[1:] for entry in self.entries if entry[0] == kind]


class Rig:
    """The machine.

    Parameters
    ----------
    cmdq, eventq
        LOG2SIZE of the queues; both are enabled unless `enable` is False.
    """

    def __init__(self, impl: Implementation | None = None, *, cmdq: int = 6, eventq: int = 4,
                 enable: bool = True, wired: bool = True) -> None:
        self.memory = SparseMemory(0, RAM)
        self.irqs: list[str] = []
        self.impl = impl or PRESETS["base"]
        self.smmu = Smmu(self.impl, self.memory, self.irqs.append if wired else None)
        self.log = Log()
        self.smmu.observers.append(self.log)
        self.wr(r.CMDQ_BASE, r.CMDQ_BASE.pack(ADDR=CMDQ, LOG2SIZE=cmdq))
        self.wr(r.EVENTQ_BASE, r.EVENTQ_BASE.pack(ADDR=EVENTQ, LOG2SIZE=eventq))
        self.wr(r.STRTAB_BASE, r.STRTAB_BASE.pack(ADDR=STRTAB))
        self.wr(r.STRTAB_BASE_CFG, r.STRTAB_BASE_CFG.pack(LOG2SIZE=5))
        self.prod = 0
        if enable:
            self.enable(CMDQEN=1, EVENTQEN=1)

    def wr(self, register, value: int) -> None:
        self.smmu.write(register.OFFSET, register.size(), value)

    def rd(self, register):
        return register(self.smmu.read(register.OFFSET, register.size()))

    def enable(self, **fields: int) -> None:
        """Change some fields of CR0."""
        self.wr(r.CR0, self.rd(r.CR0).replace(**fields).value)

    def place(self, slot: int, command: int) -> None:
        """Put a command into a slot without ringing the doorbell."""
        address = self.smmu.registers.cmdq().address(slot)
        self.memory.write(address, command.to_bytes(COMMAND_BYTES, "little"))

    def issue(self, *commands: int) -> None:
        """Queue commands and ring the doorbell once."""
        ring = self.smmu.registers.cmdq()
        for command in commands:
            self.place(self.prod, command)
            self.prod = ring.next(self.prod)
        self.wr(r.CMDQ_PROD, self.prod)

    def active(self, error) -> bool:
        return bool((self.rd(r.GERROR).value ^ self.rd(r.GERRORN).value) & error.mask)

    def acknowledge(self) -> None:
        """Acknowledge every global error."""
        self.wr(r.GERRORN, self.rd(r.GERROR).value)

    def used(self) -> int:
        """Records in the Event queue that software has not consumed."""
        ring = self.smmu.registers.eventq()
        return ring.used(self.rd(r.EVENTQ_PROD).WR, self.rd(r.EVENTQ_CONS).RD)

    def event(self, index: int) -> F_TRANSLATION:
        """The record in a slot, with the field names of a translation fault."""
        address = self.smmu.registers.eventq().address(index)
        return F_TRANSLATION.from_bytes(self.memory.read(address, EVENT_BYTES))

    def drain(self) -> list[F_TRANSLATION]:
        """All new records, acknowledging overflow as well, the way Linux does."""
        prod, cons = self.rd(r.EVENTQ_PROD), self.rd(r.EVENTQ_CONS)
        ring = self.smmu.registers.eventq()
        out, index = [], cons.RD
        while index != prod.WR:
            out.append(self.event(index))
            index = ring.next(index)
        self.wr(r.EVENTQ_CONS, r.EVENTQ_CONS.pack(RD=index, OVACKFLG=prod.OVFLG))
        return out

    def ste(self, sid: int, **fields: int) -> None:
        self.memory.write(STRTAB + sid * STE.size(), STE.make(V=1, **fields).to_bytes())

    def stream(self, sid: int, *, stall: bool) -> None:
        """A stage-2-only stream with an empty table: every access is F_TRANSLATION."""
        self.ste(sid, Config=6, S2T0SZ=25, S2SL0=1, S2PS=2, S2AA64=1, S2R=1, S2S=int(stall),
                 S2VMID=sid, S2TTB=TABLES)

    def map(self, page: int = 0) -> None:
        """Map page 0 of every `stream`."""
        kind = DescriptorType.TABLE_OR_PAGE
        for level, value in enumerate((
                S2Table.pack(Type=kind, Address=TABLES + PAGE),
                S2Table.pack(Type=kind, Address=TABLES + 2 * PAGE),
                S2Leaf.pack(Type=kind, Address=page, AF=1, S2AP=3, MemAttr=15))):
            self.memory.write(TABLES + level * PAGE, value.to_bytes(8, "little"))

    def unmap(self) -> None:
        self.memory.write(TABLES, bytes(8))

    def access(self, sid: int, addr: int = 0, **fields):
        return self.smmu.access(Transaction(sid=sid, addr=addr, **fields))
