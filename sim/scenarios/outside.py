"""Scenario 15: clients in other processes' place, over vfio-user."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from driver.run import run
from driver.vfio_user.bus import ClientBus
from driver.vfio_user.client import Client
from driver.vfio_user.server import Server
from driver.wd.queue import copy_job
from driver.wd.request import request
from driver.wd.vfio_user import VfioUserProvider
from pymodel.memory import PAGE
from sim.demo.scenario import Scenario
from sim.scenarios.conformance import COMMANDS, NEGOTIATION, command, negotiate
from sim.scenarios.world import World
from sim.serve.machines import HostMachine, channel_endpoints, function_server
from spec.sec import ErrorType

PATIENCE = 60_000  # milliseconds


async def vfio_user(world: World) -> None:
    """15. vfio-user: the conformance list, channels side by side, and the whole function."""
    board = world.watcher.board
    assert board is not None
    with tempfile.TemporaryDirectory(prefix="substream-") as name:
        directory = Path(name)
        server = Server(directory, channel_endpoints(board, world),
                        HostMachine(world, board.pace))
        await beside(server, lambda: _channels(world, directory))
    await world.skip()  # page tables have come and gone
    await world.settle_outside()
    board = await world.watcher.fresh(function=True)
    with tempfile.TemporaryDirectory(prefix="substream-") as name:
        path = Path(name) / "function.sock"
        await beside(function_server(path.parent, board), lambda: _function(path, board.sid))
    lint = getattr(board.bus, "lint", None)
    if lint is not None:
        lint.check()
    world.watcher.counts["jobs"] += 4


async def beside(server: Server, client: Callable[[], None]) -> None:
    """Serve while `client` runs in a thread; whatever it raises."""
    errors: list[BaseException] = []

    def play() -> None:
        try:
            client()
        except BaseException as error:
            errors.append(error)
        finally:
            server.stop()

    thread = threading.Thread(target=play)
    thread.start()
    try:
        await server.run()
    finally:
        thread.join()
    if errors:
        raise errors[0]


def _channels(world: World, directory: Path) -> None:
    """Programs with the same addresses; then every row of the list."""
    queues = [run(request([VfioUserProvider(directory)])) for _ in range(2)]
    memories = [run(queue.reserve(2 * PAGE)) for queue in queues]
    assert memories[0].address == memories[1].address
    for n, (queue, memory) in enumerate(zip(queues, memories, strict=True)):
        memory.write(0, bytes([n + 1]) * PAGE)
        run(queue.copy(memory.address, memory.address + PAGE, PAGE))
    for n, (queue, memory) in enumerate(zip(queues, memories, strict=True)):
        assert run(queue.wait(PATIENCE))
        assert run(queue.receive())[0].error is ErrorType.OK
        assert memory.read(PAGE, PAGE) == bytes([n + 1]) * PAGE
        world.watcher.counts["jobs"] += 1
    stranger = run(queues[0].run(copy_job(0x8000_0000, memories[0].address, 16), PATIENCE))
    assert stranger.error is ErrorType.DATA_READ
    run(queues[0].release())
    with _connected(directory / "channel0.sock") as client:
        for row in COMMANDS:
            command(client, row)
    for row in NEGOTIATION:
        _patient(partial(negotiate, directory / "channel0.sock", row))
    world.watcher.counts["rows"] = len(COMMANDS) + len(NEGOTIATION)
    memory = memories[1]
    last = run(queues[1].run(copy_job(memory.address, memory.address + PAGE, 64), PATIENCE))
    assert last.error is ErrorType.OK
    run(queues[1].release())


def _function(path: Path, sid: int) -> None:
    """The demonstration, its drivers a client."""
    bus = ClientBus(path)
    scenario = Scenario(bus, sid, b"from outside" * 400, lambda text: None)
    story = run(scenario.prepare())
    run(scenario.copy(story))
    assert story.copied
    run(scenario.intrude(story))
    assert story.intrusion is not None
    assert story.intrusion.error is ErrorType.DATA_READ
    bus.close()


def _connected(path: Path) -> Client:
    """A client of a socket whose last one may just be going."""
    found: list[Client] = []
    _patient(lambda: found.append(Client(path)))
    return found[0]


def _patient(connect: Callable[[], None]) -> None:
    while True:
        try:
            connect()
            return
        except (ConnectionResetError, BrokenPipeError):
            continue
