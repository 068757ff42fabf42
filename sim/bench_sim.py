"""Figures of the simulation itself: native agents against cocotbext-axi, idle speed."""

from __future__ import annotations

from typing import Any

from sim.build import build
from sim.runner import run
from sim.toolchain import ROOT

DESIGN = ROOT / "sim" / "designs" / "passthrough.v"
EXTERNAL = ("client0", "mem0")


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
