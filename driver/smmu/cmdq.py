"""Command queue, producer side (reference 6 and 7.1)."""

from __future__ import annotations

from driver.bus import Bus, DriverError, Region
from spec.commands import COMMAND_BYTES, SYNC, Command, CommandError, SyncCS, decode
from spec.registers import CMDQ_BASE, CMDQ_CONS, CMDQ_PROD, GERROR, GERRORN


class CommandQueue:
    """Posts commands and waits for their CMD_SYNC.

    Indices carry the wrap bit just above the index bits; a full queue is drained by waiting, never
    overwritten.
    """

    def __init__(self, bus: Bus, log2size: int) -> None:
        self._bus, self._log2size = bus, log2size
        self._base = bus.pages.contiguous(COMMAND_BYTES << log2size, COMMAND_BYTES << log2size)
        self._mask = (2 << log2size) - 1
        self._prod = 0

    async def start(self) -> None:
        """Program base and indices; the caller sets CR0.CMDQEN."""
        base = CMDQ_BASE.pack(LOG2SIZE=self._log2size, ADDR=self._base, RA=1)
        await self._bus.write(Region.SMMU, CMDQ_BASE.OFFSET, base, 8)
        await self._bus.write(Region.SMMU, CMDQ_PROD.OFFSET, 0)
        await self._bus.write(Region.SMMU, CMDQ_CONS.OFFSET, 0)

    async def issue(self, *commands: Command) -> None:
        """Post `commands` and one CMD_SYNC behind them; return when it has completed.

        DriverError names the command that the SMMU refused.
        """
        for command in commands:
            await self._post(command)
        await self._post(SYNC.make(CS=SyncCS.NONE))
        await self._ring()
        await self._wait(0, "CMD_SYNC")

    async def _post(self, command: Command) -> None:
        if await self._used() > self._mask >> 1:
            await self._ring()
            await self._wait(self._mask >> 1, "space in the command queue")
        slot = self._base + COMMAND_BYTES * (self._prod & (self._mask >> 1))
        self._bus.memory.write(slot, command.to_bytes())
        self._prod = (self._prod + 1) & self._mask

    async def _ring(self) -> None:
        await self._bus.write(Region.SMMU, CMDQ_PROD.OFFSET, self._prod)

    async def _used(self) -> int:
        cons = CMDQ_CONS(await self._bus.read(Region.SMMU, CMDQ_CONS.OFFSET))
        return (self._prod - cons.RD) & self._mask

    async def _wait(self, most: int, what: str) -> None:
        async def drained() -> bool:
            if await self._used() <= most:
                return True
            await self._check()
            return False

        await self._bus.poll(drained, what)

    async def _check(self) -> None:
        """Raise if command processing has stopped on an error (reference 6.5)."""
        error = GERROR(await self._bus.read(Region.SMMU, GERROR.OFFSET)).CMDQ_ERR
        if error == GERRORN(await self._bus.read(Region.SMMU, GERRORN.OFFSET)).CMDQ_ERR:
            return
        cons = CMDQ_CONS(await self._bus.read(Region.SMMU, CMDQ_CONS.OFFSET))
        slot = self._base + COMMAND_BYTES * (cons.RD & (self._mask >> 1))
        raw = int.from_bytes(self._bus.memory.read(slot, COMMAND_BYTES), "little")
        raise DriverError(f"{CommandError(cons.ERR).name} on command {cons.RD:#x}: "
                          f"{decode(raw) or hex(raw)}")
