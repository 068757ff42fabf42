"""What the driver learns from the ID registers, and what it cannot work with (reference 9.1)."""

from __future__ import annotations

from driver.bus import Bus, DriverError, Region
from spec.impl import Implementation
from spec.registers import AIDR, IDR0, IDR1, IDR3, IDR5, IIDR, TTENDIAN, TTF

BATCH_LOG2 = 6  # the command queue must hold more than one batch of 2^6 commands


async def identify(bus: Bus) -> Implementation:
    """Read the ID registers. DriverError: Linux would not drive this SMMU either, or this driver
    needs more (stage 1)."""
    words = [await bus.read(Region.SMMU, r.OFFSET) for r in (IDR0, IDR1, IDR3, IDR5, AIDR, IIDR)]
    impl = Implementation.from_idrs(*words)
    for broken, why in (
            (not impl.TTF & TTF.AARCH64, "no AArch64 tables"),
            (impl.TTENDIAN == TTENDIAN.BIG, "tables are big-endian"),
            (impl.TABLES_PRESET or impl.QUEUES_PRESET or impl.REL, "preset or relative bases"),
            (impl.CMDQS <= BATCH_LOG2, f"a command queue of 2^{impl.CMDQS}"),
            (not impl.S1P, "no stage 1"),
            (not impl.granules, "no page size")):
        if broken:
            raise DriverError(f"this SMMU cannot be driven: {why}")
    return impl
