"""Workloads of `substream bench driver` on the RTL: see sim/driver_load.py."""

from __future__ import annotations

from typing import Any

from sim.driver_load import Clock, Load, measure
from tb.bus import CocotbBus
from tb.env import Env


async def driver(env: Env) -> list[dict[str, Any]]:
    """Rows at latency `params["L"]`."""
    for port in env.mems:
        port.ideal(env.params["L"])
    load = await Load.start(CocotbBus(env, env.seed), env.params["sid"])
    return await measure(load, Clock(lambda: env.cycles), env.params["scale"])
