"""What others may watch of the model: the checker, the lint, the accelerator."""

from __future__ import annotations

from dataclasses import dataclass

from pymodel.invalidation import Invalidation
from pymodel.own import OwnAccess
from pymodel.transaction import Result, Transaction
from spec.commands import Command, CommandError
from spec.fields import Register


@dataclass(frozen=True, slots=True)
class RegisterWrite:
    """Software's write to a register, or to half of one.

    Members
    -------
    register
        None if nothing is at `offset`.
    offset, size, value
        The access: bytes from the start of the register window.
    mask
        Bits of the register that the access covers.
    old, new
        The register before and after.
    guarded
        Covered, existing bits that could not be written at that moment: read-only ones, or the
        write came while its guard forbids it.
    """

    register: type[Register] | None
    offset: int
    size: int
    value: int
    mask: int = 0
    old: int = 0
    new: int = 0
    guarded: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """A transaction that had stalled has ended. `txn` is the object that was given to `access`."""

    txn: Transaction
    result: Result


class Observer:
    """Methods called in the order in which things happen; override what is of interest.

    They may read the model, and may make accesses to it as software or a client would.
    """

    def on_register_write(self, write: RegisterWrite) -> None:
        """After the value has been stored, before what it sets off."""

    def on_command(self, command: Command, invalidation: Invalidation | None) -> None:
        """A command is consumed, its effects not yet visible. For a SYNC: it starts."""

    def on_sync_complete(self, command: Command) -> None:
        """CMDQ_CONS has moved past a SYNC; its signal is yet to be given."""

    def on_command_error(self, error: CommandError, why: str, command: int | None) -> None:
        """Command processing has stopped; `command` is the 128-bit value if it could be read."""

    def on_event(self, record: bytes, written: bool) -> None:
        """A record was written to the Event queue or, `written` False, lost."""

    def on_access(self, access: OwnAccess) -> None:
        """An access to a queue, or an MSI, is about to be made."""

    def on_completion(self, completion: Completion) -> None:
        """A stalled transaction has ended."""
