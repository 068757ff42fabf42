"""Changing a live 64-byte entry (STE or CD) so that no reader ever sees a mix (reference 9.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from driver.bus import Bus
from spec.fields import Structure

Words = list[int]
Used = Callable[[Sequence[int]], Words]
ALL = (1 << 64) - 1


async def update_entry(bus: Bus, address: int, target: Structure, used: Used,
                       sync: Callable[[], Awaitable[None]]) -> None:
    """Replace the entry at `address` by `target`.

    The SMMU reads doublewords one by one, in any order, at any time, and keeps what it read until
    it is told to drop it. If the bits that matter before and after differ in one doubleword only,
    every transaction sees the old entry or the new one:

    1. write what the old entry ignores, in all other doublewords;
    2. write that doubleword;
    3. clear what the new entry ignores.

    Otherwise transactions in between are aborted: make the entry invalid, write the rest, and then
    the doubleword that makes it valid again.

    Parameters
    ----------
    used
        Masks of the bits that an entry with these doublewords does not ignore. An invalid entry
        has only its valid bit, which lies in doubleword 0.
    sync
        Drops the entry from all caches; awaited after each step that changed anything.
    """
    new = target.words()
    live = [bus.memory.read64(address + 8 * n) for n in range(len(new))]
    matters, will_matter = used(live), used(new)
    prepared = [word & mask | to & ~mask for word, mask, to in zip(live, matters, new, strict=True)]
    critical = [n for n, (word, mask) in enumerate(zip(prepared, will_matter, strict=True))
                if word & mask != new[n] & mask]

    async def step(words: Words) -> None:
        changed = [n for n, word in enumerate(words) if word != live[n]]
        for n in changed:
            bus.memory.write(address + 8 * n, words[n].to_bytes(8, "little"))
            live[n] = words[n]
        if changed:
            await sync()

    if len(critical) == 1:
        n = critical[0]
        await step([*prepared[:n], live[n], *prepared[n + 1:]])
        await step([*live[:n], new[n], *live[n + 1:]])
    elif critical:
        await step([0, *live[1:]])
        await step([0, *new[1:]])
    await step(new)
