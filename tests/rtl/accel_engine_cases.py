"""Runs inside the simulator: cases of the accelerator, with the SMMU disabled (all bypass)."""

from __future__ import annotations

from pymodel.memory import PAGE
from tb.env import Env
from tests.accel.engine_cases import ENGINE_CASES
from tests.accel.qm_driver import QmDriver

MEMORY_SIZE = 1 << 22


class EnvBus:
    """`tests.accel.qm_driver.Bus` on the register port."""

    def __init__(self, env: Env):
        self.env = env

    async def read(self, offset: int, size: int = 4) -> int:
        return (await self.env.dev.run([(offset, size, None)]))[0]

    async def write(self, offset: int, size: int, value: int) -> None:
        await self.env.dev.run([(offset, size, value)])

    async def wait(self) -> None:
        await self.env.wait_cycles(100)


class EnvMemory:
    """The shared memory; pages put into `poisoned` fail."""

    def __init__(self, env: Env):
        env.open_memory(0, MEMORY_SIZE)
        self.env = env
        self.read, self.write = env.mem.read, env.mem.write

    @property
    def poisoned(self) -> set[int]:
        return self.env.mem.poisoned

    @poisoned.setter
    def poisoned(self, pages: set[int]) -> None:
        for page in pages:
            self.env.poison(page * PAGE)


class EnvBench:
    """`tests.accel.bench.Bench`, as far as the cases here need it."""

    def __init__(self, env: Env, depth: int):
        self.memory, self.bus = EnvMemory(env), EnvBus(env)
        self.driver = QmDriver(self.bus, self.memory, depth)


async def engine_case(env: Env) -> None:
    """The case of that name; the memory's timing is random."""
    for port in env.mems:
        port.set(read_latency=5, read_jitter=30, write_latency=5, write_jitter=10, ar_stall=0.2,
                 aw_stall=0.2, w_stall=0.2, reorder=0.3)
    case, depth = next(entry for entry in ENGINE_CASES.items()
                       if entry[0].__name__ == env.params["case"])
    await case(EnvBench(env, depth))
