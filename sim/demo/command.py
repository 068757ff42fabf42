"""`substream demo`: build the RTL, run the story, show who did what and that the model agrees."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import RunResult, run
from sim.toolchain import ROOT
from spec.events import decode

CASE = "tb.cases.demo:demo"
DEFAULT_FILE = ROOT / "LICENSE"
TIMEOUT = 3600.0


@click.command(name="demo")
@click.option("--sim", type=click.Choice(["verilator", "icarus"]), default="verilator",
              show_default=True)
@click.option("--preset", default="tiny", show_default=True, help="Configuration of the RTL.")
@click.option("--file", "path", default=str(DEFAULT_FILE),
              type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="What the applications copy.  [default: the repository's LICENSE]")
@click.option("--seed", default=1, show_default=True)
@click.option("--waves", is_flag=True, help="Write an FST file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(sim: str, preset: str, path: Path, seed: int, waves: bool, as_json: bool) -> None:
    """Four applications share one accelerator; then one reaches where it must not.

    Exit status: 0 everything copied and agreed, 1 otherwise.
    """
    if not path.stat().st_size:
        raise click.BadParameter(f"{path} is empty", param_hint="--file")
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 120)
    config = Config.preset(preset)
    start = time.monotonic()
    with console.status(f"building {preset} for {sim} (minutes the first time)"):
        build = build_dut(config, sim, waves=waves)
    built = time.monotonic()
    with console.status(f"{path.name} through the accelerator on {sim}"):
        result = run(build, CASE, seed=seed, waves=waves, preset=preset, timeout=TIMEOUT,
                     params={"file": str(path.resolve()), "sid": config.accel_sid})
    if not result.ok:
        console.print(f"[red]{result.error}[/red]", markup=True, highlight=False)
        console.print(f"reproduce with waves: {result.reproduce}", highlight=False)
        sys.exit(1)
    story = result.value
    seconds = {"build": round(built - start, 1), "run": round(time.monotonic() - built, 1)}
    if as_json:
        click.echo(json.dumps(story | {"seconds": seconds}, indent=1))
    else:
        show(console, story, path, result, seconds)
    sys.exit(0 if story["agree"] == story["transactions"] and not story["failures"] else 1)


def show(console: Console, story: dict[str, Any], path: Path, result: RunResult,
         seconds: dict[str, float]) -> None:
    """The story for people."""
    table = Table("application", "PASID", "ASID", "IOVA", "physical page", "bytes moved", "cycles",
                  "TLB hits", "walks", "digest")
    for app in story["applications"]:
        good = app["digest"] == story["digest"]
        table.add_row(app["name"], str(app["pasid"]), str(app["asid"]), hex(app["iova"]),
                      hex(app["page"]), str(app["bytes"]), str(app["cycles"]), str(app["hits"]),
                      str(app["walks"]), "ok" if good else "[red]differs[/red]")
    console.print(f"{path.name}, {story['bytes']} bytes, copied by every application through one "
                  "accelerator:", highlight=False)
    console.print(table)
    first, second = story["applications"][:2]
    console.print(f"Then {first['name']} reached for an address that only {second['name']} has "
                  f"mapped. Its job ended with {story['intrusion']}; the neighbours went on.",
                  highlight=False)
    for event in story["events"]:
        console.print(f"  event: {words(event['raw'])}", highlight=False)
    for failure in story["failures"][:3]:
        console.print(f"[red]{failure}[/red]", highlight=False)
    console.print(f"{story['cycles']} cycles; build {seconds['build']} s, run {seconds['run']} s"
                  + (f"; waves in {result.directory}" if result.directory else ""),
                  highlight=False)
    console.print(f"[bold]{story['transactions']} transactions, {story['agree']} agree with the "
                  "golden model[/bold]", highlight=False)


def words(raw: str) -> str:
    """An event record as a sentence."""
    event = decode(int.from_bytes(bytes.fromhex(raw), "little"))
    if event is None:
        return raw
    value = dict(event.items())
    what = {"F_TRANSLATION": "nothing is mapped there", "F_PERMISSION": "not permitted there",
            "F_ACCESS": "the access flag is clear there",
            "F_ADDR_SIZE": "the address is too large"}.get(type(event).__name__, "")
    who = f"StreamID {value['StreamID']:#x}"
    if value.get("SSV"):
        who += f", SubstreamID (PASID) {value['SubstreamID']}"
    access = "read" if value.get("RnW") else "write"
    where = f" {access} of {value['InputAddr']:#x} by" if "InputAddr" in value else ""
    return f"{type(event).__name__}:{where} {who}" + (f": {what}" if what else "")
