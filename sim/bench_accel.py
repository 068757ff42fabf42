"""Figures of the accelerator: bytes and jobs per cycle, latency, with their bars."""

from __future__ import annotations

from typing import Any

from hdl.accel.streams import BEAT_BYTES
from hdl.config import Config
from sim.dut import build_dut
from sim.runner import run

CASE = "tb.cases.bench_accel:accel"
QUEUES = 64
LATENCIES = (10, 50)
COPY_BAR, AES_BAR = 0.9 * BEAT_BYTES, 1.6      # bytes per cycle


def accel(preset: str) -> list[dict[str, Any]]:
    """Rows for `substream bench accel`."""
    config = Config.preset(preset).with_(queues=QUEUES)
    built = build_dut(config, "verilator")
    rows: list[dict[str, Any]] = []
    for latency in LATENCIES:
        rows += run(built, CASE, preset=preset, timeout=3600.0, params={
            "L": latency, "sid": config.accel_sid, "lanes": config.lanes}).check().value
    return [judged(row, config.lanes) for row in rows]


def judged(row: dict[str, Any], lanes: int) -> dict[str, Any]:
    """The row with its bar and whether it is met."""
    bar = None
    if row["unit"] == "bytes/cycle" and row["case"].startswith("copy"):
        bar = COPY_BAR
    elif row["unit"] == "bytes/cycle" and row["case"].startswith("aes"):
        bar = AES_BAR * (1 if row["metric"] == "throughput" else lanes)
    return row | {"bar": bar, "ok": bar is None or row["value"] >= bar}
