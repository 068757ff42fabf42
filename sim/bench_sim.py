"""Figures of the simulation itself: native agents against cocotbext-axi, idle speed."""

from __future__ import annotations

from typing import Any

from hdl.config import Config
from sim.build import build
from sim.dut import build_dut
from sim.runner import run
from sim.toolchain import ROOT

DESIGN = ROOT / "sim" / "designs" / "passthrough.v"
EXTERNAL = ("client0", "mem0")
IDLE_CYCLES = {"verilator": 1_000_000, "icarus": 20_000}


def compare(sim: str, transactions: int = 1000) -> list[dict[str, Any]]:
    """The same 64-byte reads and writes both ways; rows for `substream bench sim`.

    The native side gets 20 times as many, to run long enough to be measured.
    """
    text = DESIGN.read_text()
    native = run(build(text, sim), "tb.cases.bench_sim:native",
                 params={"transactions": 20 * transactions}).check().value
    other = run(build(text, sim, external=EXTERNAL), "tb.cases.bench_sim:cocotbext",
                params={"transactions": transactions}, external=EXTERNAL).check().value
    rows = [row("native agents", sim, "transactions", native["transactions_per_second"], "/s"),
            row("cocotbext-axi", sim, "transactions", other["transactions_per_second"], "/s"),
            row("native agents", sim, "simulated", native["cycles_per_second"], "cycles/s"),
            row("cocotbext-axi", sim, "simulated", other["cycles_per_second"], "cycles/s")]
    ratio = native["transactions_per_second"] / other["transactions_per_second"]
    return [*rows, row("native / cocotbext-axi", sim, "ratio", ratio, "x", bar=10.0)]


def row(case: str, sim: str, metric: str, value: float, unit: str,
        bar: float | None = None) -> dict[str, Any]:
    """One entry of `results` in the JSON of `substream bench`; `ok` when no bar is missed."""
    return {"case": case, "sim": sim, "metric": metric, "value": value, "unit": unit,
            "bar": bar, "ok": bar is None or value >= bar}


def speed(sim: str, preset: str) -> list[dict[str, Any]]:
    """Simulated cycles per second of the whole design: idle, and under the demonstration's load
    (four applications copying a file, every transaction checked)."""
    config = Config.preset(preset)
    built = build_dut(config, sim)
    idle = run(built, "tb.cases.bench_sim:idle", preset=preset,
               params={"cycles": IDLE_CYCLES[sim]}).check()
    demo = run(built, "tb.cases.demo:demo", preset=preset, timeout=3600.0, params={
        "file": str(ROOT / "LICENSE"), "sid": config.accel_sid}).check()
    return [row(f"{preset} idle", sim, "simulated", idle.cycles / idle.seconds, "cycles/s"),
            row(f"{preset} demo", sim, "simulated", demo.cycles / demo.seconds, "cycles/s")]
