"""`substream replay`: every probe of a capture, answered by the model or the RTL and judged."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pymodel.transaction import Step
from sim.replay import dut_model
from sim.replay.capture import Capture, CaptureError, Probe, load
from sim.replay.expect import Answer
from sim.replay.report import Judge, Verdict
from sim.text import steps_text

SHOWN = 5  # mismatches printed in full; --json has them all


@click.command(name="replay")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--dut", type=click.Choice(["model", "rtl"]), default="model", show_default=True)
@click.option("--sim", type=click.Choice(["verilator", "icarus"]), default="verilator",
              show_default=True, help="Simulator, with --dut rtl.")
@click.option("--seed", default=1, show_default=True, help="Memory timing, with --dut rtl.")
@click.option("--every", type=click.IntRange(1), default=1, show_default=True,
              help="Only every Nth probe.")
@click.option("--waves", is_flag=True, help="Write an FST file, with --dut rtl.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def command(directory: Path, dut: str, sim: str, seed: int, every: int, waves: bool,
            as_json: bool) -> None:
    """Replay the capture in DIRECTORY and compare every answer.

    Exit status: 0 every probe agrees (documented oddities counted apart), 1 a mismatch, 2 the
    capture cannot be read.
    """
    try:
        capture = load(directory)
    except CaptureError as error:
        if as_json:
            click.echo(json.dumps({"error": str(error)}))
        click.echo(f"replay: {error}", err=True)
        sys.exit(2)
    verdict = replay(capture, dut, sim, seed, waves, every, quiet=as_json)
    if as_json:
        click.echo(json.dumps(verdict.as_json(), indent=1))
    else:
        show(verdict)
    sys.exit(1 if verdict.mismatches else 0)


def replay(capture: Capture, dut: str = "model", sim: str = "verilator", seed: int = 1,
           waves: bool = False, every: int = 1, *, quiet: bool = True) -> Verdict:
    """Replay a loaded capture; the verdict holds every mismatch with the model's own steps."""
    verdict = Verdict(capture.name, dut, sim if dut == "rtl" else None)
    explainer, _ = dut_model.machine(capture)

    def explain(probe: Probe, pnu: bool) -> list[Step]:
        return explainer.explain(dut_model.transaction(probe, pnu)).steps

    judge = Judge(capture, verdict, explain)
    pnu = [want.pnu for want in judge.expected]
    start = time.monotonic()
    answers: Iterator[tuple[Probe, Answer]]
    if dut == "model":
        answers = dut_model.answers(capture, *dut_model.machine(capture), pnu, every)
    else:
        from sim.replay import dut_rtl  # the RTL: only when asked for
        answers, cycles = dut_rtl.answers(capture, sim, seed, waves, pnu, every)
        verdict.cycles = cycles
    for probe, got in track(answers, total=len(capture.probes[::every]), description=capture.name,
                            console=Console(stderr=True), transient=True,
                            disable=quiet or not sys.stderr.isatty()):
        judge.answer(probe, got)
    verdict.seconds = round(time.monotonic() - start, 3)
    return verdict


def show(verdict: Verdict) -> None:
    """The verdict for people."""
    console = Console()
    for mismatch in verdict.mismatches[:SHOWN]:
        probe = mismatch["probe"]
        console.print(f"[red]probe {probe['number']}[/red] {probe}", highlight=False)
        for why in mismatch["why"]:
            console.print(f"  {why}", highlight=False)
        console.print(steps_text([Step(**step) for step in mismatch["steps"]]), highlight=False)
    if len(verdict.mismatches) > SHOWN:
        console.print(f"... and {len(verdict.mismatches) - SHOWN} more (--json lists all)")
    table = Table("capture", "dut", "probes", "agree", "mismatches", "seconds")
    table.add_row(verdict.capture, verdict.dut + (f" on {verdict.sim}" if verdict.sim else ""),
                  str(verdict.probes), str(verdict.agree), str(len(verdict.mismatches)),
                  f"{verdict.seconds:.1f}")
    console.print(table)
    if verdict.oddities:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(verdict.oddities.items()))
        console.print(f"the recorder's documented oddities, judged by the architecture: {counts}")
