"""Figures of the driver layer: map and unmap, jobs, 64 channels at once, on model and RTL."""

from __future__ import annotations

from typing import Any

from driver.model_bus import ModelBus
from driver.run import run as run_driver
from hdl.config import Config
from sim.driver_load import CHANNELS, Clock, Load, measure
from sim.dut import build_dut
from sim.runner import run

CASE = "tb.cases.bench_driver:driver"
MODEL_SCALE, RTL_SCALE = 64, 8
LATENCY = 10


def driver(preset: str) -> list[dict[str, Any]]:
    """Rows for `substream bench driver`: wall time on both, cycles too on the RTL."""
    return on_model(preset) + on_rtl(preset)


def on_model(preset: str) -> list[dict[str, Any]]:
    """The golden model, its lint switched on as ever."""
    config = Config.preset(preset)
    bus = ModelBus(config.impl, sid=config.accel_sid, queues=CHANNELS)
    load = run_driver(Load.start(bus, config.accel_sid))
    rows = run_driver(measure(load, Clock(), MODEL_SCALE))
    bus.lint.check()
    return [row | {"stage": "model"} for row in rows]


def on_rtl(preset: str) -> list[dict[str, Any]]:
    """Verilator, memory that answers after `LATENCY` cycles."""
    config = Config.preset(preset).with_(queues=CHANNELS)
    rows = run(build_dut(config, "verilator"), CASE, preset=preset, timeout=3600.0, params={
        "L": LATENCY, "sid": config.accel_sid, "scale": RTL_SCALE}).check().value
    return [row | {"stage": "rtl", "sim": "verilator", "L": LATENCY} for row in rows]
