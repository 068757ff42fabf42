"""Numbers and structures of iommufd (vfio.md 2)."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from driver.vfio.packed import Packed

BASE = 0x3B80


class IommufdIoctl(IntEnum):
    """On /dev/iommu."""

    IOAS_ALLOC = BASE + 0x1
    IOAS_MAP = BASE + 0x5
    IOAS_UNMAP = BASE + 0x6
    HWPT_ALLOC = BASE + 0x9
    GET_HW_INFO = BASE + 0xA
    HWPT_INVALIDATE = BASE + 0xD
    FAULT_QUEUE_ALLOC = BASE + 0xE
    VIOMMU_ALLOC = BASE + 0x10
    VDEVICE_ALLOC = BASE + 0x11
    VEVENTQ_ALLOC = BASE + 0x13


class HwptFlag(IntFlag):
    NEST_PARENT = 1
    DIRTY = 2
    FAULT = 4
    PASID = 8


class FaultCode(IntEnum):
    """Answers to an I/O page fault."""

    SUCCESS = 0
    INVALID = 1


class PageFault(Packed):
    """What a fault queue hands out."""

    CODES = "IIIIIIQII"
    flags: int = 0
    dev_id: int = 0
    pasid: int = 0
    grpid: int = 0
    perm: int = 0
    reserved: int = 0
    addr: int = 0
    length: int = 0
    cookie: int = 0


class PageResponse(Packed):
    """What a fault queue takes back."""

    CODES = "II"
    cookie: int = 0
    code: int = 0


class IoasMapFlag(IntFlag):
    FIXED_IOVA = 1
    WRITEABLE = 2
    READABLE = 4


class IoasAlloc(Packed):
    CODES = "III"
    argsz: int = 0
    flags: int = 0
    out_ioas_id: int = 0


class IoasMap(Packed):
    CODES = "IIIIQQQ"
    argsz: int = 0
    flags: int = 0
    ioas_id: int = 0
    reserved: int = 0
    user_va: int = 0
    length: int = 0
    iova: int = 0


class IoasUnmap(Packed):
    CODES = "IIQQ"
    argsz: int = 0
    ioas_id: int = 0
    iova: int = 0
    length: int = 0
