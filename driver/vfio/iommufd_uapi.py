"""Numbers and structures of iommufd (vfio.md 2).

vfio.md gives the ioctl numbers, the flags of HWPT_ALLOC, and the two structures of a fault queue;
the others are from memory of the kernel's header.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from driver.vfio.packed import Packed

BASE = 0x3B80


class IommufdIoctl(IntEnum):
    """On /dev/iommu."""

    DESTROY = BASE + 0x0
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


class DataType(IntEnum):
    """Of HWPT_ALLOC: what the data are."""

    NONE = 0
    VTD_S1 = 1
    ARM_SMMUV3 = 2


class ViommuType(IntEnum):
    """Of VIOMMU_ALLOC, and of the entries that HWPT_INVALIDATE takes for one."""

    ARM_SMMUV3 = 1


class HwInfoType(IntEnum):
    ARM_SMMUV3 = 2


class HwCapability(IntFlag):
    DIRTY_TRACKING = 1


class PageFaultFlag(IntFlag):
    PASID_VALID = 1
    LAST_PAGE = 2


class PageFaultPerm(IntFlag):
    READ = 1
    WRITE = 2
    EXEC = 4
    PRIV = 8


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


class Destroy(Packed):
    CODES = "II"
    argsz: int = 0
    id: int = 0


class HwptAlloc(Packed):
    CODES = "IIIIIIIIQII"
    argsz: int = 0
    flags: int = 0
    dev_id: int = 0
    pt_id: int = 0
    out_hwpt_id: int = 0
    reserved: int = 0
    data_type: int = 0
    data_len: int = 0
    data_uptr: int = 0
    fault_id: int = 0
    reserved2: int = 0


class HwInfo(Packed):
    """GET_HW_INFO; what is written at data_uptr is an `ArmSmmuInfo`."""

    CODES = "IIIIQIIQ"
    argsz: int = 0
    flags: int = 0
    dev_id: int = 0
    data_len: int = 0
    data_uptr: int = 0
    out_data_type: int = 0
    out_max_pasid_log2: int = 0  # one byte, and three that are reserved
    out_capabilities: int = 0


class ArmSmmuInfo(Packed):
    CODES = "IIIIIIIIII"
    flags: int = 0
    reserved: int = 0
    idr0: int = 0
    idr1: int = 0
    idr2: int = 0
    idr3: int = 0
    idr4: int = 0
    idr5: int = 0
    iidr: int = 0
    aidr: int = 0


class VirtualSte(Packed):
    """Data of HWPT_ALLOC with ARM_SMMUV3: the guest's first two doublewords."""

    CODES = "QQ"
    low: int = 0
    high: int = 0


class HwptInvalidate(Packed):
    """Entries of 16 bytes at data_uptr are commands as the guest wrote them."""

    CODES = "IIQIIII"
    argsz: int = 0
    hwpt_id: int = 0
    data_uptr: int = 0
    data_type: int = 0
    entry_len: int = 0
    entry_num: int = 0  # in: how many there are; out: how many were done
    reserved: int = 0


class FaultAlloc(Packed):
    CODES = "IIII"
    argsz: int = 0
    flags: int = 0
    out_fault_id: int = 0
    out_fault_fd: int = 0


class ViommuAlloc(Packed):
    CODES = "IIIIII"
    argsz: int = 0
    flags: int = 0
    type: int = 0
    dev_id: int = 0
    hwpt_id: int = 0
    out_viommu_id: int = 0


class VdeviceAlloc(Packed):
    CODES = "IIIIQ"
    argsz: int = 0
    viommu_id: int = 0
    dev_id: int = 0
    out_vdevice_id: int = 0
    virt_id: int = 0
