"""Rules for commands (reference 6.1 to 6.5)."""

from __future__ import annotations

from collections.abc import Iterator

from pymodel.invalidation import effective_ttl, is_range
from pymodel.legality import illegal
from pymodel.lint.findings import Findings
from spec import commands as c
from spec.codes import TG_SHIFT
from spec.commands import Command, CommandError
from spec.impl import Implementation


class CommandRules:
    """Checks each command that is consumed or refused."""

    def __init__(self, impl: Implementation, findings: Findings) -> None:
        self.impl, self.findings = impl, findings

    def on_command(self, command: Command) -> None:
        for rule, text in check_command(self.impl, command):
            self.findings.report(rule, text, repr(command))

    def on_error(self, error: CommandError, why: str, value: int | None) -> None:
        command = None if value is None else c.decode(value)
        where = repr(command) if command is not None else (
            "Command queue" if value is None else hex(value))
        if error == CommandError.CERROR_ABT:
            self.findings.report("cmd.fetch", why, where)
        elif command is not None and _empty_range(self.impl, command, why):
            self.findings.report("tlbi.empty", why, where)
        else:
            self.findings.report("cmd.illegal", f"{error.name}: {why}", where)


def _empty_range(impl: Implementation, command: Command, why: str) -> bool:
    """Whether the command is refused for its length alone."""
    operands = dict(command.items())
    return is_range(impl, operands) and illegal(
        impl, command.replace(NUM=1).value) is None and bool(why)


def check_command(impl: Implementation, command: Command) -> Iterator[tuple[str, str]]:
    """(rule, text) for what is wrong with a command that the SMMU accepts."""
    operands, known = dict(command.items()), 0
    for field in command.FIELDS.values():
        known |= field.mask
        code = operands[field.name]
        if not code:
            continue
        if field.late:
            yield "cmd.reserved", f"{field.name} is not part of this version"
        elif field.needs and not getattr(impl, field.needs):
            yield "cmd.reserved", f"{field.name} is set without {field.needs}"
        elif field.enum is not None and code not in field.enum._value2member_map_:
            yield "cmd.reserved", f"{field.name}={code} is reserved"
    if command.value & ~known:
        yield "cmd.reserved", f"RES0 bits {command.value & ~known:#x} are set"
    yield from _identifiers(impl, command, operands)
    if is_range(impl, operands):
        yield from _range(impl, operands)


def _identifiers(impl: Implementation, command: Command,
                 operands: dict[str, int]) -> Iterator[tuple[str, str]]:
    widths = {"StreamID": impl.SIDSIZE, "SubstreamID": impl.SSIDSIZE, "ASID": impl.asid_bits,
              "VMID": impl.vmid_bits, "IPA": impl.ias_bits, "MSIAddr": impl.oas_bits}
    for name, bits in widths.items():
        ignored = (name == "StreamID" and isinstance(command, c.CFGI_STE_RANGE)
                   and operands["Range"] == c.STE_RANGE_ALL)
        if operands.get(name, 0) >> bits and not ignored:
            yield "cmd.range", f"{name} {operands[name]:#x} needs more than {bits} bits"


def _range(impl: Implementation, operands: dict[str, int]) -> Iterator[tuple[str, str]]:
    """The start must be aligned to the block of the given level, or to the granule."""
    granule, ttl = TG_SHIFT[operands["TG"]], effective_ttl(operands)
    if operands["TTL"] != ttl:
        yield "cmd.reserved", f"TTL={operands['TTL']} is reserved with this TG"
    bits = granule + (3 - ttl) * (granule - 3) if ttl else granule
    address = operands["VA"] if "VA" in operands else operands["IPA"]
    if address & ((1 << bits) - 1):
        yield "tlbi.align", f"{address:#x} is not aligned to {1 << bits:#x}"
