"""All scenarios by number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from driver.bus import Bus
from sim.scenarios import contexts, errors, life, outside, sharing, whole
from sim.scenarios.world import Watcher, World
from spec.impl import Implementation


@dataclass(frozen=True)
class Scenario:
    """One of them.

    Members
    -------
    play
        Asserts what must hold, on a machine that was just brought up.
    stalls
        Whether it needs an SMMU that can stall.
    shared
        Whether it needs memory that outside clients can share.
    """

    number: int
    name: str
    play: Callable[[World], Awaitable[None]]
    stalls: bool = False
    shared: bool = False

    @property
    def title(self) -> str:
        """What it shows, in words."""
        return " ".join((self.play.__doc__ or "").split()).split(". ", 1)[1].rstrip(".")

    def possible(self, impl: Implementation) -> bool:
        """Whether this SMMU can play it."""
        return impl.stalls or not self.stalls


SCENARIOS = {scenario.number: scenario for scenario in (
    Scenario(1, "same-iova", sharing.same_iova),
    Scenario(2, "traced", contexts.traced),
    Scenario(3, "pasid-is-not-asid", contexts.pasid_is_not_asid),
    Scenario(4, "processes", life.processes),
    Scenario(5, "handed-over", sharing.handed_over),
    Scenario(6, "private-contexts", sharing.private_contexts),
    Scenario(7, "whole-function", whole.whole_function),
    Scenario(8, "isolation", sharing.isolation),
    Scenario(9, "stalls", life.stalls, stalls=True),
    Scenario(10, "unmap-under-dma", life.unmap_under_dma),
    Scenario(11, "error-tables", errors.error_tables),
    Scenario(12, "instances", life.instances),
    Scenario(13, "interrupts", life.interrupts),
    Scenario(14, "no-pasid", sharing.no_pasid),
    Scenario(15, "vfio-user", outside.vfio_user, shared=True),
)}


async def play(number: int, bus: Callable[[], Bus], sid: int, watcher: Watcher) -> dict[str, int]:
    """Play one on a fresh machine; what was counted. AssertionError says what does not hold.

    Parameters
    ----------
    bus
        Makes the machine.
    """
    scenario = SCENARIOS[number]
    if scenario.shared:
        watcher.board = await watcher.fresh(function=False)
    world = await World.create(watcher.board.bus if watcher.board else bus(), sid, watcher)
    await scenario.play(world)
    if not world.over:
        await world.settle_outside()
    return dict(watcher.counts)
