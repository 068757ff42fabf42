"""The scenarios on the RTL; where tables stand still, every transaction against the golden
model."""

from __future__ import annotations

import traceback
from typing import Any

from sim.scenarios.table import play
from sim.scenarios.world import Watcher, World
from sim.serve.machines import Board
from spec.events import Event
from tb.bus import CocotbBus
from tb.cases.demo import LATENCY, settle
from tb.cases.serve import rtl_board
from tb.env import Env
from tb.machine import register_state
from tb.scoreboard import Scoreboard


class RtlWatcher(Watcher):
    """Watches trace and memory ports."""

    caches = True

    def __init__(self, env: Env) -> None:
        super().__init__()
        self._env = env
        self._board: Scoreboard | None = None
        for port in env.mems:
            port.ideal(LATENCY)
            port.set(log=True)
            port.clear_log()

    async def fresh(self, *, function: bool) -> Board:
        await self._env.reset()
        return rtl_board(self._env, self._env.params["sid"], self._env.params["queues"],
                         function=function)

    async def begin(self, world: World) -> None:
        self.skip()
        self._board = Scoreboard(world.smmu.impl, self._env.mem, await register_state(self._env))

    async def settle(self, events: list[Event]) -> None:
        board = self._board
        assert board is not None
        settle(self._env, board, events)
        self.counts["transactions"], self.counts["agree"] = board.transactions, board.agree
        board.verify()

    def skip(self) -> None:
        for trace, port in zip(self._env.traces, self._env.mems[1:], strict=True):
            self.counts["not judged"] += len(trace.take())
            port.clear_log()

    def fetches(self) -> list[int]:
        found = [access.addr for access in self._env.mems[0].log() if not access.write]
        self._env.mems[0].clear_log()
        return found


async def scenarios(env: Env) -> list[dict[str, Any]]:
    """Plays `params["numbers"]` one after the other, each after a reset; what came of each."""
    results = []
    for number in env.params["numbers"]:
        await env.reset()
        start, watcher = env.cycles, RtlWatcher(env)
        why = ""
        try:
            await play(number, lambda: CocotbBus(env, env.seed), env.params["sid"], watcher)
        except Exception as error:
            why = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        results.append({"number": number, "error": why, "counts": dict(watcher.counts),
                        "cycles": env.cycles - start})
    return results
