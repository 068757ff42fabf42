"""`substream run CASE`: one case on one simulator with one seed, with waves if wanted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from sim.build import Build, build
from sim.runner import WAVES, run
from sim.toolchain import SIMULATORS, ToolError


def _build(design: str, sim: str, waves: bool) -> Build:
    if design.endswith((".v", ".sv")):
        return build(Path(design).read_text(), sim, waves=waves)
    from hdl.config import Config, ConfigError
    from sim.dut import build_dut
    try:
        config = Config.preset(design)
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="--preset") from None
    return build_dut(config, sim, waves=waves)


@click.command()
@click.argument("case")
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True)
@click.option("--preset", default="base", show_default=True,
              help="A preset, or a Verilog file with module `substream`.")
@click.option("--seed", default=1, show_default=True)
@click.option("--params", default="{}", help="What the case gets as env.params, JSON.")
@click.option("--waves", is_flag=True, help="Write an FST file.")
@click.option("--timeout", default=600.0, show_default=True, help="Wall-clock seconds.")
def command(case: str, sim: str, preset: str, seed: int, params: str, waves: bool,
            timeout: float) -> None:
    """Run CASE, a coroutine `package.module:function` that takes a tb.env.Env."""
    try:
        result = run(_build(preset, sim, waves), case, seed=seed, params=json.loads(params),
                     waves=waves, preset=preset, timeout=timeout, keep=True)
    except json.JSONDecodeError as error:
        raise click.BadParameter(str(error), param_hint="--params") from None
    except (ToolError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    click.echo(f"{'passed' if result.ok else 'FAILED'}: {case} on {sim}, seed {seed}, "
               f"{result.cycles} cycles")
    click.echo(f"log: {result.directory}/log.txt")
    if waves:
        click.echo(f"waves: {result.directory}/{WAVES}")
    if not result.ok:
        click.echo(f"{result.error}\n{result.traceback}".rstrip(), err=True)
        if not waves:
            click.echo(f"reproduce with waves: {result.reproduce}", err=True)
        sys.exit(1)
