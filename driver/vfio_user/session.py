"""One client: commands in the order they come, each answered before the next (vfio.md 3)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Awaitable, Callable
from typing import TypeVar

from driver.iommu.pagetable import Prot
from driver.vfio import uapi as vfio
from driver.vfio.device import OFFSET_SHIFT
from driver.vfio.packed import Packed, fail
from driver.vfio.uapi import DeviceIoctl, IrqSetFlag
from driver.vfio_user import capabilities, uapi
from driver.vfio_user.capabilities import Capabilities
from driver.vfio_user.connection import BACKLOG, Closed, Connection, Message
from driver.vfio_user.dma import MAX_MAPS
from driver.vfio_user.endpoint import Endpoint, Opened
from driver.vfio_user.uapi import Command, DmaUnmapFlag, HeaderFlag

OURS = Capabilities(max_msg_fds=16, max_data_xfer_size=uapi.SPEC_MAX_TRANSFER,
                    max_dma_maps=MAX_MAPS, write_multiple=True)
PAYLOAD_MAX = OURS.max_data_xfer_size + 64
ARGSZ_MAX = 4096  # of answers that are as long as the client says
_TAKES_FDS = (Command.DMA_MAP, Command.DEVICE_SET_IRQS)

P = TypeVar("P", bound=Packed)
Handler = Callable[[Message], Awaitable[bytes]]


class Session:
    """A client on `connection` that wants the device of `endpoint`.

    The first command is VERSION, which opens the device. Every error of a command is answered with
    its errno; what breaks the stream, or comes before VERSION, ends the connection.
    """

    def __init__(self, connection: Connection, endpoint: Endpoint) -> None:
        self.connection, self._endpoint = connection, endpoint
        self._opened: Opened | None = None
        self._theirs = Capabilities()
        self._handlers: dict[int, Handler] = {
            Command.DMA_MAP: self._dma_map, Command.DMA_UNMAP: self._dma_unmap,
            Command.DEVICE_GET_INFO: self._get_info,
            Command.DEVICE_GET_REGION_INFO: self._get_region_info,
            Command.DEVICE_GET_REGION_IO_FDS: self._get_region_io_fds,
            Command.DEVICE_GET_IRQ_INFO: self._get_irq_info,
            Command.DEVICE_SET_IRQS: self._set_irqs, Command.REGION_READ: self._region_read,
            Command.REGION_WRITE: self._region_write, Command.DEVICE_RESET: self._reset,
            Command.REGION_WRITE_MULTI: self._write_multi, Command.DEVICE_FEATURE: self._feature}

    @property
    def opened(self) -> Opened:
        assert self._opened is not None, "after VERSION only"
        return self._opened

    @property
    def hears(self) -> bool:
        """Whether more requests are taken: not while the answers pile up."""
        return self.connection.backlog <= BACKLOG

    async def step(self) -> bool:
        """Handle one message, if one is there; whether one was. Closed: the end."""
        if not self.hears:
            return False
        message = self.connection.receive()
        if message is None:
            return False
        try:
            await self._handle(message)
        finally:
            message.close()
        return True

    async def close(self) -> None:
        """Take the device back and close the connection."""
        self.connection.close()
        if self._opened is not None:
            opened, self._opened = self._opened, None
            await opened.close()

    async def _handle(self, message: Message) -> None:
        header = message.header
        if header.flags & HeaderFlag.TYPE == HeaderFlag.REPLY:
            raise Closed("a reply that nobody waits for")
        try:
            if header.flags & ~int(HeaderFlag.NO_REPLY):
                raise fail(errno.EINVAL, f"flags {header.flags:#x}")
            if len(message.fds) > OURS.max_msg_fds or (
                    message.fds and header.command not in _TAKES_FDS):
                raise fail(errno.EINVAL, f"{len(message.fds)} file descriptors")
            payload = await self._handler(header.command)(message)
        except OSError as error:
            self.connection.reply_error(header, error.errno or errno.EIO)
            if self._opened is None:
                raise Closed(f"no version agreed: {error}") from None
        else:
            self.connection.reply(header, payload)

    def _handler(self, command: int) -> Handler:
        if self._opened is None:
            if command != Command.VERSION:
                raise fail(errno.EINVAL, "VERSION comes first")
            return self._version
        handler = self._handlers.get(command)
        if handler is None:
            known = command in (Command.MIG_DATA_READ, Command.MIG_DATA_WRITE)
            raise fail(errno.EOPNOTSUPP if known else errno.EINVAL, f"command {command}")
        return handler

    async def _version(self, message: Message) -> bytes:
        version, self._theirs = capabilities.decode(message.payload)
        self._opened = await self._endpoint.open()
        return OURS.encode(min(version.minor, uapi.MINOR))

    # Memory

    async def _dma_map(self, message: Message) -> bytes:
        request = _whole(uapi.DmaMap, message.payload)
        if request.flags & ~int(Prot.READ | Prot.WRITE):
            raise fail(errno.EINVAL, f"flags {request.flags:#x}")
        if len(message.fds) != 1:
            raise fail(errno.EINVAL, f"{len(message.fds)} file descriptors: memory comes as one")
        await self.opened.dma.map(request.address, request.size_, Prot(request.flags),
                                  message.fds[0], request.offset)
        return b""

    async def _dma_unmap(self, message: Message) -> bytes:
        request = _whole(uapi.DmaUnmap, message.payload)
        if request.flags == DmaUnmapFlag.ALL:
            if request.address or request.size_:
                raise fail(errno.EINVAL, "ALL with a range")
            total = await self.opened.dma.clear()
            return request.change(size_=total).encode()
        if request.flags:
            raise fail(errno.EINVAL, f"flags {request.flags:#x}")
        await self.opened.dma.unmap(request.address, request.size_)
        return request.encode()

    # The device

    async def _get_info(self, message: Message) -> bytes:
        return await self._ask(DeviceIoctl.GET_INFO, message.payload, vfio.DeviceInfo.LEAST)

    async def _get_region_info(self, message: Message) -> bytes:
        request = vfio.RegionInfo.receive(message.payload)
        room = bytes(min(request.argsz, ARGSZ_MAX) - request.size())
        answer = await self._ask(DeviceIoctl.GET_REGION_INFO,
                                 message.payload[:request.size()] + room, request.size())
        found = vfio.RegionInfo.decode(answer)
        if not found.cap_offset:
            answer = answer[:request.size()]
        # An access names the region; offsets begin at 0 in each.
        return found.change(offset=0).encode() + answer[request.size():]

    async def _get_region_io_fds(self, message: Message) -> bytes:
        request = uapi.RegionFds.receive(message.payload)
        probe = vfio.RegionInfo(vfio.RegionInfo.size(), 0, request.index).encode()
        await self.opened.file.ioctl(DeviceIoctl.GET_REGION_INFO, bytearray(probe))
        if request.flags or request.count:
            raise fail(errno.EINVAL, "flags or count")
        return request.change(argsz=request.size(), count=0).encode()

    async def _get_irq_info(self, message: Message) -> bytes:
        return await self._ask(DeviceIoctl.GET_IRQ_INFO, message.payload, vfio.IrqInfo.size())

    async def _set_irqs(self, message: Message) -> bytes:
        """Eventfds come as descriptors, one an interrupt; none at all lets go of the range."""
        request = vfio.IrqSet.receive(message.payload)
        if request.argsz > len(message.payload):
            raise fail(errno.EINVAL, "argsz is longer than the message")
        fds = message.fds
        if request.flags & vfio.IRQ_DATA == IrqSetFlag.DATA_EVENTFD:
            if request.count > OURS.max_msg_fds or len(fds) not in (0, request.count):
                raise fail(errno.EINVAL, f"{len(fds)} descriptors for {request.count} interrupts")
            numbers = fds or [-1] * request.count
            argument = request.change(argsz=request.size() + 4 * request.count).encode()
            argument += struct.pack(f"<{len(numbers)}i", *numbers)
        else:
            if fds:
                raise fail(errno.EINVAL, f"{len(fds)} descriptors that nobody asked for")
            argument = message.payload
        await self.opened.file.ioctl(DeviceIoctl.SET_IRQS, bytearray(argument))
        return b""

    async def _reset(self, message: Message) -> bytes:
        if message.payload:
            raise fail(errno.EINVAL, "RESET has no payload")
        await self.opened.file.ioctl(DeviceIoctl.RESET)
        return b""

    async def _feature(self, message: Message) -> bytes:
        uapi.Feature.receive(message.payload)
        raise fail(errno.ENOTTY, "no features")

    # Regions

    async def _region_read(self, message: Message) -> bytes:
        access = _whole(uapi.RegionAccess, message.payload)
        if access.count > min(OURS.max_data_xfer_size, self._theirs.max_data_xfer_size):
            raise fail(errno.EINVAL, f"{access.count} bytes")
        data = await self.opened.file.pread(access.count, _place(access))
        return access.encode() + data

    async def _region_write(self, message: Message) -> bytes:
        access = uapi.RegionAccess.decode(message.payload)
        data = message.payload[access.size():]
        if len(data) != access.count or access.count > OURS.max_data_xfer_size:
            raise fail(errno.EINVAL, f"{len(data)} bytes of {access.count}")
        await self.opened.file.pwrite(data, _place(access))
        return access.encode()

    async def _write_multi(self, message: Message) -> bytes:
        """Up to 8 bytes each; stops at the first that fails."""
        header = uapi.MultiHeader.decode(message.payload)
        step = uapi.RegionAccess.size() + header.DATA
        if len(message.payload) != header.size() + header.count * step:
            raise fail(errno.EINVAL, f"{header.count} writes in {len(message.payload)} bytes")
        for n in range(header.count):
            at = header.size() + n * step
            access = uapi.RegionAccess.decode(message.payload, at)
            if access.count > header.DATA:
                raise fail(errno.EINVAL, f"{access.count} bytes in one of many writes")
            data = message.payload[at + access.size():][:access.count]
            await self.opened.file.pwrite(data, _place(access))
        return header.encode()

    async def _ask(self, number: DeviceIoctl, payload: bytes, least: int) -> bytes:
        """An ioctl whose structure is the message and the answer."""
        if len(payload) < least:
            raise fail(errno.EINVAL, f"{len(payload)} bytes, at least {least}")
        argument = bytearray(payload)
        await self.opened.file.ioctl(number, argument)
        return bytes(argument)


def _whole(kind: type[P], payload: bytes) -> P:
    """A payload that is one structure exactly; EINVAL."""
    value = kind.decode(payload)
    if len(payload) != kind.size() or getattr(value, "argsz", kind.size()) < kind.size():
        raise fail(errno.EINVAL, f"{len(payload)} bytes for {kind.__name__}")
    return value


def _place(access: uapi.RegionAccess) -> int:
    """The offset in a device file; EINVAL if the region's own part does not hold it."""
    if access.offset >> OFFSET_SHIFT:
        raise fail(errno.EINVAL, f"offset {access.offset:#x}")
    return access.region << OFFSET_SHIFT | access.offset
