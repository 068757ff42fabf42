"""Errors and answers of containers, groups and devices (vfio.md 1)."""

import errno
import os
import struct

import pytest

from driver.run import run
from driver.vfio import uapi
from driver.vfio.chain import capabilities
from driver.vfio.device import irqs
from driver.vfio.uapi import ContainerIoctl, DeviceIoctl, Extension, GroupIoctl, IrqSetFlag
from spec.impl import PRESETS
from spec.qm import DOORBELL_OFFSET
from tests.driver.rig import fails
from tests.driver.vfio_rig import GENERATIONS, Host, Program, uuid

E = errno
NONE, BOOL, EVENTFD = (IrqSetFlag.DATA_NONE, IrqSetFlag.DATA_BOOL, IrqSetFlag.DATA_EVENTFD)
MASK, UNMASK, TRIGGER = (IrqSetFlag.ACTION_MASK, IrqSetFlag.ACTION_UNMASK,
                         IrqSetFlag.ACTION_TRIGGER)

# Condition, flags, index, start, count, data, errno (0: success).
SET_IRQS = [
    ("bad index", NONE | TRIGGER, 2, 0, 1, b"", E.EINVAL),
    ("bad start", NONE | TRIGGER, 0, 1, 1, b"", E.EINVAL),
    ("bad count", NONE | TRIGGER, 0, 0, 2, b"", E.EINVAL),
    ("start and count overflow", NONE | TRIGGER, 0, 0xFFFF_FFFF, 2, b"", E.EINVAL),
    ("no data type", TRIGGER, 0, 0, 1, b"", E.EINVAL),
    ("two data types", NONE | BOOL | TRIGGER, 0, 0, 1, b"\1", E.EINVAL),
    ("no action", NONE, 0, 0, 1, b"", E.EINVAL),
    ("two actions", NONE | MASK | UNMASK, 0, 0, 1, b"", E.EINVAL),
    ("unknown flag", NONE | TRIGGER | 64, 0, 0, 1, b"", E.EINVAL),
    ("short eventfds", EVENTFD | TRIGGER, 0, 0, 1, b"\xff\xff\xff", E.EINVAL),
    ("short booleans", BOOL | TRIGGER, 0, 0, 1, b"", E.EINVAL),
    ("booleans for nobody", BOOL | TRIGGER, 0, 0, 0, b"", E.EINVAL),
    ("not open", EVENTFD | TRIGGER, 0, 0, 1, (9999).to_bytes(4, "little"), E.EBADF),
    ("not an eventfd", EVENTFD | TRIGGER, 0, 0, 1, "null", E.EINVAL),
    ("mask by eventfd", EVENTFD | MASK, 0, 0, 1, b"\xff" * 4, E.ENOTTY),
    ("mask the unmaskable", NONE | MASK, 1, 0, 1, b"", E.ENOTTY),
    ("remove", EVENTFD | TRIGGER, 0, 0, 1, b"\xff" * 4, 0),
    ("disable", NONE | TRIGGER, 0, 0, 0, b"", 0),
    ("loopback", NONE | TRIGGER, 0, 0, 1, b"", 0),
    ("mask", NONE | MASK, 0, 0, 1, b"", 0),
]


@pytest.fixture
def host():
    host = Host(PRESETS["tiny"])
    yield host
    host.machine.bus.lint.check()


@pytest.fixture
def program(host):
    program = Program(host, 0)
    yield program
    program.close()


@pytest.mark.parametrize("row", SET_IRQS, ids=[row[0] for row in SET_IRQS])
def test_set_irqs(program, row):
    _, flags, index, start, count, data, code = row
    with open(os.devnull) as null:
        if data == "null":
            data = null.fileno().to_bytes(4, "little")
        if code:
            with fails(code):
                program.set_irqs(flags, index, start, count, data)
        else:
            program.set_irqs(flags, index, start, count, data)


@pytest.mark.parametrize("argsz", [0, 19, 20])
def test_set_irqs_argsz(program, argsz):
    with fails(E.EINVAL):
        program.set_irqs(EVENTFD | TRIGGER, 0, 0, 1, b"\xff" * 4, argsz)


def test_set_irqs_of_several_does_all_or_nothing():
    """The second descriptor is no eventfd: the first interrupt goes where it went."""
    old, new = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
    before = len(os.listdir("/proc/self/fd"))
    lines = irqs((uapi.IrqFlag.EVENTFD, 2))

    def connect(*fds):
        lines.set(bytearray(uapi.IrqSet(20 + 4 * len(fds), EVENTFD | TRIGGER, 0, 0, len(fds))
                            .encode() + struct.pack(f"<{len(fds)}i", *fds)))

    connect(old, -1)
    with fails(E.EBADF):
        connect(new, 9999)
    lines.fire(0)
    assert os.eventfd_read(old) == 1
    with pytest.raises(BlockingIOError):
        os.eventfd_read(new)
    lines.close()
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(old)
    os.close(new)


def ask(program, number, value):
    argument = bytearray(value if isinstance(value, bytes) else value.encode())
    run(program.file.ioctl(number, argument))
    return argument


def test_device_info(program):
    answer = ask(program, DeviceIoctl.GET_INFO, uapi.DeviceInfo(argsz=24))
    info = uapi.DeviceInfo.decode(answer)
    assert (info.flags, info.regions, info.irqs, info.cap_offset) == (5, 3, 2, 0)
    ask(program, DeviceIoctl.GET_INFO, uapi.DeviceInfo(argsz=16).encode()[:16])
    with fails(E.EINVAL):
        ask(program, DeviceIoctl.GET_INFO, uapi.DeviceInfo(argsz=15))


def test_region_info_and_sparse_mmap(program):
    need = 32 + 8 + 8 + 16
    answer = ask(program, DeviceIoctl.GET_REGION_INFO, uapi.RegionInfo(argsz=32))
    info = uapi.RegionInfo.decode(answer)
    assert (info.argsz, info.cap_offset, info.flags) == (need, 0, 15)
    answer = ask(program, DeviceIoctl.GET_REGION_INFO,
                 uapi.RegionInfo(argsz=need).encode() + bytes(need - 32))
    info = uapi.RegionInfo.decode(answer)
    assert (info.cap_offset, info.size_) == (32, 0x10000)
    sparse = capabilities(answer, info.cap_offset)[uapi.Capability.REGION_SPARSE_MMAP]
    assert uapi.SparseMmap.decode(sparse).nr_areas == 1
    assert uapi.Area.decode(sparse, 8) == uapi.Area(DOORBELL_OFFSET, 4096)
    with fails(E.EINVAL):
        ask(program, DeviceIoctl.GET_REGION_INFO, uapi.RegionInfo(argsz=32, index=3))


def test_irq_info(program):
    answer = ask(program, DeviceIoctl.GET_IRQ_INFO, uapi.IrqInfo(argsz=16))
    assert uapi.IrqInfo.decode(answer) == uapi.IrqInfo(16, 11, 0, 1)
    with fails(E.EINVAL):
        ask(program, DeviceIoctl.GET_IRQ_INFO, uapi.IrqInfo(argsz=16, index=2))


def test_region_accesses(program):
    for region, offset, size in ((3, 0, 4), (0, 0x10000, 4), (0, 0xFFFC, 8), (0, 2, 4), (1, 0, 0)):
        with fails(E.EINVAL):
            program.read(region, offset, size)
    with fails(E.EINVAL):
        program.write(2, 0, b"read-only")


def test_iommu_info(program):
    size = 24 + 8 + 24 + 8 + 8
    argument = bytearray(uapi.IommuInfo(argsz=size).encode() + bytes(size - 24))
    run(program.container.ioctl(ContainerIoctl.IOMMU_GET_INFO, argument))
    info = uapi.IommuInfo.decode(argument)
    assert (info.flags, info.iova_pgsizes, info.cap_offset) == (3, 4096, 24)
    caps = capabilities(argument, info.cap_offset)
    assert uapi.IovaRange.decode(caps[uapi.Capability.IOMMU_IOVA_RANGE], 8).end == (1 << 48) - 1
    assert uapi.DmaAvailCap.decode(caps[uapi.Capability.IOMMU_DMA_AVAIL]).avail == 65535


@pytest.mark.parametrize(("generation", "extension", "answer"), [
    ("5.10", Extension.TYPE1, 1), ("5.10", Extension.TYPE1v2, 1), ("5.10", Extension.NOIOMMU, 0),
    ("5.10", Extension.UNMAP_ALL, 0), ("7.2", Extension.UNMAP_ALL, 1), ("7.2", 77, 0)])
def test_extensions(generation, extension, answer):
    container = Host(PRESETS["tiny"], generation=GENERATIONS[generation]).container()
    assert run(container.ioctl(ContainerIoctl.GET_API_VERSION)) == 0
    assert run(container.ioctl(ContainerIoctl.CHECK_EXTENSION, extension)) == answer


def test_states_of_container_and_group(host):
    """Each step before its turn is refused, in its turn it works."""
    host.create(0)
    group, container = host.parent.devices[uuid(0)].group, host.container()
    status = bytearray(uapi.GroupStatus(argsz=8).encode())
    group.open()
    with fails(E.EBUSY):
        group.open()
    with fails(E.EINVAL):
        run(container.ioctl(ContainerIoctl.SET_IOMMU, Extension.TYPE1v2))  # no group
    with fails(E.EINVAL):
        run(container.ioctl(ContainerIoctl.MAP_DMA, bytearray(32)))  # no IOMMU
    with fails(E.EINVAL):
        run(group.ioctl(GroupIoctl.UNSET_CONTAINER))
    with fails(E.EINVAL):
        run(group.device_fd(uuid(0)))
    with fails(E.EINVAL):
        run(group.ioctl(GroupIoctl.SET_CONTAINER, None))
    run(group.ioctl(GroupIoctl.GET_STATUS, status))
    assert uapi.GroupStatus.decode(status).flags == 1
    run(group.ioctl(GroupIoctl.SET_CONTAINER, container))
    run(group.ioctl(GroupIoctl.GET_STATUS, status))
    assert uapi.GroupStatus.decode(status).flags == 3
    with fails(E.EINVAL):
        run(group.ioctl(GroupIoctl.SET_CONTAINER, container))
    with fails(E.EINVAL):
        run(group.device_fd(uuid(0)))  # no IOMMU yet
    for refused in (Extension.NOIOMMU, 77):
        with fails(E.ENODEV):
            run(container.ioctl(ContainerIoctl.SET_IOMMU, refused))
    run(container.ioctl(ContainerIoctl.SET_IOMMU, Extension.TYPE1v2))
    with fails(E.EINVAL):
        run(container.ioctl(ContainerIoctl.SET_IOMMU, Extension.TYPE1v2))
    with fails(E.ENODEV):
        run(group.device_fd("another"))
    file = run(group.device_fd(uuid(0)))
    with fails(E.EBUSY):
        run(group.device_fd(uuid(0)))
    with fails(E.EBUSY):
        run(group.ioctl(GroupIoctl.UNSET_CONTAINER))
    run(file.close())
    with fails(E.ENODEV):
        run(file.ioctl(DeviceIoctl.RESET))
    run(group.ioctl(GroupIoctl.UNSET_CONTAINER))
    assert container.backend is None
    with fails(E.ENOTTY):
        run(container.ioctl(0x1234, bytearray(8)))
    with fails(E.ENOTTY):
        run(group.ioctl(0x1234))
