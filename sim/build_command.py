"""`substream build`: generate and compile a configuration ahead of its use."""

from __future__ import annotations

import sys
import time

import click

from sim.toolchain import SIMULATORS, ToolError


@click.command(name="build")
@click.option("--sim", type=click.Choice(SIMULATORS), default="verilator", show_default=True)
@click.option("--preset", default="tiny", show_default=True)
@click.option("--waves", is_flag=True, help="The variant that writes FST files.")
def command(sim: str, preset: str, waves: bool) -> None:
    """Build PRESET for a simulator; nothing happens if the cache has it."""
    from hdl.config import Config, ConfigError
    from sim.dut import build_dut
    start = time.monotonic()
    try:
        built = build_dut(Config.preset(preset), sim, waves=waves)
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="--preset") from None
    except ToolError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(f"{preset} for {sim}: {built.directory} ({time.monotonic() - start:.1f} s)")
