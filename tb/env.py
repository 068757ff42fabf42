"""The test environment inside the simulator: everything a case touches of the design's ports."""

from __future__ import annotations

import ctypes as c
import random
from collections.abc import Callable
from typing import Any

from pymodel.memory import PAGE, SharedMemory
from sim.ports import Port, Ports
from tb.client import Client, Resp
from tb.events import Events, Hang
from tb.memory_port import ErrorRule, MemoryPort
from tb.native import load
from tb.registers import Registers
from tb.samplers import Activity, InterruptWires, Trace

MEMORY_SIZE = 1 << 38  # 256 GiB, sparse
RESET_CYCLES = 4
FOREVER = 2**32 - 1


class Env:
    """Agents of all ports, the shared memory, and time.

    Members
    -------
    params, seed, rng
        Of this run; `rng` is a `random.Random` of the seed. All randomness comes from it or from
        native streams of the same seed.
    cfg, dev
        Register ports (`Registers`); AttributeError if the design has none.
    clients, mems, traces
        Lists of `Client`, `MemoryPort`, `Trace`, by port number.
    irq, activity
        `InterruptWires`, `Activity`.
    mem
        The shared RAM as `pymodel.memory.SharedMemory`.
    memory_fd
        File descriptor of the RAM, for other processes to map.
    patience
        Cycles without any answer after which waiting fails with `Hang`.
    """

    cfg: Registers
    dev: Registers

    def __init__(self, top: Any, run: dict[str, Any]):
        self.top = top
        self.seed: int = run["seed"]
        self.params: dict[str, Any] = run["params"]
        self.rng = random.Random(self.seed)
        self.patience = 100_000
        self.library = load(run["library"])
        self.ports = Ports(run["top"], tuple(Port(*port) for port in run["ports"]))
        self._kept: dict[int, tuple] = {}
        self._rules = 0
        external = run["external"]
        self.clients = [Client(self, i, self.ports.width(f"client{i}__rdata"))
                        for i in range(self.ports.count("client")) if f"client{i}" not in external]
        self.mems = [MemoryPort(self, i, self.ports.width(f"mem{i}__rdata"))
                     for i in range(self.ports.count("mem")) if f"mem{i}" not in external]
        for number, name in enumerate(self.ports.lites):
            setattr(self, name, Registers(self, number, name))
        self.traces = [Trace(self, i) for i in range(self.ports.count("trace"))]
        self.irq = InterruptWires(self, self.ports.interrupts)
        self.activity = Activity(self, self.ports.activities)
        self.open_memory(0, MEMORY_SIZE)
        self.library.sim_init(self.seed, RESET_CYCLES)
        self.events = Events(self.library, top.event_o)

    def open_memory(self, base: int, size: int) -> None:
        """Replace the RAM by zeroed RAM at [base, base + size), at most 256 GiB."""
        if not 0 < size <= MEMORY_SIZE:
            raise ValueError(f"{size:#x} bytes of RAM: at most {MEMORY_SIZE:#x}")
        self.memory_fd = self.library.sim_memory_open(base, size, -1)
        if self.memory_fd < 0:
            raise OSError(f"no shared memory of {size:#x} bytes")
        array = (c.c_uint8 * size).from_address(self.library.sim_memory_bytes())
        self.mem = SharedMemory(memoryview(array).cast("B"), base)

    def client(self, number: int) -> Client:
        return self.clients[number]

    def trace(self, number: int) -> Trace:
        return self.traces[number]

    @property
    def cycles(self) -> int:
        """Number of the next clock edge."""
        return int(self.library.sim_cycle())

    async def wait_cycles(self, count: int) -> None:
        """Let `count` clock edges pass."""
        if count > 0:
            await self.events.at(self.cycles + count - 1)

    async def bare_cycles(self, count: int) -> float:
        """Let `count` clock edges pass in a loop that only toggles the clock (Verilator); agents
        play, nothing wakes Python. Wall-clock seconds of the loop."""
        number = self.events.new()
        self.library.sim_bare(number, count)
        await self.events.first(number)
        return float(self.library.sim_bare_nanoseconds()) / 1e9

    async def reset(self, cycles: int = RESET_CYCLES) -> None:
        """Pulse rst; agents drop what they have under way. RAM and counters stay."""
        self.library.sim_reset(cycles)
        self._kept.clear()
        await self.wait_cycles(cycles + 2)

    def fail(self, first: int, last: int, *, ports: list[int] | None = None, reads: bool = True,
             writes: bool = True, resp: Resp = Resp.SLVERR, after: int = 0,
             count: int = FOREVER) -> ErrorRule:
        """Answer accesses that touch bytes first..last with an error: after `after` of them that
        pass, `count` times, at the given memory ports (all by default)."""
        self._rules += 1
        mask = sum(1 << port for port in ports) if ports is not None else FOREVER
        self.library.sim_error_add(self._rules, first, last, mask, reads, writes, resp, after,
                                   count)
        return ErrorRule(self, self._rules)

    async def read_of(self, address: int, length: int, cycles: int, hold: int = 0) -> bool:
        """Wait until a memory port accepts a read of any of these bytes, at most `cycles`; whether
        one did. With `hold` the read takes its data now and is answered that many cycles later than
        it would be; other ids overtake it."""
        number = self.events.new()
        self.library.sim_memory_watch(number, address, address + length - 1, hold)
        if await self.events.before(number, cycles):
            return True
        self.library.sim_memory_unwatch(number)
        return False

    def poison(self, address: int) -> None:
        """Make the page of `address` fail for the design and for `mem` (the golden model) alike."""
        page = address // PAGE
        self.mem.poisoned.add(page)
        self.fail(page * PAGE, page * PAGE + PAGE - 1)

    def keep(self, number: int, *buffers: Any) -> None:
        """Hold buffers that native code uses until condition `number` has been seen."""
        self._kept[number] = buffers

    def release(self, number: int) -> None:
        self._kept.pop(number, None)

    async def answer(self, number: int, progress: Callable[[], tuple[int, str]]) -> None:
        """Wait for queued work; Hang, in the words of `progress`, when its count stands still."""
        before = -1
        while not await self.events.before(number, self.patience):
            now, words = progress()
            if now == before:
                raise Hang(f"no progress for {self.patience} cycles at cycle {self.cycles}: "
                           f"{words}")
            before = now
