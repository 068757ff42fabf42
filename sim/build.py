"""Builds a simulation of a design: (Verilog, harness, native code, flags, tools) -> cache entry."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import cocotb_tools.config as cocotb_config

from sim import cache, library
from sim.harness import HALF_PERIOD_NS, harness
from sim.ports import Ports
from sim.process import run_tool
from sim.settle import settle
from sim.toolchain import COCOTB_LIBS, NATIVE, SIMULATORS, ToolError, find, verilator_root, versions

EXECUTABLE = "tb_top"
VVP = "tb_top.vvp"
_MAIN = NATIVE / "verilator" / "main.cpp"

# What Amaranth's Verilog raises under -Wall; UNOPTFLAT and LATCH stay fatal.
_WAIVED = ("CASEINCOMPLETE", "PROCASSINIT", "UNUSEDSIGNAL", "WIDTHEXPAND", "DECLFILENAME",
           "ASCRANGE", "WIDTHTRUNC", "CMPCONST", "CASEOVERLAP")


@dataclass(frozen=True)
class Build:
    """A simulation that is ready to run.

    Members
    -------
    directory
        Holds the executable (Verilator) or the compiled design (Icarus); never written to.
    waves
        Whether a run can write an FST file.
    """

    sim: str
    directory: Path
    ports: Ports
    waves: bool

    def command(self, waves: bool) -> list[str]:
        """What to start, in a directory of its own, with the environment of sim.runner."""
        if waves and not self.waves:
            raise ToolError("this build cannot write waves; build it with waves=True")
        if self.sim == "verilator":
            trace = ["--trace", "--trace-file", "waves.fst"] if waves else []
            return [str(self.directory / EXECUTABLE), *trace]
        native = library.directory()
        return [find("vvp"), "-n", "-m", str(cocotb_config.lib_name_path("vpi", "icarus")),
                "-m", str(native / library.VPI_MODULE),
                str(self.directory / VVP), *(["-fst", "+waves"] if waves else ["-none"])]


def build(verilog: str, sim: str, *, waves: bool = False, optimize: str = "-O2",
          external: tuple[str, ...] = (), top: str = "substream",
          coverage: bool = False) -> Build:
    """Build, or find in the cache, a simulation of module `top`.

    Parameters
    ----------
    verilog
        The design's whole text.
    sim
        "verilator" or "icarus".
    waves
        Runs can write FST files. On Verilator a separate, slower build.
    optimize
        C++ optimisation on Verilator: "-O0" builds fastest, "-O3" runs fastest.
    external
        AXI4 ports left to cocotb; see `sim.harness.harness`.
    coverage
        Verilator counts lines and toggles; each run leaves `sim.rtl_coverage.FILE`.

    Raises ToolError with the tool's output.
    """
    if sim not in SIMULATORS:
        raise ToolError(f"simulator {sim!r}: must be one of {', '.join(SIMULATORS)}")
    ports = Ports.from_verilog(verilog, top)
    bench = harness(ports, sim, external)
    native = library.directory()
    if sim == "icarus":
        settled = settle(verilog)
        key = cache.key_of(sim, versions(sim), settled, bench)
        directory = cache.entry(f"icarus-{key}", lambda d: _icarus(d, settled, bench))
        return Build(sim, directory, ports, waves=True)
    control = _control(ports, external)
    flags = _verilator_flags(waves, external, coverage)
    key = cache.key_of(sim, versions(sim), verilog, bench, control, optimize, *flags,
                       library.key(), _MAIN.read_bytes())
    directory = cache.entry(f"verilator-{key}", lambda d: _verilator(
        d, {"control.vlt": control, "harness.sv": bench, "design.sv": verilog}, flags, optimize,
        native))
    return Build(sim, directory, ports, waves)


def _icarus(directory: Path, verilog: str, bench: str) -> None:
    (directory / "design.sv").write_text(verilog)
    (directory / "harness.sv").write_text(bench)
    run_tool([find("iverilog"), "-g2012", "-s", "tb_top", "-o", VVP, "harness.sv", "design.sv"],
             cwd=directory)


def _control(ports: Ports, external: tuple[str, ...]) -> str:
    """The .vlt file: the few public signals, and the waivers."""
    public = ["event_o"]
    if external:
        public += ["clk", "rst", *(port.name for port in ports.ports
                                   if port.name.split("__")[0] in external and port.width)]
    return "\n".join([
        "`verilator_config",
        *(f"lint_off -rule {rule}" for rule in _WAIVED),
        'lint_off -rule BLKSEQ -file "harness.sv"',  # it samples into variables on purpose
        *(f'public_flat_rw -module "tb_top" -var "{name}"' for name in public), ""])


def _verilator_flags(waves: bool, external: tuple[str, ...], coverage: bool) -> list[str]:
    return ["--cc", "--exe", "--vpi", "--no-timing", "-Wall", "--prefix", "Vtop", "--top-module",
            "tb_top", "-o", EXECUTABLE, "--output-split", "20000", "--no-assert",
            "--x-assign", "fast", "--x-initial", "fast",
            "-CFLAGS", f"-DSUBSTREAM_EXTERNAL={int(bool(external))} "
                       f"-DSUBSTREAM_HALF_PERIOD={HALF_PERIOD_NS}",
            *(["--trace-fst"] if waves else []),
            # Counting splits what a plain build merges, so that loops appear which are none. In
            # plain builds, of the same text, UNOPTFLAT stays fatal.
            *(["--coverage-line", "--coverage-toggle", "-Wno-UNOPTFLAT"] if coverage else [])]


def _verilator(directory: Path, sources: dict[str, str], flags: list[str], optimize: str,
               native: Path) -> None:
    for name, text in sources.items():
        (directory / name).write_text(text)
    root = verilator_root()
    env = {**os.environ, "VERILATOR_ROOT": str(root)}
    link = (f"-L{native} -l:{library.LIBRARY} -L{COCOTB_LIBS} -lcocotbvpi_verilator "
            f"-Wl,-rpath,{COCOTB_LIBS}:'$$ORIGIN/../{native.name}'")
    run_tool([str(root / "bin" / "verilator_bin"), *flags, "--Mdir", "obj", "-LDFLAGS", link,
              str(_MAIN), *sources], cwd=directory, env=env)
    run_tool([find("make"), "-C", "obj", "-f", "Vtop.mk", f"-j{os.cpu_count() or 1}",
              f"OPT_FAST={optimize}", f"OPT_SLOW={'-O0' if optimize == '-O0' else '-O1'}",
              "CFG_CXXFLAGS_PCH_I=-include", f"PYTHON3={sys.executable}"],
             cwd=directory, env=env)
    (directory / "obj" / EXECUTABLE).rename(directory / EXECUTABLE)
    shutil.rmtree(directory / "obj")
