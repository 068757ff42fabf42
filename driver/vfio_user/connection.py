"""Messages over a stream socket that never blocks: framing, file descriptors, buffers."""

from __future__ import annotations

import array
import contextlib
import errno
import os
import socket
from collections import deque
from dataclasses import dataclass, field

from driver.vfio_user.uapi import Header, HeaderFlag

FDS_PER_CALL = 253  # what the kernel passes with one message
BACKLOG = 1 << 22  # unsent bytes from which no more requests are read


class Closed(Exception):
    """The connection is over; the text says why."""


@dataclass
class Message:
    """One message. Its file descriptors belong to whoever takes it; `close` closes the rest."""

    header: Header
    payload: bytes
    fds: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Close the descriptors that are left."""
        while self.fds:
            os.close(self.fds.pop())


class Connection:
    """One peer. Nothing here waits; `socket` is for a selector.

    Parameters
    ----------
    limit
        Bytes of the longest payload; a longer one ends the connection.
    fds
        Descriptors that a message may have. Of more, one more is kept, to show that they were too
        many, and the rest is closed at once.
    """

    def __init__(self, sock: socket.socket, limit: int, fds: int) -> None:
        sock.setblocking(False)
        self.socket, self._limit, self._keep = sock, limit, fds + 1
        self._buffer = bytearray()
        self._fds: list[int] = []
        self._out: deque[tuple[memoryview, list[int]]] = deque()
        self._unsent = 0

    @property
    def backlog(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self._unsent

    def receive(self) -> Message | None:
        """The next message, None if it is not there yet. Closed: the peer has gone or the stream
        makes no sense; the last such header is answered first."""
        header = self._fill(Header.size()) and Header.decode(self._buffer)
        if not header:
            return None
        if not Header.size() <= header.size_ <= Header.size() + self._limit:
            self.reply_error(header, errno.EINVAL)
            raise Closed(f"a message of {header.size_} bytes")
        if not self._fill(header.size_):
            return None
        message = Message(header, bytes(self._buffer[Header.size():]), self._fds)
        self._buffer, self._fds = bytearray(), []
        return message

    def reply(self, header: Header, payload: bytes = b"") -> None:
        """Answer a command, unless it wants no reply."""
        if not header.flags & HeaderFlag.NO_REPLY:
            self.send(Header(header.id, header.command, Header.size() + len(payload),
                             HeaderFlag.REPLY).encode() + payload)

    def reply_error(self, header: Header, code: int) -> None:
        """Answer a command with an errno, unless it wants no reply."""
        if not header.flags & HeaderFlag.NO_REPLY:
            self.send(Header(header.id, header.command, Header.size(),
                             HeaderFlag.REPLY | HeaderFlag.ERROR, code).encode())

    def send(self, data: bytes, fds: tuple[int, ...] = ()) -> None:
        """Send now what the peer takes, the rest with `flush`; descriptors are duplicated."""
        self._out.append((memoryview(data), [os.dup(fd) for fd in fds]))
        self._unsent += len(data)
        self.flush()

    def flush(self) -> bool:
        """Send what is left; whether nothing is. A peer that has gone is noticed by `receive`."""
        while self._out:
            data, fds = self._out[0]
            try:
                sent = self.socket.sendmsg([data], _ancillary(fds))
            except BlockingIOError:
                return False
            except OSError:
                sent = len(data)
            _close(fds)
            self._unsent -= sent
            if sent < len(data):
                self._out[0] = data[sent:], []
            else:
                self._out.popleft()
        return True

    def close(self) -> None:
        """End it; everything that is under way is dropped."""
        for _, fds in self._out:
            _close(fds)
        self._out.clear()
        _close(self._fds)
        self.socket.close()

    def _fill(self, size: int) -> bool:
        """Read until `size` bytes are there; whether they are."""
        while len(self._buffer) < size:
            try:
                data, control, flags, _ = self.socket.recvmsg(
                    size - len(self._buffer), socket.CMSG_SPACE(4 * FDS_PER_CALL),
                    socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return False
            except OSError as error:
                raise Closed(str(error)) from None
            for level, kind, raw in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self._fds += array.array("i", raw[:len(raw) // 4 * 4])
            excess = self._fds[self._keep:]
            del self._fds[self._keep:]
            _close(excess)
            if not data:
                raise Closed("the peer has closed")
            if flags & socket.MSG_CTRUNC:
                raise Closed("more file descriptors than we can have")
            self._buffer += data
        return True


def _ancillary(fds: list[int]) -> list[tuple[int, int, bytes]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds).tobytes())] if fds else []


def _close(fds: list[int]) -> None:
    while fds:
        with contextlib.suppress(OSError):
            os.close(fds.pop())
