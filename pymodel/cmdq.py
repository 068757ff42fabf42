"""The Command queue consumer (reference 6, 7.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pymodel import invalidation
from pymodel.irq import Interrupts, Source
from pymodel.legality import illegal
from pymodel.memory import BusError
from pymodel.own import OwnMemory, by_memattr, by_queue
from pymodel.registers import Registers
from pymodel.ring import Ring
from spec import commands as c
from spec import registers as r
from spec.commands import COMMAND_BYTES, Command, CommandError
from spec.impl import Implementation

if TYPE_CHECKING:
    from pymodel.observer import Observer
    from pymodel.stall import StallBuffer


class CommandQueue:
    """Runs commands one after the other, each to its end before the next is fetched.

    The model caches nothing, so CFGI, TLBI and PREFETCH are complete once observers know of them,
    and a SYNC has nothing to wait for.
    """

    def __init__(self, impl: Implementation, registers: Registers, memory: OwnMemory,
                 interrupts: Interrupts, stalls: StallBuffer,
                 observers: list[Observer]) -> None:
        self.impl, self.registers, self.memory = impl, registers, memory
        self.interrupts, self.stalls, self.observers = interrupts, stalls, observers
        self._busy = False
        self._effects: dict[type[Command], Callable[..., None]] = {
            c.RESUME: stalls.resume,
            c.STALL_TERM: lambda command: stalls.terminate(command.StreamID),
        }

    def run(self) -> None:
        """Consume commands until the queue is empty, stopped or disabled.

        A doorbell from inside (an interrupt handler, an observer) is noticed by the outer call.
        """
        if self._busy:
            return
        self._busy = True
        try:
            while self._ready():
                self._step()
        finally:
            self._busy = False

    def _ready(self) -> bool:
        """Enabled, no unacknowledged error, consistent indices, not empty."""
        ring, prod, cons = self._state()
        return (bool(self.registers.acknowledged(r.CR0) & r.CR0.CMDQEN.mask)
                and not self.interrupts.active(r.GERROR.CMDQ_ERR)
                and ring.consistent(prod, cons) and not ring.empty(prod, cons))

    def _state(self) -> tuple[Ring, int, int]:
        return (self.registers.cmdq(), self.registers[r.CMDQ_PROD].WR,
                self.registers[r.CMDQ_CONS].RD)

    def _step(self) -> None:
        ring, _, cons = self._state()
        # 1. Fetch, from memory each time: nothing is kept over an error or a disable.
        address = ring.address(cons)
        try:
            value = int.from_bytes(self.memory.read(address, COMMAND_BYTES, by_queue(
                self.registers.get(r.CR1), self.registers[r.CMDQ_BASE].RA, write=False)), "little")
        except BusError as error:
            self._stop(CommandError.CERROR_ABT, str(error), None)
            return
        # 2. Check; a refused command stays at CONS and has no effect.
        why = illegal(self.impl, value)
        if why is not None:
            self._stop(CommandError.CERROR_ILL, why, value)
            return
        # 3. Effects, then CONS, then the signal.
        command = c.decode(value)
        assert command is not None
        self._execute(command)
        self._consume()
        if isinstance(command, c.SYNC):
            self._signal(command)

    def _execute(self, command: Command) -> None:
        inv = invalidation.decode(
            self.impl, command, e2h=bool(self.registers[r.CR2].E2H),
            vmw=self.registers[r.CR0ACK].VMW)
        for observer in self.observers:
            observer.on_command(command, inv)
        effect = self._effects.get(type(command))
        if effect is not None:
            effect(command)

    def _consume(self) -> None:
        ring, prod, cons = self._state()
        full = ring.full(prod, cons)
        register = self.registers[r.CMDQ_CONS]
        self.registers.set(r.CMDQ_CONS, register.replace(RD=ring.next(cons)).value)
        if full and self.impl.SEV:
            self.interrupts.pulse(Source.SEV)

    def _signal(self, command: c.SYNC) -> None:
        """What CS asks for, once CONS is past the SYNC."""
        for observer in self.observers:
            observer.on_sync_complete(command)
        if command.CS == c.SyncCS.IRQ:
            self.interrupts.command_sync(command.MSIAddr, command.MSIData,
                                         by_memattr(command.MSIAttr, command.MSH))
        elif command.CS == c.SyncCS.SEV and self.impl.SEV:
            self.interrupts.pulse(Source.SEV)

    def _stop(self, error: CommandError, why: str, value: int | None) -> None:
        """Stop at the failing command: ERR is visible before the error is (reference 6.5)."""
        register = self.registers[r.CMDQ_CONS]
        self.registers.set(r.CMDQ_CONS, register.replace(ERR=error).value)
        for observer in self.observers:
            observer.on_command_error(error, why, value)
        self.interrupts.raise_error(r.GERROR.CMDQ_ERR)
