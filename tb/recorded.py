"""Software whose changes of structures and invalidations go to a checker as they happen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pymodel.checker import Checker
from pymodel.invalidation import decode
from pymodel.memory import PAGE, Memory
from spec.commands import Command
from tb.env import Env
from tb.machine import TRIES, Machine


class RecordedMemory:
    """A memory that tells `watch`, once it is set, of every write: address, old and new bytes, and
    how many cycles ago it was.

    Of what `descriptors` names (physical address to last known value), hardware updates too: just
    before the next write of software, or the next `look`. Late is safe as long as nothing else
    changes, since nobody can tell: who meets a descriptor before its update can make the same one.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.descriptors: dict[int, int] = {}
        self.read, self.read64 = memory.read, memory.read64
        self.watch: Callable[[int, bytes, bytes, int], None] | None = None

    def look(self) -> None:
        """Tell of hardware updates so far."""
        for address in self.descriptors:
            self._updated(address)

    def _updated(self, address: int) -> None:
        known, found = self.descriptors[address], self.read64(address)
        if found != known and self.watch is not None:
            self.descriptors[address] = found
            self.watch(address, known.to_bytes(8, "little"), found.to_bytes(8, "little"), 1)

    def write(self, address: int, data: bytes) -> None:
        self.look()
        if address in self.descriptors:
            self.descriptors[address] = int.from_bytes(data, "little")
        old = self.read(address, len(data))
        self._memory.write(address, data)
        if self.watch is not None:
            self.watch(address, old, data, 0)

    def cas64(self, address: int, old: int, new: int) -> bool:
        if self.read64(address) != old:
            return False
        self.write(address, new.to_bytes(8, "little"))
        return True


class Recorder:
    """Issues commands on a machine and tells a checker.

    Times are numbers of clock edges, off only to the side that allows more: a command counts as
    issued before the write of CMDQ_PROD begins, a SYNC as complete after the read of CMDQ_CONS
    that shows it.

    Parameters
    ----------
    skip
        Start of the names of commands that the checker is told of and the machine is not.
    """

    def __init__(self, env: Env, machine: Machine, checker: Checker, memory: RecordedMemory,
                 skip: str | None, e2h: bool) -> None:
        self._env, self._machine, self._checker, self._skip = env, machine, checker, skip
        self._e2h = e2h
        self._syncs: list[int] = []
        self._memory = memory
        memory.watch = self._write

    def _write(self, address: int, old: bytes, new: bytes, ago: int) -> None:
        # What a page holds that answers with errors does not matter.
        if not self._env.mem.poisoned.intersection((address // PAGE,
                                                    (address + len(new) - 1) // PAGE)):
            self._checker.on_write(address, old, new, self._env.cycles - ago)

    async def post(self, commands: Sequence[Command]) -> None:
        """Issue commands and a SYNC, without waiting for it."""
        now = self._env.cycles
        batch = [*commands, self._machine.sync()]
        for command in batch:
            self._checker.on_command(command, decode(self._machine.impl, command,
                                                       e2h=self._e2h), now)
        await self._machine.post([c for c in batch if not self._skip
                                  or not type(c).__name__.startswith(self._skip)])
        self._syncs.append(self._machine.posted)

    async def settle(self) -> None:
        """Wait until every SYNC has completed."""
        for _ in range(TRIES):
            consumed = await self._machine.consumed()
            while self._syncs and self._syncs[0] <= consumed:
                self._syncs.pop(0)
                # What a walk has updated that a SYNC waited for, it could cache before.
                self._memory.look()
                self._checker.on_sync(self._env.cycles)
            if not self._syncs:
                return
        raise AssertionError(f"{len(self._syncs)} CMD_SYNCs do not complete")
