"""Scenarios 2 and 3: from StreamID to page; PASID and ASID are not the same thing."""

from __future__ import annotations

from driver.iommu.domain import Domain
from driver.smmu.strtab import SPLIT
from sim.scenarios.world import FUNCTION, SOURCE, World
from spec.commands import (
    CFGI_CD,
    CFGI_STE_RANGE,
    STE_RANGE_ALL,
    TLBI_NH_ASID,
    TLBI_NSNH_ALL,
    Command,
)
from spec.context import CD_BYTES
from spec.sec import ErrorType
from spec.stream_table import STE_BYTES
from spec.vmsa import LAST_LEVEL, S1Leaf

READS = ("find_ste", "find_cd", "walk_stage1")  # what the SMMU fetches, in this order
LEVELS = 4
NOWHERE = 0x7000_0000  # nothing is mapped there


async def traced(world: World) -> None:
    """2. StreamID -> STE -> CD -> walk, each step traced; RequesterID = StreamID."""
    domain, sources, targets = world.space(b"traced")
    queue = await world.qm.open(domain)
    assert await world.copy(queue) is ErrorType.OK  # everything is cached that can be
    assert not await world.settle()
    result = await world.explain(queue.pasid, SOURCE)
    assert result.pa == sources[0]
    reads = [step for step in result.steps if step.step in READS]
    kinds = [step.step for step in reads]
    assert list(dict.fromkeys(kinds)) == list(READS), "StreamID, then CD, then the walk"
    assert kinds.count("walk_stage1") == LEVELS
    ste = next(step for step in reversed(reads) if step.step == "find_ste")
    assert ste.address is not None
    assert ste.address // STE_BYTES % (1 << SPLIT) == world.sid % (1 << SPLIT)
    world.watcher.counts["steps"] = len(result.steps)
    await world.smmu.cmdq.issue(CFGI_STE_RANGE.make(Range=STE_RANGE_ALL), TLBI_NSNH_ALL.make())
    world.watcher.fetches()
    assert await world.copy(queue) is ErrorType.OK
    assert world.bus.memory.read(targets[0], 6) == b"traced"
    fetched = world.watcher.fetches()
    if fetched is not None:  # the TCU has read exactly these, in this order
        wanted = [step.address for step in reads]
        seen = [address for address in fetched if address in wanted]
        assert list(dict.fromkeys(seen)) == wanted, (fetched, wanted)
        world.watcher.counts["fetches"] = len(fetched)
    assert not await world.settle()
    assert await world.copy(queue, NOWHERE) is ErrorType.DATA_READ
    sids = {dict(event.items())["StreamID"] for event in await world.settle()}
    assert sids == {_requester_id(FUNCTION)}, "the StreamID must be the RequesterID"
    await world.qm.close(queue)


def _requester_id(name: str) -> int:
    """Bus, device and function number of a PCI name as one number."""
    bus, device, function = name.replace(".", ":").split(":")[1:]
    return int(bus, 16) << 8 | int(device, 16) << 3 | int(function)


async def pasid_is_not_asid(world: World) -> None:
    """3. Two PASIDs share one ASID; an ASID that is given to another address space needs CFGI_CD
    and TLBI, and the stale hit shows without them."""
    domain, _, targets = world.space(b"old")
    queues = [await world.qm.open(domain) for _ in range(2)]
    assert queues[0].pasid != queues[1].pasid, "two PASIDs"
    asid = domain.asid
    for queue in queues:
        result = await world.explain(queue.pasid, SOURCE)
        found = [step.fields["ASID"] for step in result.steps if step.step == "find_cd"]
        assert found == [asid], "one ASID"
        assert await world.copy(queue) is ErrorType.OK
    assert not await world.settle()
    await world.qm.close(queues.pop())
    queue = queues[0]
    assert await world.copy(queue) is ErrorType.OK  # cached again
    assert not await world.settle()
    other, _, other_targets = world.space(b"new")

    async def seen(*commands: Command) -> bytes:
        """What a copy brings, after these commands, and where the page is that it goes to."""
        if commands:
            await world.smmu.cmdq.issue(*commands)
        for page in (*targets, *other_targets):
            world.bus.memory.write(page, bytes(8))
        assert await world.copy(queue, size=3) is ErrorType.OK
        texts = [world.bus.memory.read(page, 3) for page in (*targets, *other_targets)]
        return next(text for text in texts if text != bytes(3))

    drop_cd = CFGI_CD.make(StreamID=world.sid, SSV=1, SubstreamID=queue.pasid, Leaf=1)
    drop_asid = TLBI_NH_ASID.make(ASID=asid)
    # The descriptor points to other tables under the same ASID, and nobody is told.
    _reassign(world, domain, other, queue.pasid)
    stale = [await seen()]
    assert await seen(drop_cd, drop_asid) == b"new"
    # The tables' memory is used for the next address space, ASID and root being the same.
    slot = other.table._find(SOURCE, LAST_LEVEL)
    leaf = S1Leaf(world.bus.memory.read64(slot))
    world.bus.memory.write(slot, leaf.replace(Address=world.page(b"now")).to_bytes())
    stale.append(await seen(drop_cd))
    assert await seen(drop_asid) == b"now"
    if world.watcher.caches:
        assert stale == [b"old", b"new"], f"no stale hit: {stale}"
        world.watcher.counts["stale hits"] = len(stale)
    assert not await world.skip()
    if world.lint is not None:  # it must have noticed the second one
        rules = {finding.rule for finding in world.lint.findings}
        assert rules == {"bbm"}, rules
        world.watcher.counts["findings"] = len(world.lint.findings)
        world.lint.findings.clear()
    # Back to where the driver thinks they are.
    await world.stream.silence(queue.pasid)
    await world.stream.restore(queue.pasid)
    await world.qm.close(queue)


def _reassign(world: World, domain: Domain, other: Domain, pasid: int) -> None:
    """Let the PASID's descriptor point to another address space under the ASID of `domain`."""
    descriptor = other.descriptor().replace(ASID=domain.asid, EPD0=0)
    address = world.stream._table.base + CD_BYTES * pasid
    for n, word in enumerate(descriptor.words()):
        if world.bus.memory.read64(address + 8 * n) != word:
            world.bus.memory.write(address + 8 * n, word.to_bytes(8, "little"))
