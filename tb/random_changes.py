"""Random changes to what was accessed lately, for benches that change tables under traffic."""

from __future__ import annotations

from spec.commands import (
    CFGI_CD,
    CFGI_CD_ALL,
    TLBI_NH_ALL,
    TLBI_NH_ASID,
    TLBI_NH_VA,
    TLBI_NH_VAA,
    TLBI_NSNH_ALL,
    Command,
)
from tb.random_tables import Leaf, StageTable
from tb.random_world import Context, Stream, World


class Changes:
    """Draws changes of `world`; like `World.change`, with more kinds."""

    def __init__(self, world: World) -> None:
        self._world, self._rng = world, world.rng
        self._unlinked: dict[int, int] = {}  # descriptors that were cleared, by address

    def change(self) -> list[Command]:
        """Change one thing in memory; the commands that make it certain."""
        world, rng = self._world, self._rng
        kind = rng.choices(("any", "leaf", "table", "cd", "ste", "asid"), (1, 4, 4, 3, 1, 2))[0]
        if kind == "any" or not world.recent:
            return world.change()
        stream, context, half, leaf = rng.choice(world.recent)
        if kind == "leaf":
            return world.change_leaf(stream, context, half, leaf)
        if kind == "table":
            return self._table(stream, context, half, leaf)
        if kind == "asid":
            return self._asid(stream, context)
        commands = world.change_cd(stream, context) if kind == "cd" else world.change_ste(stream)
        # What the TLB has may stay, with the effects that this has.
        return commands if rng.random() < 0.5 else commands[:1]

    def _table(self, stream: Stream, context: Context, half: StageTable,
               leaf: Leaf) -> list[Command]:
        """Take a table above the leaf away, or put it back."""
        rng, vmid, asid = self._rng, self._world.vmid(stream), context.cd.ASID
        if leaf.level == half.start:
            return []
        slot = half.slot(leaf.iova, rng.randrange(half.start, leaf.level))
        assert slot is not None
        if slot in self._unlinked:
            half.put(slot, self._unlinked.pop(slot))
        else:
            self._unlinked[slot] = self._world.memory.read64(slot)
            half.put(slot, 0)
        return [rng.choice((
            TLBI_NH_VA.make(VMID=vmid, ASID=asid, VA=leaf.iova),
            TLBI_NH_VAA.make(VMID=vmid, VA=leaf.iova), TLBI_NH_ASID.make(VMID=vmid, ASID=asid),
            TLBI_NH_ALL.make(VMID=vmid), TLBI_NSNH_ALL.make()))]

    def _asid(self, stream: Stream, context: Context) -> list[Command]:
        """Give the address space another ASID; the old one is free afterwards."""
        world, old = self._world, context.cd.ASID
        used = {other.cd.ASID for s in world.streams for other in s.contexts}
        free = [n for n in range(1, 1 << world.impl.asid_bits) if n not in used]
        if not free:
            return []
        context.cd = context.cd.replace(ASID=self._rng.choice(free))
        world.memory.write(context.address, context.cd.to_bytes())
        one = CFGI_CD.make(StreamID=stream.sid, SSV=1, SubstreamID=context.ssid, Leaf=1)
        return [self._rng.choice((one, CFGI_CD_ALL.make(StreamID=stream.sid))),
                TLBI_NH_ASID.make(VMID=world.vmid(stream), ASID=old)]
