"""`substream bench`: measured figures, each with its workload."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from sim.bench_accel import accel
from sim.bench_driver import driver
from sim.bench_rtl import rtl
from sim.bench_sim import compare, speed
from sim.bench_vfio_user import vfio_user
from sim.toolchain import ROOT, SIMULATORS

AREAS = ("model", "rtl", "accel", "driver", "sim")
MODEL_BAR = 30_000  # uncached 4-level stage-1 translations/s of the golden model


@click.command(name="bench")
@click.argument("areas", nargs=-1, type=click.Choice(AREAS))
@click.option("--preset", default="base", show_default=True, help="Configuration of the RTL.")
@click.option("--sim", type=click.Choice(SIMULATORS), help="Only this simulator.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(areas: tuple[str, ...], preset: str, sim: str | None, as_json: bool) -> None:
    """Measure AREAS (all by default).

    Exit status: 0 every bar is met, 1 otherwise.
    """
    sims = (sim,) if sim else SIMULATORS
    rows: list[dict[str, Any]] = []
    if "model" in areas or not areas:
        rows += _model()
    if "rtl" in areas or not areas:
        rows += rtl(preset)
    if "accel" in areas or not areas:
        rows += accel(preset)
    if "driver" in areas or not areas:
        rows += driver(preset) + vfio_user(preset)
    if "sim" in areas or not areas:
        for name in sims:
            rows += compare(name)
            rows += speed(name, preset)
    report = {"preset": preset, "sim": sim, "git": _git(), "results": rows}
    if as_json:
        click.echo(json.dumps(report, indent=1))
    else:
        _show(report)
    sys.exit(0 if all(row["ok"] for row in rows) else 1)


def _model() -> list[dict[str, Any]]:
    from pymodel.bench import bench
    return [{"case": figure.case, "stage": figure.case, "pages": figure.levels,
             "metric": figure.metric, "value": figure.per_second, "unit": "/s",
             "bar": MODEL_BAR if figure.case == "stage1" else None,
             "ok": figure.case != "stage1" or figure.per_second >= MODEL_BAR}
            for figure in bench()]


def _git() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT,
                           capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _show(report: dict[str, Any]) -> None:
    table = Table("case", "stage", "L", "pages", "simulator", "metric", "value", "unit", "bar", "",
                  "peer")
    for row in report["results"]:
        bar = "" if row["bar"] is None else f"{row['bar']:,.6g}"
        peer = row.get("peer")
        table.add_row(row["case"], row.get("stage", ""), str(row.get("L", "")),
                      str(row.get("pages", "")), row.get("sim", ""), row["metric"],
                      f"{row['value']:,.6g}", row["unit"], bar, "" if row["bar"] is None else
                      "ok" if row["ok"] else "[red]missed[/red]",
                      "" if peer is None else f"{peer:,.6g}")
    Console(width=None if sys.stdout.isatty() else 150).print(table)
