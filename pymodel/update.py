"""Updates of CR0 and IRQ_CTRL and their acknowledges (reference 1.4, 1.7).

The model finishes every update inside the write that starts it. An update is observable all the
same by whoever the side effects call (interrupts, completions), and then obeys the protocol.
"""

from __future__ import annotations

from pymodel.registers import ACKNOWLEDGES, Registers
from spec import registers as r
from spec.fields import Field, Register

# Fields that change together finish in this order; commands run when all else is in place.
_ORDER: dict[type[Register], tuple[Field, ...]] = {
    r.CR0: (r.CR0.EVENTQEN, r.CR0.PRIQEN, r.CR0.ATSCHK, r.CR0.VMW, r.CR0.SMMUEN, r.CR0.CMDQEN),
    r.IRQ_CTRL: tuple(r.IRQ_CTRL.FIELDS.values()),
}


def busy(registers: Registers, register: type[Register]) -> int:
    """The bits of all fields whose update is in progress."""
    difference = registers.get(register) ^ registers.get(ACKNOWLEDGES[register])
    return sum(field.mask for field in _ORDER[register] if field.mask & difference)


def start_update(registers: Registers, register: type[Register], value: int) -> None:
    """Software's write: each field takes its new value unless its last update is unfinished."""
    keep = busy(registers, register)
    registers.store(register, (registers.get(register) & keep) | (value & ~keep))


def next_update(registers: Registers, register: type[Register]) -> Field | None:
    """A field whose update is in progress, in the order in which updates finish."""
    difference = busy(registers, register)
    return next((field for field in _ORDER[register] if field.mask & difference), None)
