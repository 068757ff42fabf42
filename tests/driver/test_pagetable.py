"""Page tables: granules, blocks, splitting, tables that come and go."""

import dataclasses
import random

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


class Mirror:
    """What a domain should map, page by page, beside the domain."""

    def __init__(self, machine, granule, seed):
        self.machine, self.rng = machine, random.Random(seed)
        self.domain = machine.iommu.domain(granule=granule)
        self.page, self.block = 1 << granule, BLOCK[granule]
        self.pasid = run(machine.stream.attach(self.domain))
        self.pages = {}

    def size(self):
        """A few pages, or blocks and some pages."""
        few = self.rng.randrange(1, 20) * self.page
        return self.rng.choice((few, few, few, self.block, self.block + few))

    def map(self):
        iova = self.rng.randrange(0, 4 * self.block, self.rng.choice((self.page, self.block)))
        size, pa = self.size(), TARGET + self.rng.randrange(0, 1 << 32, self.page)
        if self.rng.random() < 0.5:  # so that blocks fit
            pa += (iova - pa) % self.block
        wanted = {iova + at: pa + at for at in range(0, size, self.page)}
        if wanted.keys() & self.pages.keys():
            with pytest.raises(ValueError, match="overlaps"):
                self.domain.map(iova, pa, size, RW)
        elif self.rng.random() < 0.7 or size > self.block:
            self.domain.map(iova, pa, size, RW)
            self.pages |= wanted
        else:
            pages = [TARGET + self.rng.randrange(1 << 20) * self.page for _ in wanted]
            self.domain.map_pages(iova, pages, RW)
            self.pages |= zip(wanted, pages, strict=True)

    def unmap(self):
        """A run of what is mapped, or a range that has a hole."""
        iova = self.rng.choice(sorted(self.pages))
        size = self.size()
        wanted = range(iova, iova + size, self.page)
        whole = [at for at in wanted if at in self.pages]
        if len(whole) < len(wanted):
            before = {at: self.domain.table.lookup(at) for at in wanted}
            if not self.domain.table.straddlers(iova, size):
                with pytest.raises(ValueError, match="not a whole mapping"):
                    run(self.domain.unmap(iova, size))
                assert before == {at: self.domain.table.lookup(at) for at in wanted}
            size = next(at for at in wanted if at not in self.pages) - iova
        run(self.domain.unmap(iova, size))
        for at in range(iova, iova + size, self.page):
            del self.pages[at]

    def drain(self):
        """Unmap everything, run by run."""
        while self.pages:
            first = end = min(self.pages)
            while end in self.pages:
                del self.pages[end]
                end += self.page
            run(self.domain.unmap(first, end - first))

    def check(self, count=12):
        places = list(range(0, 6 * self.block, self.page))
        mapped = sorted(self.pages)
        for at in self.rng.sample(places, count) + self.rng.sample(mapped, min(count, len(mapped))):
            assert where(self.machine, self.pasid, at) == self.pages.get(at)


@pytest.mark.parametrize("granule", [12, 14, 16])
@pytest.mark.parametrize(("ril", "bbml"), [(0, 0), (1, 1), (1, 2)])
def test_random_operations(granule, ril, bbml):
    """Against a table of pages; the lint sees to it that every invalidation covers what it must;
    in the end all memory has come back."""
    machine = Machine(dataclasses.replace(PRESETS["base"], RIL=ril, BBML=bbml, ArchMinorRev=1))
    mirror = Mirror(machine, granule, granule + ril)
    mark = None
    for _ in range(2):
        for _ in range({12: 40, 14: 10, 16: 3}[granule]):
            if mirror.rng.random() < 0.6 or not mirror.pages:
                mirror.map()
            else:
                mirror.unmap()
            mirror.check()
        mirror.drain()
        mirror.check()
        held = {size: len(blocks) for size, blocks in machine.bus.pages._blocks.items()}
        assert mark in (None, machine.bus.pages._next - sum(size * n for size, n in held.items()))
        mark = machine.bus.pages._next - sum(size * n for size, n in held.items())
    run(machine.stream.detach(mirror.pasid))
    mirror.domain.close()
    machine.check()


def test_neighbours_become_blocks(machine):
    domain = machine.iommu.domain()
    pages = [TARGET + n * PAGE for n in range(512)]
    domain.map_pages(1 << 21, pages, RW)
    assert domain.table.lookup(1 << 21)[0] == 2
    domain.map_pages(1 << 22, pages[::-1], RW)
    assert domain.table.lookup((1 << 22) + PAGE) == (3, pages[510])
    with pytest.raises(ValueError, match="overlaps"):
        domain.map_pages((1 << 22) - PAGE, pages[:1], RW)
    with pytest.raises(ValueError, match="page that is none"):
        domain.map_pages(0, [TARGET + 1], RW)


def test_beyond_the_physical_addresses():
    machine = Machine(PRESETS["tiny"])
    limit = 1 << PRESETS["tiny"].oas_bits
    domain = machine.iommu.domain()
    domain.map(0, limit - PAGE, PAGE, RW)
    for pa in (limit, limit - PAGE):
        with pytest.raises(ValueError, match="cannot map"):
            domain.map(PAGE, pa, 2 * PAGE, RW)


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
