"""Page tables: granules, blocks, splitting, tables that come and go."""

import dataclasses

import pytest

from driver.iommu.pagetable import Prot
from driver.model_bus import ModelBus
from driver.run import run
from pymodel.memory import PAGE
from pymodel.transaction import Ending, Transaction
from sim.demo.scenario import Scenario
from spec.impl import PRESETS
from spec.sec import ErrorType
from tests.driver.rig import SID, Machine

RW = Prot.READ | Prot.WRITE
BLOCK = {12: 1 << 21, 14: 1 << 25, 16: 1 << 29}
TARGET = 0x40_0000_0000  # no RAM: only translated, never accessed


@pytest.fixture(params=["in place", "break before make"])
def machine(request):
    impl = PRESETS["base"]
    if request.param != "in place":
        impl = dataclasses.replace(impl, BBML=1)
    machine = Machine(impl)
    yield machine
    machine.check()


def where(machine, pasid, address):
    """The physical address that a read reaches, or None."""
    result = machine.bus.smmu.access(Transaction(sid=SID, ssid=pasid, addr=address, size=4))
    return result.pa if result.ending is Ending.TRANSLATED else None


@pytest.mark.parametrize("granule", [12, 14, 16])
def test_part_of_a_block_goes(machine, granule):
    domain = machine.iommu.domain(granule=granule)
    block, page = BLOCK[granule], 1 << granule
    pasid = run(machine.stream.attach(domain))
    domain.map(block, TARGET, block, RW)
    assert where(machine, pasid, block + 5 * page) == TARGET + 5 * page
    run(domain.unmap(block + 3 * page, 2 * page))
    for n in range(8):
        expected = None if n in (3, 4) else TARGET + n * page
        assert where(machine, pasid, block + n * page) == expected
    assert where(machine, pasid, 2 * block - page) == TARGET + block - page


def test_largest_block_splits_twice(machine):
    domain = machine.iommu.domain()
    pasid = run(machine.stream.attach(domain))
    size = 1 << 30
    domain.map(size, TARGET, size, RW)
    assert domain.table.lookup(size)[0] == 1
    run(domain.unmap(size + PAGE, PAGE))
    assert where(machine, pasid, size) == TARGET
    assert where(machine, pasid, size + PAGE) is None
    assert where(machine, pasid, size + 2 * PAGE) == TARGET + 2 * PAGE
    assert domain.table.lookup(2 * size - PAGE)[0] == 2


def test_tables_are_reused(machine):
    domain = machine.iommu.domain()
    run(machine.stream.attach(domain))
    marks = set()
    for n in range(8):
        domain.map(n << 40 | 0x1000, TARGET, PAGE, RW)
        marks.add(machine.bus.pages._next)
        run(domain.unmap(n << 40 | 0x1000, PAGE))
    assert len(marks) == 1
    domain.map(0, TARGET, 1 << 21, RW)  # a block where a table was
    run(domain.unmap(0, 1 << 21))


@pytest.mark.parametrize("granule", [12, 14, 16])
def test_a_closed_domain_leaves_nothing(machine, granule):
    marks = set()
    for _ in range(3):
        domain = machine.iommu.domain(granule=granule)
        pasid = run(machine.stream.attach(domain))
        for n in range(4):
            domain.map(n << 40 | BLOCK[granule], TARGET, BLOCK[granule] + (1 << granule), RW)
        marks.add(machine.bus.pages._next)
        run(machine.stream.detach(pasid))
        domain.close()
    assert len(marks) == 1


@pytest.mark.parametrize(("iova", "pa", "size", "prot"), [
    (0x1001, 0, PAGE, RW), (0, 0x1001, PAGE, RW), (0, 0, 0, RW), (0, 0, PAGE, Prot.WRITE),
    (1 << 48, 0, PAGE, RW), (0x5000, 0, PAGE, RW)])
def test_refused(machine, iova, pa, size, prot):
    domain = machine.iommu.domain()
    domain.map(0x4000, TARGET, 2 * PAGE, RW)
    with pytest.raises(ValueError, match=r"range|cannot map|overlaps"):
        domain.map(iova, pa, size, prot)


def test_unmapping_what_is_not_there(machine):
    domain = machine.iommu.domain()
    with pytest.raises(ValueError, match="not a whole mapping"):
        run(domain.unmap(0x4000, PAGE))


@pytest.mark.parametrize("preset", ["tiny", "base"])
def test_demonstration_on_the_model(preset):
    bus = ModelBus(PRESETS[preset], sid=SID, queues=8)
    scenario = Scenario(bus, SID, bytes(range(256)) * 100, lambda step: None)
    story = run(scenario.prepare())
    run(scenario.copy(story))
    run(scenario.intrude(story))
    assert story.copied
    assert story.intrusion.error is not ErrorType.OK
    bus.lint.check()
