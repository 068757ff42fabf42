"""Every example runs and says what it should."""

import subprocess
import sys

import pytest

from sim.serve.process import served
from sim.toolchain import ROOT

SAYS = {
    "two_applications": ["0x40000000 -> 0x40002000: OK, 'hello from one'",
                         "0x40000000 -> 0x40002000: OK, 'and from another'"],
    "page_fault": ["fault: read of 0x40000000", "fault: write of 0x50000064",
                   "OK: 'brought on demand'"],
    "hand_over": ["B, before: [Errno 1] Operation not permitted: domain 1",
                  "B, after: OK, 'from A'"],
}


def example(name, *args):
    """Its lines."""
    done = subprocess.run([sys.executable, "-m", f"examples.{name}", *map(str, args)], cwd=ROOT,
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", SAYS)
def test_says(name):
    assert example(name) == SAYS[name]


def test_vfio_user_client(tmp_path):
    with served(tmp_path):
        assert example("vfio_user_client", tmp_path) == ["OK: 'through a socket'"]


@pytest.mark.parametrize("args", [
    ("--dut", "model"), pytest.param(("--dut", "rtl"), marks=pytest.mark.verilator)],
    ids=["model", "rtl"])
def test_own_driver(tmp_path, args):
    with served(tmp_path, "--function", *args):
        lines = example("own_driver", tmp_path / "function.sock")
    assert lines[0].startswith("IDR0")
    assert lines[1].startswith("CMD_SYNC is complete")


def test_all_are_tested():
    names = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"__init__"}
    assert names == {*SAYS, "vfio_user_client", "own_driver"}
