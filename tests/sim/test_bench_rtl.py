"""The performance bench of the RTL: its workloads run and check their data, its bars judge."""

import pytest

from hdl.config import Config
from sim.bench_rtl import CASE, SPEED, judged
from sim.dut import build_dut
from sim.runner import run
from tb.cases.bench_rtl import xorshift
from tests.rtl.simulators import VERILATOR

PRESET = "tiny"


def row(case: str, metric: str, value: float, unit: str = "cycles", **more) -> dict:
    return {"case": case, "stage": "single", "L": 50, "pages": 1, "metric": metric,
            "value": value, "unit": unit} | more


@pytest.mark.parametrize(("figure", "bar", "ok"), [
    (row("hit", "added latency, read", 2), 2, True),
    (row("hit", "added latency, write", 3), 2, False),
    (row("miss", "added latency", 60), 60, True),
    (row("miss", "added latency", 61), 60, False),
    (row("miss", "added latency", 116, stage="nested"), 116, True),
    (row("cold", "added latency", 325), 324, False),
    (row("cold", "added latency", 999, stage="nested"), None, True),
    (row("RAND", "throughput", 0.249, "/cycle", pages=4096), 0.25, False),
    (row("RAND", "throughput", 0.25, "/cycle", pages=4096), 0.25, True),
    (row("RAND", "throughput", 0.1, "/cycle", pages=4096, L=10), None, True),
    (row("MIX", "throughput", 0.59, "/cycle", pages=256), 0.6, False),
    (row("invalidation + fence", "per command", 4.5), 4, False),
])
def test_a_figure_is_judged_by_its_bar(figure, bar, ok):
    found = judged(figure)
    assert (found["bar"], found["ok"]) == (bar, ok)


def test_the_peer_stands_beside():
    assert judged(row("RAND", "throughput", 1.0, "/cycle", pages=4096))["peer"] == 0.0064
    assert judged(row("hit", "throughput, 64-byte reads", 1.0, "/cycle"))["peer"] is None


def test_the_random_numbers_are_those_of_the_rules():
    """xorshift32 with shifts 13, 17, 5 and seed 1."""
    draw = xorshift()
    assert [next(draw) for _ in range(3)] == [270369, 67634689, 2647435461]


@pytest.mark.parametrize("sim", [VERILATOR])
def test_every_workload_runs(sim):
    built = build_dut(Config.preset(PRESET), sim)
    found = run(built, CASE, preset=PRESET,
                params={"stage": "single", "L": 10, "caches": True}).check().value
    figures = {(r["case"], r["metric"], r["pages"]): r["value"] for r in found}
    assert figures["hit", "added latency, read", 1] == 2
    assert figures["hit", "throughput, writes", 4] > 0.3  # 4 AXI ids at a time
    assert figures["cold", "added latency", 1] > figures["miss", "added latency", 1] > 10
    assert {case for case, *_ in figures} >= {
        "RAND", "SEQ", "STREAM", "MIX", "DEV16", "new PASID", "invalidation + fence", "64 faults"}


@pytest.mark.parametrize("sim", [VERILATOR])
def test_speed_is_measured_both_ways(sim):
    rates = run(build_dut(Config.preset(PRESET), sim), SPEED, preset=PRESET).check().value
    assert rates["cocotb"] > 0
    assert rates["bare"] > 0
