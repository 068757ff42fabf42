"""Correct software has no finding: Linux's and the oracle's command streams, our own driver."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from driver.iommu.domain import Iommu, Stream
from driver.iommu.pagetable import Prot
from driver.model_bus import ModelBus
from driver.smmu.cmdq import CommandQueue
from driver.smmu.device import SmmuDriver
from pymodel.lint import Lint
from pymodel.memory import SparseMemory
from pymodel.smmu import Smmu
from pymodel.transaction import Transaction
from sim.replay.capture import load
from sim.replay.dut_model import answers
from sim.replay.restore import restore_writes
from spec import registers as r
from spec.impl import PRESETS

CAPTURES = Path(__file__).parents[2] / "data/captures"
# The generator of this set planted garbage below the alignment of STRTAB_BASE on purpose.
PLANTED = {"third-1": ["base.align"]}


@pytest.mark.parametrize("batch", [1, 1000000])
@pytest.mark.parametrize("name", sorted(path.name for path in CAPTURES.iterdir()
                                        if path.is_dir()))
def test_captured_software(name, batch):
    """From reset: the captured registers, all commands from index 0, all probes."""
    capture = load(CAPTURES / name)
    memory = SparseMemory(capture.ram_base, capture.ram_size)
    for address, content in capture.pages.items():
        memory.write(address, content)
    smmu = Smmu(capture.impl, memory)
    lint = Lint(smmu, memory)
    for write in restore_writes(capture):
        index = write.offset in (r.CMDQ_PROD.OFFSET, r.CMDQ_CONS.OFFSET)
        smmu.write(write.offset, write.size, 0 if index else write.value)
        if write.offset == r.CR0.OFFSET and write.value == r.CR0.CMDQEN.mask:
            for prod in range(min(batch, capture.ncmds), capture.ncmds + 1, batch):
                smmu.write(r.CMDQ_PROD.OFFSET, 4, prod)
    assert smmu.read(r.CMDQ_CONS.OFFSET, 4) == capture.ncmds
    done = sum(1 for _ in answers(capture, smmu, memory, [p.pnu for p in capture.probes]))
    assert done == len(capture.probes)
    lint.finish()
    assert [finding.rule for finding in lint.findings] == PLANTED.get(name, [])


async def _drive(bus: ModelBus) -> None:
    """Domains come, are used, change and go; ASIDs and PASIDs are reused."""
    smmu = await SmmuDriver.probe(bus)
    iommu = Iommu(smmu)
    streams = {sid: await Stream.open(iommu, sid, 3) for sid in (5, 0x123)}
    for _ in range(3):
        one, two = iommu.domain(), iommu.domain()
        one.map(0x1000, 0x8800_0000, 0x4000, Prot.READ | Prot.WRITE)
        one.map(0x20_0000, 0x8820_0000, 0x40_0000, Prot.READ)
        users = [(5, await streams[5].attach(one)), (0x123, await streams[0x123].attach(one)),
                 (0x123, await streams[0x123].attach(two))]
        two.map(0x1000, 0x8801_0000, 0x4000, Prot.READ | Prot.WRITE)

        def touch(users=users):
            for sid, ssid in users:
                for addr in (0x1000, 0x3008, 0x20_0000, 0x41_2345, 0x900_0000):
                    for write in (False, True):
                        bus.smmu.access(Transaction(sid=sid, ssid=ssid, addr=addr, write=write))

        touch()
        await smmu.events()
        await one.unmap(0x1000, 0x4000)
        await one.unmap(0x20_0000, 0x40_0000)
        touch()
        one.map(0x1000, 0x8900_0000, 0x4000, Prot.READ)
        touch()
        for sid, ssid in users:
            await streams[sid].detach(ssid)
        touch()
        await smmu.events()
        one.close()
        two.close()
    await smmu.detach(5)
    bus.smmu.access(Transaction(sid=5, addr=0x1000))
    await smmu.events()


@pytest.mark.parametrize("preset", ["tiny", "base", "full"])
def test_our_driver(preset):
    bus = ModelBus(PRESETS[preset], sid=5, queues=4)
    asyncio.run(_drive(bus))
    bus.lint.check()


@pytest.mark.parametrize(("left_out", "rules"), [
    ("CFGI_CD", {"cfgi.missing"}), ("CFGI_STE", {"cfgi.missing"}),
    ("TLBI", {"tlbi.missing", "tag.reuse"})])
def test_our_driver_without_its_invalidations(monkeypatch, left_out, rules):
    """The same driver whose queue loses one kind of command."""
    issue = CommandQueue.issue

    async def forgetful(self, *commands):
        await issue(self, *(x for x in commands if not type(x).__name__.startswith(left_out)))

    monkeypatch.setattr(CommandQueue, "issue", forgetful)
    bus = ModelBus(PRESETS["base"], sid=5, queues=4)
    asyncio.run(_drive(bus))
    bus.lint.finish()
    found = {finding.rule for finding in bus.lint.findings}
    bus.lint.findings.clear()
    assert found & rules
