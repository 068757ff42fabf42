"""The golden model and the RTL behind `rig.Rig`."""

from __future__ import annotations

import traceback
from collections import Counter
from typing import Any

from driver.dma import PageAllocator
from pymodel.memory import SparseMemory
from pymodel.smmu import Smmu
from pymodel.transaction import Ending, Transaction
from spec.impl import Implementation
from tb.client import Request
from tb.env import Env
from tb.machine import Machine
from tb.scoreboard import TRANSLATED
from tests.field import bugs
from tests.field.rig import RAM, RAM_SIZE, Answer, Rig


class ModelRig(Rig):
    """The golden model."""

    def __init__(self, impl: Implementation) -> None:
        self.impl, self.memory = impl, SparseMemory(RAM, RAM_SIZE)
        self.pages = PageAllocator(self.memory, RAM, RAM_SIZE)
        self._irqs: Counter[str] = Counter()
        self.smmu = Smmu(impl, self.memory, lambda name: self._irqs.update([name]))

    async def read(self, register):
        return register(self.smmu.read(register.OFFSET, register.size()))

    async def write(self, register, value):
        self.smmu.write(register.OFFSET, register.size(), value)

    async def raw(self, offset, value=None):
        if value is None:
            return self.smmu.read(offset, 4)
        self.smmu.write(offset, 4, value)
        return value

    async def access(self, sid, addr, *, ssid=None, write=False, ind=False, pnu=False, size=8):
        result = self.smmu.access(Transaction(sid=sid, ssid=ssid, addr=addr, write=write, ind=ind,
                                              pnu=pnu, size=size))
        return Answer(result.ending in (Ending.TRANSLATED, Ending.BYPASS, Ending.RAZWI), result.pa)

    def irqs(self, name):
        return self._irqs[name]


class RtlRig(Rig):
    """The RTL in the simulator of `env`."""

    def __init__(self, env: Env, impl: Implementation) -> None:
        env.open_memory(RAM, RAM_SIZE)
        self.impl, self.memory, self._env = impl, env.mem.plain(), env
        self.pages = PageAllocator(self.memory, RAM, RAM_SIZE)
        self._before = Counter({name: env.irq.count(name) for name in env.irq.names})

    async def read(self, register):
        return register((await self._env.cfg.run([(register.OFFSET, register.size(), None)]))[0])

    async def write(self, register, value):
        await self._env.cfg.run([(register.OFFSET, register.size(), value)])

    async def raw(self, offset, value=None):
        if value is None:
            return await self._env.cfg.read32(offset)
        await self._env.cfg.write32(offset, value)
        return value

    async def access(self, sid, addr, *, ssid=None, write=False, ind=False, pnu=False, size=8):
        answer = (await self._env.client(0).run([Request(
            addr=addr, sid=sid, ssid=ssid, ind=ind, pnu=pnu, size=size.bit_length() - 1,
            data=bytes(size) if write else None)]))[0]
        entry = self._env.traces[1].take()[-1]
        return Answer(answer.ok, entry.pa if entry.outcome == TRANSLATED else None)

    def irqs(self, name):
        return self._env.irq.count(name) - self._before[name]


async def every_bug(env: Env) -> dict[str, Any]:
    """Every bug of `tests.field.bugs` that the design has the features for, each after a reset;
    what went wrong with each, "" if nothing."""
    impl = (await Machine.probe(env)).impl
    found = {}
    for bug in bugs.BUGS:
        if bug.applies(impl):
            await env.reset()
            try:
                await bug.test(RtlRig(env, impl))
                found[bug.name] = ""
            except AssertionError:
                found[bug.name] = traceback.format_exc()
    return found
