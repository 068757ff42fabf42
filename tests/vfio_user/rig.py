"""A server on the golden model in a thread, for tests that play clients."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path

from driver.model_bus import RAM_BASE, ModelBus
from driver.run import run
from driver.vfio_user.memory import Ram
from pymodel.memory import SharedMemory
from sim.serve.machines import channel_server, slabs_end
from spec.impl import PRESETS

SID = 0x18


class Serving:
    """Channels that are being served.

    Members
    -------
    bus, host
        Of the server; not to be touched while clients are busy.
    """

    def __init__(self, directory: Path, channels: int, preset: str) -> None:
        self.ram = Ram.create(RAM_BASE, slabs_end(channels) - RAM_BASE)
        memory = SharedMemory(self.ram.buffer(), RAM_BASE)
        self.bus = ModelBus(PRESETS[preset], sid=SID, queues=channels, memory=memory)
        self.server = run(channel_server(directory, self.bus, self.ram, SID, channels, None))
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
        self.bus.memory = self.bus.smmu.memory = None
        self.ram.close()


@contextmanager
def serving(directory, channels=2, preset="tiny"):
    """A server, stopped at the end."""
    server = Serving(directory, channels, preset)
    try:
        yield server
    finally:
        server.stop()
