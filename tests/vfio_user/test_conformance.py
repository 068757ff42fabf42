"""Every row of the conformance list, on the golden model."""

import os

import pytest

from driver.vfio.mdev import COMPLETION
from driver.vfio.uapi import IrqSetFlag
from driver.vfio_user.client import Client
from sim.scenarios.conformance import COMMANDS, NEGOTIATION, command, negotiate
from tests.vfio_user.rig import serving
from tests.vfio_user.test_channel import again


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    before = len(os.listdir("/proc/self/fd"))
    with serving(tmp_path_factory.mktemp("sockets"), 2, "base") as server:
        yield server
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture(scope="module")
def client(server):
    with Client(server.path(1)) as client:
        yield client


def ids(rows):
    return [row.title for row in rows]


@pytest.mark.parametrize("row", NEGOTIATION, ids=ids(NEGOTIATION))
def test_negotiation(server, row):
    again(lambda: Client(server.path(0))).close()
    again(lambda: negotiate(server.path(0), row))


@pytest.mark.parametrize("row", COMMANDS, ids=ids(COMMANDS))
def test_command(client, row):
    before = len(os.listdir("/proc/self/fd"))
    command(client, row)
    client.set_irqs(IrqSetFlag.DATA_NONE | IrqSetFlag.ACTION_TRIGGER, COMPLETION, 0, 0)
    assert len(os.listdir("/proc/self/fd")) == before
