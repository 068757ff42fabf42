"""What a recorded memory tells of hardware updates, and when."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from pymodel.memory import SparseMemory
from spec.commands import SYNC
from tb.recorded import RecordedMemory, Recorder

BASE, TABLE, LEAF = 0x8000_0000, 0x8000_1000, 0x8000_2000


def test_an_update_is_told_before_software_changes_anything_else():
    """The leaf has its access flag while the table above it goes: it may be cached then."""
    plain = SparseMemory(BASE, 0x10000)
    memory = RecordedMemory(plain)
    memory.descriptors[LEAF] = 1
    told: list[tuple[int, int, int]] = []
    memory.watch = lambda address, old, new, ago: told.append(
        (address, int.from_bytes(new, "little"), ago))
    plain.write(LEAF, (5).to_bytes(8, "little"))  # the hardware
    memory.write(TABLE, bytes(8))
    assert told == [(LEAF, 5, 1), (TABLE, 0, 0)]
    memory.look()
    assert len(told) == 2


def test_an_update_is_told_before_the_sync_that_waited_for_it():
    """A walk that began before the table above went may still update the leaf, and cache it, until
    the CMD_SYNC is complete."""
    plain = SparseMemory(BASE, 0x10000)
    plain.write(LEAF, (1).to_bytes(8, "little"))
    memory = RecordedMemory(plain)
    memory.descriptors[LEAF] = 1
    told: list[Any] = []
    checker = SimpleNamespace(on_write=lambda address, old, new, when: told.append(address),
                              on_command=lambda *_: None, on_sync=lambda when: told.append("sync"))

    async def posted(commands):
        memory.write(TABLE, bytes(8))
        plain.write(LEAF, (5).to_bytes(8, "little"))  # the hardware

    async def consumed():
        return 1

    machine = SimpleNamespace(impl=None, posted=1, post=posted, consumed=consumed,
                              sync=lambda: SYNC.make())
    env = SimpleNamespace(cycles=100, mem=SimpleNamespace(poisoned=frozenset()))
    recorder = Recorder(cast(Any, env), cast(Any, machine), cast(Any, checker), memory, None, False)

    async def software():
        await recorder.post([])
        await recorder.settle()

    asyncio.run(software())
    assert told == [TABLE, LEAF, "sync"]
