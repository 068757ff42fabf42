"""The device's time passes only while there is something to do."""

import os
import resource
import socket
import threading
from contextlib import contextmanager

from driver.run import run
from driver.vfio_user.client import Client
from driver.vfio_user.server import Machine, Server
from sim.serve.machines import QUIET, SLICE, Pace, channel_endpoints
from tests.vfio_user.rig import serving


class Device:
    """One that accesses memory in its first `busy` slices."""

    def __init__(self, busy):
        self.busy, self.slices, self.accesses = busy, 0, 0

    async def wait(self, cycles):
        assert cycles == SLICE
        self.slices += 1
        self.accesses += self.slices <= self.busy


def test_runs_until_it_has_been_quiet_for_a_while():
    device = Device(busy=7)
    pace = Pace(device.wait, lambda: device.accesses)
    assert run(pace.step(True))
    while run(pace.step(False)):
        pass
    assert device.slices == 7 + QUIET
    assert run(pace.step(True))  # somebody asked


def test_where_no_time_passes_there_is_nothing_to_wait_for():
    assert not run(Pace().step(True))


class Counted(Machine):
    """Counts how often it was let work."""

    def __init__(self):
        self.steps = 0

    async def step(self, worked):
        self.steps += 1
        return False


@contextmanager
def counting(tmp_path):
    """(server, machine) of a server that runs in a thread."""
    (tmp_path / "other").mkdir()
    with serving(tmp_path, 2) as outer:
        machine = Counted()
        endpoints = channel_endpoints(outer.board, outer.host)
        server = Server(tmp_path / "other", endpoints, machine)
        thread = threading.Thread(target=lambda: run(server.run()))
        thread.start()
        try:
            yield server, machine
        finally:
            server.stop()
            thread.join()


@contextmanager
def no_more_descriptors():
    """Nobody in this process can open anything."""
    names = [int(name) for name in os.listdir("/proc/self/fd")]
    gaps = []
    while not gaps or gaps[-1] <= max(names):
        gaps.append(os.dup(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (gaps[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for gap in gaps:
            os.close(gap)


def test_server_sleeps_when_nobody_asks(tmp_path):
    """It goes round once for what comes, not once more."""
    with counting(tmp_path) as (server, machine), Client(server.paths[0]) as client:
        for _ in range(50):
            client.info()
    assert machine.steps <= 50 + 6  # the first round, connecting, VERSION, leaving, the end


def test_server_sleeps_when_it_has_no_descriptors(tmp_path):
    """Who comes then is turned away, and waits for nothing; later ones are served."""
    with counting(tmp_path) as (server, machine):
        callers = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        with no_more_descriptors():
            for caller in callers:
                caller.settimeout(10)
                caller.connect(str(server.paths[0]))
                assert caller.recv(1) == b""
        for caller in callers:
            caller.close()
        with Client(server.paths[0]) as client:
            client.info()
    assert machine.steps <= len(callers) + 6
