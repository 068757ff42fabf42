"""The golden model as a source of history: its memory, commands and registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymodel.invalidation import Invalidation
from pymodel.memory import SparseMemory
from pymodel.observer import Observer, RegisterWrite
from pymodel.smmu import Smmu
from spec import commands as c
from spec.commands import Command

if TYPE_CHECKING:
    from pymodel.checker.checker import Checker


class Attachment(Observer):
    """Feeds a checker from a model, whose memory must be a `SparseMemory`.

    Members
    -------
    now
        The time, counted up by everything that happens. Add to it to let time pass.
    """

    def __init__(self, checker: Checker, smmu: Smmu) -> None:
        self._checker, self._smmu = checker, smmu
        self.now = 0
        memory = smmu.memory
        if not isinstance(memory, SparseMemory):
            raise TypeError("only a SparseMemory tells what is written to it")
        before = memory.watch

        def watch(address: int, old: bytes, new: bytes) -> None:
            checker.on_write(address, old, new, self.tick())
            if before is not None:
                before(address, old, new)

        memory.watch = watch
        smmu.observers.append(self)
        self.tick()

    def tick(self) -> int:
        """The next moment; notices what registers have become effective."""
        self.now += 1
        self._checker.on_state(self._smmu.state, self.now)
        return self.now

    def on_register_write(self, write: RegisterWrite) -> None:
        self.tick()

    def on_command(self, command: Command, invalidation: Invalidation | None) -> None:
        self._checker.on_command(command, invalidation, self.tick())

    def on_sync_complete(self, command: c.SYNC) -> None:  # type: ignore[override]
        self._checker.on_sync(self.tick())
