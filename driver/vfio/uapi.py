"""Numbers, flags and structures of the VFIO interface (vfio.md 1)."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import ClassVar

from driver.vfio.packed import Packed

BASE = 0x3B64
API_VERSION = 0
U32_MAX = (1 << 32) - 1
U64_MAX = (1 << 64) - 1


class ContainerIoctl(IntEnum):
    """On /dev/vfio/vfio."""

    GET_API_VERSION = BASE + 0
    CHECK_EXTENSION = BASE + 1
    SET_IOMMU = BASE + 2
    IOMMU_GET_INFO = BASE + 12
    MAP_DMA = BASE + 13
    UNMAP_DMA = BASE + 14
    DIRTY_PAGES = BASE + 17


class GroupIoctl(IntEnum):
    """On /dev/vfio/GROUP."""

    GET_STATUS = BASE + 3
    SET_CONTAINER = BASE + 4
    UNSET_CONTAINER = BASE + 5
    GET_DEVICE_FD = BASE + 6


class DeviceIoctl(IntEnum):
    """On a device, however it was opened."""

    GET_INFO = BASE + 7
    GET_REGION_INFO = BASE + 8
    GET_IRQ_INFO = BASE + 9
    SET_IRQS = BASE + 10
    RESET = BASE + 11
    FEATURE = BASE + 17
    BIND_IOMMUFD = BASE + 18
    ATTACH_PT = BASE + 19
    DETACH_PT = BASE + 20


class Extension(IntEnum):
    """Arguments of CHECK_EXTENSION; the first two and NOIOMMU are IOMMU types too."""

    TYPE1 = 1
    TYPE1v2 = 3
    NOIOMMU = 8
    UNMAP_ALL = 9


class DeviceFlag(IntFlag):
    RESET = 1
    PCI = 2
    PLATFORM = 4
    CAPS = 0x80


class RegionFlag(IntFlag):
    READ = 1
    WRITE = 2
    MMAP = 4
    CAPS = 8


class IrqFlag(IntFlag):
    EVENTFD = 1
    MASKABLE = 2
    AUTOMASKED = 4
    NORESIZE = 8


class IrqSetFlag(IntFlag):
    """One DATA flag and one ACTION flag."""

    DATA_NONE = 1
    DATA_BOOL = 2
    DATA_EVENTFD = 4
    ACTION_MASK = 8
    ACTION_UNMASK = 16
    ACTION_TRIGGER = 32


IRQ_DATA = IrqSetFlag.DATA_NONE | IrqSetFlag.DATA_BOOL | IrqSetFlag.DATA_EVENTFD
IRQ_ACTION = IrqSetFlag.ACTION_MASK | IrqSetFlag.ACTION_UNMASK | IrqSetFlag.ACTION_TRIGGER


class MapFlag(IntFlag):
    READ = 1
    WRITE = 2
    VADDR = 4


class UnmapFlag(IntFlag):
    GET_DIRTY = 1
    ALL = 2
    VADDR = 4


class DirtyFlag(IntFlag):
    """Exactly one of them."""

    START = 1
    STOP = 2
    GET_BITMAP = 4


class GroupFlag(IntFlag):
    VIABLE = 1
    CONTAINER_SET = 2


class IommuInfoFlag(IntFlag):
    PGSIZES = 1
    CAPS = 2


class AttachFlag(IntFlag):
    PASID = 1


class Capability(IntEnum):
    """Ids; each kind of chain has its own numbers."""

    REGION_SPARSE_MMAP = 1
    IOMMU_IOVA_RANGE = 1
    IOMMU_DMA_AVAIL = 3


class CapabilityHeader(Packed):
    CODES = "HHI"
    id: int = 0
    version: int = 0
    next: int = 0  # offset of the next one in the whole answer; 0: the last


class DeviceInfo(Packed):
    """The fields from cap_offset on may be missing."""

    LEAST: ClassVar[int] = 16
    CODES = "IIIIII"
    argsz: int = 0
    flags: int = 0
    regions: int = 0
    irqs: int = 0
    cap_offset: int = 0
    pad: int = 0


class RegionInfo(Packed):
    CODES = "IIIIQQ"
    argsz: int = 0
    flags: int = 0
    index: int = 0
    cap_offset: int = 0
    size_: int = 0
    offset: int = 0


class SparseMmap(Packed):
    """Behind its CapabilityHeader; `nr_areas` times Area follow."""

    CODES = "II"
    nr_areas: int = 0
    reserved: int = 0


class Area(Packed):
    CODES = "QQ"
    offset: int = 0
    size_: int = 0


class IrqInfo(Packed):
    CODES = "IIII"
    argsz: int = 0
    flags: int = 0
    index: int = 0
    count: int = 0


class IrqSet(Packed):
    """Data follow: nothing, one byte an interrupt, or one s32 an interrupt."""

    CODES = "IIIII"
    argsz: int = 0
    flags: int = 0
    index: int = 0
    start: int = 0
    count: int = 0


class GroupStatus(Packed):
    CODES = "II"
    argsz: int = 0
    flags: int = 0


class IommuInfo(Packed):
    """The fields from cap_offset on may be missing."""

    LEAST: ClassVar[int] = 16
    CODES = "IIQII"
    argsz: int = 0
    flags: int = 0
    iova_pgsizes: int = 0
    cap_offset: int = 0
    pad: int = 0


class IovaRangeCap(Packed):
    """Behind its CapabilityHeader; `nr_iovas` times IovaRange follow."""

    CODES = "II"
    nr_iovas: int = 0
    reserved: int = 0


class IovaRange(Packed):
    CODES = "QQ"
    start: int = 0
    end: int = 0  # inclusive


class DmaAvailCap(Packed):
    """Behind its CapabilityHeader."""

    CODES = "I"
    avail: int = 0


class DmaMap(Packed):
    CODES = "IIQQQ"
    argsz: int = 0
    flags: int = 0
    vaddr: int = 0
    iova: int = 0
    size_: int = 0


class DmaUnmap(Packed):
    """With GET_DIRTY a Bitmap follows."""

    CODES = "IIQQ"
    argsz: int = 0
    flags: int = 0
    iova: int = 0
    size_: int = 0


class Bitmap(Packed):
    CODES = "QQQ"
    pgsize: int = 0
    size_: int = 0  # bytes of the bitmap
    data: int = 0  # where the program wants it


class DirtyBitmap(Packed):
    """With GET_BITMAP a DirtyRange follows."""

    CODES = "II"
    argsz: int = 0
    flags: int = 0


class DirtyRange(Packed):
    """A Bitmap follows."""

    CODES = "QQ"
    iova: int = 0
    size_: int = 0


class Bind(Packed):
    CODES = "IIiIQ"
    argsz: int = 0
    flags: int = 0
    iommufd: int = 0
    devid: int = 0
    token: int = 0


class Attach(Packed):
    CODES = "IIII"
    argsz: int = 0
    flags: int = 0
    pt_id: int = 0
    pasid: int = 0


class Detach(Packed):
    CODES = "III"
    argsz: int = 0
    flags: int = 0
    pasid: int = 0
