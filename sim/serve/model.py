"""The golden model behind vfio-user sockets."""

from __future__ import annotations

from pathlib import Path

from driver.model_bus import RAM_BASE, ModelBus
from driver.vfio_user.memory import Ram
from driver.vfio_user.server import Server
from hdl.config import Config
from pymodel.memory import SharedMemory
from sim.serve.machines import channel_server, slabs_end


async def model_server(directory: Path, config: Config, channels: int, seed: int = 1) -> Server:
    """A server of `channels` mediated channels."""
    ram = Ram.create(RAM_BASE, slabs_end(channels) - RAM_BASE)
    bus = ModelBus(config.impl, sid=config.accel_sid, queues=config.queues, seed=seed,
                   memory=SharedMemory(ram.buffer(), RAM_BASE))
    return await channel_server(directory, bus, ram, config.accel_sid, channels, None)
