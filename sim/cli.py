"""The command line, `python -m sim` or `substream`: one module per command."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

# name -> "module:function"; imported when used, so that `--help` is quick.
COMMANDS = {
    "area": ("sim.area", "What the RTL costs in an FPGA."),
    "bench": ("sim.bench", "Measured figures, each with its workload."),
    "build": ("sim.build_command", "Build a configuration of the RTL (cached)."),
    "regress": ("sim.regress", "Random seeds, RTL against the golden model."),
    "demo": ("sim.demo.command", "Four applications share the accelerator on real RTL."),
    "explain": ("sim.explain", "Every step of one translation, and the rule that decides it."),
    "info": ("sim.info", "Sizes, features and ID registers of a configuration."),
    "run": ("sim.run_command", "One case, simulator and seed; with waves if wanted."),
    "scenarios": ("sim.scenarios.command", "The scenarios of the driver, on model and RTL."),
    "serve": ("sim.serve.command", "The device behind vfio-user sockets, for other processes."),
    "replay": ("sim.replay.command", "Replay a capture on the model or the RTL."),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: Any = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Substream: an open SMMUv3 and a shared accelerator in RTL."""
