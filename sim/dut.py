"""Builds the real design for a configuration."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from hdl.config import Config
from sim import cache as build_cache
from sim.build import Build, build
from sim.toolchain import ROOT

_VERILOG = "design.v"
_NAMES = "names.json"


@cache
def _sources_key() -> str:
    """Stands for everything that the generated Verilog depends on: hdl/ and spec/."""
    import amaranth

    files = sorted(path for folder in ("hdl", "spec") for path in (ROOT / folder).rglob("*.py"))
    return build_cache.key_of(amaranth.__version__, *(
        part for path in files for part in (str(path.relative_to(ROOT)), path.read_bytes())))


def generate(config: Config) -> tuple[str, dict]:
    """Verilog and names of `hdl.gen.verilog`, kept in the cache: generating takes long."""
    def make(directory: Path) -> None:
        from hdl.gen import verilog
        text, names = verilog(config)
        (directory / _VERILOG).write_text(text)
        (directory / _NAMES).write_text(json.dumps(names))

    directory = build_cache.entry(f"rtl-{build_cache.key_of(_sources_key(), repr(config))}", make)
    return ((directory / _VERILOG).read_text(),
            json.loads((directory / _NAMES).read_text()))


def build_dut(config: Config, sim: str, *, waves: bool = False, optimize: str = "-O2",
              external: tuple[str, ...] = (), coverage: bool = False) -> Build:
    """The simulation of `config` on `sim`, from the cache if nothing changed."""
    text, _ = generate(config)
    return build(text, sim, waves=waves, optimize=optimize, external=external,
                 coverage=coverage)
