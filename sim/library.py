"""Compiles native/ once: a shared library for both simulators and Python, and its VPI module."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sim import cache as build_cache
from sim.process import run_tool
from sim.toolchain import NATIVE, find, versions

LIBRARY = "libsubstream_sim.so"
VPI_MODULE = "substream.vpi"
_FLAGS = ["-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]


@cache
def key() -> str:
    """Stands for the sources, the flags and the compiler."""
    parts: list[str | bytes] = [versions("icarus"), *_FLAGS]
    for path in sorted(NATIVE.glob("*.[ch]")):
        parts += [path.name, path.read_bytes()]
    return build_cache.key_of(*parts)


def _make(directory: Path) -> None:
    sources = sorted(str(path) for path in NATIVE.glob("*.c") if path.name != "vpi.c")
    run_tool([find("gcc"), *_FLAGS, f"-Wl,-soname,{LIBRARY}", "-o", LIBRARY, *sources],
             cwd=directory)
    include = Path(find("iverilog")).resolve().parent.parent / "include" / "iverilog"
    run_tool([find("gcc"), *_FLAGS, f"-I{include}", "-o", VPI_MODULE, str(NATIVE / "vpi.c"),
              "-L.", f"-l:{LIBRARY}", "-Wl,-rpath,$ORIGIN"], cwd=directory)


def directory() -> Path:
    """The cache entry that holds LIBRARY and VPI_MODULE, made on first use."""
    return build_cache.entry(f"native-{key()}", _make)
