"""The drivers' stories on the RTL."""

from __future__ import annotations

import traceback
from typing import Any

from tb.bus import CocotbBus
from tb.env import Env
from tests.driver.stories import STORIES


async def stories(env: Env) -> dict[str, dict[str, Any]]:
    """Plays `params["names"]`, each after a reset; the error (if any) and the cycles of each."""
    results = {}
    for name in env.params["names"]:
        await env.reset()
        start, why = env.cycles, ""
        try:
            await STORIES[name](CocotbBus(env, env.seed), env.params["sid"])
        except Exception as error:
            why = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        results[name] = {"error": why, "cycles": env.cycles - start}
    return results
