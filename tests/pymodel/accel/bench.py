"""The accelerator's golden model behind an SMMU that lets everything through or wait."""

from __future__ import annotations

from typing import cast

from pymodel.accel import Accelerator
from pymodel.memory import PAGE, SparseMemory
from pymodel.observer import Completion, Observer
from pymodel.smmu import Smmu
from pymodel.transaction import Ending, Result, Transaction
from tests.accel.bench import Case
from tests.accel.qm_driver import QmDriver


class OpenSmmu:
    """Output address = input address; accesses to held pages stall until `release`; those with
    `broken` (page, write) are aborted."""

    def __init__(self) -> None:
        self.observers: list[Observer] = []
        self.log: list[Transaction] = []
        self.held: set[tuple[int | None, int]] = set()
        self.broken: set[tuple[int, bool]] = set()
        self._stalled: list[Transaction] = []

    def access(self, txn: Transaction) -> Result:
        self.log.append(txn)
        if (txn.ssid, txn.addr // PAGE) in self.held:
            self._stalled.append(txn)
            return Result(Ending.STALLED)
        if (txn.addr // PAGE, txn.write) in self.broken:
            return Result(Ending.ABORT)
        return Result(Ending.BYPASS, pa=txn.addr)

    def release(self) -> None:
        self.held.clear()
        stalled, self._stalled = self._stalled, []
        for txn in stalled:
            for observer in self.observers:
                observer.on_completion(Completion(txn, Result(Ending.BYPASS, pa=txn.addr)))


class ModelBus:
    def __init__(self, accelerator: Accelerator):
        self._accelerator = accelerator

    async def read(self, offset: int, size: int = 4) -> int:
        return self._accelerator.read(offset, size)

    async def write(self, offset: int, size: int, value: int) -> None:
        self._accelerator.write(offset, size, value)

    async def wait(self) -> None:
        """Nothing happens by itself."""


class Bench:
    """`tests.accel.bench.Bench` on the model."""

    def __init__(self, *, depth: int = 8):
        self.queues, self.sid = 8, 0x18
        self.memory, self.smmu = SparseMemory(0, 1 << 22), OpenSmmu()
        self.irqs = {"eq": 0, "aeq": 0, "abnormal": 0}
        self.accelerator = Accelerator(self.memory, cast(Smmu, self.smmu), self.sid, self.queues,
                                       self._irq)
        self.bus = ModelBus(self.accelerator)
        self.driver = QmDriver(self.bus, self.memory, depth)
        self.log = self.smmu.log

    def _irq(self, name: str) -> None:
        self.irqs[name] += 1

    def hold(self, ssid: int | None, page: int) -> None:
        self.smmu.held.add((ssid, page))

    def release(self) -> None:
        self.smmu.release()

    def run(self, case: Case) -> None:
        try:
            case(self).send(None)
        except StopIteration:
            return
        raise AssertionError("the model never waits")
