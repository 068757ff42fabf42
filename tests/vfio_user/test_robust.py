"""Clients that misbehave: the server answers or hangs up, loses nothing; others never notice."""

import errno
import os
import random
import socket
from contextlib import suppress

import pytest

from driver.run import run
from driver.vfio import uapi as vfio
from driver.vfio.mdev import COMPLETION, DOORBELL, RINGS
from driver.vfio.uapi import IrqSetFlag
from driver.vfio_user import uapi
from driver.vfio_user.client import Client
from driver.vfio_user.connection import BACKLOG
from driver.vfio_user.uapi import Command, Header, HeaderFlag
from driver.wd.queue import Queue, copy_job
from driver.wd.vfio_user import VfioUserChannel
from pymodel.memory import PAGE
from sim.scenarios.conformance import COMMANDS, files, text
from sim.serve.process import served
from spec.qm import DOORBELL_OFFSET, Doorbell, DoorbellCommand
from tests.vfio_user.rig import serving
from tests.vfio_user.test_channel import again
from tests.vfio_user.test_function import story

SEED = 2017
MESSAGES = 10_000
PING = 0xFFFF
KINDS = ("memory", "eventfd", "pipe", "short", "unsealed", "read-only")


class Neighbour:
    """A well-behaved client of another channel; nothing that it has may ever change."""

    def __init__(self, server):
        self.channel = VfioUserChannel(server.path(1))
        self.queue = Queue(self.channel, run(self.channel.info()))
        self.memory = run(self.queue.reserve(4 * PAGE))
        self.memory.write(0, random.Random(1).randbytes(2 * PAGE))
        self.kept = self.memory.read(0, 2 * PAGE)

    def check(self):
        self.memory.write(2 * PAGE, bytes(PAGE))
        at = self.memory.address
        assert run(self.queue.run(copy_job(at, at + 2 * PAGE, PAGE))).error == 0
        assert self.memory.read(0, 2 * PAGE) == self.kept
        assert self.memory.read(2 * PAGE, PAGE) == self.kept[:PAGE]


@pytest.fixture
def server(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    with serving(tmp_path, 2, "base") as server:
        server.neighbour = Neighbour(server)
        server.neighbour.check()
        yield server
        server.neighbour.check()
        run(server.neighbour.queue.release())
    assert len(os.listdir("/proc/self/fd")) == before


def held(server):
    """What the server holds on to; the neighbour's is part of it."""
    with open("/proc/self/maps") as maps:
        return (len(server.bus.pages._scattered), len(maps.readlines()),
                len(server.host.parent.devices), len(server.host.qm.queues))


def settled(server):
    """Everything of channel 0 is given back."""
    again(lambda: Client(server.path(0))).close()
    again(lambda: Client(server.path(0))).close()
    while len(server.host.parent.devices) > 1:
        server.neighbour.check()


def mutated(rng):
    """(bytes, kinds of descriptors, whether the framing is whole) of one message."""
    row = rng.choice(COMMANDS)
    payload, command, flags = bytearray(row.payload), row.command, row.flags
    number, kinds, extra = rng.randrange(PING), row.files, 0
    choice = rng.randrange(8)
    if choice == 0 and payload:
        for _ in range(rng.randint(1, 4)):
            payload[rng.randrange(len(payload))] = rng.randrange(256)
    elif choice == 1:
        payload = payload[:rng.randint(0, len(payload))]
    elif choice == 2:
        payload += rng.randbytes(rng.choice((1, 7, 64, 5000)))
    elif choice == 3:
        payload = bytearray(rng.randbytes(rng.choice((0, 3, 16, 32, 300))))
    elif choice == 4:
        kinds = tuple(rng.choice(KINDS) for _ in range(rng.choice((0, 1, 2, 16, 17, 40))))
    elif choice == 5:
        command, flags = rng.randrange(1 << 16), rng.choice((0, 0x10, 0x20, 0x40, 1, 0xFFFF))
    elif choice == 6 and payload:
        at = rng.randrange(0, len(payload), 4)
        payload[at:at + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\0\0\0\x80", b"\0\xf0\xff\xff"))
    elif choice == 7 and rng.random() < 0.3:
        extra = rng.choice((-20, -1, 1, 100, 1 << 20, 1 << 21, (1 << 32) - 20))
    size = 16 + len(payload) + extra & 0xFFFF_FFFF
    return (Header(number, command, size, flags).encode() + bytes(payload), kinds,
            not extra, flags & 0xF == 1)


def ping(client):
    """Whether the connection still answers; drops answers to what was sent before."""
    client.send(Header(PING, Command.DEVICE_GET_INFO, 32, 0).encode()
                + vfio.DeviceInfo(16).encode()[:16])
    try:
        while client.receive()[0].id != PING:
            pass
    except (ConnectionResetError, BrokenPipeError):
        return False
    return True


def survives(client, rng, n):
    """Send message `n`; whether the connection goes on, which it must if the framing is whole."""
    data, kinds, whole, reply = mutated(rng)
    with files(kinds) as fds:
        try:
            client.send(data, fds)
            if not whole:
                client.socket.shutdown(socket.SHUT_WR)
                while client.socket.recv(1 << 16):
                    pass
            alive = whole and ping(client)
        except (ConnectionResetError, BrokenPipeError):
            alive = False
    assert alive or not whole or reply, f"message {n}: {data.hex()}"
    return alive


def test_fuzzed_messages_to_the_function(tmp_path):
    """A tenth of MESSAGES; the device works for whoever comes after."""
    rng, client = random.Random(SEED), None
    path = tmp_path / "function.sock"
    with served(tmp_path, "--function", "--preset", "base"):
        for n in range(MESSAGES // 10):
            if client is None:
                client = again(lambda: Client(path))
            if not survives(client, rng, n):
                client.close()
                client = None
        if client:
            client.close()
        bus, _, _ = again(lambda: story(path, b"as ever" * 100))
        bus.close()


def test_fuzzed_messages(server):
    """MESSAGES of them from one seed; the neighbour works all the time."""
    rng, client, ended, before = random.Random(SEED), None, 0, None
    for n in range(MESSAGES):
        if n == 2000:  # everything that is made once has been made
            settled(server)
            client, before = None, held(server)
        if client is None:
            client = again(lambda: Client(server.path(0)))
        alive = survives(client, rng, n)
        if not alive or rng.random() < 0.02:
            ended += 1
            client.close()
            client = None
        if not n % 500:
            server.neighbour.check()
    if client:
        client.close()
    settled(server)
    assert held(server) == before
    assert ended > 100


def session(server):
    """The bytes of a whole session, each message with what goes with it."""
    job = copy_job(0x4000, 0x5000, 64).to_bytes()
    number = 1 - server.neighbour.queue._info.number
    word = Doorbell.pack(queue=number, command=DoorbellCommand.SQ, index=1)

    def access(region, offset, data):
        return uapi.RegionAccess(offset, region, len(data)).encode() + data

    irq = vfio.IrqSet(20, IrqSetFlag.DATA_EVENTFD | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 1)
    messages = [
        (Command.VERSION, text(b'{"capabilities": {}}\0'), ()),
        (Command.DMA_MAP, uapi.DmaMap(32, 3, 0, 0x4000, 2 * PAGE).encode(), ("memory",)),
        (Command.DEVICE_SET_IRQS, irq.encode(), ("eventfd",)),
        (Command.REGION_WRITE, access(RINGS, 0, job), ()),
        (Command.REGION_WRITE, access(DOORBELL, DOORBELL_OFFSET, word.to_bytes(8, "little")), ()),
        (Command.DEVICE_RESET, b"", ()),
        (Command.DMA_UNMAP, uapi.DmaUnmap(24, 0, 0x4000, 2 * PAGE).encode(), ())]
    return [(Header(n, command, 16 + len(payload)).encode() + payload, kinds)
            for n, (command, payload, kinds) in enumerate(messages)]


def sent(server, messages):
    """A socket to channel 0 that was accepted, if messages are sent; turned away it tries again."""
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(str(server.path(0)))
        try:
            for data, kinds in messages:
                with files(kinds) as fds:
                    socket.send_fds(sock, [data], fds)
            if not messages or sock.recv(16):
                return sock
        except (ConnectionResetError, BrokenPipeError):
            pass
        sock.close()


def test_disconnects_at_every_byte(server):
    messages = session(server)
    for last, (data, kinds) in enumerate(messages):
        for cut in range(1, len(data) + 1):
            with sent(server, messages[:last]) as sock, files(kinds) as fds, suppress(
                    ConnectionError):  # one that has sent nothing yet may be turned away
                socket.send_fds(sock, [data[:cut]], fds)
        server.neighbour.check()
    settled(server)


def test_one_byte_at_a_time(server):
    """A slow client is served, and nobody waits for it."""
    client = again(lambda: Client(server.path(0)))
    message = Header(PING, Command.DEVICE_GET_INFO, 32, 0).encode()
    message += vfio.DeviceInfo(16).encode()[:16]
    for byte in message:
        server.neighbour.check()
        client.send(bytes([byte]))
    assert client.receive()[0].id == PING
    client.close()


def test_client_that_never_listens(server):
    """Answers pile up to a limit; nobody else waits, and later it gets them all."""
    client = again(lambda: Client(server.path(0)))
    room = client.region(RINGS).size_
    client.socket.setblocking(False)
    access = uapi.RegionAccess(0, RINGS, room).encode()
    sent, data = 0, Header(1, Command.REGION_READ, 32, 0).encode() + access
    connection = next(s for e, s in server.server._sessions.items() if e.number == 0).connection
    for _ in range(20):
        try:
            while True:
                assert client.socket.send(data) == len(data)
                sent += 1
        except BlockingIOError:
            server.neighbour.check()
        assert connection.backlog <= BACKLOG + room + 32
    assert sent * room > BACKLOG
    client.socket.setblocking(True)
    for _ in range(sent):
        assert client.receive()[0].id == 1
    client.close()


def test_descriptors_without_end(server):
    """A message that never ends and brings descriptors with every byte: few of them are kept."""
    client = again(lambda: Client(server.path(0)))
    before = len(os.listdir("/proc/self/fd"))
    with files(("eventfd",) * 40) as fds:
        for byte in Header(1, Command.DMA_MAP, 48, 0).encode():
            client.send(bytes([byte]), fds)
            server.neighbour.check()
    assert len(os.listdir("/proc/self/fd")) <= before + client.server.max_msg_fds + 1
    client.send(uapi.DmaMap(32, 3, 0, 0x4000, PAGE).encode())
    assert client.receive()[0].error == errno.EINVAL
    client.close()


def test_full_eventfd_blocks_nobody(server):
    client = again(lambda: Client(server.path(0)))
    event = os.eventfd((1 << 32) - 1, 0)  # blocking
    os.eventfd_write(event, (1 << 64) - 2 - ((1 << 32) - 1))
    client.connect_irq(COMPLETION, 0, (event,))
    client.set_irqs(IrqSetFlag.DATA_NONE | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 1)
    server.neighbour.check()
    os.close(event)
    client.close()


def test_memory_cannot_be_taken_away(server):
    """Whoever makes the file shorter would kill the server: it is sealed."""
    client = again(lambda: Client(server.path(0)))
    fd = os.memfd_create("m", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 2 * PAGE)
    client.map(fd, 0, 0x4000, 2 * PAGE)
    with pytest.raises(PermissionError):
        os.ftruncate(fd, 0)
    os.close(fd)
    client.close()


def test_foreign_doorbell(server):
    """A channel's page takes its own queue's number only."""
    client = again(lambda: Client(server.path(0)))
    for index in range(4):
        word = Doorbell.pack(queue=server.neighbour.queue._info.number,
                             command=DoorbellCommand.SQ, index=index)
        client.write(DOORBELL, DOORBELL_OFFSET, word.to_bytes(8, "little"))
    server.neighbour.check()
    client.close()


def test_mappings_are_limited(server):
    """A client can have so many and so much, and is told when it is too much."""
    client = again(lambda: Client(server.path(0)))
    fd = os.memfd_create("m", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 3 << 30)
    with pytest.raises(OSError, match="No space"):
        client.map(fd, 0, 1 << 40, 3 << 30)
    for n in range(client.server.max_dma_maps):
        client.map(fd, 0, n << 24, PAGE)
    with pytest.raises(OSError, match="No space"):
        client.map(fd, 0, 1 << 41, PAGE)
    os.close(fd)
    client.close()


def test_no_answer_when_none_is_wanted(server):
    client = again(lambda: Client(server.path(0)))
    for command, payload in ((Command.DEVICE_RESET, b""), (Command.DEVICE_RESET, b"bad"),
                             (99, b""), (Command.DMA_MAP, bytes(32))):
        client.post(command, payload, flags=HeaderFlag.NO_REPLY)
    assert client.info().regions == 3
    client.close()
