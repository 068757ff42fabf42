"""Serves endpoints to clients from one thread, and lets the device work in between."""

from __future__ import annotations

import os
import selectors
import socket
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from driver.vfio_user.connection import Closed, Connection
from driver.vfio_user.endpoint import Endpoint
from driver.vfio_user.session import OURS, PAYLOAD_MAX, Session

TURNS = 64  # messages in a row after which the device gets its time


class Machine(ABC):
    """The device behind the server.

    Members
    -------
    gap
        Seconds to wait for a client's next message before the device gets its time: what a client
        that waits for each answer needs to ask again. 0 where the device needs no time.
    """

    gap = 0.0

    @abstractmethod
    async def step(self, worked: bool) -> bool:
        """Let it work for a moment and pass its interrupts on; whether there may be more to do
        without anybody asking. `worked`: there were messages since the last call."""


class Server:
    """Sockets named after their endpoints in `directory`; one client at a time each, others are
    turned away, as is whoever comes when no descriptors are left.

    Nothing here waits for a client: `run` sleeps only when no client has anything to say and the
    device has nothing to do. A client that goes is cleaned up after before the next message.
    """

    def __init__(self, directory: Path, endpoints: Sequence[Endpoint], machine: Machine) -> None:
        self._machine = machine
        self._selector = selectors.DefaultSelector()
        self._sessions: dict[Endpoint, Session] = {}
        self._listening: list[tuple[socket.socket, Path]] = []
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._spare: int | None = _descriptor()  # to turn clients away with
        self._stopping = False
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        for endpoint in endpoints:
            path = directory / endpoint.name
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.bind(str(path))
            sock.listen()
            self._listening.append((sock, path))
            self._selector.register(sock, selectors.EVENT_READ, endpoint)

    @property
    def paths(self) -> list[Path]:
        """The sockets."""
        return [path for _, path in self._listening]

    def stop(self) -> None:
        """Make `run` return; from any thread or signal handler."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    async def run(self) -> None:
        """Serve until `stop`, then let go of all clients and sockets."""
        busy = True
        try:
            while not self._stopping:
                worked = await self._turn(None if not busy else 0)
                busy = await self._machine.step(worked)
        finally:
            await self._end()

    async def _turn(self, timeout: float | None) -> bool:
        """What the sockets have to say; whether it was anything."""
        worked = False
        for _ in range(TURNS):
            ready = self._selector.select(timeout)
            if not ready or self._stopping:
                break
            for key, mask in ready:
                worked = True
                await self._ready(key, mask)
            timeout = self._machine.gap
        return worked

    async def _ready(self, key: selectors.SelectorKey, mask: int) -> None:
        if isinstance(key.data, Session):
            await self._serve(key.data, mask)
        elif isinstance(key.data, Endpoint) and isinstance(key.fileobj, socket.socket):
            self._accept(key.fileobj, key.data)

    def _accept(self, listening: socket.socket, endpoint: Endpoint) -> None:
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):  # it has gone already
            return
        except OSError:
            self._turn_away(listening, endpoint)
            return
        if endpoint in self._sessions:
            sock.close()
            return
        session = Session(Connection(sock, PAYLOAD_MAX, OURS.max_msg_fds), endpoint)
        self._sessions[endpoint] = session
        self._selector.register(sock, selectors.EVENT_READ, session)

    def _turn_away(self, listening: socket.socket, endpoint: Endpoint) -> None:
        """We cannot have another descriptor. Who waits has to go all the same: as long as somebody
        does, `select` returns at once."""
        if self._spare is None:
            self._selector.unregister(listening)
            print(f"{endpoint.name} is out of service: no descriptors left", file=sys.stderr)
            return
        os.close(self._spare)
        self._spare = None
        with suppress(OSError):
            listening.accept()[0].close()
        with suppress(OSError):
            self._spare = _descriptor()

    async def _serve(self, session: Session, mask: int) -> None:
        connection = session.connection
        try:
            if mask & selectors.EVENT_READ:
                await session.step()
        except Closed:
            await self._drop(session)
            return
        except Exception:  # a defect of ours: it must not reach the other clients
            traceback.print_exc(file=sys.stderr)
            await self._drop(session)
            return
        wanted = selectors.EVENT_READ if connection.flush() else (
            selectors.EVENT_WRITE | selectors.EVENT_READ * session.hears)
        if wanted != self._selector.get_key(connection.socket).events:
            self._selector.modify(connection.socket, wanted, session)

    async def _drop(self, session: Session) -> None:
        """Clean up after a client. A device that cannot be taken back is given to nobody again."""
        endpoint = next(e for e, s in self._sessions.items() if s is session)
        self._selector.unregister(session.connection.socket)
        try:
            await session.close()
        except Exception:
            traceback.print_exc(file=sys.stderr)
            print(f"{endpoint.name} is out of service", file=sys.stderr)
        else:
            del self._sessions[endpoint]

    async def _end(self) -> None:
        for session in list(self._sessions.values()):
            if session.connection.socket.fileno() >= 0:
                await self._drop(session)
        for sock, path in self._listening:
            sock.close()
            path.unlink(missing_ok=True)
        self._selector.close()
        os.close(self._wake)
        if self._spare is not None:
            os.close(self._spare)


def _descriptor() -> int:
    return os.open(os.devnull, os.O_RDONLY)
