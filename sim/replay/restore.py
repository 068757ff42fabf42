"""Bringing a device to a capture's register state as software would, and reading its events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pymodel.memory import Memory
from sim.replay.capture import Capture
from spec.events import EVENT_BYTES
from spec.registers import (
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
    STRTAB_BASE,
    STRTAB_BASE_CFG,
)


class Mmio(Protocol):
    """What replay needs of a device's registers."""

    def read(self, offset: int, size: int) -> int: ...
    def write(self, offset: int, size: int, value: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Write:
    """One register write; with `ack`, software then waits until that register reads `value`."""

    offset: int
    size: int
    value: int
    ack: int | None = None


def restore_writes(capture: Capture) -> Iterator[Write]:
    """The writes, in the order of reference 9.2: disable, tables, queues, then the enables.

    Queue indices are restored empty at the captured position, so the commands Linux issued are
    not run again and new events follow the old ones.
    """
    regs = capture.regs
    yield Write(CR0.OFFSET, 4, 0, ack=CR0ACK.OFFSET)
    yield Write(CR1.OFFSET, 4, regs["CR1"])
    yield Write(CR2.OFFSET, 4, regs["CR2"])
    yield Write(STRTAB_BASE.OFFSET, 8, regs["STRTAB_BASE"])
    yield Write(STRTAB_BASE_CFG.OFFSET, 4, regs["STRTAB_BASE_CFG"])
    yield Write(CMDQ_BASE.OFFSET, 8, regs["CMDQ_BASE"])
    yield Write(CMDQ_PROD.OFFSET, 4, regs["CMDQ_PROD"])
    yield Write(CMDQ_CONS.OFFSET, 4, regs["CMDQ_PROD"])
    yield Write(EVENTQ_BASE.OFFSET, 8, regs["EVTQ_BASE"])
    yield Write(EVENTQ_PROD.OFFSET, 4, regs["EVTQ_PROD"])
    yield Write(EVENTQ_CONS.OFFSET, 4, regs["EVTQ_PROD"])
    enabled = 0
    for enable in (CR0.CMDQEN, CR0.EVENTQEN, CR0.SMMUEN):
        enabled |= regs["CR0"] & enable.mask
        yield Write(CR0.OFFSET, 4, enabled, ack=CR0ACK.OFFSET)


class EventReader:
    """Reads new records out of the Event queue in memory, as a driver does."""

    def __init__(self, capture: Capture) -> None:
        base = EVENTQ_BASE(capture.regs["EVTQ_BASE"])
        self.log2size = min(base.LOG2SIZE, capture.impl.EVENTQS)
        size = max(EVENT_BYTES << self.log2size, EVENT_BYTES)
        self.base = base.ADDR & ~(size - 1)
        self.cons = capture.regs["EVTQ_PROD"] & ((2 << self.log2size) - 1)

    def slots(self, prod: int) -> list[int]:
        """Addresses of the records between our index and `prod`; moves the index."""
        mask = (2 << self.log2size) - 1
        out = []
        while self.cons != prod & mask:
            out.append(self.base + EVENT_BYTES * (self.cons & (mask >> 1)))
            self.cons = (self.cons + 1) & mask
        return out

    def drain(self, mmio: Mmio, memory: Memory) -> list[bytes]:
        """All new records; gives their slots back."""
        slots = self.slots(mmio.read(EVENTQ_PROD.OFFSET, 4))
        if slots:
            mmio.write(EVENTQ_CONS.OFFSET, 4, self.cons)
        return [memory.read(slot, EVENT_BYTES) for slot in slots]
