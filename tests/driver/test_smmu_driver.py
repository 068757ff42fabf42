"""The SMMU's driver: probe, tables in all formats, queues at their edges, errors and recovery."""

import dataclasses
import itertools

import pytest

from driver.bus import DriverError, Region
from driver.iommu.domain import Iommu, Stream
from driver.iommu.pagetable import Prot
from driver.model_bus import ModelBus
from driver.run import run
from driver.smmu.cdtab import choose_format
from driver.smmu.cmdq import CommandRefused
from driver.smmu.device import SmmuDriver
from driver.smmu.range import steps
from driver.vfio.host import Host
from pymodel.memory import PAGE
from pymodel.transaction import Ending, Transaction
from spec import registers as r
from spec.codes import TGCode
from spec.commands import CFGI_STE, RESUME, TLBI_NH_ALL, Command
from spec.impl import PRESETS
from spec.stream_table import SteS1Fmt
from spec.vmsa import shift
from tests.driver.rig import SID

BASE, TINY = PRESETS["base"], PRESETS["tiny"]
RW = Prot.READ | Prot.WRITE
CMDQ_ENTRIES, EVENTQ_ENTRIES = 256, 128


class Recorder(ModelBus):
    """Remembers the writes to the SMMU's registers."""

    def __init__(self, impl):
        self.writes = []
        super().__init__(impl, sid=SID, queues=2)

    async def write(self, region, offset, value, size=4):
        if region is Region.SMMU:
            self.writes.append((offset, value))
        await super().write(region, offset, value, size)


@pytest.fixture(params=["tiny", "base"])
def bus(request):
    bus = Recorder(PRESETS[request.param])
    yield bus
    bus.lint.check()


def test_probe_writes_in_the_order_of_linux(bus):
    smmu = run(SmmuDriver.probe(bus))
    writes = iter(bus.writes)
    order = [(r.CR0, 0), (r.CR1, 0xD75), (r.CR2, 6), (r.STRTAB_BASE, None),
             (r.STRTAB_BASE_CFG, 0x1_0210), (r.CMDQ_BASE, None), (r.CMDQ_PROD, 0),
             (r.CMDQ_CONS, 0), (r.CR0, 8), (r.CMDQ_PROD, 2), (r.CMDQ_PROD, 4),
             *([(r.CMDQ_PROD, 6)] if smmu.impl.HYP else []), (r.EVENTQ_BASE, None),
             (r.EVENTQ_PROD, 0), (r.EVENTQ_CONS, 0), (r.CR0, 0xC), (r.IRQ_CTRL, 0),
             (r.GERROR_IRQ_CFG0, 0), (r.EVENTQ_IRQ_CFG0, 0), (r.IRQ_CTRL, 5), (r.CR0, 0xD)]
    for (register, value), (offset, written) in zip(order, writes, strict=True):
        assert offset == register.OFFSET
        assert value is None or written == value
        if register in (r.STRTAB_BASE, r.CMDQ_BASE, r.EVENTQ_BASE):
            assert written >> 62 == 1


def test_probe_of_a_running_smmu(bus):
    """Traffic is aborted while it is off."""
    run(SmmuDriver.probe(bus))
    bus.writes.clear()
    run(SmmuDriver.probe(bus))
    gbpa, cr0 = bus.writes[:2]
    assert gbpa == (r.GBPA.OFFSET, 1 << 31 | 1 << 20 | r.GBPA.RESET)
    assert cr0 == (r.CR0.OFFSET, 0)


@pytest.mark.parametrize(("changes", "why"), [
    ({"TTF": r.TTF.AARCH32}, "AArch64"), ({"TTENDIAN": r.TTENDIAN.BIG}, "big-endian"),
    ({"TABLES_PRESET": 1}, "preset"), ({"QUEUES_PRESET": 1}, "preset"), ({"REL": 1}, "preset"),
    ({"CMDQS": 6}, "command queue"), ({"S1P": 0, "HYP": 0, "ArchMinorRev": 0}, "stage 1")])
def test_probe_refuses(changes, why):
    bus = ModelBus(dataclasses.replace(BASE, **changes), sid=SID, queues=2)
    with pytest.raises(DriverError, match=why):
        run(SmmuDriver.probe(bus))


def reaches(bus, sid, ssid, address=0x4000):
    result = bus.smmu.access(Transaction(sid=sid, ssid=ssid, addr=address, size=4))
    return result.pa if result.ending is Ending.TRANSLATED else None


@pytest.mark.parametrize("changes", [{}, {"SIDSIZE": 20}, {"SIDSIZE": 8}, {"SIDSIZE": 6},
                                     {"SIDSIZE": 4, "ST_LEVEL": 0}])
def test_stream_tables(changes):
    """Two-level where there are many streams, else linear; the second level comes on demand."""
    impl = dataclasses.replace(BASE, **changes)
    bus = ModelBus(impl, sid=SID, queues=2)
    smmu = run(SmmuDriver.probe(bus))
    two_level = impl.SIDSIZE > 8
    assert r.STRTAB_BASE_CFG(bus.smmu.read(r.STRTAB_BASE_CFG.OFFSET, 4)).FMT == two_level
    iommu, pages = Iommu(smmu), []
    sids = [0, 1, (1 << impl.SIDSIZE) - 1] + [0x100, 0x101, 0x2345] * two_level
    before = bus.pages._next
    for sid in sids:
        stream = run(Stream.open(iommu, sid, 1))
        domain, page = iommu.domain(), bus.pages.scatter()
        domain.map(0x4000, page, PAGE, RW)
        assert reaches(bus, sid, 1) is None
        run(stream.attach(domain))
        pages.append(page)
    assert [reaches(bus, sid, 1) for sid in sids] == pages
    assert bus.pages._next - before < 64 << 20
    run(smmu.detach(sids[0]))
    assert reaches(bus, sids[0], 1) is None
    assert not run(smmu.events())[len(sids):]
    with pytest.raises(DriverError, match="beyond"):
        run(smmu.detach(1 << impl.SIDSIZE))
    bus.lint.check()


@pytest.mark.parametrize(("log2", "cd2l", "fmt"), [
    (1, 1, SteS1Fmt.LINEAR), (10, 1, SteS1Fmt.LINEAR), (11, 1, SteS1Fmt.L2_64K),
    (20, 1, SteS1Fmt.L2_64K), (12, 0, SteS1Fmt.LINEAR)])
def test_format_as_linux_chooses(log2, cd2l, fmt):
    assert choose_format(dataclasses.replace(BASE, CD2L=cd2l), log2) is fmt


@pytest.mark.parametrize("fmt", list(SteS1Fmt))
@pytest.mark.parametrize("log2", [1, 6, 7, 10, 12])
def test_context_tables(fmt, log2):
    bus = ModelBus(BASE, sid=SID, queues=2)
    iommu = Iommu(run(SmmuDriver.probe(bus)))
    before = bus.pages._next
    stream = run(Stream.open(iommu, SID, log2, fmt=fmt))
    last = (1 << log2) - 1
    pages = {}
    for pasid in sorted({0, 1, last, last // 2 + 1}):
        domain = iommu.domain()
        pages[pasid] = bus.pages.scatter()
        domain.map(0x4000, pages[pasid], PAGE, RW)
        run(stream.attach(domain, pasid))
    for pasid, page in pages.items():
        assert reaches(bus, SID, pasid or None) == page
    if fmt is SteS1Fmt.L2_4K:
        leaves = len({pasid >> 6 for pasid in pages})
        assert bus.pages._next - before < (leaves + len(pages) * 4 + 12) * PAGE
    run(stream.detach(last))
    assert reaches(bus, SID, last) is None
    with pytest.raises(DriverError, match="beyond"):
        run(stream.attach(iommu.domain(), last + 1))
    bus.lint.check()


def test_more_pasids_than_the_smmu_has(bus):
    iommu = Iommu(run(SmmuDriver.probe(bus)))
    with pytest.raises(DriverError, match="bits"):
        run(Stream.open(iommu, SID, iommu.smmu.impl.SSIDSIZE + 1))


def test_batches_wrap_the_queue(bus):
    """Batches of all sizes, one CMD_SYNC each, around the queue and beyond its size."""
    smmu = run(SmmuDriver.probe(bus))
    for count in (1, 64, CMDQ_ENTRIES - 1, CMDQ_ENTRIES, CMDQ_ENTRIES + 1, 3 * CMDQ_ENTRIES, 7):
        posted = smmu.cmdq._prod
        run(smmu.cmdq.issue(*[TLBI_NH_ALL.make()] * count))
        assert (smmu.cmdq._prod - posted - count) % (2 * CMDQ_ENTRIES) == 1
        assert bus.smmu.read(r.CMDQ_CONS.OFFSET, 4) == smmu.cmdq._prod


def illegal():
    return Command(0xEE)


def on_purpose(bus, rule):
    """The lint has noticed what the test did wrong, and nothing else."""
    assert {finding.rule for finding in bus.lint.findings} == {rule}
    bus.lint.findings.clear()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_illegal_commands_are_skipped(place):
    """Those around it are done; the queue goes on."""
    bus = ModelBus(BASE, sid=SID, queues=2)
    smmu = run(SmmuDriver.probe(bus))
    batch = [TLBI_NH_ALL.make(), TLBI_NH_ALL.make()]
    batch.insert(place, illegal())
    with pytest.raises(CommandRefused, match=r"CERROR_ILL .*0xee"):
        run(smmu.cmdq.issue(*batch))
    with pytest.raises(CommandRefused, match=r"CERROR_ILL .*CERROR_ILL"):
        run(smmu.cmdq.issue(illegal(), *batch))
    run(smmu.cmdq.issue(*[CFGI_STE.make(StreamID=SID)] * (2 * CMDQ_ENTRIES)))
    assert len(smmu.cmdq.refused) == 3
    on_purpose(bus, "cmd.illegal")


def test_resume_where_nothing_stalls():
    """Illegal without the stall model: the driver hears of it."""
    bus = ModelBus(TINY, sid=SID, queues=2)
    smmu = run(SmmuDriver.probe(bus))
    with pytest.raises(CommandRefused, match="RESUME"):
        run(smmu.cmdq.issue(RESUME.make(StreamID=SID)))
    on_purpose(bus, "cmd.illegal")


def test_illegal_command_found_by_the_interrupt():
    bus = ModelBus(BASE, sid=SID, queues=2)
    smmu = run(SmmuDriver.probe(bus))
    run(smmu.cmdq.post(illegal(), TLBI_NH_ALL.make()))
    assert run(bus.interrupt("gerror", 0))
    assert run(smmu.errors.service()) == ["CMDQ_ERR"]
    assert bus.smmu.read(r.CMDQ_CONS.OFFSET, 4) & 0xF_FFFF == smmu.cmdq._prod
    assert not run(smmu.errors.service())
    on_purpose(bus, "cmd.illegal")


def test_host_handles_global_errors():
    bus = ModelBus(BASE, sid=SID, queues=2)
    host = run(Host.start(bus, SID))
    run(host.smmu.cmdq.post(illegal(), TLBI_NH_ALL.make()))
    run(host.service(0))
    assert host.smmu.errors.seen == ["CMDQ_ERR"]
    assert bus.smmu.read(r.CMDQ_CONS.OFFSET, 4) & 0xF_FFFF == host.smmu.cmdq._prod
    on_purpose(bus, "cmd.illegal")


@pytest.mark.parametrize(("times", "lost"), [(1, False), (3, False), (9, True)])
def test_command_fetch_aborts(times, lost):
    """Fetched again after each abort, but not for ever."""
    bus = ModelBus(BASE, sid=SID, queues=2)
    smmu = run(SmmuDriver.probe(bus))
    page, left = smmu.cmdq._base // PAGE, itertools.count(times, -1)
    bus.memory.poisoned.add(page)
    real_write = bus.write

    async def write(region, offset, value, size=4):
        if (region, offset) == (Region.SMMU, r.GERRORN.OFFSET) and next(left) == 1:
            bus.memory.poisoned.discard(page)
        await real_write(region, offset, value, size)

    def put(address, data):
        bus.memory.poisoned.discard(page)
        plain(address, data)
        bus.memory.poisoned.add(page)

    plain, bus.write = bus.memory.write, write
    bus.memory.write = put
    if lost:
        with pytest.raises(DriverError, match="CERROR_ABT"):
            run(smmu.cmdq.issue(TLBI_NH_ALL.make()))
    else:
        run(smmu.cmdq.issue(TLBI_NH_ALL.make()))
        assert not smmu.cmdq.refused
    on_purpose(bus, "cmd.fetch")


def fault(bus, count=1):
    for n in range(count):
        bus.smmu.access(Transaction(sid=SID, ssid=1, addr=0x1000 * n, size=4))


@pytest.fixture
def faulty():
    """A driver whose StreamID faults at every address, with records."""
    bus = ModelBus(BASE, sid=SID, queues=2)
    iommu = Iommu(run(SmmuDriver.probe(bus)))
    run(run(Stream.open(iommu, SID, 1)).attach(iommu.domain()))
    yield bus, iommu.smmu
    bus.lint.check()


def test_event_queue_wraps(faulty):
    bus, smmu = faulty
    for count in (1, EVENTQ_ENTRIES - 1, EVENTQ_ENTRIES, 5):
        fault(bus, count)
        assert len(run(smmu.events())) == count
    assert not smmu.evtq.overflows


def test_event_queue_overflows(faulty):
    bus, smmu = faulty
    for round_ in (1, 2):
        fault(bus, EVENTQ_ENTRIES + 3)
        assert len(run(smmu.events())) == EVENTQ_ENTRIES
        assert smmu.evtq.overflows == round_
        fault(bus, 2)
        assert len(run(smmu.events())) == 2


def test_event_queue_aborts(faulty):
    """Records are lost, the driver hears of it, and the queue works again."""
    bus, smmu = faulty
    page = smmu.evtq._base // PAGE
    bus.memory.poisoned.add(page)
    fault(bus, 2)
    bus.memory.poisoned.discard(page)
    assert run(bus.interrupt("gerror", 0))
    assert run(smmu.errors.service()) == ["EVENTQ_ABT_ERR"]
    assert not run(smmu.events())
    fault(bus)
    assert len(run(smmu.events())) == 1
    assert smmu.errors.seen == ["EVENTQ_ABT_ERR"]


def test_service_failure_mode():
    bus = ModelBus(BASE, sid=SID, queues=2)
    smmu = run(SmmuDriver.probe(bus))
    bus.smmu.registers.set(r.GERROR, r.GERROR.SFM_ERR.mask | r.GERROR.CMDQ_ERR.mask)
    assert run(smmu.errors.service()) == ["CMDQ_ERR", "SFM_ERR"]
    assert bus.smmu.read(r.CR0ACK.OFFSET, 4) == 0
    assert bus.smmu.read(r.GERRORN.OFFSET, 4) == bus.smmu.read(r.GERROR.OFFSET, 4)
    with pytest.raises(DriverError, match="Service Failure"):
        run(smmu.attach_contexts(SID, 1))


GEOMETRY = [(g, level) for g, levels in ((12, (1, 2, 3)), (14, (2, 3)), (16, (2, 3)))
            for level in (*levels, None)]


@pytest.mark.parametrize(("granule", "level"), GEOMETRY)
@pytest.mark.parametrize("ril", [0, 1])
def test_ranges(granule, level, ril):
    """The commands cover the range, and little more; none of them is the illegal one."""
    impl = dataclasses.replace(BASE, RIL=ril, ArchMinorRev=1)
    unit = 1 << shift(granule, level or 3)
    for count in [*range(1, 70), 255, 512, 1023, 1024, 1025, 99_999]:
        start, end = 5 * unit, (5 + count) * unit
        if not ril and count > 70:
            continue
        found = list(steps(impl, start, end - start, granule, level))
        at = start
        for step in found:
            assert step.address == at
            assert bool(step.fields) == bool(ril)
            fields = step.fields or {"NUM": 0, "SCALE": shift(granule, level or 3) - granule}
            assert not ril or fields["TG"] == {12: TGCode.G4K, 14: TGCode.G16K,
                                               16: TGCode.G64K}[granule]
            assert not ril or fields["NUM"] or fields["SCALE"] or fields["TTL"]
            assert not (ril and level) or at % unit == 0
            at += (fields["NUM"] + 1) << fields["SCALE"] + granule
        assert end <= at <= end + (unit if level is None else 0)
        assert not ril or len(found) <= 4
