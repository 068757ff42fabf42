"""Runs inside the simulator: the bench of random jobs with a fault that it must notice."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from tb.cases.accel_random import Bench, accel_random
from tb.env import Env


class Deaf(Bench):
    """Does not hear the first event that a queue waits for."""

    _deaf = True

    def _announce(self, queue: int) -> None:
        if self._deaf and self.system.agent(queue).listening:
            self._deaf = False
        else:
            super()._announce(queue)


async def lost_event(env: Env) -> dict[str, Any]:
    with patch("tb.cases.accel_random.Bench", Deaf):
        return await accel_random(env)
