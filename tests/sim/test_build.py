"""The build cache: nothing is built twice, concurrent and interrupted builds do no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim import cache
from sim.build import build
from sim.ports import PortError, Ports
from sim.toolchain import ROOT, ToolError

DESIGN = (ROOT / "sim" / "designs" / "passthrough.v").read_text()

MAKER = """
import sys, time
from pathlib import Path
from sim.cache import entry
def make(directory):
    (directory / "half").write_text("")
    print("making", flush=True)
    time.sleep(float(sys.argv[2]))
    (directory / "whole").write_text("")
entry("thing", make, cache=Path(sys.argv[1]))
print("done", flush=True)
"""


def maker(directory: Path, seconds: float) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", MAKER, str(directory), str(seconds)],
                            cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_concurrent_makers_make_once(tmp_path: Path) -> None:
    makers = [maker(tmp_path, 0.5) for _ in range(3)]
    output = "".join(process.communicate(timeout=60)[0] for process in makers)
    assert output.count("making") == 1
    assert output.count("done") == 3
    assert (tmp_path / "thing" / "whole").exists()


def test_a_killed_maker_leaves_no_entry(tmp_path: Path) -> None:
    process = maker(tmp_path, 60)
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "thing").exists()
    directory = cache.entry("thing", lambda d: (d / "whole").write_text(""), cache=tmp_path)
    assert [path.name for path in directory.iterdir()] == ["whole"]


def test_a_failed_make_leaves_no_entry(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        raise ToolError("no")

    with pytest.raises(ToolError):
        cache.entry("thing", fail, cache=tmp_path)
    assert not (tmp_path / "thing").exists()


def test_key_separates_its_parts() -> None:
    assert cache.key_of("ab", "c") != cache.key_of("a", "bc")


@pytest.mark.icarus
def test_second_build_does_nothing() -> None:
    first = build(DESIGN, "icarus")
    before = {path: path.stat().st_mtime_ns for path in first.directory.rglob("*")}
    start = time.monotonic()
    second = build(DESIGN, "icarus")
    assert time.monotonic() - start < 1
    assert second == first
    assert {path: path.stat().st_mtime_ns for path in first.directory.rglob("*")} == before
    changed = DESIGN.replace("cycles + 64'd1", "cycles + 64'd2")
    assert changed != DESIGN
    assert build(changed, "icarus").directory != first.directory


@pytest.mark.icarus
def test_a_design_that_does_not_compile_is_an_error_with_the_tools_words() -> None:
    broken = DESIGN.replace("assign trace0__valid = ar | aw;", "assign trace0__valid = nothing();")
    with pytest.raises(ToolError, match="nothing"):
        build(broken, "icarus")


@pytest.mark.verilator
@pytest.mark.parametrize(("wrong", "message"), [
    ("assign trace0__valid = ar ^ (aw & trace0__valid);", "UNOPTFLAT"),
    ("reg held; always_comb if (ar) held = aw; assign trace0__valid = held;", "LATCH"),
])
def test_loops_and_latches_are_fatal_on_verilator(wrong: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        build(DESIGN.replace("assign trace0__valid = ar | aw;", wrong), "verilator")


def test_unknown_simulator_and_missing_top() -> None:
    with pytest.raises(ToolError, match="verilator, icarus"):
        build(DESIGN, "modelsim")
    with pytest.raises(PortError, match="nothing"):
        Ports.from_verilog(DESIGN, "nothing")


def test_ports_are_read_off_the_verilog() -> None:
    ports = Ports.from_verilog(DESIGN)
    assert (ports.count("client"), ports.count("mem"), ports.count("trace")) == (1, 1, 1)
    assert ports.lites == ["cfg"]
    assert ports.interrupts == ["irq__evtq", "irq__gerror"]
    assert ports.width("client0__awuser") == 53
