"""The golden model behind vfio-user sockets."""

from __future__ import annotations

from driver.model_bus import RAM_BASE, ModelBus
from driver.vfio_user.memory import Holes, Ram
from hdl.config import Config
from sim.serve.machines import Board, Pace, slabs_end


def model_board(config: Config, *, function: bool = False, seed: int = 1) -> Board:
    """The golden model of a configuration; with `function` all its memory is its owner's."""
    base = 0 if function else RAM_BASE
    ram = Ram.create(base, slabs_end(config.queues) - base)
    memory = Holes(ram, lambda _: None)
    bus = ModelBus(config.impl, sid=config.accel_sid, queues=config.queues, seed=seed,
                   memory=memory)
    return Board(bus=bus, ram=ram, memory=memory, sid=config.accel_sid, queues=config.queues,
                 pace=Pace())
