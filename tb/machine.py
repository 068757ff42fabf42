"""Bringing the SMMU in the simulator up by hand, for benches that are not about drivers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from driver.dma import PageAllocator
from pymodel.own import OwnType, by_memattr, by_queue
from pymodel.state import SmmuState
from spec.commands import (
    CFGI_STE_RANGE,
    COMMAND_BYTES,
    STE_RANGE_ALL,
    SYNC,
    TLBI_NSNH_ALL,
    Command,
    SyncCS,
)
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
    CR1,
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
SIGNALS = 1024      # MSI words of CMD_SYNCs, used in turn
MSI_BYTES = 4
UNTOUCHED = 0xA5    # what memory around them holds


class Machine:
    """Registers and queues of the SMMU, without any policy.

    Members
    -------
    posted
        Commands written to the Command queue so far.
    log2_cmdq, log2_evtq, allocate, cr1
        Sizes of the queues, RA and WA of their bases, CR1; set them before `start`.
    recorded
        Event records taken so far.
    overflows
        How often `events` found the Event queue to have overflowed.
    full
        How often the Command queue had no room.
    """

    def __init__(self, env: Env, impl: Implementation) -> None:
        self._env, self.impl = env, impl
        self._memory = env.mem.plain()
        self._cons = 0
        self.posted = self._consumed = self.overflows = self.full = self.recorded = 0
        self.log2_cmdq = min(LOG2_QUEUE, impl.CMDQS)
        self.log2_evtq = min(LOG2_QUEUE, impl.EVENTQS)
        self.allocate = self.cr1 = self._syncs = 0

    @classmethod
    async def probe(cls, env: Env) -> Machine:
        """Learn from the ID registers what is implemented."""
        values = [await env.cfg.read32(r.OFFSET) for r in (IDR0, IDR1, IDR3, IDR5, AIDR)]
        return cls(env, Implementation.from_idrs(*values))

    async def start(self, registers: Iterable[tuple[type[Register], int]],
                    pages: PageAllocator) -> None:
        """Program `registers` and both queues, drop everything cached, enable."""
        self._mask, self._events = (2 << self.log2_cmdq) - 1, (2 << self.log2_evtq) - 1
        self._cmdq, self._evtq = (
            pages.contiguous(size, max(size, 32)) for size in
            (COMMAND_BYTES << self.log2_cmdq, EVENT_BYTES << self.log2_evtq))
        self._signals = pages.contiguous(2 * MSI_BYTES * SIGNALS)
        self._memory.write(self._signals, bytes([UNTOUCHED]) * 2 * MSI_BYTES * SIGNALS)
        queues: list[tuple[type[Register], int]] = [
            (CR1, self.cr1),
            (CMDQ_BASE, CMDQ_BASE.pack(LOG2SIZE=self.log2_cmdq, ADDR=self._cmdq,
                                       RA=self.allocate)),
            (CMDQ_PROD, 0), (CMDQ_CONS, 0),
            (EVENTQ_BASE, EVENTQ_BASE.pack(LOG2SIZE=self.log2_evtq, ADDR=self._evtq,
                                           WA=self.allocate)),
            (EVENTQ_PROD, 0), (EVENTQ_CONS, 0)]
        for register, value in [*registers, *queues]:
            await self._env.cfg.run([(register.OFFSET, register.size(), value)])
        await self.enable(CR0.pack(CMDQEN=1, EVENTQEN=1))
        await self.issue([CFGI_STE_RANGE.make(Range=STE_RANGE_ALL), TLBI_NSNH_ALL.make()])
        await self.enable(CR0.pack(CMDQEN=1, EVENTQEN=1, SMMUEN=1))

    async def issue(self, commands: Sequence[Command]) -> None:
        """Commands and a CMD_SYNC; returns when it has completed."""
        await self.post((*commands, self.sync()))
        await self.finish()

    async def finish(self) -> None:
        """Wait until every command posted has been consumed."""
        for _ in range(TRIES):
            if await self.consumed() == self.posted:
                return
        raise self._stuck()

    def _stuck(self) -> AssertionError:
        return AssertionError(f"commands do not complete: {self._consumed} of {self.posted} are "
                              "consumed")

    def sync(self) -> SYNC:
        """A CMD_SYNC; they signal in every way that there is, in turn."""
        self._syncs += 1
        cs = SyncCS(self._syncs % len(SyncCS))
        if cs is not SyncCS.IRQ or not self.impl.MSI:
            return SYNC.make(CS=cs)
        slot = self._syncs % SIGNALS
        return SYNC.make(CS=cs, MSIAddr=self._signals + 2 * MSI_BYTES * slot,
                         MSIData=self._syncs, MSIAttr=_msi_attr(slot))

    def own_type(self, address: int) -> tuple[str, OwnType] | None:
        """What an access of the SMMU to a queue or for an MSI is, and its memory type; None: it
        is neither."""
        if 0 <= address - self._cmdq < COMMAND_BYTES << self.log2_cmdq:
            return "command", by_queue(self.cr1, self.allocate, write=False)
        if 0 <= address - self._evtq < EVENT_BYTES << self.log2_evtq:
            return "record", by_queue(self.cr1, self.allocate, write=True)
        slot = (address - self._signals) // (2 * MSI_BYTES)
        return ("MSI", by_memattr(_msi_attr(slot), 0)) if 0 <= slot < SIGNALS else None

    async def signalled(self) -> None:
        """Every MSI of a CMD_SYNC is there, and nothing else was written near them."""
        for _ in range(TRIES):
            await self._env.cfg.read32(CMDQ_CONS.OFFSET)
            if self._memory.read(self._signals, 2 * MSI_BYTES * SIGNALS) == self._written():
                return
        raise AssertionError("the MSIs of the CMD_SYNCs are not what was asked for")

    def _written(self) -> bytes:
        words = [UNTOUCHED * 0x0101_0101] * (2 * SIGNALS)
        for number in range(1, self._syncs + 1):
            if SyncCS(number % len(SyncCS)) is SyncCS.IRQ and self.impl.MSI:
                words[2 * (number % SIGNALS)] = number
        return b"".join(word.to_bytes(MSI_BYTES, "little") for word in words)

    async def post(self, commands: Sequence[Command]) -> None:
        """Put commands into the Command queue, waiting for room where there is none, and return."""
        for command in commands:
            for _ in range(TRIES):
                if self.posted - self._consumed <= self._mask >> 1:
                    break
                self.full += 1
                await self._ring()
                await self.consumed()
            else:
                raise self._stuck()
            slot = self._cmdq + COMMAND_BYTES * (self.posted & self._mask >> 1)
            self._memory.write(slot, command.to_bytes())
            self.posted += 1
        await self._ring()

    async def _ring(self) -> None:
        await self._env.cfg.write32(CMDQ_PROD.OFFSET, self.posted & self._mask)

    async def consumed(self) -> int:
        """Commands consumed so far. AssertionError if the Command queue is in error."""
        cons = CMDQ_CONS(await self._env.cfg.read32(CMDQ_CONS.OFFSET))
        assert not cons.ERR, f"command error: {cons}"
        self._consumed += (cons.RD - self._consumed) & self._mask
        return self._consumed

    async def events(self) -> list[bytes]:
        """Event records since the last call. An overflow is acknowledged and counted."""
        prod = EVENTQ_PROD(await self._env.cfg.read32(EVENTQ_PROD.OFFSET))
        if prod.OVFLG != self.overflows % 2:
            self.overflows += 1
        out = []
        while self._cons != prod.WR:
            slot = self._evtq + EVENT_BYTES * (self._cons & self._events >> 1)
            out.append(self._memory.read(slot, EVENT_BYTES))
            self._cons = (self._cons + 1) & self._events
        self.recorded += len(out)
        await self._env.cfg.write32(EVENTQ_CONS.OFFSET, EVENTQ_CONS.pack(
            RD=self._cons, OVACKFLG=self.overflows % 2))
        return out

    async def enable(self, value: int) -> None:
        await self._env.cfg.write32(CR0.OFFSET, value)
        for _ in range(TRIES):
            if await self._env.cfg.read32(CR0ACK.OFFSET) == value:
                return
        raise AssertionError(f"CR0ACK does not become {value:#x}")


def _msi_attr(slot: int) -> int:
    """Every MSIAttr in turn."""
    return slot % (SYNC.MSIAttr.max + 1)


async def register_state(env: Env) -> SmmuState:
    """The register values that decide translations, as they are in effect."""
    read = env.cfg.read32
    return SmmuState.from_registers(
        cr0=await read(CR0ACK.OFFSET), cr1=await read(CR1.OFFSET), cr2=await read(CR2.OFFSET),
        gbpa=await read(GBPA.OFFSET),
        strtab_base=await env.cfg.read64(STRTAB_BASE.OFFSET),
        strtab_base_cfg=await read(STRTAB_BASE_CFG.OFFSET))
