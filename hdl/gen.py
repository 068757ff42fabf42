"""Verilog of the top level: `python -m hdl.gen PRESET` writes it to standard output.

Amaranth's own Verilog uses `always @*`, which Icarus never runs for blocks that depend on reset
values only; Yosys' `-sv` output has `always_comb`. The switch is private to Amaranth's pinned
version, and this file is the only one that uses it.
"""

from __future__ import annotations

import sys
from typing import Any

from amaranth import Shape
from amaranth.back import rtlil
from amaranth.back.verilog import _convert_rtlil_text
from amaranth.hdl import Fragment
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

from hdl.config import Config, ConfigError
from hdl.top import Substream

TOP = "substream"


def verilog(config: Config) -> tuple[str, dict[str, Any]]:
    """Verilog text of module `substream`, and its names.

    Returns
    -------
    text
        SystemVerilog; ports `clk`, `rst` and the signature paths joined with `__`.
    names
        `ports`: name to (direction, width). `signals`: dotted path of every named signal inside,
        as simulators know it, to its width.
    """
    top = Substream(config)
    ports = signature_ports(top)
    text, name_map = rtlil.convert_fragment(Fragment.get(top, None), dict(ports), TOP,
                                            emit_src=False)
    text = _convert_rtlil_text(text, strip_internal_attrs=True, write_verilog_opts=("-sv",))
    names = {
        "ports": {name: (direction.name.lower(), len(value))
                  for name, (value, direction) in ports.items()},
        "signals": {".".join(path): len(signal) for signal, path in name_map.items()},
    }
    return text, names


def signature_ports(component: wiring.Component) -> dict[str, tuple]:
    """Every port of a component as (value, direction), by flat name; not those without bits."""
    ports = {}
    for path, member, value in component.signature.flatten(component):
        if Shape.cast(member.shape).width == 0:
            continue
        direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
        ports["__".join(map(str, path))] = (getattr(value, "as_value", lambda v=value: v)(),
                                            direction)
    return ports


def main(arguments: list[str]) -> int:
    """Command line: the preset, `base` by default. 2 for a preset that does not exist."""
    try:
        config = Config.preset(*arguments[:1] or ["base"])
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    sys.stdout.write(verilog(config)[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
