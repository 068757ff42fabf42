"""The scenarios on the golden model."""

from __future__ import annotations

from driver.model_bus import ModelBus
from hdl.config import Config
from sim.scenarios.world import Watcher
from sim.serve.machines import Board
from sim.serve.model import model_board


def model_bus(config: Config, seed: int = 1) -> ModelBus:
    """A machine of this configuration."""
    return ModelBus(config.impl, sid=config.accel_sid, queues=config.queues, seed=seed)


class ModelWatcher(Watcher):
    """Makes machines."""

    def __init__(self, config: Config, seed: int = 1) -> None:
        super().__init__()
        self._config, self._seed = config, seed

    async def fresh(self, *, function: bool) -> Board:
        return model_board(self._config, function=function, seed=self._seed)
