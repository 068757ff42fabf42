"""Registers as after power-on, for the next owner of a function that has no reset line."""

from __future__ import annotations

from collections.abc import Iterable

from driver.bus import Bus, Region
from spec.fields import Access, Register
from spec.qm import VFT_CFG_RDY, Mailbox
from spec.registers import CR0, CR0ACK, GBPA, GERROR, GERRORN, IRQ_CTRL, IRQ_CTRLACK, SMMU
from spec.sec import BAR2

_ACTS = (Mailbox, VFT_CFG_RDY)  # a write of the reset value would do something
_OWN_WAY = (GBPA, GERRORN)


async def abort_all(bus: Bus) -> None:
    """Everything that waits in the SMMU is aborted, and what comes from now on."""
    await _bypass(bus, abort=True)
    for register, ack in ((CR0, CR0ACK), (IRQ_CTRL, IRQ_CTRLACK)):
        await bus.set_and_acknowledge(Region.SMMU, register.OFFSET, ack.OFFSET, 0)


async def restore(bus: Bus) -> None:
    """Every register that can be written has its reset value again. After `abort_all`; the
    accelerator must be idle."""
    await _write(bus, Region.ACCEL, BAR2, _ACTS)
    await bus.write(Region.SMMU, GERRORN.OFFSET, await bus.read(Region.SMMU, GERROR.OFFSET))
    await _write(bus, Region.SMMU, SMMU, _OWN_WAY)
    await _bypass(bus, abort=False)


async def _write(bus: Bus, region: Region, registers: Iterable[type[Register]],
                 excepted: tuple[type[Register], ...]) -> None:
    for register in registers:
        if register.ACCESS is Access.RW and register not in excepted:
            await bus.write(region, register.OFFSET, register.RESET, register.size())


async def _bypass(bus: Bus, *, abort: bool) -> None:
    """What happens to transactions while the SMMU is off (reference 1.6)."""
    async def taken() -> bool:
        return not GBPA(await bus.read(Region.SMMU, GBPA.OFFSET)).Update

    await bus.poll(taken, "GBPA")
    await bus.write(Region.SMMU, GBPA.OFFSET, GBPA.RESET | GBPA.pack(Update=1, ABORT=abort))
    await bus.poll(taken, "GBPA")
