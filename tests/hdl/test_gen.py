"""The generated Verilog: ports of the contract, one Verilator lint, time."""

import json
import subprocess
import sys
import time

import pytest

from hdl.config import Config
from hdl.gen import verilog
from sim.ports import Ports
from sim.toolchain import ROOT, verilator_root


@pytest.fixture(scope="module")
def tiny():
    start = time.process_time()
    text, names = verilog(Config.preset("tiny"))
    return text, names, time.process_time() - start


def test_ports(tiny):
    text, names, _ = tiny
    ports = Ports.from_verilog(text)
    assert (ports.count("client"), ports.count("mem"), ports.count("trace")) == (1, 3, 2)
    assert ports.width("client0__aruser") == 53
    assert ports.width("mem2__araddr") == 52
    assert ports.width("cfg__araddr") == 17
    assert ports.width("dev__araddr") == 27
    assert ports.width("mem0__aruser") == 0
    for port in ports.ports:
        if port.name not in ("clk", "rst"):
            assert names["ports"][port.name] == ("output" if port.output else "input", port.width)


def test_names_are_json(tiny):
    assert json.loads(json.dumps(tiny[1]))["signals"]


def test_generation_is_quick(tiny):
    assert tiny[2] < 15


def test_more_clients_and_other_widths():
    _, names = verilog(Config.preset("tiny").with_(clients=2, data_width=64, tbu_slots=2,
                                                   tbu_threads=1, lanes=1, utlb_entries=4))
    assert names["ports"]["client1__wdata"] == ("input", 64)
    assert names["ports"]["mem3__rdata"] == ("input", 64)
    assert names["ports"]["mem1__rdata"] == ("input", 128)


def test_no_loops_and_no_latches(tiny, tmp_path):
    (tmp_path / "tiny.v").write_text(tiny[0])
    root = verilator_root()
    result = subprocess.run(
        [root / "bin" / "verilator_bin", "--lint-only", "-Wno-lint", "-Wno-style",
         "-Wwarn-UNOPTFLAT", "-Wwarn-LATCH", "--top-module", "substream", "tiny.v"],
        cwd=tmp_path, env={"VERILATOR_ROOT": str(root)}, capture_output=True, text=True,
        check=False)
    assert result.returncode == 0, result.stderr[:2000]


def test_command_line_refuses_an_unknown_preset():
    result = subprocess.run([sys.executable, "-m", "hdl.gen", "huge"], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "huge" in result.stderr
    assert "Traceback" not in result.stderr
