"""Figures of the RTL: latencies and rates in cycles, with their bars and a peer's figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run

CASE, SPEED = "tb.cases.bench_rtl:rtl", "tb.cases.bench_rtl:speed"
LATENCIES = (10, 50)
NO_CACHES = {"walk_entries": 0, "tlb_entries": 0, "ipa_entries": 0}
SPEED_RATIO = 0.7

Bar = Callable[[int], float]
# (case, metric, stage, pages; None: any) to the bar at L. Latencies are upper bounds.
BARS: list[tuple[str, str, str | None, int | None, Bar]] = [
    ("hit", "added latency", None, None, lambda L: 2),
    ("hit", "throughput, reads", None, None, lambda L: 1.0),
    ("hit", "throughput, writes", None, None, lambda L: 1.0),
    ("hit", "throughput, mixed", None, None, lambda L: 1.0),
    ("miss, no walk cache", "added latency", "single", None, lambda L: 4 * L + 14),
    ("miss", "added latency", "single", None, lambda L: L + 10),
    ("miss", "added latency", "nested", None, lambda L: 2 * L + 16),
    ("cold", "added latency", "single", None, lambda L: 6 * L + 24),
    ("RAND", "throughput", "single", 4096, lambda L: {50: 0.25}.get(L, 0)),
    ("RAND", "throughput", "nested", 4096, lambda L: {50: 0.12}.get(L, 0)),
    ("MIX", "throughput", "single", None, lambda L: {50: 0.6}.get(L, 0)),
    ("DEV16", "throughput", "single", None, lambda L: {50: 0.95}.get(L, 0)),
    ("invalidation + fence", "per command", None, None, lambda L: 4),
]
# The best of the peer's configurations on the same work, at L = 10 and 50.
PEER: list[tuple[str, str, str | None, int | None, tuple[float, float]]] = [
    ("hit", "added latency", None, None, (2, 2)),
    ("hit", "throughput, reads", None, None, (0.333, 0.333)),
    ("hit", "throughput, writes", None, None, (0.333, 0.333)),
    ("hit", "throughput, mixed", None, None, (0.333, 0.333)),
    ("miss", "added latency", "single", None, (36, 156)),
    ("miss, no walk cache", "added latency", "single", None, (36, 156)),
    ("miss", "added latency", "nested", None, (168, 768)),
    ("miss, no walk cache", "added latency", "nested", None, (168, 768)),
    ("cold", "added latency", "single", None, (52, 212)),
    ("cold", "added latency", "nested", None, (184, 824)),
    ("new PASID", "added latency", "single", None, (50, 210)),
    ("RAND", "throughput", "single", 64, (0.0351, 0.0084)),
    ("RAND", "throughput", "single", 256, (0.0274, 0.0065)),
    ("RAND", "throughput", "single", 4096, (0.0271, 0.0064)),
    ("RAND", "throughput", "nested", 4096, (0.0059, 0.0013)),
    ("SEQ", "throughput", "single", None, (0.0270, 0.0064)),
    ("SEQ", "throughput", "nested", None, (0.0059, 0.0013)),
    ("STREAM", "throughput", "single", None, (0.284, 0.186)),
    ("STREAM", "throughput", "nested", None, (0.180, 0.068)),
    ("MIX", "throughput", "single", None, (0.138, 0.045)),
    ("DEV16", "throughput", "single", None, (0.082, 0.032)),
    ("invalidation + fence", "per command", None, None, (14, 54)),
    ("64 faults", "per fault", None, None, (26, 106)),
]


def rtl(preset: str) -> list[dict[str, Any]]:
    """Rows for `substream bench rtl`."""
    config = Config.preset(preset)
    stages = ["single"] + ["nested"] * bool(config.impl.S2P)
    rows = []
    for caches in (True, False):
        built = build_dut(config if caches else config.with_(**NO_CACHES), "verilator")
        for stage in stages:
            for latency in LATENCIES:
                rows += run(built, CASE, preset=preset, timeout=3600.0, params={
                    "stage": stage, "L": latency, "caches": caches}).check().value
        if caches:
            rates = run(built, SPEED, preset=preset).check().value
    return [judged(row) for row in rows] + _speed(preset, rates)


def judged(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its bar, whether it is met, and the peer's figure."""
    bar = next((of(row["L"]) for *key, of in BARS if _applies(key, row)), 0) or None
    peer = next((pair for *key, pair in PEER if _applies(key, row)), None)
    met = bar is None or (row["value"] >= bar if row["unit"] == "/cycle" else row["value"] <= bar)
    return row | {"bar": bar, "ok": met,
                  "peer": peer[LATENCIES.index(row["L"])] if peer else None}


def _applies(key: list[Any], row: dict[str, Any]) -> bool:
    case, metric, stage, pages = key
    return (row["case"] == case and row["metric"].startswith(metric)
            and stage in (None, row["stage"]) and pages in (None, row["pages"]))


def _speed(preset: str, rates: dict[str, float]) -> list[dict[str, Any]]:
    """Simulation speed under RAND, and its ratio to a bare loop over the same model."""
    ratio = rates["cocotb"] / rates["bare"]
    common = {"case": "RAND, simulation", "stage": "single", "L": 10, "pages": 4096, "peer": None}
    return [
        common | {"metric": "under cocotb", "value": round(rates["cocotb"]), "unit": "cycles/s",
                  "bar": None, "ok": True},
        common | {"metric": "bare C++ loop", "value": round(rates["bare"]), "unit": "cycles/s",
                  "bar": None, "ok": True},
        common | {"metric": "ratio", "value": round(ratio, 3), "unit": "x", "bar": SPEED_RATIO,
                  "ok": ratio >= SPEED_RATIO}]
