"""The lint: watches one SMMU and its memory, and names what software does wrong."""

from __future__ import annotations

from pymodel.invalidation import Invalidation
from pymodel.lint.commands import CommandRules
from pymodel.lint.findings import Findings, LintError
from pymodel.lint.queues import QueueRules
from pymodel.lint.recorder import Recorder
from pymodel.lint.registers import RegisterRules
from pymodel.lint.tracker import Tracker
from pymodel.lint.watched import WatchedMemory, add_watch
from pymodel.memory import Memory, SparseMemory
from pymodel.observer import Observer, RegisterWrite
from pymodel.smmu import Smmu
from spec.commands import Command, CommandError


class Lint(Observer):
    """Attaches itself to `smmu` for good.

    State that it finds is taken as correct: registers programmed and tables written before it came
    are not judged, only what software does from then on.

    Parameters
    ----------
    memory
        What software writes its tables through; a `WatchedMemory` around any memory that has no
        `watch` of its own.

    Members
    -------
    findings : Findings
        What was found so far.
    """

    def __init__(self, smmu: Smmu, memory: Memory) -> None:
        if not isinstance(memory, SparseMemory | WatchedMemory):
            raise TypeError(f"{type(memory).__name__} cannot be watched: put a WatchedMemory "
                            "around it")
        self.findings = Findings()
        self._registers = RegisterRules(smmu, self.findings)
        self._queues = QueueRules(smmu, self.findings)
        self._commands = CommandRules(smmu.impl, self.findings)
        self._tracker = Tracker(smmu, self.findings)
        self._smmu = smmu
        smmu.reader = Recorder(smmu.reader, self._tracker)
        smmu.observers.append(self)
        add_watch(memory, self._on_memory)

    def finish(self) -> None:
        """The end of the run: what is still owed counts as forgotten, unless the SMMU is off."""
        if self._smmu.state.smmuen:
            self._tracker.ledger.finish()

    def check(self) -> None:
        """`finish`, then LintError with all findings if there are any."""
        self.finish()
        if self.findings:
            raise LintError("\n".join(map(str, self.findings)))

    def on_register_write(self, write: RegisterWrite) -> None:
        self._registers.on_write(write)
        self._queues.on_write(write)
        self._tracker.on_register_write(write)

    def on_command(self, command: Command, invalidation: Invalidation | None) -> None:
        self._commands.on_command(command)
        if invalidation is not None:
            self._tracker.on_invalidation(invalidation)

    def on_sync_complete(self, command: Command) -> None:
        self._tracker.ledger.on_sync()

    def on_command_error(self, error: CommandError, why: str, command: int | None) -> None:
        self._commands.on_error(error, why, command)

    def _on_memory(self, address: int, old: bytes, new: bytes) -> None:
        self._queues.on_memory(address, len(new))
        self._tracker.on_memory(address, old, new)
