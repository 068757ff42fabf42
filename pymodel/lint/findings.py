"""What the lint says: its rules, and the list of what was found."""

from __future__ import annotations

from dataclasses import dataclass

# Rule to the section of the reference that states it.
RULES: dict[str, str] = {
    # Registers
    "reg.unknown": "1.1",        # a write where no register is
    "reg.read-only": "1.2",      # a write to a read-only register
    "reg.guard": "1.2",          # a write while its guard forbids it
    "reg.reserved": "1.1",       # a RES0 bit, or a field whose feature is not there, set
    "reg.encoding": "1.5",       # a reserved code
    "cr0.ack": "1.4",            # CR0 or IRQ_CTRL changed again before the acknowledge
    "gbpa.update": "1.6",        # GBPA written without Update=1
    "gerror.toggle": "1.8",      # an error acknowledged that is not active
    "base.align": "1.10",        # a base not aligned to what it points to
    "base.size": "1.10",         # a size or address that the implementation does not have
    "enable.base": "1.2",        # enabled before base and indices are programmed
    # Queues
    "cmdq.overrun": "7.1",       # PROD further ahead of CONS than the queue is long
    "cmdq.backwards": "7.1",     # PROD moved back over commands
    "cmdq.overwrite": "7.2",     # a slot changed that is not consumed yet
    "evtq.cons": "7.1",          # CONS moved back, or beyond PROD
    "evtq.overflow": "7.3",      # overflow not acknowledged, or acknowledged without one
    # Commands
    "cmd.illegal": "6.2",        # refused: CERROR_ILL
    "cmd.fetch": "6.5",          # no memory behind the queue: CERROR_ABT
    "cmd.reserved": "6.1",       # a RES0 bit set, a reserved code
    "cmd.range": "6.1",          # an identifier or address that does not exist
    "tlbi.empty": "6.3",         # a range invalidation of no length
    "tlbi.align": "6.3",         # a range that is not aligned to its own granule or level
    # Structures
    "l1std": "2.2", "ste": "2.7", "l1cd": "3.1", "cd": "3.3", "descriptor": "4.6",
    "table.align": "4.6",        # a table base not aligned to the table's size
    # Changes
    "entry.torn": "9.3",         # several live doublewords of an STE or CD changed under the SMMU
    "bbm": "4.6",                # a valid descriptor replaced without break-before-make
    "cfgi.missing": "2.2",       # a structure changed and never invalidated
    "tlbi.missing": "6.3",       # a descriptor changed and never invalidated
    "sync.missing": "6.4",       # invalidated, but no CMD_SYNC before reuse
    "reuse": "6.4",              # memory of a table reused before nobody reads it as one
    "tag.reuse": "4.3",          # an ASID or VMID reused while the TLBs may hold its old entries
    "tag.shared": "4.3",         # one ASID or VMID for two address spaces
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that software does wrong.

    Members
    -------
    rule
        A key of `RULES`.
    section
        The section of the reference that it breaks.
    text
        What is wrong, for people.
    where
        Register, command, or address and structure.
    """

    rule: str
    section: str
    text: str
    where: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.where}: {self.text} (reference {self.section})"


class LintError(AssertionError):
    """Software has broken rules; the text lists them."""


class Findings(list[Finding]):
    """The findings so far, in order; the same one is kept once."""

    def report(self, rule: str, text: str, where: str) -> None:
        finding = Finding(rule, RULES[rule], text, where)
        if finding not in self:
            self.append(finding)
