"""Which commands the Command queue refuses with CERROR_ILL (reference 6.1, 6.2, 6.3, 6.5)."""

from __future__ import annotations

from pymodel.invalidation import effective_ttl, is_range
from spec import commands as c
from spec.commands import Command
from spec.impl import Implementation


def illegal(impl: Implementation, value: int) -> str | None:
    """Why the 128-bit command `value` is CERROR_ILL, or None if it is legal.

    Nonzero RES0 bits never make a command illegal: they are ignored.
    """
    opcode = Command.Opcode.get(value)
    command = c.decode(value)
    if command is None:
        return f"opcode {opcode:#04x} is unknown"
    name = type(command).__name__
    if not impl.legal(opcode):
        needs = "the Secure queue" if command.SECURE else " ".join(command.NEEDS) or "stalls"
        return f"{name} needs {needs}"
    operands = dict(command.items())
    if operands.get("SSec"):
        return f"{name} has SSec=1 on the Non-secure queue"
    if isinstance(command, c.SYNC) and command.CS not in list(c.SyncCS):
        return f"SYNC has CS={command.CS}"
    if isinstance(command, c.PRI_RESP) and command.Resp not in list(c.PriResponse):
        return f"PRI_RESP has Resp={command.Resp}"
    if is_range(impl, operands) and not (
            operands["NUM"] or operands["SCALE"] or effective_ttl(operands)):
        return f"{name} has TG without NUM, SCALE or TTL"
    return None
