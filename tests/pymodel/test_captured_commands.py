"""Every command that Linux and the oracle's generator issued, fed from index 0: no CERROR."""

from __future__ import annotations

from pathlib import Path

import pytest
from smmu_rig import Log

from pymodel.memory import SparseMemory
from pymodel.smmu import Smmu
from sim.replay.capture import load
from spec import registers as r

ROOT = Path(__file__).parents[2]
PLACES = [ROOT / "tests/data/captures", ROOT.parent / "shared/captures",
          ROOT.parent / "shared/oracle"]
SETS = {path.name: path for place in reversed(PLACES) if place.is_dir()
        for path in sorted(place.iterdir()) if path.is_dir()}


@pytest.mark.parametrize("name", sorted(SETS))
@pytest.mark.parametrize("batch", [1, 1000000])
def test_no_command_error(name, batch):
    capture = load(SETS[name])
    memory = SparseMemory(capture.ram_base, capture.ram_size)
    for address, content in capture.pages.items():
        memory.write(address, content)
    smmu, log = Smmu(capture.impl, memory), Log()
    smmu.observers.append(log)
    smmu.write(r.CMDQ_BASE.OFFSET, 8, capture.regs["CMDQ_BASE"])
    smmu.write(r.CR0.OFFSET, 4, r.CR0.pack(CMDQEN=1))
    for prod in range(min(batch, capture.ncmds), capture.ncmds + 1, batch):
        smmu.write(r.CMDQ_PROD.OFFSET, 4, prod)
    assert log.of("error") == []
    assert len(log.of("command")) == capture.ncmds
    assert smmu.read(r.CMDQ_CONS.OFFSET, 4) == capture.ncmds == capture.regs["CMDQ_PROD"]
    assert smmu.read(r.GERROR.OFFSET, 4) == 0
