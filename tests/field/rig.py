"""One machine for tests of known bugs: the golden model, or the RTL in a simulator.

A bug is a coroutine that takes a `Rig`. It sees registers, memory and what becomes of accesses,
and cannot tell which of the two it is on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from random import Random
from typing import Any

from driver.dma import PageAllocator
from pymodel.memory import Memory
from spec import registers as r
from spec.codes import TG0_CODE, TG1_CODE
from spec.commands import COMMAND_BYTES, SYNC, Command
from spec.context import CD, CD_BYTES
from spec.events import EVENT_BYTES, EVENTS
from spec.impl import Implementation
from spec.stream_table import STE, STE_BYTES, SteConfig
from spec.vmsa import S2AP, S1Leaf, S2Leaf, start_level
from tb.random_tables import StageTable

RAM, RAM_SIZE = 0x8000_0000, 1 << 30
TRIES = 3000
LOG2_QUEUE, LOG2_STREAMS = 4, 8


@dataclass(frozen=True)
class Answer:
    """What became of an access: `ok`, and where it went if it passed."""

    ok: bool
    pa: int | None


class Rig(ABC):
    """Registers, memory, queues.

    Members
    -------
    impl, memory, pages
        What is implemented; RAM; free pages of it.
    """

    impl: Implementation
    memory: Memory
    pages: PageAllocator

    @abstractmethod
    async def read(self, register: type) -> Any:
        """The register, as its structure."""

    @abstractmethod
    async def write(self, register: type, value: int) -> None: ...

    @abstractmethod
    async def raw(self, offset: int, value: int | None = None) -> int:
        """A 32-bit access to any offset."""

    @abstractmethod
    async def access(self, sid: int, addr: int, *, ssid: int | None = None, write: bool = False,
                     ind: bool = False, pnu: bool = False, size: int = 8) -> Answer: ...

    @abstractmethod
    def irqs(self, name: str) -> int:
        """How often a wire has pulsed."""

    # ---- bring-up ----

    async def start(self, *, evtq: int = LOG2_QUEUE, **strtab: int) -> None:
        """Queues and a linear stream table; `strtab` replaces fields of STRTAB_BASE_CFG."""
        self.prod = self._cons = 0
        self.log2_evtq = evtq
        self.cmdq, self.evtq, self.strtab = (
            self.pages.contiguous(size, size) for size in
            (COMMAND_BYTES << LOG2_QUEUE, max(EVENT_BYTES << evtq, 4096),
             STE_BYTES << LOG2_STREAMS))
        for register, value in (
                (r.CMDQ_BASE, r.CMDQ_BASE.pack(ADDR=self.cmdq, LOG2SIZE=LOG2_QUEUE)),
                (r.CMDQ_PROD, 0), (r.CMDQ_CONS, 0),
                (r.EVENTQ_BASE, r.EVENTQ_BASE.pack(ADDR=self.evtq, LOG2SIZE=evtq)),
                (r.EVENTQ_PROD, 0), (r.EVENTQ_CONS, 0),
                (r.STRTAB_BASE, r.STRTAB_BASE.pack(ADDR=self.strtab)),
                (r.STRTAB_BASE_CFG, r.STRTAB_BASE_CFG.pack(
                    **{"LOG2SIZE": LOG2_STREAMS} | strtab)),
                (r.CR2, r.CR2.pack(RECINVSID=1)),
                (r.IRQ_CTRL, r.IRQ_CTRL.pack(GERROR_IRQEN=1, EVENTQ_IRQEN=1))):
            await self.write(register, value)
        await self.enable(CMDQEN=1, EVENTQEN=1, SMMUEN=1)

    async def enable(self, **fields: int) -> None:
        """Write CR0 and wait for its acknowledge."""
        value = r.CR0.pack(**fields)
        await self.write(r.CR0, value)
        for _ in range(TRIES):
            if (await self.read(r.CR0ACK)).value == value:
                return
        raise AssertionError("CR0ACK does not follow")

    # ---- commands and events ----

    async def post(self, *commands: Command | int) -> None:
        """Queue commands and ring the doorbell once; there must be room."""
        for command in commands:
            value = command if isinstance(command, int) else command.value
            slot = self.prod % (1 << LOG2_QUEUE)
            self.memory.write(self.cmdq + COMMAND_BYTES * slot,
                              value.to_bytes(COMMAND_BYTES, "little"))
            self.prod = (self.prod + 1) % (2 << LOG2_QUEUE)
        await self.write(r.CMDQ_PROD, self.prod)

    async def issue(self, *commands: Command | int) -> None:
        """Commands and a CMD_SYNC that completes."""
        await self.post(*commands, SYNC.make())
        await self.consumed()

    async def consumed(self) -> None:
        """Wait until all commands are consumed."""
        for _ in range(TRIES):
            cons = await self.read(r.CMDQ_CONS)
            if cons.RD == self.prod:
                return
        raise AssertionError(f"the command queue stands at {cons}")

    async def command_error(self, command: Command | int) -> int:
        """CMDQ_CONS.ERR after a command that must fail; the queue goes on with a CMD_SYNC."""
        slot, error = self.prod, 0
        await self.post(command)
        for _ in range(TRIES):
            active = (await self.read(r.GERROR)).value ^ (await self.read(r.GERRORN)).value
            cons = await self.read(r.CMDQ_CONS)
            if active & r.GERROR.CMDQ_ERR.mask:
                error = cons.ERR
                assert cons.RD == slot
                break
            if cons.RD == self.prod:
                return 0
        self.memory.write(self.cmdq + COMMAND_BYTES * (slot % (1 << LOG2_QUEUE)),
                          SYNC.make().to_bytes())
        await self.write(r.GERRORN, (await self.read(r.GERROR)).value)
        await self.consumed()
        return int(error)

    async def events(self) -> list[Any]:
        """New event records, as their structures."""
        prod, out = await self.read(r.EVENTQ_PROD), []
        while self._cons != prod.WR:
            slot = self._cons % (1 << self.log2_evtq)
            data = self.memory.read(self.evtq + EVENT_BYTES * slot, EVENT_BYTES)
            out.append(EVENTS[data[0]].from_bytes(data))
            self._cons = (self._cons + 1) % (2 << self.log2_evtq)
        await self.write(r.EVENTQ_CONS, r.EVENTQ_CONS.pack(RD=self._cons, OVACKFLG=prod.OVFLG))
        return out

    async def event(self) -> Any:
        """The one new record."""
        await self.issue()
        found = await self.events()
        assert len(found) == 1, found
        return found[0]

    # ---- tables ----

    def physical(self, size: int) -> tuple[int, int]:
        block = self.pages.contiguous(max(size, 64), max(size, 64))
        return block, block

    def page(self) -> int:
        return self.pages.contiguous(4096, 4096)

    def stage1(self, *, ia: int = 39, upper: bool = False, allocate=None) -> StageTable:
        """Empty stage-1 tables with 4 KB pages."""
        return StageTable(self.memory, allocate or self.physical, Random(1), 1, 12, ia,
                          start_level(12, ia), self.impl.oas_bits,
                          prefix=(1 << 64) - (1 << ia) if upper else 0)

    def stage2(self) -> StageTable:
        """Empty stage-2 tables with 4 KB pages, 39 bits, from level 1 on."""
        return StageTable(self.memory, self.physical, Random(1), 2, 12, 39, 1, self.impl.oas_bits)

    def put_ste(self, sid: int, ste: STE) -> None:
        self.memory.write(self.strtab + STE_BYTES * sid, ste.to_bytes())

    def put_cd(self, address: int, table: StageTable, *, upper: StageTable | None = None,
               **fields: int) -> None:
        """A CD at physical `address`."""
        if upper is not None:
            fields |= {"T1SZ": 64 - upper.ia, "TG1": TG1_CODE[upper.g], "TTB1": upper.root}
        else:
            fields |= {"EPD1": 1}
        self.memory.write(address, CD.make(**{
            "V": 1, "AA64": 1, "T0SZ": 64 - table.ia, "TG0": TG0_CODE[table.g],
            "TTB0": table.root, "IPS": self.impl.OAS, "R": 1, "A": 1, "ASID": 1, "ASET": 1,
            "MAIR0": 0xFF} | fields).to_bytes())

    def stream1(self, sid: int, table: StageTable, *, ste: dict[str, int] | None = None,
                **cd: Any) -> int:
        """A stage-1 stream with one CD; the CD's address."""
        address = self.pages.contiguous(CD_BYTES, 4096)
        self.put_cd(address, table, **cd)
        self.put_ste(sid, STE.make(**{"V": 1, "Config": SteConfig.S1, "S1ContextPtr": address,
                                      "SHCFG": 1} | (ste or {})))
        return address

    def fields2(self, table: StageTable, vmid: int = 1) -> dict[str, int]:
        """STE fields of stage 2."""
        return {"S2VMID": vmid, "S2T0SZ": 64 - table.ia, "S2SL0": 1, "S2PS": self.impl.OAS,
                "S2AA64": 1, "S2TTB": table.root, "S2R": 1, "SHCFG": 1}

    def nested(self, sid: int) -> Nested:
        """A nested stream whose structures stage 2 maps at other addresses."""
        return Nested(self, sid)


class Nested:
    """A nested stream: `s2`, `s1`, `cd` (its IPA) and where IPAs of structures lie."""

    def __init__(self, rig: Rig, sid: int) -> None:
        self._rig, self._next = rig, 0x10_0000_0000
        self.s2 = rig.stage2()
        self.s1 = rig.stage1(allocate=self.allocate)
        self.cd, address = self.allocate(4096)
        rig.put_cd(address, self.s1)
        rig.put_ste(sid, STE.make(V=1, Config=SteConfig.NESTED, S1ContextPtr=self.cd,
                                  **rig.fields2(self.s2)))

    def allocate(self, size: int) -> tuple[int, int]:
        """Memory for structures: IPA and PA."""
        size = max(size, 4096)
        ipa, self._next = self._next, self._next + size
        pa = self._rig.pages.contiguous(size, size)
        for offset in range(0, size, 4096):
            self.s2.map(ipa + offset, 3, pa + offset, S2)
        return ipa, pa


S1 = S1Leaf.make(AF=1, AP=1, nG=1, SH=3)
S1_READ = S1Leaf.make(AF=1, AP=3, nG=1, SH=3)
S2 = S2Leaf.make(AF=1, S2AP=S2AP.RW, MemAttr=0xF, SH=3)
