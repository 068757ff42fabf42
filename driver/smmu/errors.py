"""GERROR: what went wrong in the SMMU itself (reference 1.8 and 9.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from driver.bus import Bus, DriverError, Region
from driver.smmu.cmdq import CommandQueue
from spec.registers import CR0, CR0ACK, GERROR, GERRORN

HANDLED = (GERROR.CMDQ_ERR, GERROR.EVENTQ_ABT_ERR, GERROR.PRIQ_ABT_ERR, GERROR.MSI_CMDQ_ABT_ERR,
           GERROR.MSI_EVENTQ_ABT_ERR, GERROR.MSI_PRIQ_ABT_ERR, GERROR.MSI_GERROR_ABT_ERR,
           GERROR.SFM_ERR)


@dataclass
class GlobalErrors:
    """Handles GERROR: call `service` on the "gerror" interrupt.

    Members
    -------
    seen
        Names of all errors so far, oldest first.
    failed
        The SMMU is in Service Failure Mode: it is disabled, and only a reset helps.
    """

    bus: Bus
    cmdq: CommandQueue
    seen: list[str] = field(default_factory=list)
    failed: bool = False

    async def service(self) -> list[str]:
        """Acknowledge what is active, and go on: a refused command is skipped; after an abort of
        the event queue records may be missing. The names of the errors."""
        gerror = await self.bus.read(Region.SMMU, GERROR.OFFSET)
        gerrorn = await self.bus.read(Region.SMMU, GERRORN.OFFSET)
        active = [error for error in HANDLED if (gerror ^ gerrorn) & error.mask]
        names = [error.name for error in active]
        self.seen += names
        if GERROR.SFM_ERR in active:
            self.failed = True
            await self.bus.set_and_acknowledge(Region.SMMU, CR0.OFFSET, CR0ACK.OFFSET, 0)
        elif GERROR.CMDQ_ERR in active:
            await self.cmdq.recover()
        # What `recover` toggled is toggled already.
        rest = sum(error.mask for error in active if error is not GERROR.CMDQ_ERR or self.failed)
        if rest:
            gerrorn = await self.bus.read(Region.SMMU, GERRORN.OFFSET)
            await self.bus.write(Region.SMMU, GERRORN.OFFSET, gerrorn ^ rest)
        return names

    def check(self) -> None:
        """DriverError in Service Failure Mode."""
        if self.failed:
            raise DriverError("the SMMU is in Service Failure Mode")
