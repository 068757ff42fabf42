"""What no recorded machine has: structures with wrong fields, on the golden model and the RTL."""

from pathlib import Path

import pytest

from sim.replay import dut_model, dut_rtl
from sim.replay.capture import load
from spec.impl import PRESETS
from tests.rtl.spoiled import addressed, spoil

DATA = Path(__file__).parents[1] / "data" / "captures"


def check(capture, seed):
    """Every answer, event record included, is the same."""
    pnu = [probe.pnu for probe in capture.probes]
    model = list(dut_model.answers(capture, *dut_model.machine(capture), pnu))
    rtl, _ = dut_rtl.answers(capture, "verilator", seed, False, pnu)
    for (probe, expected), (_, got) in zip(model, rtl, strict=True):
        assert got == expected, f"seed {seed}: {probe}"
    return model


@pytest.mark.regress
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("name", ["third-1", "nested-1", "s1-1", "s2-1"])
def test_spoilt_structures(name, seed, tmp_path):
    model = check(spoil(load(DATA / name), PRESETS["base"], seed, tmp_path), seed)
    assert len({answer.event for _, answer in model}) > 500
    assert sum(answer.pa is not None for _, answer in model) > 200


@pytest.mark.regress
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 11))
def test_table_addresses(seed, tmp_path):
    check(addressed(load(DATA / "third-1"), seed, tmp_path), seed)
