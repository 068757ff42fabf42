"""The counters: what the design says it does is what the workload makes it do."""

import pytest

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run
from tests.rtl.simulators import BOTH

PRESET = "tiny"


@pytest.mark.parametrize("sim", BOTH)
def test_counts_follow_the_workload(sim):
    found = run(build_dut(Config.preset(PRESET), sim), "tests.rtl.activity_cases:counts",
                preset=PRESET).check().value
    cold, warm, hits = found["cold"], found["warm"], found["hits"]
    assert cold["tcu.requests"] == cold["tcu.answers"] == cold["tcu.walks"] == 1
    assert cold["tcu.reads"] == 6  # STE, CD, 4 levels
    assert (cold["tbu1.hits"], cold["tbu1.misses"], cold["tbu1.asked"]) == (0, 1, 1)
    assert (cold["tcu.ste_hits"], cold["tcu.cd_hits"], cold["tcu.tlb_hits"]) == (0, 0, 0)
    assert cold["tcu.active"] > 6 * 10  # cycles that the request was in progress
    assert cold["tbu1.waiting"] > cold["tcu.active"]
    assert (warm["tcu.walks"], warm["tcu.reads"]) == (1, 1)
    assert (warm["tcu.ste_hits"], warm["tcu.cd_hits"]) == (1, 1)
    assert hits["tbu1.hits"] == 64
    assert all(hits[f"tcu.{name}"] == 0 for name in ("requests", "reads", "active"))
    assert found["merged"]["tcu.merged"] == 1
    assert found["fault"]["tcu.faults"] == 1
    assert found["forget"]["tcu.invalidations"] == 2
    assert not any(value for name, value in hits.items() if name.startswith("tbu0."))
