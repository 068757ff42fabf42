"""Workloads of `substream bench rtl`: what the SMMU costs, in cycles, at its ports.

Rules (those of the peer's figures): memory is always ready, pipelined and in order, a read
accepted at t is answered at t + L on the table port, t + 10 on the data port; the client issues
single beats of 8 bytes back to back, any number outstanding, AXI ids 0 to 15 in turn. Added
latency runs from the first edge of the client's AxVALID to the handshake at memory (a wire: 0);
throughput is counted between handshakes at memory. Every word read or written is checked.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import cocotb

from pymodel.memory import PAGE
from spec.commands import CFGI_STE_RANGE, STE_RANGE_ALL, SYNC, TLBI_NH_VA, TLBI_NSNH_ALL, SyncCS
from tb.bench_world import (
    DEVICES,
    IOVA,
    PAGES,
    SID,
    SID_DEVICES,
    SID_PASIDS,
    UNMAPPED,
    WORD,
    BenchWorld,
)
from tb.client import Request, Response
from tb.env import Env
from tb.machine import Machine

DATA_LATENCY = 10
READS = 4000
BURSTS = 2000
FAULTS = 64
FENCES = 64
IDS = 16
WORDS = PAGE // WORD
LINE = 64  # bytes of a STREAM step and of the longer bursts
SPEED_CYCLES = 20_000
SPEED_LATENCY = 10


def xorshift(state: int = 1) -> Iterator[int]:
    """xorshift32 (13, 17, 5)."""
    while True:
        state ^= state << 13 & 0xFFFF_FFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFF_FFFF
        yield state


def at(page: int, word: int = 0) -> int:
    return IOVA + page * PAGE + word * WORD


class Bench:
    """One build, one kind of stream, one latency.

    Members
    -------
    rows
        Figures so far, as `substream bench` prints them but for bars.
    """

    def __init__(self, env: Env, machine: Machine, stage: str, latency: int) -> None:
        self.env, self.machine, self.stage, self.latency = env, machine, stage, latency
        self.client, self.port = env.client(0), env.mems[2]
        self.rows: list[dict[str, Any]] = []
        self._memory = env.mem.plain()
        env.mems[0].ideal(latency)
        self.port.ideal(DATA_LATENCY)
        self.port.set(log=True)

    def report(self, case: str, metric: str, value: float, unit: str, pages: int = 1,
               **more: Any) -> None:
        self.rows.append({"case": case, "stage": self.stage, "L": self.latency, "pages": pages,
                          "metric": metric, "value": round(value, 4), "unit": unit, **more})

    async def forget(self) -> None:
        """Nothing is cached anywhere."""
        await self.machine.issue([CFGI_STE_RANGE.make(Range=STE_RANGE_ALL), TLBI_NSNH_ALL.make()])

    async def play(self, requests: list[Request]) -> list[tuple[Response, int]]:
        """Each request's response and the cycle of its handshake at memory."""
        answers = await self.client.run(requests)
        reached: dict[tuple[int, bool], deque] = {}
        for access in self.port.log():
            reached.setdefault((access.id, access.write), deque()).append(access)
        self.port.clear_log()
        out = []
        for request, answer in zip(requests, answers, strict=True):
            access = reached[request.id, request.data is not None].popleft()
            frame = BenchWorld.frame(max(request.sid - SID_DEVICES, (request.addr - IOVA) // PAGE))
            assert answer.ok, f"{request}: {answer}"
            assert access.addr == frame + request.addr % PAGE, f"{request}: {access}"
            there = self._memory.read(access.addr, request.length)
            assert there == (answer.data if request.data is None else request.data), f"{request}"
            out.append((answer, access.cycle))
        return out

    def read(self, n: int, page: int, word: int = 0, **fields: Any) -> Request:
        """Number n of a series."""
        return Request(addr=at(page, word), size=3, id=n % IDS, **{"sid": SID, **fields})

    def write(self, n: int, page: int, word: int = 0, **fields: Any) -> Request:
        """Number n of a series; what it writes is there already."""
        frame = BenchWorld.frame(page) + word * WORD
        return self.read(n, page, word, data=self._memory.read(frame, WORD), **fields)

    async def added(self, request: Request) -> int:
        """Added latency of one access alone."""
        (answer, reached), = await self.play([request])
        return reached - answer.issue

    async def rate(self, requests: list[Request]) -> float:
        """Accesses per cycle."""
        cycles = sorted(cycle for _, cycle in await self.play(requests))
        return (len(cycles) - 1) / (cycles[-1] - cycles[0])

    # ---- latency ----

    async def misses(self) -> None:
        """One access at a time; the page is new to every leaf cache, except for the hit."""
        await self.forget()
        self.report("cold", "added latency", await self.added(self.read(0, 0)), "cycles")
        self.report("hit", "added latency, read", await self.added(self.read(0, 0)), "cycles")
        self.report("hit", "added latency, write", await self.added(self.write(0, 0)), "cycles")
        self.report("miss", "added latency", await self.added(self.read(0, 1)), "cycles")
        await self.added(self.read(0, 2, sid=SID_PASIDS, ssid=1))
        self.report("new PASID", "added latency",
                    await self.added(self.read(0, 2, sid=SID_PASIDS, ssid=2)), "cycles")

    async def miss_uncached(self) -> None:
        """Contexts are warm, tables are not kept (a design without these caches)."""
        await self.forget()
        await self.added(self.read(0, 0))
        self.report("miss, no walk cache", "added latency", await self.added(self.read(0, 1)),
                    "cycles")

    # ---- throughput ----

    async def hits(self) -> None:
        for pages in (1, 4, 16):
            await self.play([self.read(n, n) for n in range(pages)])
            kinds: dict[str, Callable[[int], Request]] = {
                "reads": lambda n: self.read(n, n % pages, n % WORDS),  # noqa: B023
                "writes": lambda n: self.write(n, n % pages, n % WORDS),  # noqa: B023
                "mixed": lambda n: (self.write if n % 2 else self.read)(
                    n, n % pages, n % WORDS)}  # noqa: B023
            for kind, make in kinds.items():
                rate = await self.rate([make(n) for n in range(BURSTS)])
                self.report("hit", f"throughput, {kind}", rate, "/cycle", pages)
            bursts = [Request(addr=at(n % pages, n * LINE // WORD % WORDS), sid=SID, id=n % IDS,
                              beats=LINE // 16) for n in range(BURSTS // 4)]
            self.report("hit", "throughput, 64-byte reads", await self.rate(bursts), "/cycle",
                        pages)

    async def series(self, case: str, requests: list[Request], pages: int) -> None:
        """One warm-up read, then the series."""
        await self.forget()
        await self.play([self.read(0, 0)])
        before = await self.env.activity.read()
        rate = await self.rate(requests)
        activity = await self.env.activity.since(before)
        self.report(case, "throughput", rate, "/cycle", pages, activity=activity)

    async def random(self, pages: int) -> None:
        draw = xorshift()
        await self.series("RAND", [self.read(n, (r := next(draw)) % pages, r & WORDS - 1)
                                   for n in range(READS)], pages)

    async def others(self) -> None:
        await self.series("SEQ", [self.read(n, 1 + n % (PAGES - 1)) for n in range(READS)], PAGES)
        lines = PAGE // LINE
        await self.series("STREAM", [
            self.read(n, n // lines, n % lines * LINE // WORD) for n in range(READS)],
            READS // lines)
        if self.stage == "single":
            await self.series("MIX", [self.read(n, 1 + n // 8 % 255 if n % 8 == 7 else 0, n % WORDS)
                                      for n in range(READS)], 256)
            draw = xorshift()
            requests = [Request(addr=at(0, n % WORDS), size=3, id=n % IDS,
                                sid=SID_DEVICES + next(draw) % DEVICES) for n in range(READS)]
            await self.series("DEV16, cold", requests, 1)
            # The warm-up read of each device was among those.
            self.report("DEV16", "throughput", await self.rate(requests), "/cycle", 1)

    # ---- commands and faults ----

    async def fences(self) -> None:
        """TLBI, SYNC, TLBI, SYNC and so on: cycles per command between the first and last SYNC;
        then many TLBI before each SYNC."""
        for case, each in (("invalidation + fence", 1), ("16 invalidations + fence", 16)):
            one = [TLBI_NH_VA.make(VMID=int(self.stage == "nested"), ASID=1, Leaf=1, VA=IOVA)]
            commands = [*one * each, SYNC.make(CS=SyncCS.IRQ)]
            count = FENCES if each == 1 else 8
            seen = len(self._signals())
            await self.machine.post(commands * count)
            await self.machine.finish()
            await self.env.wait_cycles(100)
            cycles = self._signals()[seen:]
            assert len(cycles) == count
            self.report(case, "per command",
                        (cycles[-1] - cycles[0]) / (count - 1) / len(commands), "cycles")

    def _signals(self) -> list[int]:
        return [cycle for cycle, names in self.env.irq.log() if "cmdq_sync" in names]

    async def faults(self) -> None:
        await self.play([self.read(0, 0)])
        await self.machine.events()
        answers = await self.client.run([
            Request(addr=UNMAPPED + n * WORD, size=3, id=n % IDS, sid=SID) for n in range(FAULTS)])
        assert not any(answer.ok for answer in answers)
        cycles = max(a.done for a in answers) - answers[0].issue
        self.report("64 faults", "per fault", cycles / FAULTS, "cycles")
        await self.machine.issue([])  # every record is visible
        assert len(await self.machine.events()) == FAULTS


async def rtl(env: Env) -> list[dict[str, Any]]:
    """params: `stage` ("single", "nested"), `L`, `caches` (false: the build has none for tables
    and leaves). Figures without bars."""
    stage, latency = env.params["stage"], env.params["L"]
    bench = await _start(env, stage, latency)
    if not env.params["caches"]:
        await bench.miss_uncached()
        return bench.rows
    await bench.misses()
    if stage == "single":
        await bench.hits()
        for pages in (64, 256):
            await bench.random(pages)
    await bench.random(PAGES)
    await bench.others()
    if stage == "single":
        await bench.fences()
        await bench.faults()
    return bench.rows


async def _start(env: Env, stage: str, latency: int) -> Bench:
    world = BenchWorld(env.mem.plain(), nested=stage == "nested")
    machine = await Machine.probe(env)
    await machine.start(world.registers, world.pages)
    return Bench(env, machine, stage, latency)


async def speed(env: Env) -> dict[str, float]:
    """Simulated cycles per second under RAND, W=4096, single stage: under cocotb, and in a loop of
    the simulator's main program that only toggles the clock (native agents play in both)."""
    bench = await _start(env, "single", SPEED_LATENCY)
    draw = xorshift()
    requests = [bench.read(n, (r := next(draw)) % PAGES, r & WORDS - 1)
                for n in range(6 * SPEED_CYCLES)]
    cocotb.start_soon(bench.client.run(requests))
    await env.wait_cycles(1000)
    cycles = [0.0, 0.0]
    for _ in range(2):
        start = time.perf_counter()
        await env.wait_cycles(SPEED_CYCLES)
        cycles[0] += time.perf_counter() - start
        cycles[1] += await env.bare_cycles(SPEED_CYCLES)
    return {"cocotb": 2 * SPEED_CYCLES / cycles[0], "bare": 2 * SPEED_CYCLES / cycles[1]}
