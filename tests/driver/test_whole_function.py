"""The whole function in one program's hands: own PASIDs, own partition, faults in its own queue."""

import errno
import os

import pytest

from driver.iommu.mm import Mm
from driver.iommu.pagetable import Prot
from driver.model_bus import ModelBus
from driver.run import run
from driver.vfio import iommufd_uapi as fd
from driver.vfio import uapi
from driver.vfio.container import Container
from driver.vfio.device import OFFSET_SHIFT
from driver.vfio.kernel import Kernel
from driver.vfio.pci import (
    ACCEL_WIRES,
    SMMU_WIRES,
    PciFunction,
    accelerator_bars,
    smmu_bars,
)
from driver.vfio.pci_uapi import PciIrq, PciRegion
from driver.vfio.uapi import ContainerIoctl, DeviceIoctl, Extension, GroupIoctl
from pymodel.memory import PAGE
from spec.impl import PRESETS
from spec.sec import ErrorType
from tests.driver.rig import QUEUES, SID, fails
from tests.driver.stories import Owner
from tests.driver.vfio_rig import Host, uuid

RW = Prot.READ | Prot.WRITE


def attach(owner, pt, pasid, argsz=16):
    """ATTACH_PT; `pasid` None: without."""
    flags = uapi.AttachFlag.PASID if pasid is not None else 0
    request = uapi.Attach(argsz, flags, pt, pasid or 0)
    run(owner.file.ioctl(DeviceIoctl.ATTACH_PT, bytearray(request.encode())))


def make(preset="base"):
    """An owner whose device is not probed yet."""
    return run(Owner.create(ModelBus(PRESETS[preset], sid=SID, queues=QUEUES), SID, QUEUES))


def close(owner):
    run(owner.shut())
    run(owner.iommufd.close())
    owner.bus.lint.check()


def fault_queue(owner):
    """A new one: its number, and the open queue."""
    argument = bytearray(fd.FaultAlloc(16).encode())
    run(owner.iommufd.ioctl(fd.IommufdIoctl.FAULT_QUEUE_ALLOC, argument))
    alloc = fd.FaultAlloc.decode(argument)
    return alloc.out_fault_id, owner.iommufd.files[alloc.out_fault_fd]


@pytest.fixture(params=["tiny", "base"])
def owner(request):
    before = len(os.listdir("/proc/self/fd"))
    owner = make(request.param)
    yield owner
    close(owner)
    assert not owner.bus.smmu.stalls
    assert len(os.listdir("/proc/self/fd")) == before


def copy(owner, queue, source, target, size):
    return run(owner.copy(queue, source, target, size))


def test_own_partition(owner):
    """Two address spaces at the same IOVA, PASIDs of the program's choice."""
    run(owner.probe())
    places = []
    for n in range(2):
        domain = owner.stream.domain()
        source, target = (owner.memory(domain, iova) for iova in (0x4000, 0x8000))
        owner.mm.write(source, bytes([n + 1]) * 64)
        places.append((run(owner.qm.open(domain)), target))
    for queue, _ in places:
        assert copy(owner, queue, 0x4000, 0x8000, 64) is ErrorType.OK
        assert run(owner.device.interrupt("eq", 0))
        assert run(owner.qm.service()) == [queue.number]
    assert [owner.mm.read(target, 64) for _, target in places] == [b"\1" * 64, b"\2" * 64]
    assert [queue.pasid for queue, _ in places] == [1, 2]
    assert copy(owner, places[0][0], 0xC000, 0x8000, 64) is not ErrorType.OK
    run(owner.qm.close(places[0][0]))
    assert copy(owner, places[1][0], 0x4000, 0x8000, 64) is ErrorType.OK


def test_replace_under_a_pasid(owner):
    run(owner.probe())
    first, second = owner.stream.domain(), owner.stream.domain()
    for n, domain in enumerate((first, second)):
        owner.memory(domain, 0x4000, bytes([n + 1]) * 16)
    target = owner.mm.mmap(PAGE)
    for domain in (first, second):
        domain.map(0x8000, target, PAGE, RW)
    queue = run(owner.qm.open(first))
    assert copy(owner, queue, 0x4000, 0x8000, 16) is ErrorType.OK
    attach(owner, second.hwpt, queue.pasid)
    assert copy(owner, queue, 0x4000, 0x8000, 16) is ErrorType.OK
    assert owner.mm.read(target, 16) == b"\2" * 16


def test_closed_in_the_middle(owner):
    """The file is closed with queues open and, where the SMMU can, a stalled job."""
    run(owner.probe())
    stalls = owner.smmu.impl.stalls
    number, _ = fault_queue(owner)
    queue = run(owner.qm.open(owner.stream.domain(number if stalls else 0)))
    run(queue.copy(0x4000, 0x8000, 16, 1))
    assert len(owner.bus.smmu.stalls) == stalls
    run(owner.shut())
    assert not owner.bus.smmu.stalls
    owner.open()
    run(owner.probe())
    domain = owner.stream.domain()
    owner.memory(domain, 0x4000)
    assert copy(owner, run(owner.qm.open(domain)), 0x4000, 0x4100, 16) is ErrorType.OK


@pytest.mark.parametrize("retry", [True, False])
def test_fault_queue(retry):
    owner = make()
    run(owner.probe())
    number, faults = fault_queue(owner)
    domain = owner.stream.domain(number)
    owner.memory(domain, 0x8000)
    queue = run(owner.qm.open(domain))
    run(queue.copy(0x4000, 0x8000, 16, 1))
    run(owner.iommu.faults.service())
    with fails(errno.ESPIPE):
        faults.read(39)
    with fails(errno.ESPIPE):
        run(faults.write(bytes(7)))
    assert os.eventfd_read(faults.fd) == 1
    os.eventfd_write(faults.fd, 1)
    record = fd.PageFault.decode(faults.read(400))
    assert (record.flags, record.dev_id, record.pasid) == (3, owner.stream.devid, queue.pasid)
    assert (record.perm, record.addr & ~0xFFF) == (1, 0x4000)
    assert not faults.read(40)
    for reply in ((record.cookie + 1, 0), (record.cookie, 2)):
        with fails(errno.EINVAL):
            run(faults.write(fd.PageResponse(*reply).encode()))
    if retry:
        owner.memory(domain, 0x4000)
    code = fd.FaultCode.SUCCESS if retry else fd.FaultCode.INVALID
    assert run(faults.write(fd.PageResponse(record.cookie, code).encode())) == 8
    assert (run(queue.receive())[0].error is ErrorType.OK) is retry
    with fails(errno.EINVAL):
        run(faults.write(fd.PageResponse(record.cookie, 0).encode()))
    close(owner)


def test_detached_fault_waits_for_nobody():
    owner = make()
    run(owner.probe())
    number, faults = fault_queue(owner)
    queue = run(owner.qm.open(owner.stream.domain(number)))
    run(queue.copy(0x4000, 0x8000, 16, 1))
    run(owner.iommu.faults.service())
    run(owner.stream.silence(queue.pasid))
    assert not faults.read(40)
    assert not owner.bus.smmu.stalls
    with pytest.raises(BlockingIOError):
        os.eventfd_read(faults.fd)
    run(owner.stream.restore(queue.pasid))
    close(owner)


def test_reset_forgets_the_queues(owner):
    run(owner.probe())
    domain = owner.stream.domain()
    owner.memory(domain, 0x4000)
    queue = run(owner.qm.open(domain))
    run(owner.file.ioctl(DeviceIoctl.RESET))
    run(queue.copy(0x4000, 0x4100, 16, 1))
    assert not run(queue.receive())


def answer(owner, number, value, size=0):
    argument = bytearray(value.encode() + bytes(size))
    run(owner.file.ioctl(number, argument))
    return type(value).decode(argument)


def test_shape(owner):
    info = answer(owner, DeviceIoctl.GET_INFO, uapi.DeviceInfo(argsz=24))
    assert (info.flags, info.regions, info.irqs) == (3, 9, 5)
    sizes = [answer(owner, DeviceIoctl.GET_REGION_INFO, uapi.RegionInfo(32, index=n)).size_
             for n in range(9)]
    assert sizes == [0, 0, 0x40_0000, 0, QUEUES * 0x1_0000, 0, 0, 4096, 0]
    counts = [answer(owner, DeviceIoctl.GET_IRQ_INFO, uapi.IrqInfo(16, index=n)).count
              for n in range(5)]
    assert counts == [0, 4, 0, 1, 1]
    event = os.eventfd(0, os.EFD_NONBLOCK)
    argument = uapi.IrqSet(24, 4 | 32, PciIrq.REQ, 0, 1).encode() + event.to_bytes(4, "little")
    run(owner.file.ioctl(DeviceIoctl.SET_IRQS, bytearray(argument)))
    owner.function.request()
    assert os.eventfd_read(event) == 1
    os.close(event)


def test_config_space(owner):
    def read(offset, size):
        data = run(owner.file.pread(size, PciRegion.CONFIG << OFFSET_SHIFT | offset))
        return int.from_bytes(data, "little")

    def write(offset, value, size):
        run(owner.file.pwrite(value.to_bytes(size, "little"),
                              PciRegion.CONFIG << OFFSET_SHIFT | offset))

    assert read(0, 4) == 0xA255_19E5
    assert read(8, 4) == 0x1000_0030
    write(0x10 + 4 * 2, 0xFFFF_FFFF_FFFF_FFFF, 8)
    assert read(0x10 + 4 * 2, 8) == (1 << 64) - 0x40_0000 + 4
    write(0x10, 0xFFFF_FFFF, 4)
    assert read(0x10, 4) == 0
    found, at = {}, read(0x34, 1)
    while at:
        found[read(at, 1)] = at
        at = read(at + 1, 1)
    assert sorted(found) == [5, 0x10]
    msi = found[5]
    assert read(msi + 2, 2) == 0x184  # 64-bit, maskable, 4 messages
    write(msi + 2, 0x0021, 2)
    write(msi + 0x10, 0xFFFF_FFFF, 4)
    assert (read(msi + 2, 2), read(msi + 0x10, 4)) == (0x1A5, 0xF)
    assert read(0x100, 4) == 0x1001B
    assert read(0x104, 2) == 4 << 8
    run(owner.probe())
    domain = owner.stream.domain()
    queue = run(owner.qm.open(domain))
    write(found[0x10] + 8, 0x8000, 2)  # FLR
    assert read(msi + 2, 2) == 0x184
    run(queue.copy(0x4000, 0x4100, 16, 1))
    assert not run(queue.receive())
    with fails(errno.EINVAL):
        run(owner.file.pread(2, PciRegion.BAR2 << OFFSET_SHIFT))


def unprotected(allowed):
    """The function with the SMMU in it, its group, and a container of a host that allows devices
    without an IOMMU, or not."""
    bus = ModelBus(PRESETS["base"], sid=SID, queues=QUEUES)
    function = PciFunction(bus, "0000:00:03.0", 3, smmu_bars() | accelerator_bars(QUEUES),
                           ACCEL_WIRES | SMMU_WIRES)
    iommu = make().iommu  # of another device
    return function, function.group.open(), Container(iommu, Mm(bus), Kernel(noiommu=allowed))


def test_without_iommu_refused_by_default():
    _, group, container = unprotected(False)
    assert not run(container.ioctl(ContainerIoctl.CHECK_EXTENSION, Extension.NOIOMMU))
    with fails(errno.EPERM):
        run(group.ioctl(GroupIoctl.SET_CONTAINER, container))


def test_without_iommu():
    """Its owner drives the SMMU himself; nothing can be mapped for it."""
    function, group, container = unprotected(True)
    assert run(container.ioctl(ContainerIoctl.CHECK_EXTENSION, Extension.NOIOMMU))
    run(group.ioctl(GroupIoctl.SET_CONTAINER, container))
    for kind in (Extension.TYPE1, Extension.TYPE1v2):
        with fails(errno.ENODEV):
            run(container.ioctl(ContainerIoctl.SET_IOMMU, kind))
    with fails(errno.EINVAL):
        run(group.device_fd(function.name))
    run(container.ioctl(ContainerIoctl.SET_IOMMU, Extension.NOIOMMU))
    with fails(errno.ENOTTY):
        run(container.ioctl(ContainerIoctl.MAP_DMA, bytearray(32)))
    file = run(group.device_fd(function.name))
    idr0 = run(file.pread(4, PciRegion.BAR0 << OFFSET_SHIFT))
    assert int.from_bytes(idr0, "little") == PRESETS["base"].idr0
    assert function.irqs.indices[PciIrq.MSI].count == 8
    with fails(errno.EINVAL):
        run(function.attach_pasid(1, make().iommu.domain()))
    with fails(errno.EBUSY):
        run(group.ioctl(GroupIoctl.UNSET_CONTAINER))
    run(group.close())


def test_with_and_without_iommu_do_not_mix():
    _, group, container = unprotected(True)
    host = Host(PRESETS["tiny"])
    host.create(0)
    run(group.ioctl(GroupIoctl.SET_CONTAINER, container))
    other = host.parent.devices[uuid(0)].group.open()
    with fails(errno.EINVAL):
        run(other.ioctl(GroupIoctl.SET_CONTAINER, container))
