"""Sizes, numbers and round trips of the structures that cross the kernel boundary."""

import dataclasses
import errno
import struct

import pytest

from driver.vfio import iommufd_uapi as fd
from driver.vfio import uacce_uapi as uacce
from driver.vfio import uapi
from driver.vfio.chain import capabilities, chain
from driver.vfio_user import uapi as user
from tests.driver.rig import fails

# Structure, struct codes and bytes as vfio.md gives them (bytes None: it gives none).
LAYOUTS = [
    (uapi.DeviceInfo, "IIIIII", 24), (uapi.RegionInfo, "IIIIQQ", 32),
    (uapi.CapabilityHeader, "HHI", 8), (uapi.SparseMmap, "II", 8), (uapi.Area, "QQ", 16),
    (uapi.IrqInfo, "IIII", 16), (uapi.IrqSet, "IIIII", 20), (uapi.DmaMap, "IIQQQ", 32),
    (uapi.DmaUnmap, "IIQQ", 24), (uapi.Bitmap, "QQQ", 24), (uapi.Bind, "IIiIQ", 24),
    (uapi.Attach, "IIII", 16), (fd.PageFault, "IIIIIIQII", 40), (fd.PageResponse, "II", 8),
    (uacce.QpContext, "HH", 4), (uacce.QpInfo, "IHHQ", 16),
    (user.Header, "HHIII", 16), (user.Version, "HH", 4), (user.DmaMap, "IIQQQ", 32),
    (user.DmaUnmap, "IIQQ", 24), (user.RegionAccess, "QII", 16),
]

# Fields in order, where the kernel's header or vfio.md names them.
FIELDS = [
    (uapi.DeviceInfo, "argsz flags regions irqs cap_offset pad"),
    (uapi.RegionInfo, "argsz flags index cap_offset size_ offset"),
    (uapi.IrqInfo, "argsz flags index count"), (uapi.IrqSet, "argsz flags index start count"),
    (uapi.DmaMap, "argsz flags vaddr iova size_"), (uapi.DmaUnmap, "argsz flags iova size_"),
    (uapi.Bind, "argsz flags iommufd devid token"), (uapi.Attach, "argsz flags pt_id pasid"),
    (fd.PageFault, "flags dev_id pasid grpid perm reserved addr length cookie"),
    (fd.PageResponse, "cookie code"), (user.Header, "id command size_ flags error"),
    (user.DmaMap, "argsz flags offset address size_"), (user.RegionAccess, "offset region count"),
]

COMMANDS = {
    "VERSION": 1, "DMA_MAP": 2, "DMA_UNMAP": 3, "DEVICE_GET_INFO": 4, "DEVICE_GET_REGION_INFO": 5,
    "DEVICE_GET_REGION_IO_FDS": 6, "DEVICE_GET_IRQ_INFO": 7, "DEVICE_SET_IRQS": 8,
    "REGION_READ": 9, "REGION_WRITE": 10, "DMA_READ": 11, "DMA_WRITE": 12, "DEVICE_RESET": 13,
    "REGION_WRITE_MULTI": 15, "DEVICE_FEATURE": 16, "MIG_DATA_READ": 17, "MIG_DATA_WRITE": 18}

NUMBERS = [
    (uapi.ContainerIoctl.GET_API_VERSION, 0x3B64), (uapi.ContainerIoctl.SET_IOMMU, 0x3B66),
    (uapi.GroupIoctl.GET_STATUS, 0x3B67), (uapi.GroupIoctl.GET_DEVICE_FD, 0x3B6A),
    (uapi.DeviceIoctl.GET_INFO, 0x3B6B), (uapi.DeviceIoctl.SET_IRQS, 0x3B6E),
    (uapi.DeviceIoctl.RESET, 0x3B6F), (uapi.ContainerIoctl.IOMMU_GET_INFO, 0x3B70),
    (uapi.ContainerIoctl.MAP_DMA, 0x3B71), (uapi.ContainerIoctl.UNMAP_DMA, 0x3B72),
    (uapi.ContainerIoctl.DIRTY_PAGES, 0x3B75), (uapi.DeviceIoctl.FEATURE, 0x3B75),
    (uapi.DeviceIoctl.DETACH_PT, 0x3B78), (fd.IommufdIoctl.IOAS_ALLOC, 0x3B81),
    (fd.IommufdIoctl.HWPT_ALLOC, 0x3B89), (fd.IommufdIoctl.VEVENTQ_ALLOC, 0x3B93),
    (uacce.UacceIoctl.START_Q, 0x5700), (uacce.UacceIoctl.PUT_Q, 0x5701),
    (uacce.UacceIoctl.SET_QP_CONTEXT, 0xC004480A), (uacce.UacceIoctl.GET_QP_INFO, 0xC010480B),
]


@pytest.mark.parametrize(("kind", "codes", "size"), LAYOUTS)
def test_layout(kind, codes, size):
    assert (kind.CODES, kind.size()) == (codes, size)
    values = range(1, len(codes) + 1)
    data = kind(*values).encode()
    assert data == struct.pack("<" + codes, *values)
    assert kind.decode(data) == kind(*values)
    with fails(errno.EINVAL):
        kind.decode(data[:-1])


@pytest.mark.parametrize(("number", "value"), NUMBERS)
def test_number(number, value):
    assert number == value


@pytest.mark.parametrize(("kind", "names"), FIELDS)
def test_order_of_fields(kind, names):
    assert [field.name for field in dataclasses.fields(kind)] == names.split()


def test_commands_of_vfio_user():
    assert {command.name: command.value for command in user.Command} == COMMANDS
    assert (user.HeaderFlag.REPLY, user.HeaderFlag.NO_REPLY, user.HeaderFlag.ERROR) == (
        1, 0x10, 0x20)


def test_argsz_too_small():
    data = uapi.DmaMap(argsz=31).encode()
    with fails(errno.EINVAL):
        uapi.DmaMap.receive(data)


def test_capability_chain():
    raw = chain(24, [(1, 1, b"abc"), (3, 1, b"defghijk")])
    data = bytes(24) + raw
    found = capabilities(data, 24)
    assert found[1].startswith(b"abc")
    assert found[3] == b"defghijk"
    assert uapi.CapabilityHeader.decode(data, 24).next == 40
