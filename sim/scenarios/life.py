"""Scenarios 4, 9, 10, 12 and 13: what begins, ends, waits and interrupts."""

from __future__ import annotations

import errno
import os

from driver.iommu.process import Process
from driver.vfio.host import DRIVER, SEC
from driver.vfio.mdev import COMPLETION, REQUEST
from driver.vfio.uapi import IrqSetFlag
from driver.wd.queue import Queue, copy_job
from driver.wd.request import MdevProvider
from pymodel.memory import PAGE
from sim.scenarios.errors import fails
from sim.scenarios.world import RW, SOURCE, TARGET, World, names
from spec.sec import ErrorType

LONG = 16 * PAGE
TYPES = f"mdev_supported_types/{DRIVER}-{SEC.name}"


async def processes(world: World) -> None:
    """4. Many address spaces behind one stream: bind, run, exit in the middle of a DMA."""
    text = bytes(range(256)) * (LONG // 256)
    people = [Process(world.iommu) for _ in range(3)]
    places, queues, bindings = [], [], []
    for n, person in enumerate(people):
        places.append((person.mmap(LONG), person.mmap(LONG)))
        person.write(places[n][0], text)
        bindings.append(await person.bind(world.stream))
        queues.append(await world.qm.open(bindings[n]))
    assert len(set(places)) == 1, "the same addresses in every program"
    for queue in queues:
        await queue.copy(*places[0], LONG, tag=1)
    for n, queue in enumerate(queues):
        assert (await world.finish(queue))[0].error is ErrorType.OK
        assert people[n].read(places[n][1], LONG) == text
    if world.smmu.impl.stalls:
        await world.skip()  # pages came while it ran
    else:
        assert not await world.settle()
    # One exits while its jobs run; its pages are free from then on.
    leaver, pasid = people.pop(), bindings.pop().pasid
    queue = queues.pop()
    target = leaver.mmap(LONG)
    pages = [leaver.mm.touch(target + at, True) for at in range(0, LONG, PAGE)]
    for n in range(4):
        await queue.copy(places[0][0], target, LONG, tag=n)
    await leaver.exit()
    assert world.stream.domain(pasid) is None
    for page in pages:
        world.bus.memory.write(page, b"\xa5" * PAGE)
    await world.idle()
    for page in pages:
        assert world.bus.memory.read(page, PAGE) == b"\xa5" * PAGE, "DMA after exit"
    await world.skip()
    result = await world.explain(pasid, SOURCE)
    assert result.pa is None, "the descriptor must be invalid"
    # The others go on, and the PASID is used again.
    heir = Process(world.iommu)
    source = heir.mmap(PAGE)
    heir.write(source, b"heir")
    binding = await heir.bind(world.stream)
    assert binding.pasid == pasid
    queue = await world.qm.open(binding)
    assert await world.copy(queue, source, source + 64, 4) is ErrorType.OK
    assert heir.read(source + 64, 4) == b"heir"
    assert await world.copy(queues[0], *places[0], PAGE) is ErrorType.OK
    await world.skip()
    for person in (heir, *people):
        await person.exit()


async def stalls(world: World) -> None:
    """9. Stall fault -> event -> map -> RESUME retry; and abort."""
    asked: list[int] = []

    async def handler(address: int, write: bool) -> bool:
        asked.append(address // PAGE * PAGE)
        if address // PAGE * PAGE == SOURCE + PAGE:
            return False
        domain.map(address // PAGE * PAGE, world.page(b"brought"), PAGE, RW)
        return True

    domain = world.iommu.domain(handler=handler)
    queue = await world.qm.open(domain)
    assert await world.copy(queue, SOURCE, TARGET, 64) is ErrorType.OK
    assert asked == [SOURCE, TARGET], "one fault for each page"
    found = domain.table.lookup(TARGET)
    assert found is not None
    assert world.bus.memory.read(found[1], 7) == b"brought"
    assert await world.copy(queue, SOURCE + PAGE, TARGET, 64) is ErrorType.DATA_READ
    assert asked[2:] == [SOURCE + PAGE], "the fault that nobody helps"
    assert await world.copy(queue, SOURCE, TARGET + 64, 64) is ErrorType.OK
    assert not await world.skip(), "stalls only"
    world.watcher.counts["stalls"] = len(asked)
    await world.qm.close(queue)


async def unmap_under_dma(world: World) -> None:
    """10. Unmap under DMA: no access after the CMD_SYNC has completed."""
    for lap in range(4):
        domain, _, targets = world.space(bytes([lap + 1]) * LONG, LONG // PAGE)
        queue = await world.qm.open(domain)
        for n in range(4):
            await queue.copy(SOURCE, TARGET, LONG, tag=n)
        await world.bus.interrupt("evtq", 150 * lap)  # let it get somewhere
        await domain.unmap(TARGET, LONG)
        for page in targets:
            world.bus.memory.write(page, b"\x5a" * PAGE)
        done = await world.finish(queue, 4)
        for page in targets:
            assert world.bus.memory.read(page, PAGE) == b"\x5a" * PAGE, "a write after the SYNC"
        assert [job.tag for job in done] == list(range(4))
        world.watcher.counts["cut short"] += sum(j.error is ErrorType.DATA_WRITE for j in done)
        assert set(names(await world.skip())) <= {"F_TRANSLATION"}
        assert await world.copy(queue) is ErrorType.DATA_WRITE
        assert set(names(await world.settle())) == {"F_TRANSLATION"}
        await world.qm.close(queue)


async def instances(world: World) -> None:
    """12. Instance exhaustion, duplicate UUID, remove while open, reset in the middle of a job."""
    def uuid(number: int) -> str:
        return f"01234567-89ab-cdef-0123-{number:012x}"

    count = world.parent.available
    for n in range(count):
        world.sysfs.write(f"{TYPES}/create", uuid(n).encode())
    with fails(errno.EUSERS):
        world.sysfs.write(f"{TYPES}/create", uuid(count).encode())
    assert world.sysfs.read(f"{TYPES}/available_instances") == "0\n"
    world.sysfs.write(f"{uuid(count - 1)}/remove", b"1")
    with fails(errno.EEXIST):
        world.sysfs.write(f"{TYPES}/create", uuid(0).encode())
    for n in range(count - 1):
        world.sysfs.write(f"{uuid(n)}/remove", b"1")
    # Removed while open: the owner is asked, goes on, and it goes when he does.
    channel = await MdevProvider(world).open()
    name, request = channel.mdev.name, os.eventfd(0, os.EFD_NONBLOCK)
    await channel.set_irqs(IrqSetFlag.DATA_EVENTFD | IrqSetFlag.ACTION_TRIGGER, REQUEST, 1,
                           request.to_bytes(4, "little"))
    world.sysfs.write(f"{name}/remove", b"1")
    assert os.eventfd_read(request) == 1
    os.close(request)
    memory = await channel.reserve(PAGE)
    assert memory.read(0, 1) == b"\0"
    with fails(errno.EEXIST):
        world.parent.create(f"{DRIVER}-{SEC.name}", name.encode())
    await channel.close()
    assert name not in world.parent.devices
    # Reset in the middle of jobs.
    queue = await world.program()
    source, target = await queue.reserve(LONG), await queue.reserve(LONG)
    source.write(0, b"x" * LONG)
    for n in range(4):
        await queue.copy(source.address, target.address, LONG, tag=n)
    await queue.reset()
    target.write(0, bytes(LONG))
    await world.idle(3)
    assert target.read(0, LONG) == bytes(LONG), "DMA after the reset"
    assert not await queue.receive()
    await world.skip()
    done = await queue.run(copy_job(source.address, target.address, 64))
    assert done.error is ErrorType.OK
    assert target.read(0, 64) == b"x" * 64
    world.watcher.counts["jobs"] += 1
    assert not await world.settle()
    await queue.release()


async def interrupts(world: World) -> None:
    """13. IRQs: eventfd trigger, mask, loopback."""
    channel = await MdevProvider(world).open()
    queue = Queue(channel, await channel.info())
    memory = await queue.reserve(PAGE)
    trigger = IrqSetFlag.ACTION_TRIGGER

    async def job() -> int:
        """One job; how often the eventfd was signalled."""
        count = 0

        async def ended() -> bool:
            nonlocal count
            count += channel.signalled()
            return bool(await queue.receive())

        await queue.copy(memory.address, memory.address + 64, 64)
        await world.until(ended, "a job")
        await world.idle(2)
        world.watcher.counts["jobs"] += 1
        return count + channel.signalled()

    assert await job() == 1
    await channel.set_irqs(IrqSetFlag.DATA_NONE | IrqSetFlag.ACTION_MASK, COMPLETION, 1)
    assert await job() == 0, "masked"
    await channel.set_irqs(IrqSetFlag.DATA_BOOL | IrqSetFlag.ACTION_UNMASK, COMPLETION, 1, b"\1")
    assert channel.signalled() == 1, "what was held back comes"
    await channel.set_irqs(IrqSetFlag.DATA_NONE | trigger, COMPLETION, 1)
    await channel.set_irqs(IrqSetFlag.DATA_BOOL | trigger, COMPLETION, 1, b"\1")
    await channel.set_irqs(IrqSetFlag.DATA_BOOL | trigger, COMPLETION, 1, b"\0")
    assert channel.signalled() == 2, "loopback"
    await channel.set_irqs(IrqSetFlag.DATA_EVENTFD | trigger, COMPLETION, 1,
                           (-1).to_bytes(4, "little", signed=True))
    assert await job() == 0, "nobody is told"
    await channel.set_irqs(IrqSetFlag.DATA_NONE | trigger, COMPLETION, 0)
    assert not await world.settle()
    await queue.release()
