"""UACCE: states, regions, sysfs, processes that come and go; the errno rows of vfio.md 2."""

import errno
import os

import pytest

from driver.iommu.process import Process
from driver.model_bus import ModelBus
from driver.run import run
from driver.vfio.uacce import Uacce
from driver.vfio.uacce_uapi import (
    QpContext,
    QueueFileRegion,
    UacceIoctl,
    UacceState,
)
from pymodel.memory import PAGE
from spec.impl import PRESETS
from spec.qm import DOORBELL_OFFSET, Doorbell, DoorbellCommand
from spec.sec import ErrorType
from tests.driver import stories
from tests.driver.rig import QUEUES, SID, fails

E = errno
MMIO, DUS = QueueFileRegion


class Bench:
    """A device with one open queue of a process."""

    def __init__(self, preset="base"):
        self.bus = ModelBus(PRESETS[preset], sid=SID, queues=QUEUES)
        self.world = run(stories.host(self.bus, SID))
        self.uacce = Uacce(self.world.qm, "hisi_sec2-0", "cipher")
        self.process, self.file = self.open()

    def open(self, process=None):
        process = process or Process(self.world.iommu)
        return process, run(self.uacce.open(process))

    def map(self, file=None):
        """(doorbell page, rings) of a queue."""
        file = file or self.file
        return file.mmap(MMIO, self.uacce.mmio_size), file.mmap(DUS, self.uacce.dus_size)


class User(stories.User):
    """The same, where no time passes."""

    def __init__(self, bench, process, file):
        self.process = process
        super().__init__(bench.world, bench.uacce, file)
        run(self.start())

    def send(self, *job):
        run(super().send(*job))

    def copy(self, *job):
        self.send(*job)
        return run(self.receive())


@pytest.fixture(params=["tiny", "base"])
def bench(request):
    before = len(os.listdir("/proc/self/fd"))
    bench = Bench(request.param)
    yield bench
    for file in [bench.file, *bench.uacce.files]:
        run(file.close())
    assert len(os.listdir("/proc/self/fd")) == before
    bench.bus.lint.check()


def test_a_program_uses_its_own_addresses(bench):
    user = User(bench, bench.process, bench.file)
    source, target = (bench.process.mmap(2 * PAGE) for _ in range(2))
    bench.process.write(source, b"text" * 1500)
    assert user.copy(source, target, 6000) is ErrorType.OK
    assert bench.process.read(target, 6000) == b"text" * 1500
    run(bench.uacce.service())
    assert os.eventfd_read(bench.file.event) == 1
    assert user.copy(source, 0x7000, 64) is not ErrorType.OK


def test_one_pasid_a_process(bench):
    """Two queues of one program, one of another."""
    queues = bench.world.qm.queues
    _, second = bench.open(bench.process)
    _, third = bench.open()
    pasids = [queues[file.number].pasid for file in (bench.file, second, third)]
    assert pasids[0] == pasids[1] != pasids[2]
    source = bench.process.mmap(PAGE)
    user = User(bench, bench.process, bench.file)
    run(second.close())
    assert user.copy(source, source + 64, 64) is ErrorType.OK


def test_put_in_the_middle_of_a_job():
    bench = Bench()
    user = User(bench, bench.process, bench.file)
    _, other = bench.open(bench.process)
    neighbour = User(bench, bench.process, other)
    source = bench.process.mmap(PAGE)
    neighbour.send(source, source + 64, 16)
    user.send(source, source + 128, 16)
    assert bench.bus.smmu.stalls
    run(bench.file.ioctl(UacceIoctl.PUT_Q))
    assert neighbour.copy(source, source + 64, 16) is ErrorType.OK
    neighbour.send(source + PAGE, source, 16)
    run(other.close())
    assert not bench.bus.smmu.stalls
    run(bench.file.close())


def test_put_aborts_the_jobs_of_the_last_queue():
    """No page is brought for them any more."""
    bench = Bench()
    user = User(bench, bench.process, bench.file)
    source = bench.process.mmap(PAGE)
    user.send(source, source + 128, 16)
    run(bench.file.ioctl(UacceIoctl.PUT_Q))
    assert not bench.process.mm.present(source, PAGE)
    assert not bench.bus.smmu.stalls
    run(bench.file.close())


def test_exit_makes_zombies(bench):
    user = User(bench, bench.process, bench.file)
    run(bench.process.exit())
    assert bench.file.state is UacceState.ZOMBIE
    assert bench.uacce.available == QUEUES
    with fails(E.EIO):
        run(user.page.load(DOORBELL_OFFSET, 8))
    process, file = bench.open()
    again = User(bench, process, file)
    source = process.mmap(PAGE)
    assert again.copy(source, source + 64, 16) is ErrorType.OK


def test_doorbell_before_start_does_nothing(bench):
    page, rings = bench.map()
    word = Doorbell.pack(queue=bench.file.number, command=DoorbellCommand.SQ, index=1)
    run(page.store(DOORBELL_OFFSET, word.to_bytes(8, "little")))
    assert not any(run(rings.load(0, bench.uacce.dus_size - PAGE)))
    run(rings.store(bench.uacce.dus_size - 8, b"status__"))
    assert run(rings.load(bench.uacce.dus_size - 8, 8)) == b"status__"


# Row of vfio.md 2, what happens before, what is done, errno.
ROWS = [
    ("ioctl on a zombie", "zombie", lambda b: b.file.ioctl(UacceIoctl.GET_QP_INFO, bytearray(16)),
     E.ENXIO),
    ("START on a zombie", "zombie", lambda b: b.file.ioctl(UacceIoctl.START_Q), E.ENXIO),
    ("PUT on a zombie", "zombie", lambda b: b.file.ioctl(UacceIoctl.PUT_Q), E.ENXIO),
    ("mmap on a zombie", "zombie", lambda b: b.file.mmap(MMIO, PAGE), E.ENXIO),
    ("second mmap", "mapped", lambda b: b.file.mmap(DUS, b.uacce.dus_size), E.EEXIST),
    ("second mmap, MMIO", "mapped", lambda b: b.file.mmap(MMIO, PAGE), E.EEXIST),
    ("START when not INIT", "started", lambda b: b.file.ioctl(UacceIoctl.START_Q), E.EINVAL),
    ("mremap", "mapped", lambda b: b.mappings[0].mremap(PAGE), E.EPERM),
    ("DUS of another size", "", lambda b: b.file.mmap(DUS, b.uacce.dus_size - PAGE), E.EINVAL),
    ("MMIO too large", "", lambda b: b.file.mmap(MMIO, b.uacce.mmio_size + PAGE), E.EINVAL),
    ("no such region", "", lambda b: b.file.mmap(2, PAGE), E.EINVAL),
    ("unknown ioctl", "", lambda b: b.file.ioctl(0x1234), E.EINVAL),
    ("type of queue", "",
     lambda b: b.file.ioctl(UacceIoctl.SET_QP_CONTEXT, bytearray(QpContext(0, 2).encode())),
     E.EINVAL),
    ("short structure", "", lambda b: b.file.ioctl(UacceIoctl.GET_QP_INFO, bytearray(15)),
     E.EINVAL),
    ("no queue left", "full", lambda b: b.uacce.open(Process(b.world.iommu)), E.EBUSY),
    ("the device is gone", "gone", lambda b: b.uacce.open(Process(b.world.iommu)), E.ENODEV),
    ("isolated", "isolated", lambda b: b.uacce.open(Process(b.world.iommu)), E.EIO)]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_errno(bench, row):
    _, before, act, code = row
    if before == "zombie":
        run(bench.file.ioctl(UacceIoctl.PUT_Q))
    elif before == "mapped":
        bench.mappings = bench.map()
    elif before == "started":
        run(bench.file.ioctl(UacceIoctl.START_Q))
    elif before == "full":
        for _ in range(bench.uacce.available):
            bench.open()
    elif before == "gone":
        run(bench.uacce.remove())
        assert bench.file.state is UacceState.ZOMBIE
    elif before == "isolated":
        bench.uacce.write("isolate_strategy", b"1\n")
        bench.uacce.report_error()
        run(bench.uacce.open(bench.process))
        bench.uacce.report_error()
    with fails(code):
        result = act(bench)
        if result is not None and hasattr(result, "send"):
            run(result)


def test_states(bench):
    assert bench.file.state is UacceState.INIT
    run(bench.file.ioctl(UacceIoctl.START_Q))
    assert bench.file.state is UacceState.STARTED
    mapping = bench.file.mmap(MMIO, PAGE)
    mapping.munmap()
    with fails(E.EIO):
        run(mapping.load(0, 8))
    bench.file.mmap(MMIO, PAGE)
    run(bench.file.ioctl(UacceIoctl.PUT_Q))
    assert bench.file.state is UacceState.ZOMBIE


def test_sysfs(bench):
    values = {name: bench.uacce.read(name) for name in (
        "api", "flags", "available_instances", "algorithms", "region_mmio_size", "region_dus_size",
        "isolate", "isolate_strategy")}
    depth = bench.world.qm.depth
    pages = (PAGE - 1 + 128 * depth + 16 * depth + PAGE) // PAGE
    assert list(values.values()) == [
        "hisi_qm_v3\n", "1\n", f"{QUEUES - 1}\n", "cipher\n", "65536\n", f"{pages * PAGE}\n",
        "0\n", "0\n"]
    for name, data, code in (("nothing", b"1", E.ENOENT), ("api", b"1", E.EACCES),
                             ("isolate_strategy", b"x", E.EINVAL),
                             ("isolate_strategy", b"65536", E.EINVAL)):
        with fails(code):
            bench.uacce.write(name, data)
