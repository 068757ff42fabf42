"""Interrupts: wired pulses and MSI writes (reference 7.5), and the error register (1.8)."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from pymodel.memory import BusError
from pymodel.own import OwnMemory, OwnType, by_memattr
from pymodel.registers import Registers
from spec import registers as r
from spec.fields import Field, Register
from spec.impl import Implementation

MSI_BYTES = 4


class Source(StrEnum):
    """Wired outputs, by the names of the RTL's ports; SEV is the wake-up event to the PEs."""

    EVENTQ = "evtq"
    GERROR = "gerror"
    CMD_SYNC = "cmdq_sync"
    SEV = "sev"


# Enable; MSI address, data and attribute registers; error bit of an aborted MSI.
_Target = tuple[Field, type[Register], type[Register], type[r.EVENTQ_IRQ_CFG2 | r.GERROR_IRQ_CFG2],
                Field]
_TARGETS: dict[Source, _Target] = {
    Source.EVENTQ: (r.IRQ_CTRL.EVENTQ_IRQEN, r.EVENTQ_IRQ_CFG0, r.EVENTQ_IRQ_CFG1,
                    r.EVENTQ_IRQ_CFG2, r.GERROR.MSI_EVENTQ_ABT_ERR),
    Source.GERROR: (r.IRQ_CTRL.GERROR_IRQEN, r.GERROR_IRQ_CFG0, r.GERROR_IRQ_CFG1,
                    r.GERROR_IRQ_CFG2, r.GERROR.MSI_GERROR_ABT_ERR),
}


class Interrupts:
    """Sends interrupts and holds GERROR.

    Parameters
    ----------
    wire
        Called with the name of the wired output that pulses; None if there are no wires.
    """

    def __init__(self, impl: Implementation, registers: Registers, memory: OwnMemory,
                 wire: Callable[[str], None] | None) -> None:
        self.impl, self.registers, self.memory, self.wire = impl, registers, memory, wire

    def signal(self, source: Source) -> None:
        """One interrupt of a source that IRQ_CTRL enables; nothing if it does not."""
        enable, address, data, attributes, error = _TARGETS[source]
        if enable.get(self.registers.acknowledged(r.IRQ_CTRL)):
            cfg2 = self.registers[attributes]
            self._msi(self.registers.get(address), self.registers.get(data),
                      by_memattr(cfg2.MemAttr, cfg2.SH), error)
            self.pulse(source)

    def command_sync(self, address: int, data: int, type: OwnType) -> None:
        """The completion interrupt of a CMD_SYNC, which has no enable.

        `address` is MSIAddr, not yet cut to OAS; 0 sends no MSI.
        """
        self._msi(address, data, type, r.GERROR.MSI_CMDQ_ABT_ERR)
        self.pulse(Source.CMD_SYNC)

    def pulse(self, source: Source) -> None:
        """An edge on a wire, if there are wires."""
        if self.wire is not None:
            self.wire(source.value)

    def active(self, error: Field) -> bool:
        """Whether software has yet to acknowledge `error`."""
        difference = self.registers.get(r.GERROR) ^ self.registers.get(r.GERRORN)
        return bool(difference & error.mask)

    def raise_error(self, error: Field) -> None:
        """Make a GERROR bit active; one that is active already is not logged again."""
        if self.active(error):
            return
        self.registers.set(r.GERROR, self.registers.get(r.GERROR) ^ error.mask)
        # An aborted GERROR MSI cannot usefully be announced by another one.
        if error is not r.GERROR.MSI_GERROR_ABT_ERR:
            self.signal(Source.GERROR)

    def _msi(self, address: int, data: int, type: OwnType, error: Field) -> None:
        if not (self.impl.MSI and address):
            return
        address &= (1 << self.impl.oas_bits) - 1
        try:
            self.memory.write(address, data.to_bytes(MSI_BYTES, "little"), type)
        except BusError:
            self.raise_error(error)
