"""The register file: what exists, which bits, and who may write them now (reference 1.1, 1.2).

It stores values and enforces RES0 bits, read-only registers and write guards. What a write sets
off (updates, doorbells) is the business of `control.py` and `smmu.py`.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from pymodel.ring import Ring
from spec import registers as r
from spec.commands import COMMAND_BYTES
from spec.events import EVENT_BYTES
from spec.fields import Access, Field, Register
from spec.impl import Implementation

R = TypeVar("R", bound=Register)

WORD = 32


class Part(NamedTuple):
    """The part of one register that an access touches: bits [lsb + width - 1 : lsb].

    `shift` is where those bits lie in the access's value; `register` None: nothing is there.
    """

    register: type[Register] | None
    lsb: int
    width: int
    shift: int


def parts(offset: int, size: int) -> list[Part]:
    """What an access of `size` bytes touches; empty if its size or alignment is not supported.

    A 64-bit access to two 32-bit registers reaches both, lower offset first.
    """
    if size not in (4, 8) or offset % size or not 0 <= offset < r.SMMU.size:
        return []
    whole = r.SMMU.find(offset)
    if size == 8 and whole is not None and whole.BITS == 2 * WORD:
        return [Part(whole, 0, 2 * WORD, 0)]
    out = []
    for at in range(offset, offset + size, WORD // 8):
        register = r.SMMU.find(at)
        lsb = 8 * (at - register.OFFSET) if register else 0
        out.append(Part(register, lsb, WORD, 8 * (at - offset)))
    return out


def _enables(register: type[Register], *fields: Field) -> tuple[type[Register], int]:
    return register, sum(field.mask for field in fields)


_SMMUEN = _enables(r.CR0, r.CR0.SMMUEN)
_CMDQEN = _enables(r.CR0, r.CR0.CMDQEN)
_EVENTQEN = _enables(r.CR0, r.CR0.EVENTQEN)
_PRIQEN = _enables(r.CR0, r.CR0.PRIQEN)
_ALL_QUEUES = _enables(r.CR0, r.CR0.CMDQEN, r.CR0.EVENTQEN, r.CR0.PRIQEN)
_GERROR_IRQEN = _enables(r.IRQ_CTRL, r.IRQ_CTRL.GERROR_IRQEN)
_EVENTQ_IRQEN = _enables(r.IRQ_CTRL, r.IRQ_CTRL.EVENTQ_IRQEN)
_PRIQ_IRQEN = _enables(r.IRQ_CTRL, r.IRQ_CTRL.PRIQ_IRQEN)

# Register to the enables that must be 0, both as written and as acknowledged, for a write.
GUARDS: dict[type[Register], tuple[type[Register], int]] = {
    r.CR2: _SMMUEN, r.STRTAB_BASE: _SMMUEN, r.STRTAB_BASE_CFG: _SMMUEN,
    r.CMDQ_BASE: _CMDQEN, r.CMDQ_CONS: _CMDQEN,
    r.EVENTQ_BASE: _EVENTQEN, r.EVENTQ_PROD: _EVENTQEN,
    r.PRIQ_BASE: _PRIQEN, r.PRIQ_PROD: _PRIQEN,
    r.GERROR_IRQ_CFG0: _GERROR_IRQEN, r.GERROR_IRQ_CFG1: _GERROR_IRQEN,
    r.GERROR_IRQ_CFG2: _GERROR_IRQEN,
    r.EVENTQ_IRQ_CFG0: _EVENTQ_IRQEN, r.EVENTQ_IRQ_CFG1: _EVENTQ_IRQEN,
    r.EVENTQ_IRQ_CFG2: _EVENTQ_IRQEN,
    r.PRIQ_IRQ_CFG0: _PRIQ_IRQEN, r.PRIQ_IRQ_CFG1: _PRIQ_IRQEN, r.PRIQ_IRQ_CFG2: _PRIQ_IRQEN,
}

CR1_TABLES = sum(f.mask for name, f in r.CR1.FIELDS.items() if name.startswith("TABLE_"))
CR1_QUEUES = sum(f.mask for name, f in r.CR1.FIELDS.items() if name.startswith("QUEUE_"))

ACKNOWLEDGES: dict[type[Register], type[Register]] = {r.CR0: r.CR0ACK, r.IRQ_CTRL: r.IRQ_CTRLACK}

_IDENT_VALUES = ("idr0", "idr1", "idr3", "idr5", "iidr", "aidr")


class Registers:
    """The values of all registers of one implementation."""

    def __init__(self, impl: Implementation) -> None:
        self.impl = impl
        self._masks = {register: impl.mask(register) for register in r.SMMU}
        self._values = {register: register.RESET & self._masks[register] for register in r.SMMU}
        for name in _IDENT_VALUES:
            register = r.SMMU[name.upper()]
            self._values[register] = getattr(impl, name)

    def __getitem__(self, register: type[R]) -> R:
        """The register's value, decoded."""
        return register(self._values[register])

    def get(self, register: type[Register]) -> int:
        return self._values[register]

    def set(self, register: type[Register], value: int) -> None:
        """Store what the SMMU itself decides: no guard, no mask."""
        self._values[register] = value

    def implemented(self, register: type[Register]) -> int:
        """The bits that are not RES0."""
        return self._masks[register]

    def acknowledged(self, register: type[Register]) -> int:
        """Enables of CR0 or IRQ_CTRL that are on: written 1 and acknowledged."""
        return self._values[register] & self._values[ACKNOWLEDGES[register]]

    def possibly_on(self, register: type[Register]) -> int:
        """Enables of CR0 or IRQ_CTRL that are not certainly off: either copy reads 1."""
        return self._values[register] | self._values[ACKNOWLEDGES[register]]

    def guarded(self, register: type[Register]) -> int:
        """The implemented bits that a write cannot change now."""
        mask = self._masks[register]
        if register.ACCESS is Access.RO:
            return mask
        if register is r.CR1:
            tables = self._on(_SMMUEN) * CR1_TABLES
            return mask & (tables | self._on(_ALL_QUEUES) * CR1_QUEUES)
        preset = (self.impl.TABLES_PRESET if register in (r.STRTAB_BASE, r.STRTAB_BASE_CFG) else
                  self.impl.QUEUES_PRESET and register in (r.CMDQ_BASE, r.EVENTQ_BASE, r.PRIQ_BASE))
        if preset:
            return mask
        guard = GUARDS.get(register)
        return mask if guard is not None and self._on(guard) else 0

    def _on(self, guard: tuple[type[Register], int]) -> bool:
        return bool(self.possibly_on(guard[0]) & guard[1])

    def store(self, register: type[Register], value: int) -> None:
        """Software's write of the whole register: only bits that exist and are not guarded."""
        writable = self._masks[register] & ~self.guarded(register)
        if register is r.CMDQ_CONS:  # whether a write changes ERR is free; it never does here
            writable &= ~r.CMDQ_CONS.ERR.mask
        self._values[register] = (self._values[register] & ~writable) | (value & writable)

    def visible(self, register: type[Register]) -> int:
        """What software reads: bits above the wrap bit of the SMMU's own indices are 0."""
        value = self._values[register]
        if register is r.CMDQ_CONS:
            return value & ~(r.CMDQ_CONS.RD.mask & ~self.cmdq().mask)
        if register is r.EVENTQ_PROD:
            return value & ~(r.EVENTQ_PROD.WR.mask & ~self.eventq().mask)
        return value

    def cmdq(self) -> Ring:
        """The Command queue as CMDQ_BASE places it."""
        base = self[r.CMDQ_BASE]
        return Ring.at(base.ADDR, base.LOG2SIZE, self.impl.CMDQS, COMMAND_BYTES)

    def eventq(self) -> Ring:
        """The Event queue as EVENTQ_BASE places it."""
        base = self[r.EVENTQ_BASE]
        return Ring.at(base.ADDR, base.LOG2SIZE, self.impl.EVENTQS, EVENT_BYTES)
