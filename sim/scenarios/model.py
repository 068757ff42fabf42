"""The scenarios on the golden model."""

from __future__ import annotations

from driver.model_bus import ModelBus
from hdl.config import Config
from sim.scenarios.world import Watcher, World
from sim.serve.machines import Board
from sim.serve.model import model_board
from spec.events import Event


def model_bus(config: Config, seed: int = 1) -> ModelBus:
    """A machine of this configuration."""
    return ModelBus(config.impl, sid=config.accel_sid, queues=config.queues, seed=seed)


class ModelWatcher(Watcher):
    """Makes machines and sees nothing."""

    def __init__(self, config: Config, seed: int = 1) -> None:
        super().__init__()
        self._config, self._seed = config, seed

    async def fresh(self, *, function: bool) -> Board:
        return model_board(self._config, function=function, seed=self._seed)

    async def begin(self, world: World) -> None:
        pass

    async def settle(self, events: list[Event]) -> None:
        pass

    def skip(self) -> None:
        pass

    def fetches(self) -> None:
        return None
