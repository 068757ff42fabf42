"""Domains that pass from hand to hand; stalls that wait while owners come and go."""

import errno

import pytest

from driver.iommu.handle import Handles
from driver.iommu.pagetable import Prot
from driver.run import run
from driver.vfio.uapi import DeviceIoctl
from pymodel.memory import PAGE
from spec.impl import PRESETS
from spec.sec import ErrorType
from tests.driver.rig import Machine, fails
from tests.driver.vfio_rig import Host, Program

RW = Prot.READ | Prot.WRITE


@pytest.fixture(params=["tiny", "base"])
def machine(request):
    machine = Machine(PRESETS[request.param])
    yield machine
    machine.check()


def test_handed_over(machine):
    """A makes a domain and maps; B works in it and has never seen a PASID."""
    handles, page = Handles(machine.qm), machine.bus.pages.scatter()
    handle = handles.create("A")
    handles.map("A", handle, 0x1_0000, page, PAGE, RW)
    machine.bus.memory.write(page, b"from A")
    with fails(errno.EPERM):
        run(handles.open("B", handle))
    handles.give("A", handle, "B")
    with fails(errno.EPERM):
        handles.map("A", handle, 0x2_0000, page, PAGE, RW)
    channel = run(handles.open("B", handle))
    assert not [name for name in dir(channel) if "pasid" in name.lower()]
    run(channel.copy(0x1_0000, 0x1_0800, 6, 1))
    assert run(channel.receive())[0].error is ErrorType.OK
    assert machine.bus.memory.read(page + 0x800, 6) == b"from A"
    with fails(errno.EBUSY):
        handles.destroy("B", handle)
    run(channel.close())
    handles.destroy("B", handle)
    with fails(errno.ENOENT):
        run(handles.open("B", handle))


def test_remap_with_no_process(machine):
    """A private context: map, unmap, map elsewhere, with jobs in between."""
    handles = Handles(machine.qm)
    handle = handles.create("A")
    pages = [machine.bus.pages.scatter() for _ in range(3)]
    handles.map("A", handle, 0x8000, pages[2], PAGE, RW)
    channel = run(handles.open("A", handle))
    for n in range(2):
        machine.bus.memory.write(pages[n], bytes([n + 1]) * 16)
        handles.map("A", handle, 0x4000, pages[n], PAGE, Prot.READ)
        run(channel.copy(0x4000, 0x8000, 16, n))
        assert run(channel.receive())[0].error is ErrorType.OK
        assert machine.bus.memory.read(pages[2], 16) == bytes([n + 1]) * 16
        run(handles.unmap("A", handle, 0x4000, PAGE))
        run(channel.copy(0x4000, 0x8000, 16, n))
        assert run(channel.receive())[0].error is not ErrorType.OK
    run(channel.close())


@pytest.mark.parametrize("mapped", [True, False])
def test_stall_then_map_or_abort(mapped):
    """A stalled fault: the handler maps the page and the transaction is retried, or it does not."""
    machine = Machine(PRESETS["base"])
    asked = []

    async def handler(address, write):
        asked.append((address & ~0xFFF, write))
        if mapped:
            domain.map(address & ~0xFFF, machine.bus.pages.scatter(), PAGE, RW)
        return mapped

    domain = machine.iommu.domain(handler=handler)
    queue = run(machine.qm.open(domain))
    run(queue.copy(0x4000, 0x8000, 16, 1))
    assert len(machine.bus.smmu.stalls) == 1
    assert not run(queue.receive())
    assert run(machine.iommu.faults.service()) == 1 + mapped
    done = run(queue.receive())
    assert (done[0].error is ErrorType.OK) is mapped
    assert asked == [(0x4000, False), (0x8000, True)][:1 + mapped]
    run(machine.qm.close(queue))
    machine.check()


@pytest.mark.parametrize("end", ["close", "abandon", "restart"])
def test_queue_ends_while_its_job_stalls(end):
    machine = Machine(PRESETS["base"])

    async def handler(address, write):
        return False

    queue = run(machine.qm.open(machine.iommu.domain(handler=handler)))
    run(queue.copy(0x4000, 0x8000, 16, 1))
    assert len(machine.bus.smmu.stalls) == 1
    if end == "close":
        run(machine.iommu.faults.service())
    run(getattr(machine.qm, end)(queue))
    assert not len(machine.bus.smmu.stalls)
    if end == "restart":
        assert not run(queue.receive())
        run(machine.qm.close(queue))
    assert not machine.qm.queues
    machine.check()


def test_abandoned_jobs_do_nothing_any_more():
    """One job stalls, the next one could run: it must not after the queue was abandoned."""
    machine = Machine(PRESETS["base"])

    async def handler(address, write):
        return False

    domain, page = machine.iommu.domain(handler=handler), machine.bus.pages.scatter()
    domain.map(0x1_0000, page, PAGE, RW)
    machine.bus.memory.write(page, b"text")
    queue = run(machine.qm.open(domain))
    run(queue.copy(0x4000, 0x1_0000, 4, 1))
    run(queue.copy(0x1_0000, 0x1_0800, 4, 2))
    run(machine.qm.abandon(queue))
    assert machine.bus.memory.read(page + 0x800, 4) == bytes(4)
    machine.check()


def test_removed_owner_leaves_neighbours_alone():
    host = Host(PRESETS["base"])
    first, second = Program(host, 0), Program(host, 1)
    for program in (first, second):
        program.map(0x4000, b"x" * PAGE)
    run(first.file.ioctl(DeviceIoctl.RESET))
    first.close()
    assert second.copy(0x4000, 0x4800, 64) is ErrorType.OK
    second.close()
    host.machine.check()
