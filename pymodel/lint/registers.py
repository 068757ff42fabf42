"""Rules for register writes (reference 1), the queues' index registers excepted."""

from __future__ import annotations

from collections.abc import Iterator

from pymodel.lint.findings import Findings
from pymodel.observer import RegisterWrite
from pymodel.ring import Ring
from pymodel.smmu import Smmu
from spec import registers as r
from spec.commands import COMMAND_BYTES
from spec.events import EVENT_BYTES
from spec.fields import Access, Field, Register
from spec.stream_table import (
    L1STD_BYTES,
    SPLITS,
    STE_BYTES,
    StrtabFmt,
    effective_split,
)

# Hints that may be set where the feature is not there: without it there is nothing to ignore.
_HINTS = frozenset({r.CR2.PTM})

# Enable to the registers that must be programmed before it (reference 1.2).
_PREREQUISITES: dict[Field, tuple[type[Register], ...]] = {
    r.CR0.SMMUEN: (r.STRTAB_BASE, r.STRTAB_BASE_CFG),
    r.CR0.CMDQEN: (r.CMDQ_BASE, r.CMDQ_PROD, r.CMDQ_CONS),
    r.CR0.EVENTQEN: (r.EVENTQ_BASE, r.EVENTQ_PROD, r.EVENTQ_CONS),
    r.CR0.PRIQEN: (r.PRIQ_BASE, r.PRIQ_PROD, r.PRIQ_CONS),
}


def written(write: RegisterWrite) -> int:
    """The register bits that a write carries, in place."""
    assert write.register is not None
    distance = 8 * (write.offset - write.register.OFFSET)
    value = write.value << distance if distance >= 0 else write.value >> -distance
    return value & write.mask


class RegisterRules:
    """Checks each write; `programmed` holds the registers that software has written."""

    def __init__(self, smmu: Smmu, findings: Findings) -> None:
        self.smmu, self.findings = smmu, findings
        # What is found running was programmed before.
        self.programmed = {
            register for enable, registers in _PREREQUISITES.items()
            if smmu.registers.get(r.CR0) & enable.mask for register in registers}

    def on_write(self, write: RegisterWrite) -> None:
        register = write.register
        if register is None:
            self.findings.report("reg.unknown", f"write of {write.value:#x} where no register is",
                                 f"offset {write.offset:#x}")
            return
        value = written(write)
        self._guard(register, write, value)
        self._reserved(register, write, value)
        if register is r.CR0:
            self._enables(write)
        elif register is r.GERRORN:
            self._acknowledge(write)
        elif not write.guarded:
            self.programmed.add(register)

    def _guard(self, register: type[Register], write: RegisterWrite, value: int) -> None:
        name = register.__name__
        changed = write.guarded & (value ^ write.old)
        if register.ACCESS is Access.RO:
            self.findings.report("reg.read-only", f"write of {value:#x}", name)
        elif register is r.GBPA:
            if write.guarded:
                self.findings.report("gbpa.update", "write without Update=1 is ignored", name)
        elif register in (r.CR0, r.IRQ_CTRL):
            if changed:
                self.findings.report(
                    "cr0.ack", f"bits {changed:#x} change before their last update is "
                    "acknowledged", name)
        elif changed or (write.guarded and write.guarded == write.mask
                         & self.smmu.registers.implemented(register)):
            self.findings.report(
                "reg.guard", f"write of {value:#x} while {register.GUARD or 'enabled'} does not "
                "hold", name)

    def _reserved(self, register: type[Register], write: RegisterWrite, value: int) -> None:
        if register.ACCESS is Access.RO:
            return
        name, implemented = register.__name__, self.smmu.registers.implemented(register)
        unknown = value & ~implemented
        for field in register.FIELDS.values():
            extra = unknown & field.mask
            unknown &= ~field.mask
            if not extra or field in _HINTS:
                continue
            if field.addr:
                self.findings.report("base.size", f"{field.name} is above the output size", name)
            else:
                self.findings.report("reg.reserved", f"{field.name} is set, which this "
                                     "implementation does not have", name)
        if unknown:
            self.findings.report("reg.reserved", f"RES0 bits {unknown:#x} are set", name)
        for field in register.FIELDS.values():
            code = field.get(value)
            if field.enum is not None and field.mask & write.mask & implemented \
                    and field not in _FREE and code not in field.enum._value2member_map_:
                self.findings.report("reg.encoding", f"{field.name}={code} is reserved", name)

    def _enables(self, write: RegisterWrite) -> None:
        on = write.new & ~write.old
        if on & r.CR0.VMW.mask and r.CR0.VMW.get(write.new) > 4:
            self.findings.report("reg.encoding", "VMW is reserved", "CR0")
        for enable, registers in _PREREQUISITES.items():
            if not on & enable.mask:
                continue
            missing = [x.__name__ for x in registers if x not in self.programmed
                       and not self._preset(x)]
            if missing:
                self.findings.report("enable.base", f"{enable.name} set before "
                                     f"{', '.join(missing)} was written", "CR0")
            for rule, text, where in self._bases(enable):
                self.findings.report(rule, text, where)

    def _preset(self, register: type[Register]) -> bool:
        impl = self.smmu.impl
        if register in (r.STRTAB_BASE, r.STRTAB_BASE_CFG):
            return bool(impl.TABLES_PRESET)
        return bool(impl.QUEUES_PRESET) and register in (r.CMDQ_BASE, r.EVENTQ_BASE, r.PRIQ_BASE)

    def _bases(self, enable: Field) -> Iterator[tuple[str, str, str]]:
        """(rule, text, where) for a base that does not fit what it points to."""
        registers, impl = self.smmu.registers, self.smmu.impl
        if enable is r.CR0.SMMUEN:
            yield from self._stream_table()
        elif enable is r.CR0.CMDQEN:
            base = registers[r.CMDQ_BASE]
            yield from _queue("CMDQ_BASE", base.ADDR, base.LOG2SIZE, impl.CMDQS, COMMAND_BYTES)
        elif enable is r.CR0.EVENTQEN:
            out = registers[r.EVENTQ_BASE]
            yield from _queue("EVENTQ_BASE", out.ADDR, out.LOG2SIZE, impl.EVENTQS, EVENT_BYTES)

    def _stream_table(self) -> Iterator[tuple[str, str, str]]:
        registers, impl = self.smmu.registers, self.smmu.impl
        base, cfg = registers[r.STRTAB_BASE].ADDR, registers[r.STRTAB_BASE_CFG]
        if cfg.LOG2SIZE > impl.SIDSIZE:
            yield ("base.size", f"LOG2SIZE {cfg.LOG2SIZE} is above SIDSIZE {impl.SIDSIZE}",
                   "STRTAB_BASE_CFG")
        size = STE_BYTES << cfg.LOG2SIZE
        if cfg.FMT == StrtabFmt.TWO_LEVEL and impl.ST_LEVEL:
            if cfg.SPLIT not in SPLITS:
                yield "reg.encoding", f"SPLIT={cfg.SPLIT} is reserved", "STRTAB_BASE_CFG"
            size = max(STE_BYTES,
                       L1STD_BYTES << max(0, cfg.LOG2SIZE - effective_split(cfg.SPLIT)))
        if base % size:
            yield ("base.align", f"{base:#x} is not aligned to the table's {size:#x} bytes",
                   "STRTAB_BASE")

    def _acknowledge(self, write: RegisterWrite) -> None:
        inactive = ~(self.smmu.registers.get(r.GERROR) ^ write.old)
        toggled = (write.new ^ write.old) & inactive
        for field in r.GERRORN.FIELDS.values():
            if toggled & field.mask:
                self.findings.report("gerror.toggle", f"{field.name} acknowledged while not active",
                                     "GERRORN")


# Fields whose codes outside the enum are no mistake: the SMMU's own, and PRIVCFG/INSTCFG 1.
_FREE = frozenset({r.CMDQ_CONS.ERR, r.GBPA.PRIVCFG, r.GBPA.INSTCFG})


def _queue(name: str, address: int, log2size: int, limit: int,
           entry: int) -> Iterator[tuple[str, str, str]]:
    if log2size > limit:
        yield "base.size", f"LOG2SIZE {log2size} is above the largest, {limit}", name
    ring = Ring.at(address, log2size, limit, entry)
    if ring.base != address:
        yield ("base.align", f"{address:#x} is not aligned to the queue's "
               f"{entry << ring.log2size:#x} bytes", name)
