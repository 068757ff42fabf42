"""What native code sampled: trace records and interrupt pulses."""

from __future__ import annotations

import ctypes as c
from typing import TYPE_CHECKING, Any

from tb.native import PULSE, RECORD, copy_log

if TYPE_CHECKING:
    from tb.env import Env


class TraceEntry:
    """One trace record: `cycle`, and every field of `hdl.streams.TraceRecord` by name."""

    __slots__ = ("cycle", "value")
    fields: dict[str, tuple[int, int]] = {}  # name -> (lsb, mask)

    def __init__(self, cycle: int, value: int):
        self.cycle, self.value = cycle, value

    def __getattr__(self, name: str) -> int:
        try:
            lsb, mask = self._layout()[name]
        except KeyError:
            raise AttributeError(name) from None
        return self.value >> lsb & mask

    @classmethod
    def _layout(cls) -> dict[str, tuple[int, int]]:
        if not cls.fields:
            from amaranth.lib import data

            from hdl.streams import TraceRecord
            cls.fields = {name: (field.offset, (1 << field.width) - 1)
                          for name, field in data.Layout.cast(TraceRecord)}
        return cls.fields

    def items(self) -> dict[str, int]:
        """All fields."""
        return {name: self.value >> lsb & mask for name, (lsb, mask) in self._layout().items()}

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value:#x}" for name, value in self.items().items())
        return f"TraceEntry(cycle={self.cycle}, {fields})"


class Trace:
    """Records of port `trace{number}`, in order."""

    def __init__(self, env: Env, number: int):
        self._env, self.number = env, number

    def records(self) -> list[TraceEntry]:
        """All since the start or the last `take`."""
        at = c.c_void_p()
        count = self._env.library.sim_trace_log(self.number, c.byref(at))
        return [TraceEntry(cycle, int.from_bytes(raw, "little"))
                for cycle, raw in RECORD.iter_unpack(copy_log(count, at, RECORD))]

    def take(self) -> list[TraceEntry]:
        """As `records`, and forget them."""
        out = self.records()
        self._env.library.sim_trace_clear(self.number)
        return out


class InterruptWires:
    """Interrupt wires by short name: `evtq` is port `irq__evtq`, `eq` is `dev_irq__eq`."""

    def __init__(self, env: Env, ports: list[str]):
        self._env = env
        self.names = [port.split("__", 1)[1] for port in ports]
        self._seen = dict.fromkeys(self.names, 0)

    def count(self, name: str) -> int:
        """Cycles at which the wire was high so far."""
        return int(self._env.library.sim_irq_count(self.names.index(name)))

    async def wait(self, name: str, cycles: int) -> bool:
        """Wait for a pulse since the last successful wait, at most `cycles`; whether it came."""
        library, wire = self._env.library, self.names.index(name)
        if self.count(name) == self._seen[name]:
            number = self._env.events.new()
            library.sim_irq_watch(number, 1 << wire)
            if not await self._env.events.before(number, cycles):
                library.sim_irq_cancel(number)
                return False
        self._seen[name] = self.count(name)
        return True

    def log(self) -> list[tuple[int, list[str]]]:
        """(cycle, names) of every cycle with a pulse."""
        at: Any = c.c_void_p()
        count = self._env.library.sim_irq_log(c.byref(at))
        return [(cycle, [n for i, n in enumerate(self.names) if wires >> i & 1])
                for cycle, wires in PULSE.iter_unpack(copy_log(count, at, PULSE))]


class Activity:
    """What the design has done so far: the sums over all cycles of the numbers of
    `hdl.streams.TbuActivity` and `TcuActivity`, added up outside Python.

    Members
    -------
    names
        "tbu0.hits" is port `activity0__hits`, "tcu.reads" port `tcu_activity__reads`.
    """

    def __init__(self, env: Env, ports: list[str]):
        self._env = env
        self.names = [port.replace("tcu_activity__", "tcu.").replace("activity", "tbu")
                      .replace("__", ".") for port in ports]

    async def read(self) -> dict[str, int]:
        """The sums by name, as of the next clock edge."""
        if not self.names:
            return {}
        number = self._env.events.new()
        self._env.library.sim_sums_ask(number, len(self.names))
        await self._env.events.first(number)
        return dict(zip(self.names, self._env.library.sim_sums()[:len(self.names)], strict=True))

    async def since(self, before: dict[str, int]) -> dict[str, int]:
        """What has been added since `before`."""
        return {name: value - before[name] for name, value in (await self.read()).items()}
