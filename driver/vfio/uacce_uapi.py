"""Numbers and structures of UACCE and of what came before it (vfio.md 2).

From memory, because vfio.md does not give it: that the argument of `_IOW('W', n)` is a long.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from driver.vfio.packed import Packed

_WRITE, _READ = 1, 2


def io(kind: str, number: int) -> int:
    """An ioctl without argument."""
    return ord(kind) << 8 | number


def iow(kind: str, number: int, size: int) -> int:
    """An ioctl with an argument of `size` bytes that the kernel reads."""
    return _WRITE << 30 | size << 16 | io(kind, number)


def iowr(kind: str, number: int, argument: type[Packed]) -> int:
    """An ioctl whose argument goes both ways."""
    return (_READ | _WRITE) << 30 | argument.size() << 16 | io(kind, number)


class QpContext(Packed):
    CODES = "HH"
    id: int = 0
    qc_type: int = 0


class QpInfo(Packed):
    CODES = "IHHQ"
    sqe_size: int = 0
    sq_depth: int = 0
    cq_depth: int = 0
    reserved: int = 0


class UacceIoctl(IntEnum):
    """On /dev/DEVICE-N."""

    START_Q = io("W", 0)
    PUT_Q = io("W", 1)
    SET_QP_CONTEXT = iowr("H", 10, QpContext)
    GET_QP_INFO = iowr("H", 11, QpInfo)


class SdmdevIoctl(IntEnum):
    """RFC v2 of 2018."""

    WAIT = io("W", 1)
    BIND_PASID = io("W", 2)


LONG = 8


class WdevIoctl(IntEnum):
    """WrapDrive of 2017, `vfio_wdev`."""

    WAIT = iow("W", 1, LONG)
    GET_Q = iow("W", 2, LONG)
    PUT_Q = iow("W", 3, LONG)
    SET_PASID = iow("W", 4, LONG)
    CLR_PASID = iow("W", 5, LONG)


class SpimdevFlag(IntFlag):
    """RFC v1 of 2018."""

    SINGLE_PROC = 1
    MULTI_PROC = 2
    SVM = 4
    SVM_NO_FAULT = 8
    PHY = 16


class UacceFlag(IntFlag):
    """File `flags` in sysfs; from memory."""

    SVA = 1


class QueueFileRegion(IntEnum):
    """Page offsets of mmap."""

    MMIO = 0
    DUS = 1


class UacceState(IntEnum):
    ZOMBIE = 0
    INIT = 1
    STARTED = 2
