"""A server on the golden model in a thread, for tests that play clients."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path

from driver.run import run
from hdl.config import Config
from sim.serve.machines import channel_server
from sim.serve.model import model_board


class Serving:
    """Channels that are being served.

    Members
    -------
    bus, host
        Of the server; not to be touched while clients are busy.
    """

    def __init__(self, directory: Path, channels: int, preset: str) -> None:
        self.board = model_board(Config.preset(preset).with_(queues=channels))
        self.bus = self.board.bus
        self.server = run(channel_server(directory, self.board))
        self.host = self.server._machine._host
        self.errors = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def path(self, number: int) -> Path:
        return self.server.paths[number]

    def _run(self) -> None:
        try:
            run(self.server.run())
        except BaseException as error:
            self.errors.append(error)
            raise

    def stop(self) -> None:
        self.server.stop()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the server hangs"
        assert not self.errors
        assert not self.host.parent.devices
        self.bus.lint.check()
        self.board.ram.close()


@contextmanager
def serving(directory, channels=2, preset="tiny"):
    """A server, stopped at the end."""
    server = Serving(directory, channels, preset)
    try:
        yield server
    finally:
        server.stop()
