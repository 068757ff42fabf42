"""The golden model as the device under test of a replay."""

from __future__ import annotations

from collections.abc import Iterator

from pymodel.memory import SparseMemory
from pymodel.smmu import Smmu
from pymodel.transaction import Transaction
from sim.replay.capture import Capture, Probe
from sim.replay.expect import Answer
from sim.replay.restore import EventReader, restore_writes


def machine(capture: Capture) -> tuple[Smmu, SparseMemory]:
    """A model with the capture's RAM and ID registers, brought to its state through MMIO."""
    memory = SparseMemory(capture.ram_base, capture.ram_size)
    for address, content in capture.pages.items():
        memory.write(address, content)
    smmu = Smmu(capture.impl, memory)
    for write in restore_writes(capture):
        smmu.write(write.offset, write.size, write.value)
        if write.ack is not None and smmu.read(write.ack, 4) != write.value:
            raise RuntimeError(f"register {write.ack:#x} does not acknowledge {write.value:#x}")
    return smmu, memory


def transaction(probe: Probe, pnu: bool) -> Transaction:
    """The access a probe makes."""
    return Transaction(sid=probe.sid, addr=probe.iova, write=probe.write, ssid=probe.ssid,
                       pnu=pnu, ind=probe.ind, size=probe.size)


def answers(capture: Capture, smmu: Smmu, memory: SparseMemory,
            pnu: list[bool], every: int = 1) -> Iterator[tuple[Probe, Answer]]:
    """Make every `every`-th probe's access in order; events are read from the queue in memory."""
    events = EventReader(capture)
    for probe in capture.probes[::every]:
        result = smmu.access(transaction(probe, pnu[probe.number]))
        records = events.drain(smmu, memory)
        if len(records) > 1:
            raise RuntimeError(f"probe {probe.number} made {len(records)} events")
        yield probe, Answer(result.ending, result.pa, records[0] if records else None,
                            {a: memory.read64(a) for a in probe.pte_after})
