"""`substream scenarios`: plays them and prints the table."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from hdl.config import Config
from sim.toolchain import SIMULATORS

CASE = "tb.cases.scenarios:scenarios"
PRESETS = {"model": "base", "rtl": "tiny-stall"}
TIMEOUT = 3600.0


@click.command(name="scenarios")
@click.argument("numbers", nargs=-1, type=int)
@click.option("--dut", type=click.Choice(["model", "rtl"]), help="Only this one.  [default: both]")
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True)
@click.option("--preset", help="Configuration.  [default: base for the model, tiny-stall for "
              "the RTL]")
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(numbers: tuple[int, ...], dut: str | None, sim: str, preset: str | None, seed: int,
            as_json: bool) -> None:
    """Play scenarios NUMBERS (all by default) on the golden model and on the RTL.

    Exit status: 0 all that can be played passed, 1 otherwise, 2 no such scenario.
    """
    from sim.scenarios.table import SCENARIOS
    unknown = set(numbers) - set(SCENARIOS)
    if unknown:
        raise click.BadParameter(f"no scenario {min(unknown)}", param_hint="NUMBERS")
    rows: list[dict[str, Any]] = []
    for name in (dut,) if dut else ("model", "rtl"):
        config = Config.preset(preset or PRESETS[name])
        chosen = [n for n in numbers or SCENARIOS if SCENARIOS[n].possible(config.impl)]
        found = (on_model(config, chosen, seed) if name == "model" else
                 on_rtl(config, preset or PRESETS[name], sim, chosen, seed))
        rows += [row | {"dut": name, "name": SCENARIOS[row["number"]].name,
                        "title": SCENARIOS[row["number"]].title,
                        "sim": sim if name == "rtl" else None,
                        "preset": preset or PRESETS[name]} for row in found]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        show(rows)
    sys.exit(any(row["error"] for row in rows))


def on_model(config: Config, numbers: list[int], seed: int) -> list[dict[str, Any]]:
    """Number, error and counts of each scenario on the golden model."""
    from driver.run import run
    from sim.scenarios.model import ModelWatcher, model_bus
    from sim.scenarios.table import play
    rows = []
    for number in numbers:
        error, counts = "", {}
        try:
            counts = run(play(number, lambda: model_bus(config, seed), config.accel_sid,
                              ModelWatcher(config, seed)))
        except Exception as problem:
            error = f"{type(problem).__name__}: {problem}\n{traceback.format_exc()}"
        rows.append({"number": number, "error": error, "counts": counts, "cycles": 0})
    return rows


def on_rtl(config: Config, preset: str, sim: str, numbers: list[int],
           seed: int) -> list[dict[str, Any]]:
    """As `on_model`, in one run of the simulator."""
    from sim.dut import build_dut
    from sim.runner import run
    build = build_dut(config, sim)
    result = run(build, CASE, seed=seed, preset=preset, timeout=TIMEOUT,
                 params={"numbers": numbers, "sid": config.accel_sid, "queues": config.queues})
    result.check()
    rows: list[dict[str, Any]] = result.value
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """The table for people."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table("", "scenario", "dut", "result", "counts", "cycles")
    for row in rows:
        counts = ", ".join(f"{count} {name}" for name, count in row["counts"].items() if count)
        where = row["dut"] if row["sim"] is None else f"{row['sim']} {row['preset']}"
        table.add_row(str(row["number"]), row["title"], where,
                      "[red]FAILED[/red]" if row["error"] else "ok", counts,
                      str(row["cycles"] or ""))
    console.print(table)
    for row in rows:
        if row["error"]:
            console.print(f"{row['number']} on {row['dut']}: {row['error']}", highlight=False,
                          markup=False)
