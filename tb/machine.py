"""Bringing the SMMU in the simulator up by hand, for benches that are not about drivers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from driver.dma import PageAllocator
from pymodel.state import SmmuState
from spec.commands import CFGI_STE_RANGE, COMMAND_BYTES, STE_RANGE_ALL, SYNC, TLBI_NSNH_ALL, Command
from spec.events import EVENT_BYTES
from spec.fields import Register
from spec.impl import Implementation
from spec.registers import (
    AIDR,
    CMDQ_BASE,
    CMDQ_CONS,
    CMDQ_PROD,
    CR0,
    CR0ACK,
    CR2,
    EVENTQ_BASE,
    EVENTQ_CONS,
    EVENTQ_PROD,
    GBPA,
    IDR0,
    IDR1,
    IDR3,
    IDR5,
    STRTAB_BASE,
    STRTAB_BASE_CFG,
)
from tb.env import Env

LOG2_QUEUE = 8
TRIES = 20_000


class Machine:
    """Registers and queues of the SMMU, without any policy.

    Members
    -------
    posted
        Commands written to the Command queue so far.
    """

    def __init__(self, env: Env, impl: Implementation) -> None:
        self._env, self.impl = env, impl
        self._memory = env.mem.plain()
        self._cons = 0
        self.log2_evtq = min(LOG2_QUEUE, impl.EVENTQS)
        self.posted = self._consumed = self.overflows = 0

    @classmethod
    async def probe(cls, env: Env) -> Machine:
        """Learn from the ID registers what is implemented."""
        values = [await env.cfg.read32(r.OFFSET) for r in (IDR0, IDR1, IDR3, IDR5, AIDR)]
        return cls(env, Implementation.from_idrs(*values))

    async def start(self, registers: Iterable[tuple[type[Register], int]],
                    pages: PageAllocator) -> None:
        """Program `registers` and both queues, drop everything cached, enable."""
        self._log2 = min(LOG2_QUEUE, self.impl.CMDQS, self.impl.EVENTQS)
        self._mask = (2 << self._log2) - 1
        self._emask = (2 << self.log2_evtq) - 1
        self._cmdq = pages.contiguous(COMMAND_BYTES << self._log2, COMMAND_BYTES << self._log2)
        self._evtq = pages.contiguous(EVENT_BYTES << self._log2, EVENT_BYTES << self._log2)
        queues: list[tuple[type[Register], int]] = [
            (CMDQ_BASE, CMDQ_BASE.pack(LOG2SIZE=self._log2, ADDR=self._cmdq)),
            (CMDQ_PROD, 0), (CMDQ_CONS, 0),
            (EVENTQ_BASE, EVENTQ_BASE.pack(LOG2SIZE=self.log2_evtq, ADDR=self._evtq)),
            (EVENTQ_PROD, 0), (EVENTQ_CONS, 0)]
        for register, value in [*registers, *queues]:
            await self._env.cfg.run([(register.OFFSET, register.size(), value)])
        await self.enable(CR0.pack(CMDQEN=1, EVENTQEN=1))
        await self.issue([CFGI_STE_RANGE.make(Range=STE_RANGE_ALL), TLBI_NSNH_ALL.make()])
        await self.enable(CR0.pack(CMDQEN=1, EVENTQEN=1, SMMUEN=1))

    async def issue(self, commands: Sequence[Command]) -> None:
        """Commands and a CMD_SYNC; returns when it has completed."""
        await self.post((*commands, SYNC.make()))
        for _ in range(TRIES):
            if await self.consumed() == self.posted:
                return
        raise AssertionError(f"CMD_SYNC does not complete: {self._consumed} commands of "
                             f"{self.posted} are consumed")

    async def post(self, commands: Sequence[Command]) -> None:
        """Put commands into the Command queue, which must have room, and return."""
        for command in commands:
            slot = self._cmdq + COMMAND_BYTES * (self.posted & self._mask >> 1)
            self._memory.write(slot, command.to_bytes())
            self.posted += 1
        await self._env.cfg.write32(CMDQ_PROD.OFFSET, self.posted & self._mask)

    async def consumed(self) -> int:
        """Commands consumed so far. AssertionError if the Command queue is in error."""
        cons = CMDQ_CONS(await self._env.cfg.read32(CMDQ_CONS.OFFSET))
        assert not cons.ERR, f"command error: {cons}"
        self._consumed += (cons.RD - self._consumed) & self._mask
        return self._consumed

    async def events(self) -> list[bytes]:
        """Event records since the last call."""
        prod = EVENTQ_PROD(await self._env.cfg.read32(EVENTQ_PROD.OFFSET))
        if prod.OVFLG != self.overflows % 2:
            self.overflows += 1
        out = []
        while self._cons != prod.WR:
            slot = self._evtq + EVENT_BYTES * (self._cons & self._emask >> 1)
            out.append(self._memory.read(slot, EVENT_BYTES))
            self._cons = (self._cons + 1) & self._emask
        await self._env.cfg.write32(EVENTQ_CONS.OFFSET, EVENTQ_CONS.pack(
            RD=self._cons, OVACKFLG=self.overflows % 2))
        return out

    async def enable(self, value: int) -> None:
        await self._env.cfg.write32(CR0.OFFSET, value)
        for _ in range(TRIES):
            if await self._env.cfg.read32(CR0ACK.OFFSET) == value:
                return
        raise AssertionError(f"CR0ACK does not become {value:#x}")


async def register_state(env: Env) -> SmmuState:
    """The register values that decide translations, as they are in effect."""
    read = env.cfg.read32
    return SmmuState.from_registers(
        cr0=await read(CR0ACK.OFFSET), cr2=await read(CR2.OFFSET), gbpa=await read(GBPA.OFFSET),
        strtab_base=await env.cfg.read64(STRTAB_BASE.OFFSET),
        strtab_base_cfg=await read(STRTAB_BASE_CFG.OFFSET))
