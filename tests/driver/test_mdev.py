"""Mediated devices end to end: jobs, isolation, interrupts, life and death."""

import os

import pytest

from driver.run import run
from driver.vfio.irqs import IrqSetFlag
from driver.vfio.mdev import COMPLETION, DOORBELL, REQUEST
from driver.vfio.uapi import DeviceIoctl, MapFlag
from spec.impl import PRESETS
from spec.qm import DOORBELL_OFFSET, Doorbell, DoorbellCommand
from spec.sec import ErrorType
from tests.driver.rig import QUEUES, fails
from tests.driver.vfio_rig import GENERATIONS, KIND, Host, Program, uuid

ENODEV, EEXIST, EUSERS, EINVAL, EBUSY, EAGAIN = 19, 17, 87, 22, 16, 11
SOURCE, TARGET = 0x4000_0000, 0x5000_0000


@pytest.fixture(params=["tiny", "base"])
def host(request):
    before = len(os.listdir("/proc/self/fd"))
    host = Host(PRESETS[request.param])
    programs = []
    host.program = lambda n, **kw: programs.append(Program(host, n, **kw)) or programs[-1]
    yield host
    for program in programs:
        program.close()
    host.machine.bus.lint.check()
    assert len(os.listdir("/proc/self/fd")) == before


def buffers(program, text):
    return program.map(SOURCE, text), program.map(TARGET, bytes(4096))


def test_two_programs_same_iova(host):
    programs = [host.program(n) for n in range(2)]
    places = [buffers(p, bytes([n + 1]) * 4096) for n, p in enumerate(programs)]
    for program in programs:
        assert program.copy(SOURCE, TARGET, 4096) is ErrorType.OK
    for n, (program, (_, target)) in enumerate(zip(programs, places, strict=True)):
        assert program.mm.read(target, 4096) == bytes([n + 1]) * 4096
    first, second = (p.mdev.queue for p in programs)
    assert first.pasid != second.pasid


def test_two_devices_of_one_container_share_an_asid(host):
    first = host.program(0)
    second = host.program(1, other=first)
    _, target = buffers(first, b"x" * 4096)
    assert first.mdev.queue.pasid != second.mdev.queue.pasid
    assert second.copy(SOURCE, TARGET, 100) is ErrorType.OK
    assert first.mm.read(target, 100) == b"x" * 100


def test_isolation(host):
    first, second = host.program(0), host.program(1)
    _, target = buffers(first, b"x" * 4096)
    second.map(0x6000_0000, b"secret", MapFlag.READ)
    assert first.copy(0x6000_0000, TARGET, 6) is not ErrorType.OK
    buffers(second, b"y" * 4096)
    assert second.copy(SOURCE, 0x6000_0000, 6) is not ErrorType.OK  # read-only
    word = Doorbell.pack(queue=second.info.number, command=DoorbellCommand.SQ, index=7)
    first.write(DOORBELL, DOORBELL_OFFSET, word.to_bytes(8, "little"))  # not its queue
    assert second.copy(SOURCE, TARGET, 6) is ErrorType.OK
    assert first.copy(SOURCE, TARGET, 6) is ErrorType.OK
    assert first.mm.read(target, 6) == b"x" * 6


def test_unmap_ends_the_reach(host):
    program = host.program(0)
    buffers(program, b"x" * 4096)
    assert program.copy(SOURCE, TARGET, 10) is ErrorType.OK
    assert program.unmap(SOURCE, 4096) == 4096
    assert program.copy(SOURCE, TARGET, 10) is not ErrorType.OK


def test_completion_interrupt(host):
    program = host.program(0)
    buffers(program, b"x" * 4096)
    program.copy(SOURCE, TARGET, 10)
    assert program.events() == 1
    program.set_irqs(IrqSetFlag.DATA_NONE | IrqSetFlag.ACTION_MASK, COMPLETION, 0, 1)
    program.copy(SOURCE, TARGET, 10)
    assert program.events() == 0
    program.set_irqs(IrqSetFlag.DATA_BOOL | IrqSetFlag.ACTION_UNMASK, COMPLETION, 0, 1, b"\1")
    assert program.events() == 1
    program.set_irqs(IrqSetFlag.DATA_NONE | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 1)
    program.set_irqs(IrqSetFlag.DATA_BOOL | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 1, b"\1")
    program.set_irqs(IrqSetFlag.DATA_BOOL | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 1, b"\0")
    assert program.events() == 2
    program.set_irqs(IrqSetFlag.DATA_NONE | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 0)
    program.set_irqs(IrqSetFlag.DATA_NONE | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 1)
    assert program.events() == 0


def test_reset_and_go_on(host):
    program = host.program(0)
    _, target = buffers(program, b"x" * 4096)
    program.send(SOURCE, TARGET, 10)
    run(program.file.ioctl(DeviceIoctl.RESET))
    program.restarted()
    program.mm.write(target, bytes(10))
    assert program.copy(SOURCE, TARGET, 10) is ErrorType.OK
    assert program.mm.read(target, 10) == b"x" * 10


def test_mapped_regions(host):
    program = host.program(0)
    with fails(EINVAL):
        run(program.file.mmap(0, 4096))  # only the doorbell's own page can be mapped
    page = run(program.file.mmap(DOORBELL_OFFSET, 4096))
    word = Doorbell.pack(queue=program.info.number, command=DoorbellCommand.SQ)
    run(page.store(0, word.to_bytes(8, "little")))
    run(program.group.close())
    with fails(5):
        run(page.load(0, 8))
    with fails(ENODEV):
        program.read(0, 0x1000, 8)


def test_instances_run_out(host):
    available = f"mdev_supported_types/{KIND}/available_instances"
    for n in range(QUEUES):
        assert host.sysfs.read(available) == f"{QUEUES - n}\n"
        host.create(n)
    with fails(EUSERS):
        host.create(QUEUES)
    host.sysfs.write(f"{uuid(3)}/remove", b"1\n")
    host.create(QUEUES)
    assert host.sysfs.read(f"{uuid(4)}/mdev_type").endswith(KIND)
    assert len(host.sysfs.list(f"mdev_supported_types/{KIND}/devices")) == QUEUES


@pytest.mark.parametrize(("generation", "second"), [("5.10", EAGAIN), ("7.2", 0)])
def test_remove_while_open(generation, second):
    host = Host(PRESETS["tiny"], generation=GENERATIONS[generation])
    program = Program(host, 0)
    request = os.eventfd(0, os.EFD_NONBLOCK)
    program.set_irqs(IrqSetFlag.DATA_EVENTFD | IrqSetFlag.ACTION_TRIGGER, REQUEST, 0, 1,
                     request.to_bytes(4, "little"))
    host.sysfs.write(f"{uuid(0)}/remove", b"1")
    assert os.eventfd_read(request) == 1
    buffers(program, b"x" * 4096)
    assert program.copy(SOURCE, TARGET, 10) is ErrorType.OK  # the owner goes on until it closes
    if second:
        with fails(second):
            host.sysfs.write(f"{uuid(0)}/remove", b"1")
    else:
        host.sysfs.write(f"{uuid(0)}/remove", b"1")
    with fails(EEXIST):
        host.create(0)
    program.close()
    os.close(request)
    assert host.sysfs.list() == ["mdev_supported_types"]
    with fails(ENODEV):
        host.parent.remove(uuid(0))
    host.machine.bus.lint.check()


CREATE = [
    ("short", uuid(1)[:35].encode(), EINVAL), ("long", uuid(1).encode() + b"\n\n", EINVAL),
    ("no UUID", b"x" * 36, EINVAL), ("37 bytes, no newline", uuid(1).encode() + b"x", EINVAL),
    ("duplicate", uuid(0).encode(), EEXIST), ("duplicate, upper case",
                                              uuid(0).upper().encode() + b"\n", EEXIST),
    ("36 bytes", uuid(1).encode(), 0), ("37 bytes", uuid(1).encode() + b"\n", 0)]


@pytest.mark.parametrize(("data", "code"), [row[1:] for row in CREATE], ids=[r[0] for r in CREATE])
def test_create(data, code):
    host = Host(PRESETS["tiny"])
    host.create(0)
    path = f"mdev_supported_types/{KIND}/create"
    if not code:
        assert host.sysfs.write(path, data) == len(data)
        assert uuid(1) in host.sysfs.list()
    else:
        with fails(code):
            host.sysfs.write(path, data)


def test_parent_going_away():
    host = Host(PRESETS["tiny"])
    host.create(0)
    program = Program(host, 1)
    host.parent.unregister()
    assert host.sysfs.list() == [uuid(1), "mdev_supported_types"]
    with fails(ENODEV):
        host.create(2)
    program.close()
    assert host.sysfs.list() == ["mdev_supported_types"]


def test_sysfs_tree():
    host = Host(PRESETS["tiny"])
    host.create(0)
    root = f"mdev_supported_types/{KIND}"
    assert host.sysfs.list(root) == ["available_instances", "create", "description", "device_api",
                                     "devices", "name"]
    assert host.sysfs.list(uuid(0)) == ["mdev_type", "remove"]
    read = host.sysfs.read
    for path, code, act in ((f"{root}/create", 13, read), ("nothing", 2, read),
                            (root, 21, read), (f"{root}/name", 20, host.sysfs.list)):
        with fails(code):
            act(path)
    with fails(13):
        host.sysfs.write(f"{root}/name", b"x")
    with fails(EINVAL):
        host.sysfs.write(f"{uuid(0)}/remove", b"yes")


def test_pasids_and_memory_come_back(host):
    machine = host.machine
    pages, marks = machine.bus.pages, []
    for n in range(4):
        program = Program(host, n)
        places = buffers(program, b"x" * 4096)
        assert program.copy(SOURCE, TARGET, 10) is ErrorType.OK
        marks.append((program.mdev.queue.pasid, program.mdev.queue.number, pages._next,
                      len(pages._scattered)))
        for place in places:
            program.mm.munmap(place, 4096)
        run(program.group.close())
        os.close(program.event)
        assert not machine.qm.queues
    assert len(set(marks)) == 1
