"""The native agents agree with cocotbext-axi, and are much faster."""

from __future__ import annotations

import pytest

from sim.bench_sim import compare
from sim.build import build
from sim.runner import run
from sim.toolchain import ROOT

DESIGN = (ROOT / "sim" / "designs" / "passthrough.v").read_text()
SIMS = [pytest.param("verilator", marks=pytest.mark.verilator),
        pytest.param("icarus", marks=pytest.mark.icarus)]


@pytest.mark.parametrize("sim", SIMS)
@pytest.mark.parametrize(("case", "external"), [("master_on_native_memory", "client0"),
                                                ("native_client_on_ram", "mem0")])
def test_agrees_with_cocotbext_axi(case: str, external: str, sim: str) -> None:
    made = build(DESIGN, sim, external=(external,))
    run(made, f"tests.sim.boundary_cases:{case}", external=(external,)).check()


@pytest.mark.verilator
def test_native_memory_is_ten_times_faster() -> None:
    rates = {row["case"]: row["value"] for row in compare("verilator", 400)
             if row["metric"] == "transactions"}
    assert rates["native agents"] >= 10 * rates["cocotbext-axi"]
