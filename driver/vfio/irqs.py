"""Interrupts of a device as eventfds (vfio.md 1)."""

from __future__ import annotations

import errno
import os
import select
from dataclasses import dataclass, field

from driver.vfio import uapi
from driver.vfio.packed import fail
from driver.vfio.uapi import IRQ_ACTION, IRQ_DATA, IrqFlag, IrqSetFlag

_BYTES = {IrqSetFlag.DATA_NONE: 0, IrqSetFlag.DATA_BOOL: 1, IrqSetFlag.DATA_EVENTFD: 4}
_EVENTFD = "anon_inode:[eventfd]"


@dataclass
class Vector:
    """One interrupt: where it goes, whether it is held back, whether one was."""

    fd: int = -1  # a duplicate of the program's
    masked: bool = False
    pending: bool = False

    def fire(self) -> None:
        """It happened."""
        if self.masked:
            self.pending = True
        elif self.fd >= 0 and _takes(self.fd):
            os.eventfd_write(self.fd, 1)

    def unmask(self) -> None:
        """Stop holding back; what came meanwhile comes now."""
        self.masked = False
        if self.pending:
            self.pending = False
            self.fire()

    def connect(self, fd: int) -> None:
        """Signal eventfd `fd`, which is ours, from now on; -1: nobody."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = fd


@dataclass
class IrqIndex:
    """One index: `count` interrupts of one kind."""

    flags: IrqFlag
    count: int
    vectors: list[Vector] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vectors = [Vector() for _ in range(self.count)]

    def disable(self) -> None:
        """Nobody is signalled any more, nothing is masked or pending."""
        for vector in self.vectors:
            vector.connect(-1)
            vector.masked = vector.pending = False


class Irqs:
    """All indices of one device."""

    def __init__(self, indices: list[IrqIndex]) -> None:
        self.indices = indices

    def info(self, argument: bytearray) -> None:
        """GET_IRQ_INFO."""
        request = uapi.IrqInfo.receive(argument)
        if request.index >= len(self.indices):
            raise fail(errno.EINVAL, f"IRQ index {request.index}")
        irq = self.indices[request.index]
        argument[:request.size()] = request.change(flags=irq.flags, count=irq.count).encode()

    def set(self, argument: bytearray) -> None:
        """SET_IRQS. Everything is checked before anything is done."""
        request = uapi.IrqSet.receive(argument)
        data = self._data(request, argument)
        irq = self.indices[request.index]
        action, kind = IrqSetFlag(request.flags) & IRQ_ACTION, request.flags & IRQ_DATA
        if action == IrqSetFlag.ACTION_TRIGGER:
            self._trigger(irq, request, kind, data)
            return
        if kind == IrqSetFlag.DATA_EVENTFD or not irq.flags & IrqFlag.MASKABLE:
            raise fail(errno.ENOTTY, f"IRQ index {request.index}: masking by eventfd, or of what "
                       "cannot be masked")
        for vector, chosen in zip(_range(irq, request), data, strict=True):
            if chosen and action == IrqSetFlag.ACTION_MASK:
                vector.masked = True
            elif chosen:
                vector.unmask()

    def fire(self, index: int, vector: int = 0) -> None:
        """The device raises an interrupt of an index."""
        self.indices[index].vectors[vector].fire()

    def close(self) -> None:
        """Let go of every eventfd."""
        for irq in self.indices:
            irq.disable()

    def _data(self, request: uapi.IrqSet, argument: bytearray) -> list[int]:
        """One value an interrupt; EINVAL for everything that is wrong with the request."""
        flags = request.flags
        kind, action = flags & IRQ_DATA, flags & IRQ_ACTION
        if flags & ~int(IRQ_DATA | IRQ_ACTION) or kind not in _BYTES or action.bit_count() != 1:
            raise fail(errno.EINVAL, f"flags {flags:#x}")
        if request.index >= len(self.indices):
            raise fail(errno.EINVAL, f"IRQ index {request.index}")
        count = self.indices[request.index].count
        if request.start >= count or request.start + request.count > count:
            raise fail(errno.EINVAL, f"interrupts {request.start} + {request.count} of {count}")
        width = _BYTES[IrqSetFlag(kind)]
        if not width:
            return [1] * request.count
        data = argument[request.size():request.argsz]
        if not request.count or len(data) < width * request.count:
            raise fail(errno.EINVAL, f"{len(data)} bytes of data for {request.count} interrupts")
        return [int.from_bytes(data[n * width:(n + 1) * width], "little", signed=width > 1)
                for n in range(request.count)]

    def _trigger(self, irq: IrqIndex, request: uapi.IrqSet, kind: int, data: list[int]) -> None:
        if kind == IrqSetFlag.DATA_NONE and not request.count:
            irq.disable()
        eventfd = kind == IrqSetFlag.DATA_EVENTFD
        for vector, value in zip(_range(irq, request), _ours(data) if eventfd else data,
                                 strict=True):
            if eventfd:
                vector.connect(value)
            elif value:
                vector.fire()


def _range(irq: IrqIndex, request: uapi.IrqSet) -> list[Vector]:
    return irq.vectors[request.start:request.start + request.count]


def _takes(fd: int) -> bool:
    """Whether an eventfd can be written without waiting for its reader: a full one is not."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _ours(fds: list[int]) -> list[int]:
    """Duplicates of a program's eventfds, all or none; -1 stays. EBADF, or EINVAL if one is
    something else."""
    new: list[int] = []
    try:
        for fd in fds:
            new.append(-1 if fd == -1 else _duplicate(fd))
    except OSError:
        for fd in new:
            if fd >= 0:
                os.close(fd)
        raise
    return new


def _duplicate(fd: int) -> int:
    if fd < -1:
        raise fail(errno.EBADF, f"descriptor {fd}")
    new = os.dup(fd)
    if os.readlink(f"/proc/self/fd/{new}") != _EVENTFD:
        os.close(new)
        raise fail(errno.EINVAL, f"descriptor {fd} is not an eventfd")
    return new
