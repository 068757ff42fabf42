"""Changing a live 64-byte entry (STE or CD) so that no reader ever sees a mix (reference 9.3)."""

from __future__ import annotations

from driver.bus import Bus
from driver.smmu.cmdq import CommandQueue
from spec.commands import Command
from spec.fields import Field, Structure


async def update_entry(bus: Bus, cmdq: CommandQueue, address: int, entry: Structure, valid: Field,
                       invalidate: Command) -> None:
    """Replace the entry at `address` by `entry`.

    The SMMU reads doublewords one by one, in any order, at any time. A change inside one
    doubleword is therefore safe as it is. Otherwise: make the old entry invalid and drop it from
    the caches; write the rest while nobody looks at it; write the doubleword that holds the valid
    bit last and drop the cached invalid entry.
    """
    words = entry.words()
    first = bus.memory.read64(address)
    if valid.get(first):
        changed = [n for n, word in enumerate(words) if bus.memory.read64(address + 8 * n) != word]
        if len(changed) <= 1:
            for n in changed:
                bus.memory.write(address + 8 * n, words[n].to_bytes(8, "little"))
                await cmdq.issue(invalidate)
            return
        bus.memory.write(address, bytes(8))
        await cmdq.issue(invalidate)
    for n, word in enumerate(words[1:], 1):
        bus.memory.write(address + 8 * n, word.to_bytes(8, "little"))
    bus.memory.write(address, words[0].to_bytes(8, "little"))
    await cmdq.issue(invalidate)
