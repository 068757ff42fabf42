"""What a vfio-user server must answer, topic by topic (vfio.md 3): the list that libvfio-user's
tests go through, as far as it concerns a server without migration."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from driver.vfio import uapi as vfio
from driver.vfio.mdev import COMPLETION, DOORBELL, INFO, RINGS, QueueInfo
from driver.vfio.packed import fail
from driver.vfio.uapi import IrqSetFlag
from driver.vfio_user import uapi
from driver.vfio_user.client import Client, SharedPages
from driver.vfio_user.uapi import Command, DmaUnmapFlag, Header, HeaderFlag
from pymodel.memory import PAGE

MAPPED = 0x10_0000  # where two pages are mapped before each row
RW = vfio.MapFlag.READ | vfio.MapFlag.WRITE
CLOSED = -1  # instead of an errno: the connection ends without an answer


@dataclass(frozen=True)
class Row:
    """One message and its answer.

    Members
    -------
    files
        What comes with it: "memory", "eventfd", "pipe", "short", "unsealed", "read-only".
    error
        The errno of the answer; 0: none.
    """

    title: str
    command: int
    payload: bytes
    error: int = 0
    files: tuple[str, ...] = ()
    flags: int = 0


def text(json: bytes, major: int = 0, minor: int = 1) -> bytes:
    """A VERSION payload."""
    return uapi.Version(major, minor).encode() + json


# The first message of a connection. An error ends the connection.
NEGOTIATION = (
    Row("version 0.0", Command.VERSION, text(b"{}\0", minor=0)),
    Row("a newer minor version", Command.VERSION, text(b"{}\0", minor=77)),
    Row("no JSON text", Command.VERSION, text(b"")),
    Row("unknown keys", Command.VERSION, text(b'{"a": 1, "capabilities": {"b": [2]}}\0')),
    Row("all limits", Command.VERSION, text(
        b'{"capabilities": {"max_msg_fds": 8, "max_data_xfer_size": 4096, "max_dma_maps": 9, '
        b'"pgsizes": 4096, "write_multiple": true, "twin_socket": {"supported": true}}}\0')),
    Row("another major version", Command.VERSION, text(b"{}\0", major=1), errno.EINVAL),
    Row("too short", Command.VERSION, b"\0\0\0", errno.EINVAL),
    Row("no NUL", Command.VERSION, text(b"{}"), errno.EINVAL),
    Row("two NULs", Command.VERSION, text(b"{}\0{}\0"), errno.EINVAL),
    Row("no JSON", Command.VERSION, text(b"capabilities\0"), errno.EINVAL),
    Row("no UTF-8", Command.VERSION, text(b"\xff\xfe\0"), errno.EINVAL),
    Row("a list", Command.VERSION, text(b"[]\0"), errno.EINVAL),
    Row("capabilities are a list", Command.VERSION, text(b'{"capabilities": []}\0'), errno.EINVAL),
    Row("deeply nested", Command.VERSION, text(b"[" * 4000 + b"\0"), errno.EINVAL),
    Row("a long text", Command.VERSION, text(b" " * 100_000 + b"\0"), errno.EINVAL),
    *(Row(f"{limit}", Command.VERSION, text(b'{"capabilities": {%s}}\0' % limit.encode()),
          errno.EINVAL)
      for limit in ('"max_msg_fds": -1', '"max_msg_fds": "x"', '"max_data_xfer_size": 0',
                    '"max_data_xfer_size": 1.5', '"max_dma_maps": true', '"pgsizes": null',
                    '"write_multiple": 1')),
    *(Row(f"{command.name} before VERSION", command, bytes(32), errno.EINVAL)
      for command in (Command.DEVICE_GET_INFO, Command.DMA_MAP, Command.REGION_READ)),
    Row("a reply", Command.VERSION, text(b"{}\0"), CLOSED, flags=HeaderFlag.REPLY))


def _map(address: int = 0x20_0000, size: int = PAGE, offset: int = 0, flags: int = RW,
         argsz: int = 32) -> bytes:
    return uapi.DmaMap(argsz, flags, offset, address, size).encode()


def _unmap(address: int = MAPPED, size: int = 2 * PAGE, flags: int = 0, argsz: int = 24) -> bytes:
    return uapi.DmaUnmap(argsz, flags, address, size).encode()


def _access(region: int, offset: int, count: int, data: bytes = b"") -> bytes:
    return uapi.RegionAccess(offset, region, count).encode() + data


def _irqs(flags: int, index: int = COMPLETION, start: int = 0, count: int = 1, data: bytes = b"",
          argsz: int | None = None) -> bytes:
    size = vfio.IrqSet.size() + len(data) if argsz is None else argsz
    return vfio.IrqSet(size, flags, index, start, count).encode() + data


_M, _U = Command.DMA_MAP, Command.DMA_UNMAP
_R, _W, _I = Command.REGION_READ, Command.REGION_WRITE, Command.DEVICE_SET_IRQS
_MULTI = Command.REGION_WRITE_MULTI
_EVENT = IrqSetFlag.DATA_EVENTFD | IrqSetFlag.ACTION_TRIGGER
_NONE, _BOOL = IrqSetFlag.DATA_NONE, IrqSetFlag.DATA_BOOL
_TRIGGER, _MASK = IrqSetFlag.ACTION_TRIGGER, IrqSetFlag.ACTION_MASK
E = errno.EINVAL
INFO_SIZE = QueueInfo.size()

# Messages to a channel that has two pages mapped at MAPPED.
COMMANDS = (
    # DMA
    Row("map", _M, _map(), files=("memory",)),
    Row("map for reading", _M, _map(flags=1), files=("memory",)),
    Row("map for writing", _M, _map(flags=2), files=("memory",)),
    Row("map without access", _M, _map(flags=0), E, ("memory",)),
    Row("map, unknown flag", _M, _map(flags=RW | 8), E, ("memory",)),
    Row("map, small argsz", _M, _map(argsz=31), E, ("memory",)),
    Row("map, short message", _M, _map()[:24], E, ("memory",)),
    Row("map, long message", _M, _map() + bytes(8), E, ("memory",)),
    Row("map nothing", _M, _map(size=0), E, ("memory",)),
    Row("map, odd size", _M, _map(size=100), E, ("memory",)),
    Row("map, odd address", _M, _map(address=0x20_0800), E, ("memory",)),
    Row("map, odd offset", _M, _map(offset=8), E, ("memory",)),
    Row("map, wraps around", _M, _map(address=(1 << 64) - PAGE, size=2 * PAGE), E, ("memory",)),
    Row("map, beyond the addresses", _M, _map(address=1 << 48), E, ("memory",)),
    Row("map, overlaps", _M, _map(address=MAPPED + PAGE), errno.EEXIST, ("memory",)),
    Row("map, the same", _M, _map(address=MAPPED, size=2 * PAGE), errno.EEXIST, ("memory",)),
    Row("map without memory", _M, _map(), E),
    Row("map, two files", _M, _map(), E, ("memory", "memory")),
    Row("map, a pipe", _M, _map(), E, ("pipe",)),
    Row("map, an eventfd", _M, _map(), E, ("eventfd",)),
    Row("map, beyond the file", _M, _map(offset=PAGE, size=2 * PAGE), E, ("short",)),
    Row("map, offset wraps", _M, _map(offset=(1 << 64) - PAGE), E, ("memory",)),
    Row("map, a file that can shrink", _M, _map(), E, ("unsealed",)),
    Row("map, a file for reading", _M, _map(), errno.EACCES, ("read-only",)),
    Row("unmap", _U, _unmap()),
    Row("unmap a part", _U, _unmap(size=PAGE), errno.ENOENT),
    Row("unmap more", _U, _unmap(size=4 * PAGE), errno.ENOENT),
    Row("unmap what is not there", _U, _unmap(address=0), errno.ENOENT),
    Row("unmap all", _U, _unmap(0, 0, DmaUnmapFlag.ALL)),
    Row("unmap all, with a range", _U, _unmap(flags=DmaUnmapFlag.ALL), E),
    Row("unmap, dirty pages", _U, _unmap(flags=DmaUnmapFlag.GET_DIRTY), E),
    Row("unmap, unknown flag", _U, _unmap(flags=8), E),
    Row("unmap, small argsz", _U, _unmap(argsz=8), E),
    Row("unmap, short message", _U, _unmap()[:16], E),
    Row("unmap with a file", _U, _unmap(), E, ("memory",)),
    # Information
    Row("device info", Command.DEVICE_GET_INFO, vfio.DeviceInfo(16).encode()[:16]),
    Row("device info, small argsz", Command.DEVICE_GET_INFO, vfio.DeviceInfo(8).encode()[:16], E),
    Row("device info, short message", Command.DEVICE_GET_INFO, bytes(4), E),
    Row("region info", Command.DEVICE_GET_REGION_INFO, vfio.RegionInfo(32, 0, RINGS).encode()),
    Row("region info, room for more", Command.DEVICE_GET_REGION_INFO,
        vfio.RegionInfo(4096, 0, DOORBELL).encode()),
    Row("region info, all the room there is", Command.DEVICE_GET_REGION_INFO,
        vfio.RegionInfo(vfio.U32_MAX, 0, DOORBELL).encode()),
    Row("region info, bad index", Command.DEVICE_GET_REGION_INFO,
        vfio.RegionInfo(32, 0, 99).encode(), E),
    Row("region info, small argsz", Command.DEVICE_GET_REGION_INFO,
        vfio.RegionInfo(31, 0, 0).encode(), E),
    Row("region info, short message", Command.DEVICE_GET_REGION_INFO, bytes(31), E),
    Row("region descriptors", Command.DEVICE_GET_REGION_IO_FDS,
        uapi.RegionFds(16, 0, DOORBELL).encode()),
    Row("region descriptors, bad index", Command.DEVICE_GET_REGION_IO_FDS,
        uapi.RegionFds(16, 0, 99).encode(), E),
    Row("region descriptors, small argsz", Command.DEVICE_GET_REGION_IO_FDS,
        uapi.RegionFds(15, 0, 0).encode(), E),
    Row("region descriptors, flags", Command.DEVICE_GET_REGION_IO_FDS,
        uapi.RegionFds(16, 1, 0).encode(), E),
    Row("IRQ info", Command.DEVICE_GET_IRQ_INFO, vfio.IrqInfo(16, 0, COMPLETION).encode()),
    Row("IRQ info, bad index", Command.DEVICE_GET_IRQ_INFO, vfio.IrqInfo(16, 0, 9).encode(), E),
    Row("IRQ info, small argsz", Command.DEVICE_GET_IRQ_INFO, vfio.IrqInfo(8).encode(), E),
    Row("IRQ info, short message", Command.DEVICE_GET_IRQ_INFO, bytes(3), E),
    # Interrupts
    Row("connect", _I, _irqs(_EVENT), files=("eventfd",)),
    Row("connect without descriptor: let go", _I, _irqs(_EVENT)),
    Row("connect, too many descriptors", _I, _irqs(_EVENT), E, ("eventfd",) * 2),
    Row("connect, beyond the index", _I, _irqs(_EVENT, count=2), E, ("eventfd",) * 2),
    Row("connect, a huge count", _I, _irqs(_EVENT, count=vfio.U32_MAX), E),
    Row("connect, not an eventfd", _I, _irqs(_EVENT), E, ("pipe",)),
    Row("trigger", _I, _irqs(_NONE | _TRIGGER)),
    Row("trigger chosen ones", _I, _irqs(_BOOL | _TRIGGER, data=b"\1")),
    Row("trigger, short data", _I, _irqs(_BOOL | _TRIGGER), E),
    Row("trigger with a descriptor", _I, _irqs(_NONE | _TRIGGER), E, ("eventfd",)),
    Row("mask", _I, _irqs(_NONE | _MASK)),
    Row("mask what cannot be masked", _I, _irqs(_NONE | _MASK, index=1), errno.ENOTTY),
    Row("disable", _I, _irqs(_NONE | _TRIGGER, count=0)),
    Row("bad index", _I, _irqs(_NONE | _TRIGGER, index=7), E),
    Row("bad start", _I, _irqs(_NONE | _TRIGGER, start=1), E),
    Row("range wraps", _I, _irqs(_NONE | _TRIGGER, start=vfio.U32_MAX), E),
    Row("two kinds of data", _I, _irqs(_NONE | _BOOL | _TRIGGER), E),
    Row("two actions", _I, _irqs(_NONE | _TRIGGER | _MASK), E),
    Row("no action", _I, _irqs(_NONE), E),
    Row("small argsz", _I, _irqs(_NONE | _TRIGGER, argsz=19), E),
    Row("argsz beyond the message", _I, _irqs(_BOOL | _TRIGGER, argsz=64), E),
    # Regions
    Row("read", _R, _access(RINGS, 0, 128)),
    Row("read information", _R, _access(INFO, 0, INFO_SIZE)),
    Row("read, bad region", _R, _access(9, 0, 4), E),
    Row("read, beyond the end", _R, _access(INFO, 8, INFO_SIZE), E),
    Row("read, offset wraps", _R, _access(INFO, (1 << 64) - 4, 8), E),
    Row("read nothing", _R, _access(INFO, 0, 0), E),
    Row("read too much", _R, _access(RINGS, 0, 2 << 20), E),
    Row("read, short message", _R, bytes(12), E),
    Row("read, long message", _R, _access(INFO, 0, 4, b"data"), E),
    Row("read 3 bytes of a register", _R, _access(DOORBELL, 0, 3), E),
    Row("read a register off its place", _R, _access(DOORBELL, 2, 4), E),
    Row("write", _W, _access(RINGS, 0, 8, bytes(8))),
    Row("write what is only read", _W, _access(INFO, 0, 4, bytes(4)), E),
    Row("write, less data than said", _W, _access(RINGS, 0, 8, bytes(4)), E),
    Row("write, more data than said", _W, _access(RINGS, 0, 8, bytes(12)), E),
    Row("write, short message", _W, bytes(15), E),
    Row("write many", _MULTI, struct.pack("<Q", 2) + _access(RINGS, 0, 8, bytes(8)) * 2),
    Row("write many, wrong count", _MULTI, struct.pack("<Q", 3) + _access(RINGS, 0, 8, bytes(8)),
        E),
    Row("write many, huge count", _MULTI, struct.pack("<Q", 1 << 63), E),
    Row("write many, 9 bytes", _MULTI, struct.pack("<Q", 1) + _access(RINGS, 0, 9, bytes(8)), E),
    # The rest
    Row("reset", Command.DEVICE_RESET, b""),
    Row("reset with a payload", Command.DEVICE_RESET, b"x", E),
    Row("VERSION again", Command.VERSION, text(b"{}\0"), E),
    Row("feature", Command.DEVICE_FEATURE, uapi.Feature(8).encode(), errno.ENOTTY),
    Row("migration", Command.MIG_DATA_READ, bytes(8), errno.EOPNOTSUPP),
    Row("a command of the server", Command.DMA_READ, bytes(16), E),
    Row("an unknown command", 99, b"", E),
    Row("command 0", 0, b"", E),
    Row("unknown flags", Command.DEVICE_RESET, b"", E, flags=0x40),
    Row("an error that is a command", Command.DEVICE_RESET, b"", E, flags=HeaderFlag.ERROR))


def negotiate(path: Path, row: Row) -> None:
    """Play one row of NEGOTIATION on a connection of its own. ConnectionResetError: turned away,
    because the last client has not been cleaned up after yet."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(str(path))
        sock.sendall(Header(7, row.command, 16 + len(row.payload), row.flags).encode()
                     + row.payload)
        data = _take(sock, 16)
        if row.error == CLOSED:
            assert not data, row.title
            return
        if not data:
            raise fail(errno.ECONNRESET, "turned away")
        header = Header.decode(data)
        assert (header.id, header.error) == (7, row.error), f"{row.title}: {header}"
        if row.error:
            assert not _take(sock, 1), f"{row.title}: the connection must end"
            return
        version = uapi.Version.decode(_take(sock, header.size_ - 16))
        asked = uapi.Version.decode(row.payload)
        assert version.minor == min(asked.minor, uapi.MINOR), row.title


def command(client: Client, row: Row) -> None:
    """Play one row of COMMANDS on a connection that goes on, whatever the answer."""
    pages = SharedPages(2 * PAGE)
    client.unmap(0, 0, DmaUnmapFlag.ALL)
    client.map(pages.fd, 0, MAPPED, 2 * PAGE)
    pages.close()
    with files(row.files) as fds:
        number = client.post(row.command, row.payload, fds, row.flags)
    header, payload = client.receive()
    assert (header.id, header.command) == (number, row.command), row.title
    assert header.error == row.error, f"{row.title}: errno {header.error}, not {row.error}"
    assert bool(header.flags & HeaderFlag.ERROR) == bool(row.error), row.title
    assert not (row.error and payload), f"{row.title}: an error is a header alone"
    assert client.info().regions, f"{row.title}: the connection goes on"


def _shrinkable() -> int:
    return os.memfd_create("plain", os.MFD_CLOEXEC)


def _sized(fd: int) -> int:
    os.ftruncate(fd, 2 * PAGE)
    return fd


def _read_only() -> int:
    fd = _sized(os.memfd_create("sealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))

    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    return again


def _pipe() -> int:
    reading, writing = os.pipe()
    os.close(writing)
    return reading


_MAKERS: dict[str, Callable[[], int]] = {
    "memory": lambda: _sized(os.memfd_create("m", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)),
    "short": lambda: _sized(os.memfd_create("s", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)),
    "unsealed": lambda: _sized(_shrinkable()), "read-only": _read_only, "pipe": _pipe,
    "eventfd": lambda: os.eventfd(0)}


@contextmanager
def files(kinds: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
    """Descriptors of these kinds."""
    fds = tuple(_MAKERS[kind]() for kind in kinds)
    try:
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def _take(sock: socket.socket, size: int) -> bytes:
    """At most `size` bytes, fewer at the end of the stream."""
    out = b""
    while len(out) < size and (data := sock.recv(size - len(out))):
        out += data
    return out
