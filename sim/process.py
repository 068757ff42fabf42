"""Starts tools and simulators so that none outlives its caller."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sim.toolchain import ToolError


def stop(process: subprocess.Popen) -> None:
    """Kill the process and everything it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_tool(command: Sequence[str], *, cwd: Path, env: dict[str, str] | None = None) -> None:
    """Run a build step. ToolError with its output if it fails."""
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output, _ = process.communicate()
    except BaseException:
        stop(process)
        raise
    if process.returncode:
        raise ToolError(f"{Path(command[0]).name} failed ({process.returncode}):\n"
                        f"{' '.join(command)}\n{output[-8000:]}")


def run_simulator(command: Sequence[str], *, cwd: Path, env: dict[str, str], log: Path,
                  timeout: float, ends: bool = False) -> int | None:
    """Exit status, or None when `timeout` seconds of wall clock passed and it was killed.

    With `ends`, SIGTERM and SIGINT are passed on as SIGTERM, for the simulator to end by itself.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=out,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
        try:
            for number in (signal.SIGTERM, signal.SIGINT) if ends else ():
                signal.signal(number, lambda *_: process.terminate())
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            stop(process)
