"""Command queue, producer side (reference 6 and 7.1)."""

from __future__ import annotations

from driver.bus import Bus, DriverError, Region
from spec.commands import COMMAND_BYTES, SYNC, Command, CommandError, SyncCS, decode
from spec.registers import CMDQ_BASE, CMDQ_CONS, CMDQ_PROD, GERROR, GERRORN

SYNC_WORD = SYNC.make(CS=SyncCS.SEV)  # what Linux sends where it polls CONS
RETRIES = 3  # of a command that could not be fetched


class CommandRefused(DriverError):
    """The SMMU called a command illegal; it was skipped, the others have been done."""


class CommandQueue:
    """Posts commands and waits for their CMD_SYNC.

    Indices carry the wrap bit just above the index bits; a full queue is drained by waiting, never
    overwritten.

    Members
    -------
    refused
        What was skipped since the start, as text.
    """

    def __init__(self, bus: Bus, log2size: int) -> None:
        self._bus, self._log2size = bus, log2size
        self._base = bus.pages.contiguous(COMMAND_BYTES << log2size, COMMAND_BYTES << log2size)
        self._mask = (2 << log2size) - 1
        self._prod = self._cons = 0
        self._aborts = 0
        self.refused: list[str] = []

    async def start(self) -> None:
        """Program base and indices; the caller sets CR0.CMDQEN."""
        base = CMDQ_BASE.pack(LOG2SIZE=self._log2size, ADDR=self._base, RA=1)
        await self._bus.write(Region.SMMU, CMDQ_BASE.OFFSET, base, 8)
        await self._bus.write(Region.SMMU, CMDQ_PROD.OFFSET, 0)
        await self._bus.write(Region.SMMU, CMDQ_CONS.OFFSET, 0)

    async def issue(self, *commands: Command) -> None:
        """Post `commands` and one CMD_SYNC behind them; return when it has completed.

        CommandRefused names the commands of the queue that the SMMU refused meanwhile. DriverError
        if it does not go on at all.
        """
        before = len(self.refused)
        await self.post(*commands, SYNC_WORD)
        mine = self._prod

        async def passed() -> bool:
            await self._look()
            if self._used <= (self._prod - mine) & self._mask:
                self._aborts = 0
                return True
            await self.recover()
            return False

        await self._bus.poll(passed, "CMD_SYNC")
        if len(self.refused) > before:
            raise CommandRefused("; ".join(self.refused[before:]))

    async def post(self, *commands: Command) -> None:
        """Post `commands` without waiting for them."""
        for command in commands:
            if self._used > self._mask >> 1:
                await self._ring()
                await self._bus.poll(self._has_room, "space in the command queue")
            slot = self._base + COMMAND_BYTES * (self._prod & (self._mask >> 1))
            self._bus.memory.write(slot, command.to_bytes())
            self._prod = (self._prod + 1) & self._mask
        await self._ring()

    async def recover(self) -> bool:
        """Go on after a command error (reference 6.5): an illegal command becomes a CMD_SYNC in
        place, one that could not be fetched is fetched again. Whether there was an error.

        DriverError: a command cannot be fetched again and again.
        """
        error = GERROR(await self._bus.read(Region.SMMU, GERROR.OFFSET)).CMDQ_ERR
        known = GERRORN(await self._bus.read(Region.SMMU, GERRORN.OFFSET))
        if error == known.CMDQ_ERR:
            return False
        cons = CMDQ_CONS(await self._bus.read(Region.SMMU, CMDQ_CONS.OFFSET))
        slot = self._base + COMMAND_BYTES * (cons.RD & (self._mask >> 1))
        reason = CommandError(cons.ERR)
        if reason is CommandError.CERROR_ILL:
            raw = int.from_bytes(self._bus.memory.read(slot, COMMAND_BYTES), "little")
            self.refused.append(f"{reason.name} on command {cons.RD:#x}: "
                                f"{decode(raw) or hex(raw)}")
            self._bus.memory.write(slot, SYNC_WORD.to_bytes())
            self._aborts = 0
        elif reason is CommandError.CERROR_ABT:
            self._aborts += 1
            if self._aborts > RETRIES:
                raise DriverError(f"{reason.name} on command {cons.RD:#x}, {RETRIES} times again")
        await self._bus.write(Region.SMMU, GERRORN.OFFSET, known.value ^ GERROR.CMDQ_ERR.mask)
        return True

    async def _ring(self) -> None:
        await self._bus.write(Region.SMMU, CMDQ_PROD.OFFSET, self._prod)

    async def _look(self) -> None:
        cons = CMDQ_CONS(await self._bus.read(Region.SMMU, CMDQ_CONS.OFFSET))
        self._cons = cons.RD & self._mask

    @property
    def _used(self) -> int:
        """Entries that were not consumed at the last look."""
        return (self._prod - self._cons) & self._mask

    async def _has_room(self) -> bool:
        await self._look()
        if self._used <= self._mask >> 1:
            return True
        await self.recover()
        return False
