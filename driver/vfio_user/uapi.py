"""Numbers and structures of vfio-user (vfio.md 3)."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import ClassVar

from driver.vfio.packed import Packed

MAJOR, MINOR = 0, 1
PAGE_SIZES = 4096  # bits of `pgsizes`
SPEC_MAX_FDS = 1  # what a peer takes that does not say
SPEC_MAX_TRANSFER = 1 << 20
SPEC_MAX_MAPS = 65535


class Command(IntEnum):
    VERSION = 1
    DMA_MAP = 2
    DMA_UNMAP = 3
    DEVICE_GET_INFO = 4
    DEVICE_GET_REGION_INFO = 5
    DEVICE_GET_REGION_IO_FDS = 6
    DEVICE_GET_IRQ_INFO = 7
    DEVICE_SET_IRQS = 8
    REGION_READ = 9
    REGION_WRITE = 10
    DMA_READ = 11  # server to client
    DMA_WRITE = 12  # server to client
    DEVICE_RESET = 13
    REGION_WRITE_MULTI = 15
    DEVICE_FEATURE = 16
    MIG_DATA_READ = 17
    MIG_DATA_WRITE = 18


class HeaderFlag(IntFlag):
    """Bits 0-3 are the type: 0 a command, 1 a reply."""

    TYPE = 0xF
    REPLY = 1
    NO_REPLY = 0x10
    ERROR = 0x20


class DmaUnmapFlag(IntFlag):
    GET_DIRTY = 1
    ALL = 2


class Header(Packed):
    """In front of every message; `size_` includes it. An error reply is the header alone."""

    CODES = "HHIII"
    id: int = 0
    command: int = 0
    size_: int = 0
    flags: int = 0
    error: int = 0


class Version(Packed):
    """A NUL-terminated JSON text follows."""

    CODES = "HH"
    major: int = 0
    minor: int = 0


class DmaMap(Packed):
    """Memory comes as the one file descriptor with it, from `offset` on."""

    CODES = "IIQQQ"
    argsz: int = 0
    flags: int = 0
    offset: int = 0
    address: int = 0
    size_: int = 0


class DmaUnmap(Packed):
    CODES = "IIQQ"
    argsz: int = 0
    flags: int = 0
    address: int = 0
    size_: int = 0


class RegionAccess(Packed):
    """Of REGION_READ and REGION_WRITE, and of their replies; data follow."""

    CODES = "QII"
    offset: int = 0
    region: int = 0
    count: int = 0


class MultiHeader(Packed):
    """`count` times RegionAccess and 8 bytes of data follow."""

    CODES = "Q"
    DATA: ClassVar[int] = 8
    count: int = 0


class RegionFds(Packed):
    """Sub-regions would follow; this server has none."""

    CODES = "IIII"
    argsz: int = 0
    flags: int = 0
    index: int = 0
    count: int = 0


class Feature(Packed):
    CODES = "II"
    argsz: int = 0
    flags: int = 0
