"""Runs one case on one build, in a process and a directory of its own."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim import library
from sim.build import Build
from sim.process import run_simulator
from sim.toolchain import ROOT, simulator_environment

RUNS = ROOT / "build" / "runs"
WAVES = "waves.fst"


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    Members
    -------
    ok, error
        Passed, or the message of the failure.
    value
        What the case returned (anything JSON can say).
    cycles, seconds
        Simulated clock cycles; wall-clock seconds inside the case.
    directory
        Log and waves; kept when the run failed or wrote waves, else None.
    reproduce
        The one command that runs it again with waves.
    """

    ok: bool
    error: str
    value: Any
    cycles: int
    seconds: float
    reproduce: str
    directory: Path | None = None
    traceback: str = field(default="", repr=False)

    def check(self) -> RunResult:
        """Itself, if it passed; else AssertionError with the command that reproduces it."""
        if not self.ok:
            raise AssertionError(f"{self.error}\n{self.traceback}\nlog: {self.directory}/log.txt\n"
                                 f"reproduce with waves: {self.reproduce}")
        return self


def reproduce_command(case: str, sim: str, preset: str, seed: int, params: dict[str, Any]) -> str:
    """The command line that repeats a run with waves."""
    words = ["substream", "run", case, "--sim", sim, "--preset", preset, "--seed", str(seed)]
    if params:
        words += ["--params", json.dumps(params)]
    return shlex.join([*words, "--waves"])


def run(build: Build, case: str, *, seed: int = 1, params: dict[str, Any] | None = None,
        waves: bool = False, preset: str = "base", timeout: float = 600.0,
        external: tuple[str, ...] = (), keep: bool = False, ends: bool = False) -> RunResult:
    """Run coroutine function `case` ("package.module:function", called with a `tb.env.Env`).

    Parameters
    ----------
    params
        Handed to the case as `env.params`; JSON.
    preset
        Names the design in the command that reproduces the run: a preset or a Verilog file.
    timeout
        Wall-clock seconds after which the simulator is killed.
    external
        As given to `sim.build.build`.
    ends
        Whether the case ends on SIGTERM, which is then passed on to it.
    """
    params = params or {}
    RUNS.mkdir(parents=True, exist_ok=True)
    label = re.sub(r"\W+", "-", case)
    directory = Path(tempfile.mkdtemp(prefix=f"{label}-{build.sim}-{seed}-", dir=RUNS))
    request = {"case": case, "seed": seed, "params": params, "external": list(external),
               "library": str(library.directory() / library.LIBRARY), "top": build.ports.top,
               "ports": [(p.name, p.output, p.width) for p in build.ports.ports]}
    env = {**simulator_environment(), "SUBSTREAM_RUN": json.dumps(request),
           "COCOTB_TOPLEVEL": "tb_top", "COCOTB_TEST_MODULES": "tb.entry",
           "COCOTB_TRUST_INERTIAL_WRITES": str(int(build.sim == "verilator")),  # Icarus races
           "COCOTB_RANDOM_SEED": str(seed), "COCOTB_RESULTS_FILE": "results.xml"}
    status = run_simulator(build.command(waves), cwd=directory, env=env,
                           log=directory / "log.txt", timeout=timeout, ends=ends)
    found = _result(directory, status, timeout)
    wanted = waves or keep or not found["ok"]
    if not wanted:
        shutil.rmtree(directory)
    return RunResult(found["ok"], found["error"], found["value"], found["cycles"],
                     found["seconds"], reproduce_command(case, build.sim, preset, seed, params),
                     directory if wanted else None, found["traceback"])


def _result(directory: Path, status: int | None, timeout: float) -> dict[str, Any]:
    """The case's own result, or why there is none."""
    nothing = {"ok": False, "value": None, "cycles": 0, "seconds": 0.0, "traceback": ""}
    tail = (directory / "log.txt").read_text(errors="replace")[-3000:]
    if status is None:
        return nothing | {"error": f"killed after {timeout:g} s of wall clock\n{tail}"}
    try:
        found: dict[str, Any] = json.loads((directory / "result.json").read_text())
    except (OSError, ValueError):
        return nothing | {"error": f"the simulator ended with status {status} and no result\n"
                                   f"{tail}"}
    if found["ok"] and status:
        found |= {"ok": False, "error": f"the simulator ended with status {status}\n{tail}"}
    return found
