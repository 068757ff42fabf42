"""`substream explain` says every step, for people and for tools."""

import json
from pathlib import Path

from click.testing import CliRunner

from sim.cli import main

DATA = Path(__file__).parents[1] / "data" / "captures"


def explain(*args: str):
    return CliRunner().invoke(main, ["explain", *args])


def test_json_names_every_read_of_a_stage1_walk():
    result = explain(str(DATA / "s1-6.12-4k"), "--sid", "0x28", "--iova", "0x40000010", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer.keys() == {"sid", "ssid", "iova", "access", "steps", "outcome"}
    steps = [step["step"] for step in answer["steps"]]
    assert steps[:5] == ["find_ste", "find_ste", "check_ste", "substream_decision", "find_cd"]
    assert steps.count("walk_stage1") == 3  # a 2 MB block at level 2
    assert all(step["section"] for step in answer["steps"])
    assert answer["outcome"]["pa"] == 0x44C00010


def test_text_names_the_event():
    result = explain(str(DATA / "s1-6.12-4k"), "--sid", "0x28", "--iova", "0x3ffffffc", "--write")
    assert result.exit_code == 0
    assert "F_TRANSLATION" in result.stdout
    assert "walk_stage1" in result.stdout


def test_it_changes_nothing():
    one = explain(str(DATA / "third-1"), "--sid", "63308", "--ssid", "1023", "--iova", "4096")
    two = explain(str(DATA / "third-1"), "--sid", "63308", "--ssid", "1023", "--iova", "4096")
    assert one.stdout == two.stdout


def test_bad_input_is_refused():
    assert explain("/nonexistent", "--sid", "1", "--iova", "0").exit_code == 2
    bad = explain(str(DATA / "s1-1"), "--sid", "0x1_0000_0000", "--iova", "0")
    assert bad.exit_code == 2
    assert "does not fit 32 bits" in bad.stderr
    assert explain(str(DATA / "s1-1"), "--sid", "x", "--iova", "0").exit_code == 2
