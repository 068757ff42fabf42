"""The simulators as test parameters, and that they agree."""

from typing import Any

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run

VERILATOR = pytest.param("verilator", marks=pytest.mark.verilator)
ICARUS = pytest.param("icarus", marks=pytest.mark.icarus)
BOTH = [VERILATOR, ICARUS]


def check_same_verdict(case: str, preset: str, seed: int = 1,
                       params: dict[str, Any] | None = None) -> None:
    """One seed on Verilator and on Icarus: the same value after as many cycles."""
    one, two = (run(build_dut(Config.preset(preset), sim), case, seed=seed, preset=preset,
                    params=params).check() for sim in ("verilator", "icarus"))
    assert one.value == two.value
    assert one.cycles == two.cycles
