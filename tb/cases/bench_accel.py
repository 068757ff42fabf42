"""Workloads of `substream bench accel`: what the accelerator does per cycle, behind the SMMU.

Rules: memory is always ready, pipelined and in order, an access accepted at t is answered at
t + L on every port. Data lies in 2 MB blocks, source and target of every queue in the same two, so
that translations hit. Cycles are counted at the accelerator's memory port: of data from the first
access to the last response, of jobs from the first SQE fetch to the last CQE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from driver.accel import jobs
from driver.accel.qm import QmDriver
from driver.accel.queue import Queue
from driver.accel.sgl import pack_sgl
from driver.bus import DriverError
from driver.iommu.domain import Domain, Iommu, Stream
from driver.iommu.pagetable import Prot
from driver.smmu.device import SmmuDriver
from spec.qm import CQE, SQE_BYTES
from spec.sec import BD3, STATUS_OFFSET, ErrorType, Mode
from tb.bus import CocotbBus
from tb.env import Env
from tb.memory_port import MemoryAccess

BLOCK = 1 << 21
SOURCE, TARGET = 0x4000_0000, 0x5000_0000
KEY, IV = SOURCE + BLOCK - 64, SOURCE + BLOCK - 128   # any bytes do
LIST, PIECE = BLOCK - 8192, 4096                      # in both blocks: a list of such pieces
LOG2_PASIDS = 7
MOVED, CIPHERED = 1 << 15, 1 << 13                    # bytes of one job
SMALL, JOBS = 64, 192                                 # bytes, and jobs in all
QUEUES = (1, 4, 16, 64)
PATIENCE = 2_000_000
PORT = 1                                              # of memory: the accelerator's TBU


def aes(mode: Mode, key_bytes: int, encrypt: bool = True) -> Callable[[int], BD3]:
    return lambda size: jobs.aes(mode, SOURCE, TARGET, size, key=KEY, key_bytes=key_bytes, iv=IV,
                                 encrypt=encrypt)


ENGINES: dict[str, tuple[int, Callable[[int], BD3]]] = {
    "copy": (MOVED, lambda size: jobs.copy(SOURCE, TARGET, size)),
    "copy, misaligned": (MOVED, lambda size: jobs.copy(SOURCE + 3, TARGET + 8, size)),
    "copy, lists": (MOVED, lambda size: jobs.copy(
        jobs.Sgl(SOURCE + LIST), jobs.Sgl(TARGET + LIST), size)),
    "fill": (MOVED, lambda size: jobs.fill(TARGET, size, 1)),
    "rand48": (CIPHERED, lambda size: jobs.rand48(TARGET, size, 1)),
    "sum": (MOVED, lambda size: jobs.sum64(SOURCE, size)),
    "crc32c": (MOVED, lambda size: jobs.crc32c(SOURCE, size)),
    **{f"aes {mode.name.lower()} {8 * size}": (CIPHERED, aes(mode, size))
       for mode in (Mode.ECB, Mode.CBC, Mode.CTR) for size in (16, 24, 32)},
    "aes cbc 256, decrypt": (CIPHERED, aes(Mode.CBC, 32, False)),
}


class Bench:
    """One build at one latency.

    Members
    -------
    rows
        Figures so far, as `substream bench` prints them but for bars.
    """

    def __init__(self, env: Env, qm: QmDriver, domain: Domain, source: int, target: int) -> None:
        self.env, self.qm, self.bus = env, qm, qm.bus
        self.domain, self._physical = domain, (source, target)
        self.port = env.mems[PORT]
        self.queues: list[Queue] = []
        self.rows: list[dict[str, Any]] = []

    @classmethod
    async def prepare(cls, env: Env) -> Bench:
        bus = CocotbBus(env)
        for port in env.mems:
            port.ideal(env.params["L"])
        iommu = Iommu(await SmmuDriver.probe(bus))
        stream = await Stream.open(iommu, env.params["sid"], LOG2_PASIDS)
        qm = await QmDriver.probe(bus, iommu, stream)
        domain = iommu.domain()
        source, target = (bus.pages.contiguous(BLOCK, BLOCK) for _ in range(2))
        for iova, physical in ((SOURCE, source), (TARGET, target)):
            domain.map(iova, physical, BLOCK, Prot.READ | Prot.WRITE)
            pieces = [(iova + 2 * at, PIECE) for at in range(0, MOVED, PIECE)]
            bus.memory.write(physical + LIST, pack_sgl(iova + LIST, pieces))
        bench = cls(env, qm, domain, source, target)
        bench.port.set(log=True)
        return bench

    async def use(self, count: int) -> list[Queue]:
        """So many queues."""
        while len(self.queues) < count:
            self.queues.append(await self.qm.open(self.domain))
        return self.queues[:count]

    def report(self, case: str, metric: str, value: float, unit: str, **more: Any) -> None:
        self.rows.append({"case": case, "stage": "single", "L": self.env.params["L"], "pages": 2,
                          "metric": metric, "value": round(value, 3), "unit": unit, **more})

    async def do(self, work: Iterable[tuple[Queue, BD3]]) -> list[MemoryAccess]:
        """Send jobs, wait for all; the accelerator's accesses meanwhile."""
        self.port.clear_log()
        due: dict[int, int] = {}
        for queue, bd in work:
            await queue.send(bd)
            due[queue.number] = due.get(queue.number, 0) + 1
        by_number = {queue.number: queue for queue in self.queues}
        while any(due.values()):
            if not await self.bus.interrupt("eq", PATIENCE):
                raise DriverError(f"jobs without completion: {due}")
            for number in await self.qm.service():
                for done in await by_number[number].receive():
                    assert done.error is ErrorType.OK, done
                    due[number] -= 1
        return self.port.log()

    def data(self, log: list[MemoryAccess]) -> list[MemoryAccess]:
        """The accesses to source and target, but not to lists, key and IV."""
        return [access for access in log for start in self._physical
                if start <= access.addr < start + LIST]


def span(accesses: list[MemoryAccess]) -> int:
    """Cycles from the first access to the last response."""
    return max(a.done for a in accesses) - min(a.cycle for a in accesses)


async def throughput(bench: Bench, lanes: int) -> None:
    """Each engine alone, and one job on every lane at once."""
    for name, (size, make) in ENGINES.items():
        queues = await bench.use(lanes)
        await bench.do([(queues[0], make(SMALL))])
        alone = span(bench.data(await bench.do([(queues[0], make(size))])))
        bench.report(name, "throughput", size / alone, "bytes/cycle")
        if name in ("copy", "aes cbc 128"):
            for queue in queues:
                await bench.do([(queue, make(SMALL))])
            every = span(bench.data(await bench.do((queue, make(size)) for queue in queues)))
            bench.report(name, f"throughput, {lanes} lanes", lanes * size / every, "bytes/cycle")


async def rate(bench: Bench) -> None:
    """Small copies from several queues."""
    for count in QUEUES:
        if count > bench.qm.queue_count:
            continue
        queues = await bench.use(count)
        bd = jobs.copy(SOURCE, TARGET, SMALL)
        each = min(JOBS // count, bench.qm.depth - 1)
        log = await bench.do((queue, bd) for _ in range(each) for queue in queues)
        rings = [access for access in log
                 if any(queue.ring <= access.addr < queue.ring + queue.ring_bytes
                        for queue in queues)]
        bench.report(f"{SMALL}-byte copies", f"rate, {count} queues",
                     1e6 * each * count / span(rings), "jobs/Mcycle", queues=count)


async def latency(bench: Bench) -> None:
    """One copy alone, from the doorbell to the interrupt; first with nothing in the TLBs."""
    queue, = await bench.use(1)
    for state in ("cold", "warm"):
        if state == "cold":
            await bench.qm.iommu.smmu.cmdq.issue(bench.domain.flush())
        begun = bench.env.cycles
        log = await bench.do([(queue, jobs.copy(SOURCE, TARGET, SMALL))])
        end = next(cycle for cycle, names in bench.env.irq.log() if cycle > begun and "eq" in names)
        ring = range(queue.ring, queue.ring + SQE_BYTES * queue.depth)
        sqe = next(a for a in log if a.addr in ring and not a.write)
        result = next(a for a in log if a.addr % SQE_BYTES == STATUS_OFFSET and a.write
                      and a.addr in ring)
        cqe = next(a for a in log if a.write and a.addr - ring.stop in
                   range(CQE.size() * queue.depth))
        data = bench.data(log)
        read = min(a.cycle for a in data)
        stages = {"doorbell": sqe.cycle - begun, "SQE fetch": sqe.done - sqe.cycle,
                  "check and translation": read - sqe.done,
                  "data": max(a.done for a in data) - read,
                  "result": result.done - max(a.done for a in data),
                  "CQE": cqe.done - result.done, "EQE and interrupt": end - cqe.done}
        for name, cycles in stages.items():
            bench.report(f"{SMALL}-byte copy, {state}", name, cycles, "cycles")
        bench.report(f"{SMALL}-byte copy, {state}", "doorbell to interrupt", end - begun, "cycles")


async def accel(env: Env) -> list[dict[str, Any]]:
    """Everything; params: L, sid, lanes."""
    bench = await Bench.prepare(env)
    await throughput(bench, env.params["lanes"])
    await latency(bench)
    await rate(bench)
    return bench.rows
