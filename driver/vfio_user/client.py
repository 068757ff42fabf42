"""A vfio-user client: one device over one socket, blocking."""

from __future__ import annotations

import array
import errno
import mmap
import os
import socket
import struct
from pathlib import Path

from driver.vfio import uapi as vfio
from driver.vfio.packed import fail
from driver.vfio.uapi import IrqSetFlag, MapFlag
from driver.vfio_user import capabilities, uapi
from driver.vfio_user.capabilities import Capabilities
from driver.vfio_user.uapi import Command, Header, HeaderFlag

LIMITS = Capabilities(write_multiple=True)
READ_WRITE = MapFlag.READ | MapFlag.WRITE


class Client:
    """Connects and agrees on a version. Errors of the server are `OSError` with its errno;
    ECONNRESET: it has closed.

    Members
    -------
    server
        The server's limits.
    """

    def __init__(self, path: Path | str, *, minor: int = uapi.MINOR,
                 limits: Capabilities = LIMITS) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(str(path))
            self._next = 0
            self.version, self.server = capabilities.decode(
                self.call(Command.VERSION, limits.encode(minor)))
        except BaseException:
            self.socket.close()
            raise

    def close(self) -> None:
        """Disconnect; the server takes the device back."""
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Messages

    def call(self, command: int, payload: bytes = b"", fds: tuple[int, ...] = ()) -> bytes:
        """Send a command and wait for its answer's payload."""
        number = self.post(command, payload, fds)
        header, answer = self.receive()
        if (header.id, header.command) != (number, command):
            raise fail(errno.EPROTO, f"an answer to {header.command} {header.id}")
        if header.flags & HeaderFlag.ERROR:
            raise fail(header.error, f"{Command(command).name}")
        return answer

    def post(self, command: int, payload: bytes = b"", fds: tuple[int, ...] = (),
             flags: int = 0) -> int:
        """Send a command and do not wait; its id."""
        number, self._next = self._next, self._next + 1 & 0xFFFF
        self.send(Header(number, command, Header.size() + len(payload), flags).encode() + payload,
                  fds)
        return number

    def send(self, data: bytes, fds: tuple[int, ...] = ()) -> None:
        """Send bytes as they are."""
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds).tobytes())]
        try:
            sent = self.socket.sendmsg([data], control if fds else [])
            self.socket.sendall(data[sent:])
        except BrokenPipeError:
            raise fail(errno.ECONNRESET, "the server has closed") from None

    def receive(self) -> tuple[Header, bytes]:
        """The next message."""
        header = Header.decode(self._exactly(Header.size()))
        return header, self._exactly(header.size_ - Header.size())

    def _exactly(self, size: int) -> bytes:
        out = bytearray()
        while len(out) < size:
            data = self.socket.recv(size - len(out))
            if not data:
                raise fail(errno.ECONNRESET, "the server has closed")
            out += data
        return bytes(out)

    # The device

    def info(self) -> vfio.DeviceInfo:
        """Flags, and how many regions and interrupt indices there are."""
        answer = self.call(Command.DEVICE_GET_INFO, vfio.DeviceInfo(16).encode()[:16])
        return vfio.DeviceInfo(*struct.unpack("<IIII", answer))

    def region(self, index: int) -> vfio.RegionInfo:
        """One region."""
        request = vfio.RegionInfo(vfio.RegionInfo.size(), 0, index).encode()
        return vfio.RegionInfo.decode(self.call(Command.DEVICE_GET_REGION_INFO, request))

    def irq(self, index: int) -> vfio.IrqInfo:
        """One interrupt index."""
        request = vfio.IrqInfo(vfio.IrqInfo.size(), 0, index).encode()
        return vfio.IrqInfo.decode(self.call(Command.DEVICE_GET_IRQ_INFO, request))

    def read(self, region: int, offset: int, size: int) -> bytes:
        """Read in a region."""
        access = uapi.RegionAccess(offset, region, size)
        return self.call(Command.REGION_READ, access.encode())[access.size():]

    def write(self, region: int, offset: int, data: bytes) -> None:
        """Write in a region."""
        access = uapi.RegionAccess(offset, region, len(data))
        self.call(Command.REGION_WRITE, access.encode() + data)

    def post_write(self, region: int, offset: int, data: bytes) -> None:
        """Write in a region; no answer, not even of an error."""
        access = uapi.RegionAccess(offset, region, len(data))
        self.post(Command.REGION_WRITE, access.encode() + data, flags=HeaderFlag.NO_REPLY)

    def write_many(self, writes: list[tuple[int, int, bytes]]) -> None:
        """Writes (region, offset, at most 8 bytes) with one message."""
        body = b"".join(uapi.RegionAccess(offset, region, len(data)).encode() + data.ljust(8, b"\0")
                        for region, offset, data in writes)
        self.call(Command.REGION_WRITE_MULTI, uapi.MultiHeader(len(writes)).encode() + body)

    def map(self, fd: int, offset: int, address: int, size: int,
            flags: int = READ_WRITE) -> None:
        """Let the device reach a memfd's memory at `address`."""
        request = uapi.DmaMap(uapi.DmaMap.size(), flags, offset, address, size)
        self.call(Command.DMA_MAP, request.encode(), (fd,))

    def unmap(self, address: int, size: int, flags: int = 0) -> int:
        """Undo a `map`; the bytes unmapped."""
        request = uapi.DmaUnmap(uapi.DmaUnmap.size(), flags, address, size)
        return uapi.DmaUnmap.decode(self.call(Command.DMA_UNMAP, request.encode())).size_

    def connect_irq(self, index: int, start: int, fds: tuple[int, ...]) -> None:
        """Have eventfds signalled."""
        self.set_irqs(IrqSetFlag.DATA_EVENTFD | IrqSetFlag.ACTION_TRIGGER, index, start, len(fds),
                      fds=fds)

    def set_irqs(self, flags: int, index: int, start: int, count: int, data: bytes = b"",
                 fds: tuple[int, ...] = ()) -> None:
        """SET_IRQS."""
        size = vfio.IrqSet.size() + len(data)
        request = vfio.IrqSet(size, flags, index, start, count).encode()
        self.call(Command.DEVICE_SET_IRQS, request + data, fds)

    def reset(self) -> None:
        """Reset the device."""
        self.call(Command.DEVICE_RESET)


class SharedPages:
    """Memory in a memfd: `view` is the program's look at it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.fd = os.memfd_create("vfio-user", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        self.view = mmap.mmap(self.fd, size)

    def close(self) -> None:
        """Let go of it; a device that has it mapped keeps it."""
        self.view.close()
        os.close(self.fd)
