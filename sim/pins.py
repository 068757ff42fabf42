"""A synthesised block behind few pins, so that it can be placed and routed in a real device.

Blocks have thousands of ports, a device some hundred pins. Placed without pins the clock and the
reset have no place to come from but the fabric, and do not get the global network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CLOCK, RESET = "clk", "rst"
_XOR = "0110" * 4  # of A and B, as LUT4 wants it


def behind_pins(netlist: dict[str, Any], top: str) -> None:
    """Changes a netlist of Yosys (`write_json`, ECP5 cells) so that module `top` has the ports
    clock, reset, `pin_in` and `pin_out` only.

    Inputs come from a shift register, each output goes into a flip-flop, and those into one pin by
    a chain of XOR: every path of the block begins and ends in a flip-flop, and nothing can be left
    out as unused.
    """
    module = netlist["modules"][top]
    ports, cells = module["ports"], module["cells"]
    numbers = _unused(module)
    clock = ports[CLOCK]["bits"][0]

    def flip_flop(name: str, data: Any, output: int) -> int:
        cells[name] = _cell(
            "TRELLIS_FF", {"CLK": clock, "DI": data, "LSR": "0", "CE": "1"}, {"Q": output},
            # "1 ": a parameter of 0s and 1s alone would be a number.
            {"GSR": "DISABLED", "CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR",
             "REGSET": "RESET", "SRMODE": "LSR_OVER_CE"})
        return output

    def bits(direction: str) -> list[int]:
        return [bit for name, port in ports.items() if port["direction"] == direction
                and name not in (CLOCK, RESET) for bit in port["bits"] if isinstance(bit, int)]

    pin_in = last = next(numbers)
    for n, bit in enumerate(bits("input")):
        last = flip_flop(f"pins.in.{n}", last, bit)
    pin_out: Any = "0"
    for n, bit in enumerate(bits("output")):
        captured = flip_flop(f"pins.captured.{n}", bit, next(numbers))
        both = next(numbers)
        cells[f"pins.xor.{n}"] = _cell(
            "LUT4", {"A": captured, "B": pin_out, "C": "0", "D": "0"}, {"Z": both}, {"INIT": _XOR})
        pin_out = flip_flop(f"pins.out.{n}", both, next(numbers))
    module["ports"] = {
        CLOCK: ports[CLOCK], RESET: ports[RESET],
        "pin_in": {"direction": "input", "bits": [pin_in]},
        "pin_out": {"direction": "output", "bits": [pin_out]},
    }


def _cell(kind: str, inputs: dict[str, Any], outputs: dict[str, int],
          parameters: dict[str, str]) -> dict[str, Any]:
    return {
        "hide_name": 0, "type": kind, "parameters": parameters, "attributes": {},
        "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
        "connections": {name: [bit] for name, bit in (inputs | outputs).items()},
    }


def _unused(module: dict[str, Any]) -> Iterator[int]:
    """Numbers of nets that the module does not have."""
    used = [bit for cell in module["cells"].values() for bits in cell["connections"].values()
            for bit in bits if isinstance(bit, int)]
    used += [bit for part in (module["ports"], module["netnames"]) for net in part.values()
             for bit in net["bits"] if isinstance(bit, int)]
    number = max(used)
    while True:
        number += 1
        yield number
