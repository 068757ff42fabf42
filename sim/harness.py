"""Generates `tb_top`: the design under test and one call into native code per agent and clock.

Order within a clock: at the rising edge one block samples the design's outputs, steps the agents in
a fixed order, and drives what they return with non-blocking assignments; `sim_tick` comes last
and toggles `event_o` when Python has something to do. So no simulator can reorder anything, and
Python, which wakes on `event_o` only, never runs per clock. Idle agents are not called: an agent
steps when native code says it is active or when the design raises a valid to it.

The packing of bundles is that of native/axi.h and native/lite.c.
"""

from __future__ import annotations

from sim.ports import Ports

# Positions in the word that `sim_tick` returns; native/core.h.
BIT_CLIENT, BIT_MEM, BIT_LITE, BIT_SUMS = 0, 16, 40, 48
TRACE_WORDS = 10
HALF_PERIOD_NS = 5

_ATTRIBUTES = (("prot", 3), ("cache", 4), ("lock", 1), ("burst", 2), ("size", 3), ("len", 8),
               ("id", 8))  # highest first; 29 bits


class _Writer:
    """Collects the parts of the module while ports are visited."""

    def __init__(self, ports: Ports, sim: str, external: tuple[str, ...]):
        self.ports, self.external = ports, external
        self.call = "$" if sim == "icarus" else ""
        self.wires: list[str] = []
        self.steps: list[str] = []
        self.resets: list[str] = []
        self.watched: list[str] = []  # control outputs that must not be X
        self.driven: set[str] = set()

    def drive(self, name: str, value: str) -> None:
        self.wires.append(f"assign {name} = {value};")
        self.driven.add(name)

    def bundle(self, prefix: str, fields: list[tuple[str, int]]) -> str:
        """A concatenation, highest first, of ports ("" = zeros) at their place in a word."""
        parts = []
        for name, width in fields:
            have = self.ports.width(f"{prefix}__{name}") if name else 0
            have = min(have, width)
            if width > have:
                parts.append(f"{width - have}'b0")
            if have:
                parts.append(f"{prefix}__{name}")
        return "{" + ", ".join(parts) + "}"

    def unpack(self, prefix: str, source: str, fields: list[tuple[str, int]]) -> None:
        """Drive inputs of the design from a packed register, the inverse of `bundle`."""
        at = sum(width for _, width in fields)
        for name, width in fields:
            at -= width
            have = min(self.ports.width(f"{prefix}__{name}") if name else 0, width)
            if have:
                self.drive(f"{prefix}__{name}", f"{source}[{at + have - 1}:{at}]")

    def agent(self, prefix: str, task: str, number: int, bit: int, wake: list[str],
              inward: list[tuple[str, int]], outward: list[tuple[str, int]]) -> None:
        """One agent: `inward` fields are sampled from the design, `outward` fields drive it."""
        n_in, n_out = (sum(w for _, w in fields) for fields in (inward, outward))
        self.wires += [f"reg [{n_in - 1}:0] {prefix}_in;",
                       f"reg [{n_out - 1}:0] {prefix}_next;",
                       f"reg [{n_out - 1}:0] {prefix}_out = 0;"]
        self.unpack(prefix, f"{prefix}_out", outward)
        condition = " || ".join([f"tick[{bit}]", *(f"{prefix}__{name}" for name in wake)])
        self.steps += [f"if ({condition}) begin",
                       f"  {prefix}_in = {self.bundle(prefix, inward)};",
                       f"  {self.call}{task}({number}, {prefix}_in, {prefix}_next);",
                       f"  {prefix}_out <= {prefix}_next;",
                       "end"]
        self.resets.append(f"{prefix}_out <= 0;")
        self.watched += [f"{prefix}__{name}" for name, _ in inward
                         if name.endswith(("valid", "ready"))]


def _axi_request(data_width: int) -> list[tuple[str, int]]:
    def address(c: str) -> list[tuple[str, int]]:
        return [(f"{c}user", 64), (f"{c}addr", 64), ("", 3),
                *((f"{c}{name}", width) for name, width in _ATTRIBUTES)]
    return [("wdata", data_width), *address("ar"), *address("aw"), ("wstrb", 64), ("", 26),
            ("wlast", 1), ("rready", 1), ("arvalid", 1), ("bready", 1), ("wvalid", 1),
            ("awvalid", 1)]


def _axi_response(data_width: int) -> list[tuple[str, int]]:
    return [("rdata", data_width), ("rid", 8), ("bid", 8), ("", 6), ("rresp", 2), ("bresp", 2),
            ("rlast", 1), ("rvalid", 1), ("arready", 1), ("bvalid", 1), ("wready", 1),
            ("awready", 1)]


# One address register serves both channels of a register port.
_LITE_REQUEST = [("wdata", 64), ("awaddr", 32), ("", 16), ("wstrb", 8), ("", 3), ("rready", 1),
                 ("arvalid", 1), ("bready", 1), ("wvalid", 1), ("awvalid", 1)]
_LITE_RESPONSE = [("rdata", 64), ("", 22), ("rresp", 2), ("bresp", 2), ("", 1), ("rvalid", 1),
                  ("arready", 1), ("bvalid", 1), ("wready", 1), ("awready", 1)]


def _data_width(ports: Ports) -> int:
    """The widest data bus; every AXI4 bundle has room for it, so that one DPI import fits all."""
    return max([32, *(ports.width(f"{group}{i}__rdata")
                      for group in ("client", "mem") for i in range(ports.count(group)))])


def _agents(w: _Writer) -> None:
    request, response = (f(_data_width(w.ports)) for f in (_axi_request, _axi_response))
    for i in range(w.ports.count("client")):
        if f"client{i}" not in w.external:
            w.agent(f"client{i}", "sim_client", i, BIT_CLIENT + i, ["rvalid", "bvalid"],
                    response, request)
    for i in range(w.ports.count("mem")):
        if f"mem{i}" not in w.external:
            w.agent(f"mem{i}", "sim_mem", i, BIT_MEM + i, ["arvalid", "awvalid", "wvalid"],
                    request, response)
    for i, name in enumerate(w.ports.lites):
        w.agent(name, "sim_lite", i, BIT_LITE + i, ["rvalid", "bvalid"],
                _LITE_RESPONSE, _LITE_REQUEST)
        w.drive(f"{name}__araddr", f"{name}__awaddr")


def _samplers(w: _Writer) -> None:
    for i in range(w.ports.count("trace")):
        width = w.ports.width(f"trace{i}__record")
        w.wires.append(f"reg [{32 * TRACE_WORDS - 1}:0] trace{i}_in;")
        w.steps += [f"if (trace{i}__valid) begin",
                    f"  trace{i}_in = {{{32 * TRACE_WORDS - width}'b0, trace{i}__record}};",
                    f"  {w.call}sim_trace({i}, trace{i}_in);",
                    "end"]
        w.watched.append(f"trace{i}__valid")
    if names := w.ports.interrupts:
        w.wires.append("reg [31:0] irq_in;")
        w.steps += [f"if ({' || '.join(names)}) begin",
                    f"  irq_in = {{{32 - len(names)}'b0, {', '.join(reversed(names))}}};",
                    f"  {w.call}sim_irq(irq_in);",
                    "end"]
        w.watched += names


def _sums(w: _Writer) -> None:
    """What the design does is added up here; native code gets the sums when it asks for them."""
    for number, name in enumerate(w.ports.activities):
        w.wires.append(f"reg [63:0] sum{number} = 0;")
        w.steps.append(f"sum{number} <= sum{number} + {{{64 - w.ports.width(name)}'b0, {name}}};")
    if w.ports.activities:
        w.steps += [f"if (tick[{BIT_SUMS}]) begin", *(
            f"  {w.call}sim_sum({number}, sum{number});"
            for number in range(len(w.ports.activities))), "end"]


def _imports(ports: Ports) -> list[str]:
    """DPI declarations of native/steps.h."""
    def declare(task: str, sampled: list[tuple[str, int]], driven: list[tuple[str, int]]) -> str:
        n_in, n_out = (sum(width for _, width in fields) for fields in (sampled, driven))
        return (f'import "DPI-C" function void {task}(input int number, '
                f'input bit [{n_in - 1}:0] sampled, output bit [{n_out - 1}:0] driven);')

    request, response = (f(_data_width(ports)) for f in (_axi_request, _axi_response))
    out = ['import "DPI-C" function void sim_tick(output bit [95:0] state);']
    if ports.interrupts:
        out.append('import "DPI-C" function void sim_irq(input bit [31:0] wires);')
    if ports.activities:
        out.append('import "DPI-C" function void sim_sum(input int number, input bit [63:0] sum);')
    if ports.count("trace"):
        out.append(f'import "DPI-C" function void sim_trace(input int number, '
                   f'input bit [{32 * TRACE_WORDS - 1}:0] record);')
    return [*out, declare("sim_client", response, request), declare("sim_mem", request, response),
            declare("sim_lite", _LITE_RESPONSE, _LITE_REQUEST)]


def _indent(lines: list[str], by: int) -> list[str]:
    return [" " * by + line for line in lines]


def harness(ports: Ports, sim: str, external: tuple[str, ...] = ()) -> str:
    """Verilog of module `tb_top` for `sim` ("verilator" or "icarus").

    Parameters
    ----------
    external
        AXI4 ports ("client0", "mem1") that get no native agent: their signals stay for cocotb to
        drive, under the design's names.
    """
    w = _Writer(ports, sim, external)
    _agents(w)
    _samplers(w)
    _sums(w)
    declared = []
    for port in ports.ports:
        if port.name in ("clk", "rst") or not port.width:
            continue
        outside = port.name.split("__")[0] in external
        kind = "reg" if outside and not port.output else "wire"
        span = f" [{port.width - 1}:0]" * (port.width > 1)
        declared.append(f"{kind}{span} {port.name}{' = 0' * (kind == 'reg')};")
        if not (port.output or outside or port.name in w.driven):
            w.drive(port.name, "0")
    pins = [f".{port.name}({port.name if port.width else ''})" for port in ports.ports]
    four_state = sim == "icarus"
    waves = ['initial if ($test$plusargs("waves")) begin',
             '  $dumpfile("waves.fst");', "  $dumpvars(0, tb_top);", "end"]
    unknown = [f"if (^{{{', '.join(w.watched)}}} === 1'bx) $sim_unknown;"]
    return "\n".join([
        "`timescale 1ns/1ns",
        *(["module tb_top;", "  reg clk = 0;", "  reg event_o = 0;",
           f"  always #{HALF_PERIOD_NS} clk = ~clk;"] if four_state else
          ["module tb_top(input clk, output reg event_o);", *_indent(_imports(ports), 2)]),
        "  reg rst = 1;",
        "  reg [63:0] tick = 0;", "  reg [95:0] tick_next;",
        *_indent(declared, 2), *_indent(w.wires, 2),
        f"  {ports.top} dut (" + ", ".join(pins) + ");",
        "  always @(posedge clk) begin",
        "    if (rst) begin", *_indent(w.resets, 6),
        "    end else begin", *_indent(unknown if four_state and w.watched else [], 6),
        *_indent(w.steps, 6), "    end",
        f"    {w.call}sim_tick(tick_next);",
        "    tick <= tick_next[63:0];", "    event_o <= tick_next[64];",
        "    rst <= tick_next[65];", "  end",
        *_indent(waves if four_state else [], 2),
        "endmodule", ""])
