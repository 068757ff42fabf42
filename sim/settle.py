"""Rewrites combinational blocks so that event-driven simulation settles.

Yosys writes `always_comb begin y = default; if (c) y = value; end`. An event-driven simulator
shows the default to every reader for an instant. Two such blocks that read each other's signals,
though no bit depends on itself, then wake each other for ever at one point in time. Computing
into a variable of the block's own and assigning once at its end shows readers only final values.

Icarus 11 links the events of all `always_comb` blocks of more than four inputs with each other, so
that a change seen by one of them wakes every block of the design. The blocks therefore become
`always begin ...; @(inputs); end`, which also runs once at time zero.
"""

from __future__ import annotations

import re
from collections.abc import Set

_NAME = r"(?:\\\S+ |[A-Za-z_]\w*)"
_BLOCK = re.compile(r"^  always_comb begin\n(.*?)^  end\n", re.M | re.S)
_SINGLE = re.compile(r"^  always_comb\n(    [^=]+ = (.*);\n)", re.M)
_MODULE = re.compile(r"^module .*?^endmodule", re.M | re.S)
# `name[3:0] = `, `name = `, `{ a[1], b } = ` at the start of a line.
_ASSIGNMENT = re.compile(rf"^ +(\{{.*?\}}|{_NAME} ?(?:\[[\d:]+\])?) ?= ", re.M)
_TARGET = re.compile(rf"({_NAME}) ?(?:\[(\d+)(?::(\d+))?\])?")
_WIDTH = re.compile(rf"^  (?:input|output|reg|wire|logic) (?:\[(\d+):0\] )?({_NAME})", re.M)
_TOKEN = re.compile(rf"(?<![\w'$\\]){_NAME}")


def settle(verilog: str) -> str:
    """The same design with every `always_comb` of Yosys waiting for its own inputs and assigning
    its signals once."""
    return _MODULE.sub(lambda module: _module(module.group(0)), verilog)


def _module(text: str) -> str:
    widths = {name.strip(): int(msb or 0) + 1 for msb, name in _WIDTH.findall(text)}
    count = 0

    def block(match: re.Match[str]) -> str:
        nonlocal count
        body = match.group(1)
        written = _written(body, widths)
        own = {name: f"settle_{count + i}" for i, name in enumerate(written)}
        count += len(own)
        declared = "".join(f"  reg [{widths[name] - 1}:0] {own[name]};\n" if widths[name] > 1
                           else f"  reg {own[name]};\n" for name in own)
        final = "".join(f"    {name} {span} = {own[name]}{span};\n"
                        for name, bits in written.items()
                        for span in _spans(bits, widths[name]))
        inputs = _inputs(body, widths.keys() - own.keys())
        body = _TOKEN.sub(lambda token: _rename(token.group(0), own), body)
        return declared + _process(body + final, inputs)

    def single(match: re.Match[str]) -> str:
        return _process(match.group(1), _inputs(match.group(2), widths.keys()))

    return _BLOCK.sub(block, _SINGLE.sub(single, text))


def _process(body: str, inputs: list[str]) -> str:
    """Runs the body at time zero and after every change of an input."""
    if not inputs:
        return f"  initial begin\n{body}  end\n"
    return f"  always begin\n{body}    @({' or '.join(inputs)});\n  end\n"


def _inputs(text: str, names: Set[str]) -> list[str]:
    """Those of `names` that occur, as Verilog writes them."""
    return [f"{name} " for name in dict.fromkeys(token.strip() for token in _TOKEN.findall(text))
            if name in names]


def _written(body: str, widths: dict[str, int]) -> dict[str, int]:
    """Per signal the mask of bits that a block assigns."""
    out: dict[str, int] = {}
    for target in _ASSIGNMENT.findall(body):
        for name, high, low in _TARGET.findall(target):
            name = name.strip()
            top = int(high) if high else widths[name] - 1
            bottom = int(low or high or 0)
            out[name] = out.get(name, 0) | (1 << top + 1) - (1 << bottom)
    return out


def _spans(bits: int, width: int) -> list[str]:
    """A mask as part selects; "" for all of a signal."""
    if bits == (1 << width) - 1:
        return [""]
    out = []
    while bits:
        low = (bits & -bits).bit_length() - 1
        high = ((bits >> low) + 1 & -((bits >> low) + 1)).bit_length() - 2 + low
        out.append(f"[{high}:{low}]")
        bits &= -1 << high + 1
    return out


def _rename(token: str, own: dict[str, str]) -> str:
    new = own.get(token.strip())
    return token if new is None else new + " " * token.endswith(" ")
