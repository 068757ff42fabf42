"""The simulators as test parameters."""

import pytest

VERILATOR = pytest.param("verilator", marks=pytest.mark.verilator)
ICARUS = pytest.param("icarus", marks=pytest.mark.icarus)
BOTH = [VERILATOR, ICARUS]
