"""The ports of a design under test, read off its Verilog."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_DECLARATION = re.compile(
    r"^\s*(input|output)\s+(?:wire\s+|reg\s+|logic\s+)?(?:\[(-?\d+):0\]\s*)?(\w+)\s*;", re.M)


_ACTIVITY = re.compile(r"(?:activity\d+|tcu_activity)__")


class PortError(ValueError):
    """The Verilog has no usable top module."""


@dataclass(frozen=True)
class Port:
    """One port of the top module; `width` 0 for what Amaranth calls a zero-width signal."""

    name: str
    output: bool
    width: int


@dataclass(frozen=True)
class Ports:
    """All ports of module `top`, by name, in the Verilog's order.

    Groups are found by prefix: `client0__`, `mem0__`, `trace0__` and so on (AXI4 and traces),
    `cfg__` and `dev__` (AXI4-Lite), `irq__*` and `dev_irq__*` (interrupt wires), `activity0__*`
    and `tcu_activity__*` (what is counted).
    """

    top: str
    ports: tuple[Port, ...]

    @classmethod
    def from_verilog(cls, text: str, top: str = "substream") -> Self:
        """Read declarations of the non-ANSI style that Yosys writes. PortError without `top`."""
        start = re.search(rf"^\s*module\s+{re.escape(top)}\b", text, re.M)
        if not start:
            raise PortError(f"the Verilog has no module {top!r}")
        end = text.find("endmodule", start.end())
        found = [Port(name, way == "output", int(msb) + 1 if msb else 1)
                 for way, msb, name in _DECLARATION.findall(text[start.end():end])]
        if not {"clk", "rst"} <= {port.name for port in found}:
            raise PortError(f"module {top!r} has no port clk or rst")
        return cls(top, tuple(found))

    def width(self, name: str) -> int:
        """Bits of a port, 0 if there is none of that name."""
        return next((port.width for port in self.ports if port.name == name), 0)

    def count(self, group: str) -> int:
        """How many of `group`0, `group`1, ... there are."""
        n = 0
        while any(port.name.startswith(f"{group}{n}__") for port in self.ports):
            n += 1
        return n

    @property
    def lites(self) -> list[str]:
        """The AXI4-Lite groups there are; their order is the number of the native agent."""
        return [name for name in ("cfg", "dev") if self.width(f"{name}__arvalid")]

    @property
    def activities(self) -> list[str]:
        """Outputs to be added up over the cycles; their order is the number of the sum."""
        return sorted(port.name for port in self.ports if port.output and port.width
                      and _ACTIVITY.match(port.name))

    @property
    def interrupts(self) -> list[str]:
        """Interrupt wires by their port names; bit numbers are positions here."""
        return sorted(port.name for port in self.ports
                      if port.output and port.name.startswith(("irq__", "dev_irq__")))
