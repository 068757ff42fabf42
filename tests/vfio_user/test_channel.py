"""Channels over vfio-user: jobs, memory, interrupts, isolation, clients that die."""

import errno
import os

import pytest

from driver.run import run
from driver.vfio.mdev import COMPLETION
from driver.vfio.uapi import DeviceFlag, IrqSetFlag, RegionFlag
from driver.vfio_user.client import Client, SharedPages
from driver.wd.queue import Queue, copy_job
from driver.wd.request import request
from driver.wd.vfio_user import VfioUserChannel, VfioUserProvider
from pymodel.memory import PAGE
from spec.qm import DOORBELL_OFFSET, Doorbell, DoorbellCommand
from spec.sec import ErrorType
from tests.driver.rig import fails
from tests.vfio_user.rig import serving


@pytest.fixture(params=["tiny", "base"])
def server(request, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    with serving(tmp_path, 4, request.param) as server:
        yield server
    assert len(os.listdir("/proc/self/fd")) == before


def open_queue(server, number=0):
    channel = VfioUserChannel(server.path(number))
    return Queue(channel, run(channel.info()))


def test_job_on_the_clients_own_memory(server):
    queue = open_queue(server)
    source, target = run(queue.reserve(PAGE)), run(queue.reserve(PAGE))
    source.write(3, b"text of the client")
    done = run(queue.run(copy_job(source.address, target.address, PAGE, tag=4)))
    assert (done.tag, done.error) == (4, ErrorType.OK)
    assert target.read(3, 18) == b"text of the client"
    run(queue.release())


def test_by_capability(server, tmp_path):
    provider = VfioUserProvider(tmp_path)
    queues = [run(request([provider])) for _ in range(4)]
    with fails(errno.EBUSY):
        run(request([provider]))
    for queue in queues:
        run(queue.release())
    assert provider.available == 4


def test_same_iova_other_memory(server):
    queues = [open_queue(server, n) for n in range(3)]
    memories = [run(queue.reserve(PAGE)) for queue in queues]
    assert len({memory.address for memory in memories}) == 1
    for n, memory in enumerate(memories):
        memory.write(0, bytes([n + 1]) * 64)
    for queue, memory in zip(queues, memories, strict=True):
        run(queue.copy(memory.address, memory.address + 64, 64))
    for n, (queue, memory) in enumerate(zip(queues, memories, strict=True)):
        assert run(queue.wait())
        assert run(queue.receive())[0].error is ErrorType.OK
        assert memory.read(64, 64) == bytes([n + 1]) * 64
        run(queue.release())


def test_nothing_beyond_what_is_mapped(server):
    queue = open_queue(server)
    memory = run(queue.reserve(PAGE))
    for address in (memory.address + PAGE, 0, 0x8000_0000, 1 << 47):
        assert run(queue.run(copy_job(address, memory.address, 16))).error is ErrorType.DATA_READ
        assert run(queue.run(copy_job(memory.address, address, 16))).error is ErrorType.DATA_WRITE
    assert not server.host.iommu.faults.events, "records of a client's faults pile up"
    run(queue.release())


def test_unmapped_memory_is_out_of_reach(server):
    queue = open_queue(server)
    memory, other = run(queue.reserve(PAGE)), run(queue.reserve(PAGE))
    run(queue.free(other))
    assert run(queue.run(copy_job(memory.address, other.address, 8))).error is not ErrorType.OK
    again = run(queue.reserve(PAGE))
    assert run(queue.run(copy_job(memory.address, again.address, 8))).error is ErrorType.OK
    run(queue.release())


def test_big_and_odd_windows(server):
    with Client(server.path(0)) as client:
        pages = SharedPages(64 << 20)
        client.map(pages.fd, PAGE, 0x1234_5000, (64 << 20) - 2 * PAGE)
        client.map(pages.fd, 0, 0x4000_0000, 64 << 20)
        assert client.unmap(0x1234_5000, (64 << 20) - 2 * PAGE) == (64 << 20) - 2 * PAGE
        assert client.unmap(0x4000_0000, 64 << 20) == 64 << 20
        pages.close()


def test_a_client_maps_nothing_of_ours(server):
    with Client(server.path(0)) as client:
        assert not any(client.region(n).flags & RegionFlag.MMAP for n in range(3))


def test_interrupt_mask_and_loopback(server):
    queue = open_queue(server)
    channel = queue._channel
    memory = run(queue.reserve(PAGE))
    mask = IrqSetFlag.DATA_NONE | IrqSetFlag.ACTION_MASK
    channel.client.set_irqs(mask, COMPLETION, 0, 1)
    run(queue.copy(memory.address, memory.address + 64, 64))
    assert not run(channel.wait(20))
    channel.client.set_irqs(IrqSetFlag.DATA_NONE | IrqSetFlag.ACTION_UNMASK, COMPLETION, 0, 1)
    assert run(channel.wait(5000))
    channel.client.set_irqs(IrqSetFlag.DATA_BOOL | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 1,
                            b"\1")
    assert run(channel.wait(5000))
    run(queue.release())


def test_second_client_is_turned_away_until_the_first_goes(server):
    first = Client(server.path(1))
    with fails(errno.ECONNRESET):
        Client(server.path(1))
    assert first.info().flags & DeviceFlag.RESET
    first.close()
    again(lambda: Client(server.path(1))).close()


def again(connect):
    """A client of a socket whose last client has just gone."""
    for _ in range(1000):
        try:
            return connect()
        except (ConnectionResetError, BrokenPipeError):
            continue
    pytest.fail("the channel does not come back")


def test_dead_clients_are_cleaned_up_after(server):
    """Dies with jobs in flight and memory mapped, many times: nothing is left, PASIDs return."""
    neighbour = open_queue(server, 3)
    kept = run(neighbour.reserve(PAGE))
    free = len(server.bus.pages._scattered)
    seen = set()
    for _ in range(5):
        channel = again(lambda: VfioUserChannel(server.path(0)))
        queue = Queue(channel, run(channel.info()))
        memory = run(queue.reserve(16 * PAGE))
        for n in range(4):
            run(queue.copy(memory.address, memory.address + 8 * PAGE, 8 * PAGE, tag=n))
        seen.add(next(m.queue.pasid for m in server.host.parent.devices.values()
                      if m.queue and m.queue.number == queue._info.number))
        run(queue.release())
        assert run(neighbour.run(copy_job(kept.address, kept.address + 64, 64))).error == 0
    assert len(seen) == 1
    assert len(server.bus.pages._scattered) == free
    run(neighbour.release())
    again(lambda: Client(server.path(3))).close()
    again(lambda: Client(server.path(0))).close()
    with open("/proc/self/maps") as maps:
        assert "memfd:vfio-user" not in maps.read(), "a client's memory is still mapped"


def test_posted_and_multiple_writes(server):
    queue = open_queue(server)
    client = queue._channel.client
    memory = run(queue.reserve(PAGE))
    memory.write(0, b"posted")
    job = copy_job(memory.address, memory.address + 64, 6).to_bytes()
    client.write_many([(1, at, job[at:at + 8]) for at in range(0, len(job), 8)])
    assert client.read(1, 0, len(job)) == job
    word = Doorbell.pack(queue=queue._info.number, command=DoorbellCommand.SQ, index=1)
    client.post_write(0, DOORBELL_OFFSET, word.to_bytes(8, "little"))
    assert run(queue._channel.wait(5000))
    assert memory.read(64, 6) == b"posted"
    run(queue.release())


def test_reset_aborts(server):
    queue = open_queue(server)
    memory = run(queue.reserve(PAGE))
    run(queue.copy(memory.address, memory.address + 64, 8))
    run(queue.reset())
    assert not run(queue.receive())
    assert run(queue.run(copy_job(memory.address, memory.address + 64, 8))).error is ErrorType.OK
    run(queue.release())
