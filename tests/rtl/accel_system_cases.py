"""Runs inside the simulator: `tests.accel.system_cases` on the RTL."""

from __future__ import annotations

from typing import Any

from tb.bus import CocotbBus
from tb.env import Env
from tests.accel import system_cases
from tests.accel.attacks import ATTACKS, attack

SID = 0x18


async def everything(env: Env) -> dict[str, Any]:
    """All cases on one machine."""
    await system_cases.all_cases(CocotbBus(env), SID)
    return {"cycles": env.cycles}


async def attacks(env: Env) -> dict[str, Any]:
    """Everything that the owner of a queue can try against others."""
    outcomes = await attack(await system_cases.System.start(CocotbBus(env), SID))
    assert outcomes == [(row.what, row.outcome) for row in ATTACKS]
    return {"cycles": env.cycles}


async def demand_paging(env: Env) -> dict[str, Any]:
    """The shortest that has stalls, faults and retries in it."""
    system = await system_cases.System.start(CocotbBus(env), SID)
    await system_cases.demand_paging(system)
    return {"cycles": env.cycles}
