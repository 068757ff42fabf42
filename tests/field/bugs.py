"""Known bugs of other implementations, one coroutine each, named after the bug."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from spec.impl import Implementation
from tests.field import bugs_commands, bugs_config, bugs_registers, bugs_tables
from tests.field.rig import Rig

_MODULES = (bugs_registers, bugs_config, bugs_commands, bugs_tables)


@dataclass(frozen=True)
class Bug:
    """`needs`: ID fields without which the bug cannot be."""

    name: str
    needs: tuple[str, ...]
    test: Callable[[Rig], Awaitable[None]]

    def applies(self, impl: Implementation) -> bool:
        return all(getattr(impl, name) for name in self.needs)


BUGS = [Bug(name, getattr(test, "needs", ()), test) for module in _MODULES
        for name, test in vars(module).items()
        if getattr(test, "__module__", "") == module.__name__ and not name.startswith("_")]
