"""RAM that others map too, with windows onto memory that clients bring (vfio.md 3)."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import stat
from bisect import insort
from collections.abc import Callable

from driver.vfio.packed import fail
from pymodel.memory import PAGE, BusError, SharedMemory

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                       ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_FAILED = ctypes.c_void_p(-1).value
_FIXED, _NORESERVE = 0x10, 0x4000  # MAP_*, which Python's mmap does not name
_ACCESS = mmap.PROT_READ | mmap.PROT_WRITE


class Ram:
    """Physical memory [base, base + size) at a place in this process.

    Parameters
    ----------
    address
        Where it is mapped.
    fd
        The file behind it, from its beginning.
    """

    def __init__(self, base: int, size: int, address: int, fd: int) -> None:
        self.base, self.size = base, size
        self._address, self._fd = address, fd
        self._own = False

    @classmethod
    def create(cls, base: int, size: int) -> Ram:
        """New memory that reads 0; nothing is used until it is written."""
        fd = os.memfd_create("substream-ram")
        os.ftruncate(fd, size)
        ram = cls(base, size, _map(0, size, fd, 0, 0), fd)
        ram._own = True
        return ram

    def buffer(self) -> memoryview:
        """Its bytes."""
        array = (ctypes.c_uint8 * self.size).from_address(self._address)
        return memoryview(array).cast("B")

    def adopt(self, at: int, size: int, fd: int, offset: int) -> None:
        """From now on [at, +size) is the memory of a file from `offset` on.

        Whoever has the file could make it shorter, and whoever touches what is then missing is
        killed: so it must be a memfd, and is sealed against that. EINVAL: it is none, cannot be
        sealed, or is too short. Otherwise what mmap says.
        """
        self._inside(at, size)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or offset + size > status.st_size:
            raise fail(errno.EINVAL, f"no file of {offset + size:#x} bytes")
        try:
            if not fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        except OSError as error:
            raise fail(errno.EINVAL, f"the file cannot be sealed against shrinking: "
                                     f"{error}") from None
        if os.fstat(fd).st_size < offset + size:  # it shrank before it was sealed
            raise fail(errno.EINVAL, "the file has shrunk")
        _map(self._address + at - self.base, size, fd, offset, _FIXED)

    def disown(self, at: int, size: int) -> None:
        """[at, +size) is RAM of ours again."""
        self._inside(at, size)
        _map(self._address + at - self.base, size, self._fd, at - self.base, _FIXED)

    def close(self) -> None:
        """Unmap it, if `create` has made it; nobody may look at its bytes any more."""
        if self._own:
            _libc.munmap(self._address, self.size)
            os.close(self._fd)

    def _inside(self, at: int, size: int) -> None:
        if at < self.base or at + size > self.base + self.size or (at | size) % PAGE or size <= 0:
            raise fail(errno.EINVAL, f"[{at:#x}, +{size:#x}) is not memory")


class Holes(SharedMemory):
    """As `SharedMemory`; from `restrict` on only what is opened is there, and the rest answers
    with errors.

    Parameters
    ----------
    changed
        Told of all ranges (first, last) that are open whenever they change.
    """

    def __init__(self, ram: Ram, changed: Callable[[list[tuple[int, int]]], None]) -> None:
        super().__init__(ram.buffer(), ram.base)
        self._open = [(ram.base, ram.base + ram.size - 1)]
        self._changed = changed

    def restrict(self) -> None:
        """Nothing is there but what is opened after this."""
        self._open = []
        self._changed(self._open)

    def open(self, at: int, size: int) -> None:
        """Let [at, +size) be there; it must not be yet."""
        insort(self._open, (at, at + size - 1))
        self._changed(self._open)

    def shut(self, at: int, size: int) -> None:
        """Undo `open`."""
        self._open.remove((at, at + size - 1))
        self._changed(self._open)

    def _check(self, address: int, size: int) -> None:
        if not any(first <= address and address + size - 1 <= last for first, last in self._open):
            raise BusError(address)

    def read64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")


def _map(address: int, size: int, fd: int, offset: int, flags: int) -> int:
    found = _libc.mmap(address, size, _ACCESS, mmap.MAP_SHARED | _NORESERVE | flags, fd,
                       offset)
    if found == _FAILED:
        code = ctypes.get_errno()
        raise fail(code, f"mmap of {size:#x} bytes")
    assert found is not None
    return int(found)
