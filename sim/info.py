"""`substream info`: what a configuration has: sizes, features, ID registers."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from hdl.config import Config, ConfigError
from spec.impl import FEATURES, ID_REGISTERS, PRESETS


@click.command(name="info")
@click.option("--preset", default="base", show_default=True, help="One of " + ", ".join(PRESETS)
              + ", with changes as in regress.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(preset: str, as_json: bool) -> None:
    """Sizes, features and ID registers of PRESET."""
    try:
        found = info(Config.preset(preset))
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="--preset") from None
    if as_json:
        click.echo(json.dumps({"preset": preset} | found, indent=1))
        return
    console = Console()
    for title, rows in (("size", found["sizes"]), ("ID register", found["registers"])):
        table = Table(title, "value")
        for name, value in rows.items():
            table.add_row(name, f"{value:#010x}" if title == "ID register" else str(value))
        console.print(table)
    table = Table("feature", "field", "value", "reference", "")
    for feature in FEATURES:
        table.add_row(feature.name, feature.field, str(found["features"][feature.field]),
                      feature.section, feature.text)
    console.print(table)


def info(config: Config) -> dict[str, Any]:
    """The JSON form without the preset's name."""
    sizes = {f.name: getattr(config, f.name) for f in fields(config) if f.name != "impl"}
    registers = {r.__name__: getattr(config.impl, r.__name__.lower()) for r in ID_REGISTERS}
    features = {f.field: int(getattr(config.impl, f.field)) for f in FEATURES}
    return {"sizes": sizes, "features": features, "registers": registers}
