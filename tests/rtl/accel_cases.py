"""Runs inside the simulator: applications work on the accelerator through the SMMU."""

from __future__ import annotations

from typing import Any

from sim.demo.scenario import APPLICATIONS, Scenario
from spec.sec import ErrorType
from tb.bus import CocotbBus
from tb.env import Env

SID = 0x18


async def applications(env: Env) -> dict[str, Any]:
    """Four queues with an address space each copy the same IOVAs; one reaches too far, its
    access is terminated with an event, and the others go on."""
    bus = CocotbBus(env)
    scenario = Scenario(bus, SID, env.rng.randbytes(9001), lambda text: None)
    story = await scenario.prepare()
    await scenario.copy(story)
    assert story.copied
    cycles = env.cycles
    await scenario.intrude(story)
    assert story.intrusion is not None
    assert story.intrusion.error is ErrorType.DATA_READ
    assert {type(event).__name__ for event in story.events} == {"F_TRANSLATION"}
    assert all(event.SubstreamID == story.applications[0].queue.pasid for event in story.events)
    assert [app.done[-1].error for app in story.applications[1:]] == (
        [ErrorType.OK] * (APPLICATIONS - 1))
    return {"cycles": cycles}
