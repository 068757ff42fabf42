"""Devices without container and group: errors before BIND, attach, replace, detach, iommufd."""

import errno

import pytest

from driver.iommu.mm import Mm
from driver.run import run
from driver.vfio import iommufd_uapi as fd
from driver.vfio import uapi
from driver.vfio.cdev import CdevFile
from driver.vfio.device import OFFSET_SHIFT
from driver.vfio.iommufd import Iommufd
from driver.vfio.mdev import INFO
from driver.vfio.uapi import DeviceIoctl
from pymodel.transaction import Ending, Transaction
from spec.impl import PRESETS
from tests.driver.rig import SID, fails
from tests.driver.vfio_rig import Host, uuid

E = errno
PAGE = 4096
RW = fd.IoasMapFlag.FIXED_IOVA | fd.IoasMapFlag.WRITEABLE | fd.IoasMapFlag.READABLE


class Program:
    """Has /dev/iommu as descriptor 7 and one device."""

    def __init__(self, impl):
        self.host = Host(impl)
        self.host.create(0)
        self.mdev = self.host.parent.devices[uuid(0)]
        self.mm = Mm(self.host.machine.bus)
        self.at = self.mm.mmap(16 * PAGE)
        self.iommufd = Iommufd(self.host.machine.iommu, self.mm)
        self.file = CdevFile(self.mdev, {7: self.iommufd})

    def device(self, number, value):
        argument = bytearray(value.encode())
        run(self.file.ioctl(number, argument))
        return argument

    def alloc(self):
        argument = bytearray(fd.IoasAlloc(12).encode())
        run(self.iommufd.ioctl(fd.IommufdIoctl.IOAS_ALLOC, argument))
        return fd.IoasAlloc.decode(argument).out_ioas_id

    def map(self, ioas, iova, length=PAGE, va=0, flags=RW, argsz=40):
        ask = fd.IoasMap(argsz, flags, ioas, 0, self.at + va, length, iova)
        run(self.iommufd.ioctl(fd.IommufdIoctl.IOAS_MAP, bytearray(ask.encode())))

    def unmap(self, ioas, iova, length):
        argument = bytearray(fd.IoasUnmap(24, ioas, iova, length).encode())
        run(self.iommufd.ioctl(fd.IommufdIoctl.IOAS_UNMAP, argument))
        return fd.IoasUnmap.decode(argument).length

    def reaches(self, iova):
        """The physical page that the queue's transactions reach."""
        result = self.host.machine.bus.smmu.access(
            Transaction(sid=SID, ssid=self.mdev.queue.pasid, addr=iova, size=4))
        return result.pa if result.ending is Ending.TRANSLATED else None


@pytest.fixture(params=["tiny", "base"])
def program(request):
    program = Program(PRESETS[request.param])
    yield program
    run(program.file.close())
    run(program.iommufd.close())
    program.host.machine.check()


@pytest.mark.parametrize("number", [n for n in DeviceIoctl if n is not DeviceIoctl.BIND_IOMMUFD])
def test_use_before_bind(program, number):
    with fails(E.EINVAL):
        run(program.file.ioctl(number, bytearray(64)))


def test_access_before_attach(program):
    with fails(E.EINVAL):
        run(program.file.pread(4, INFO << OFFSET_SHIFT))


@pytest.mark.parametrize(("bind", "code"), [
    (uapi.Bind(24, 0, 8), E.EBADF), (uapi.Bind(24, 1, 7), E.EINVAL),
    (uapi.Bind(23, 0, 7), E.EINVAL), (uapi.Bind(24, 0, -1), E.EBADF)])
def test_bind_errors(program, bind, code):
    with fails(code):
        program.device(DeviceIoctl.BIND_IOMMUFD, bind)


def test_attach_replace_detach(program):
    first, second = program.alloc(), program.alloc()
    program.map(first, 0x4000)
    program.map(second, 0x4000, va=PAGE)
    bound = uapi.Bind.decode(program.device(DeviceIoctl.BIND_IOMMUFD, uapi.Bind(24, 0, 7)))
    assert bound.devid
    with fails(E.EINVAL):
        program.device(DeviceIoctl.BIND_IOMMUFD, uapi.Bind(24, 0, 7))
    with fails(E.ENOENT):
        program.device(DeviceIoctl.ATTACH_PT, uapi.Attach(12, 0, 99))
    with fails(E.EOPNOTSUPP):
        program.device(DeviceIoctl.ATTACH_PT, uapi.Attach(16, 1, first, 5))
    places = []
    for ioas in (first, second):
        program.device(DeviceIoctl.ATTACH_PT, uapi.Attach(12, 0, ioas))
        places.append(program.reaches(0x4000))
    assert places == [program.mm.touch(program.at + n * PAGE, False) for n in range(2)]
    assert program.unmap(second, 0x4000, PAGE) == PAGE
    assert program.reaches(0x4000) is None
    run(program.file.ioctl(DeviceIoctl.RESET))
    program.device(DeviceIoctl.DETACH_PT, uapi.Detach(12))
    assert program.mdev.queue is None
    program.device(DeviceIoctl.DETACH_PT, uapi.Detach(12))


def test_removed_before_attach(program):
    """An open device keeps its place until it is closed, but starts nothing any more."""
    with fails(E.EBUSY):
        CdevFile(program.mdev, {})
    ioas = program.alloc()
    program.device(DeviceIoctl.BIND_IOMMUFD, uapi.Bind(24, 0, 7))
    program.host.parent.remove(uuid(0))
    with fails(E.ENODEV):
        program.device(DeviceIoctl.ATTACH_PT, uapi.Attach(12, 0, ioas))
    assert uuid(0) in program.host.parent.devices
    run(program.file.close())
    assert not program.host.parent.devices


# Condition, arguments of map, errno. Mapped before: 2 pages at 0x10000.
MAP = [("overlap", {"iova": 0x11000}, E.EEXIST), ("misaligned", {"iova": 0x100}, E.EINVAL),
       ("size 0", {"iova": 0x4000, "length": 0}, E.EINVAL),
       ("reserved", {"iova": 1 << 48}, E.EINVAL),
       ("overflow", {"iova": (1 << 64) - PAGE, "length": 2 * PAGE}, E.EOVERFLOW),
       ("no access", {"iova": 0x4000, "flags": 1}, E.EINVAL),
       ("unknown flag", {"iova": 0x4000, "flags": 15}, E.EOPNOTSUPP),
       ("argsz", {"iova": 0x4000, "argsz": 39}, E.EINVAL),
       ("no such memory", {"iova": 0x4000, "va": 99 * PAGE}, E.EFAULT)]
# Condition, range, errno or the bytes unmapped.
UNMAP = [("splits", 0x10000, PAGE, E.ENOENT, 0), ("splits the end", 0x11000, PAGE, E.ENOENT, 0),
         ("nothing there", 0x40000, PAGE, E.ENOENT, 0), ("empty", 0x10000, 0, E.EINVAL, 0),
         ("overflow", (1 << 64) - PAGE, 2 * PAGE, E.EOVERFLOW, 0),
         ("all", 0, (1 << 64) - 1, 0, 2 * PAGE), ("exactly", 0x10000, 2 * PAGE, 0, 2 * PAGE)]


@pytest.mark.parametrize(("arguments", "code"), [r[1:] for r in MAP], ids=[r[0] for r in MAP])
def test_map_errors(program, arguments, code):
    ioas = program.alloc()
    program.map(ioas, 0x10000, 2 * PAGE)
    with fails(code):
        program.map(ioas, **arguments)


@pytest.mark.parametrize(("iova", "length", "code", "size"), [r[1:] for r in UNMAP],
                         ids=[r[0] for r in UNMAP])
def test_unmap_errors(program, iova, length, code, size):
    ioas = program.alloc()
    program.map(ioas, 0x10000, 2 * PAGE)
    if code:
        with fails(code):
            program.unmap(ioas, iova, length)
    else:
        assert program.unmap(ioas, iova, length) == size
