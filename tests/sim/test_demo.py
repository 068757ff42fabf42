"""`substream demo` tells its story and agrees with the model."""

import json
import subprocess
import sys

import pytest


def demo(*args: str):
    return subprocess.run([sys.executable, "-m", "sim", "demo", *args], capture_output=True,
                          text=True, timeout=900, check=False)


@pytest.mark.verilator
def test_demo_on_a_file(tmp_path):
    file = tmp_path / "odd.bin"
    file.write_bytes(bytes(n * 7 & 255 for n in range(4097)))
    result = demo("--file", str(file), "--json")
    assert result.returncode == 0, result.stderr
    story = json.loads(result.stdout)
    assert story["bytes"] == 4097
    assert story["agree"] == story["transactions"] > 100
    assert [app["digest"] for app in story["applications"]] == [story["digest"]] * 4
    assert len({app["pasid"] for app in story["applications"]}) == 4
    assert len({app["asid"] for app in story["applications"]}) == 4
    assert len({app["page"] for app in story["applications"]}) == 4
    assert {app["iova"] for app in story["applications"]} == {0x4000_0000}
    assert story["intrusion"] == "DATA_READ"
    assert all(event["text"].startswith("F_TRANSLATION") for event in story["events"])
    assert story["events"]


@pytest.mark.verilator
def test_demo_in_words():
    result = demo()
    assert result.returncode == 0, result.stderr
    assert "agree with the golden model" in result.stdout
    assert "nothing is mapped there" in result.stdout


def test_demo_refuses_bad_files(tmp_path):
    assert demo("--file", str(tmp_path / "none")).returncode == 2
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    result = demo("--file", str(empty))
    assert result.returncode == 2
    assert "is empty" in result.stderr
