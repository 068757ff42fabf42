"""The bench of the accelerator meets its bars, in simulated cycles."""

import pytest

from hdl.config import Config
from sim.bench_accel import CASE, judged
from sim.dut import build_dut
from sim.runner import run


@pytest.mark.verilator
def test_bars():
    config = Config.preset("tiny")
    params = {"L": 10, "sid": config.accel_sid, "lanes": config.lanes}
    rows = run(build_dut(config, "verilator"), CASE, preset="tiny", params=params).check().value
    rows = [judged(row, config.lanes) for row in rows]
    assert [row for row in rows if not row["ok"]] == []
    assert sum(row["bar"] is not None for row in rows) >= 14
