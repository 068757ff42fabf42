"""`substream explain --dut rtl`: the RTL makes the accesses that the model's steps name."""

import json

import pytest
from click.testing import CliRunner

from sim.cli import main
from tests.sim.test_explain import DATA

pytestmark = pytest.mark.verilator

READS = {"find_ste", "find_cd", "walk_stage1", "walk_stage2"}


def explain(*args: str):
    return CliRunner().invoke(main, ["explain", *args, "--dut", "rtl"])


def test_every_structure_is_read_where_the_model_reads_it():
    result = explain(str(DATA / "s1-6.12-4k"), "--sid", "0x28", "--iova", "0x40000010", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    reads = [(step["address"], step["words"]) for step in answer["steps"] if step["step"] in READS]
    rtl = answer["rtl"]
    assert [item["address"] for item in rtl["accesses"]] == [address for address, _ in reads]
    for item, (_, words) in zip(rtl["accesses"], reads, strict=True):
        used = len(item["words"])  # the RTL reads no more of an STE or CD than it uses
        assert used in (1, 4)
        assert item["words"] == words[:used]
    assert [item["cycle"] for item in rtl["accesses"]] == sorted(
        {item["cycle"] for item in rtl["accesses"]})
    assert (rtl["ending"], rtl["pa"]) == ("translated", answer["outcome"]["pa"])


def test_a_fault_shows_its_record():
    result = explain(str(DATA / "s1-6.12-4k"), "--sid", "0x28", "--iova", "0x3ffffffc", "--write")
    assert result.exit_code == 0, result.output
    model, rtl = result.stdout.split("the RTL, ")
    assert "walk_stage1" in rtl
    assert rtl.splitlines()[-1] == model.rstrip().splitlines()[-1]
