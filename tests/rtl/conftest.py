"""Builds that the tests of one module share."""

import pytest

from hdl.config import Config
from sim.build import Build
from sim.dut import build_dut


@pytest.fixture(scope="module")
def verilator(request: pytest.FixtureRequest) -> Build:
    """The Verilator build of the module's PRESET."""
    return build_dut(Config.preset(request.module.PRESET), "verilator")
