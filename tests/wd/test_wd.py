"""The user library over mediated devices."""

import errno
import os

import pytest

from driver.accel import jobs
from driver.accel.queue import QueueFull
from driver.iommu.mm import Mm
from driver.iommu.process import Process
from driver.model_bus import ModelBus
from driver.run import run
from driver.vfio.host import Host
from driver.wd.queue import copy_job
from driver.wd.request import Capability, MdevProvider, request
from driver.wd.uacce import UacceProvider
from spec.impl import PRESETS
from spec.sec import ErrorType
from tests.driver.rig import fails

SID, QUEUES, SIZE = 3, 4, 4096


@pytest.fixture(params=["tiny", "base"])
def host(request):
    before = len(os.listdir("/proc/self/fd"))
    yield run(Host.start(ModelBus(PRESETS[request.param], sid=SID, queues=QUEUES), SID))
    assert len(os.listdir("/proc/self/fd")) == before


def test_synchronous_job(host):
    queue = run(request([MdevProvider(host)]))
    source, target = run(queue.reserve(SIZE)), run(queue.reserve(SIZE))
    source.write(7, b"text")
    done = run(queue.run(copy_job(source.address, target.address, SIZE, tag=9)))
    assert (done.tag, done.error) == (9, ErrorType.OK)
    assert target.read(7, 4) == b"text"
    run(queue.release())
    assert not host.parent.devices


def test_results_and_faults_reach_the_program(host):
    """A sum, and the address that could not be reached."""
    queue = run(request([MdevProvider(host)]))
    memory = run(queue.reserve(SIZE))
    memory.write(0, (20).to_bytes(8, "little") + (22).to_bytes(8, "little"))
    done = run(queue.run(jobs.sum64(memory.address, 16)))
    assert (done.error, done.result, done.fault) == (ErrorType.OK, 42, None)
    nowhere = memory.address + 16 * SIZE
    done = run(queue.run(copy_job(nowhere, memory.address, 16)))
    assert (done.error, done.fault) == (ErrorType.DATA_READ, nowhere)
    run(queue.release())


def test_many_jobs_in_flight_and_around_the_ring(host):
    queue = run(request([MdevProvider(host)]))
    memory = run(queue.reserve(SIZE))
    for lap in range(3):
        for n in range(queue.depth - 1):
            memory.write(n, bytes([lap + n & 255]))
            run(queue.copy(memory.address + n, memory.address + 2048 + n, 1, tag=n))
        with pytest.raises(QueueFull):
            run(queue.copy(memory.address, memory.address, 1))
        assert run(queue.wait())
        done = run(queue.receive())
        assert [job.tag for job in done] == list(range(queue.depth - 1))
        assert not run(queue.receive())
        assert memory.read(2048, queue.depth - 1) == memory.read(0, queue.depth - 1)
    assert not run(queue.wait(10))
    run(queue.release())


def test_same_addresses_for_every_program(host):
    queues = [run(request([MdevProvider(host)])) for _ in range(2)]
    memories = [run(queue.reserve(SIZE)) for queue in queues]
    assert memories[0].address == memories[1].address
    for n, (queue, memory) in enumerate(zip(queues, memories, strict=True)):
        memory.write(0, bytes([n + 1]) * 16)
        assert run(queue.run(copy_job(memory.address, memory.address + 16, 16))).error == 0
    assert [m.read(16, 1) for m in memories] == [b"\1", b"\2"]
    for queue in queues:
        run(queue.release())


def test_sharing_between_queues_of_one_program(host):
    provider = MdevProvider(host)
    first, second = run(request([provider])), run(request([provider]))
    memory = run(first.reserve(SIZE))
    memory.write(0, b"shared")
    run(second.share(memory))
    other = run(second.reserve(SIZE))
    assert run(second.run(copy_job(memory.address, other.address, 6))).error == 0
    assert other.read(0, 6) == b"shared"
    stranger = run(request([MdevProvider(host, Mm(host.bus))]))
    with fails(errno.EINVAL):
        run(stranger.share(memory))
    run(first.release())
    assert run(second.run(copy_job(memory.address, other.address + 8, 6))).error == 0
    run(second.free(memory))
    assert run(second.run(copy_job(memory.address, other.address + 8, 6))).error != 0
    for queue in (second, stranger):
        run(queue.release())


def test_queues_run_out(host):
    queues = [run(request([MdevProvider(host)])) for _ in range(QUEUES)]
    with fails(errno.EBUSY):
        run(request([MdevProvider(host)]))
    run(queues.pop().release())
    queues.append(run(request([MdevProvider(host)])))
    for queue in queues:
        run(queue.release())


@pytest.mark.parametrize("capability", [Capability(algorithm="zip"), Capability(depth=1 << 16),
                                        Capability(shared_addresses=True)])
def test_nobody_has_it(host, capability):
    with fails(errno.ENODEV):
        run(request([MdevProvider(host)], capability))
    assert not host.parent.devices


def test_reset_aborts_and_goes_on(host):
    queue = run(request([MdevProvider(host)]))
    memory = run(queue.reserve(SIZE))
    run(queue.copy(memory.address, memory.address + 64, 8))
    run(queue.reset())
    assert not run(queue.receive())
    assert run(queue.run(copy_job(memory.address, memory.address + 64, 8))).error == 0
    run(queue.release())


def test_a_program_sees_no_pasid(host):
    queue = run(request([MdevProvider(host)]))
    memory = run(queue.reserve(SIZE))
    for thing in (queue, memory, queue._info):
        assert not [name for name in dir(thing) if "pasid" in name.lower()]
    run(queue.release())


SVA = Capability(shared_addresses=True)


def test_shared_addresses(host):
    """The program's own memory, reserved or not, in two queues of one process."""
    process = Process(host.iommu)
    providers = [MdevProvider(host), UacceProvider(host, process)]
    queues = [run(request(providers, SVA)) for _ in range(2)]
    memory = run(queues[0].reserve(SIZE))
    own = process.mmap(SIZE)
    process.write(own, b"the program's own")
    for n, queue in enumerate(queues):
        run(queue.share(memory))
        done = run(queue.run(copy_job(own, memory.address + 64 * n, 17)))
        assert done.error is ErrorType.OK
        assert memory.read(64 * n, 17) == b"the program's own"
    stranger = Process(host.iommu)
    other = run(request([UacceProvider(host, stranger)], SVA))
    with fails(errno.EINVAL):
        run(other.share(memory))
    run(queues[0].free(memory))
    assert run(queues[1].run(copy_job(own, memory.address, 4))).error is ErrorType.DATA_WRITE
    with fails(errno.EOPNOTSUPP):
        run(other.reset())
    for queue in (*queues, other):
        run(queue.release())
    assert not host.qm.queues


def test_queue_of_a_process_that_ends(host):
    process = Process(host.iommu)
    queue = run(request([UacceProvider(host, process)], SVA))
    memory = run(queue.reserve(SIZE))
    run(queue.copy(memory.address, memory.address + 64, 64))
    run(process.exit())
    with fails(errno.EIO):
        run(queue.receive())
    run(queue.release())
    assert not host.qm.queues
