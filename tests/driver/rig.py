"""What the driver's tests share: a machine on the golden model, and expected errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from driver.accel.qm import QmDriver
from driver.iommu.domain import Iommu, Stream
from driver.model_bus import ModelBus
from driver.run import run
from driver.smmu.device import SmmuDriver
from spec.impl import PRESETS, Implementation

SID = 3
QUEUES = 8

SMALL_ASIDS = dataclasses.replace(PRESETS["base"], ASID16=0)


@contextmanager
def fails(code: int) -> Iterator[None]:
    """An OSError with this errno."""
    try:
        yield
    except OSError as error:
        if error.errno != code:
            raise
    else:
        pytest.fail(f"no OSError with errno {code}")


class Machine:
    """A probed SMMU, the accelerator's stream, and its queue manager."""

    def __init__(self, impl: Implementation, log2_pasids: int = 4, queues: int = QUEUES) -> None:
        self.bus = ModelBus(impl, sid=SID, queues=queues)
        self.smmu = run(SmmuDriver.probe(self.bus))
        self.iommu = Iommu(self.smmu)
        self.stream = run(Stream.open(self.iommu, SID, log2_pasids))
        self.qm = run(QmDriver.probe(self.bus, self.iommu, self.stream))

    def check(self) -> None:
        """The end of a test: software did nothing wrong."""
        self.bus.lint.check()
