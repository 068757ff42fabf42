"""Scenarios 1, 5, 6, 8 and 14: who reaches what."""

from __future__ import annotations

import errno
from functools import partial

from driver.accel.queue import Queue
from driver.iommu.handle import Handles
from driver.iommu.pagetable import Prot
from driver.iommu.process import Process
from driver.vfio.container import Container
from driver.vfio.kernel import Kernel
from driver.vfio.legacy import Form, LegacyFile, LegacyMdev
from driver.vfio.mdev import DOORBELL, MdevType
from driver.vfio.uacce_uapi import SdmdevIoctl
from driver.vfio.uapi import ContainerIoctl, Extension, GroupIoctl
from driver.wd.queue import copy_job
from driver.wd.request import MdevProvider
from pymodel.memory import PAGE
from sim.scenarios.errors import fails
from sim.scenarios.world import RW, SOURCE, TARGET, World, names
from spec.qm import DOORBELL_OFFSET, SQC, Doorbell, DoorbellCommand, MailboxCommand
from spec.sec import ErrorType


async def same_iova(world: World) -> None:
    """1. Two applications, two mdev queues, the same IOVA, different physical pages."""
    texts = [bytes([n + 1]) * PAGE for n in range(2)]
    queues = [await world.program() for _ in texts]
    sources = [await queue.reserve(PAGE) for queue in queues]
    targets = [await queue.reserve(PAGE) for queue in queues]
    assert sources[0].address == sources[1].address
    assert targets[0].address == targets[1].address
    for source, text in zip(sources, texts, strict=True):
        source.write(0, text)
    for n, queue in enumerate(queues):
        await queue.copy(sources[n].address, targets[n].address, PAGE, tag=n)
    for n, queue in enumerate(queues):
        assert await queue.wait()
        assert [(job.tag, job.error) for job in await queue.receive()] == [(n, ErrorType.OK)]
        world.watcher.counts["jobs"] += 1
    assert [target.read(0, PAGE) for target in targets] == texts
    pages = [(await world.explain(mdev.queue.pasid, sources[0].address)).pa
             for mdev in world.parent.devices.values() if mdev.queue]
    assert len(set(pages)) == 2, "the same IOVA must be two pages"
    assert not await world.settle()
    for queue in queues:
        await queue.release()


async def handed_over(world: World) -> None:
    """5. Many domains per device: A creates one, maps, hands the handle to B, who submits."""
    handles, page = Handles(world.qm), world.page(b"from A")
    others = [handles.create("C") for _ in range(3)]
    handle = handles.create("A")
    handles.map("A", handle, SOURCE, page, PAGE, RW)
    with fails(errno.EPERM):
        await handles.open("B", handle)
    handles.give("A", handle, "B")
    with fails(errno.EPERM):
        await handles.open("A", handle)
    channel = await handles.open("B", handle)
    assert not [name for name in dir(channel) if "pasid" in name.lower()]
    await channel.copy(SOURCE, SOURCE + 0x800, 6, 5)

    async def ended() -> bool:
        done.extend(await channel.receive())
        return bool(done)

    done: list = []
    await world.until(ended, "B's job")
    assert (done[0].tag, done[0].error) == (5, ErrorType.OK)
    world.watcher.counts["jobs"] += 1
    assert world.bus.memory.read(page + 0x800, 6) == b"from A"
    assert not await world.settle()
    with fails(errno.EBUSY):
        handles.destroy("B", handle)
    await channel.close()
    handles.destroy("B", handle)
    for other in others:
        handles.destroy("C", other)


async def private_contexts(world: World) -> None:
    """6. Private PASID contexts: map, unmap, remap with no process attached."""
    domain, _, targets = world.space(b"first")
    queue = await world.qm.open(domain)
    for text in (b"first", b"second", b"third"):
        page = world.page(text)
        await domain.unmap(SOURCE, PAGE)
        domain.map(SOURCE, page, PAGE, Prot.READ)
        assert await world.copy(queue) is ErrorType.OK
        assert world.bus.memory.read(targets[0], len(text)) == text
        assert not await world.settle()
    await domain.unmap(SOURCE, PAGE)
    assert await world.copy(queue) is ErrorType.DATA_READ
    assert set(names(await world.settle())) == {"F_TRANSLATION"}
    await world.qm.close(queue)


async def isolation(world: World) -> None:
    """8. Foreign doorbell, foreign or unbound PASID, unmapped IOVA, write to read-only memory;
    neighbours unaffected."""
    provider = MdevProvider(world)
    intruder, victim = await provider.open(), await world.program()
    held, room = await victim.reserve(PAGE), await victim.reserve(PAGE)
    held.write(0, b"victim")

    async def neighbour() -> None:
        done = await victim.run(copy_job(held.address, room.address, 6))
        assert done.error is ErrorType.OK
        assert room.read(0, 6) == b"victim"
        world.watcher.counts["jobs"] += 1

    # Foreign doorbell: the page takes only its own queue's number.
    stranger = (await victim._channel.info()).number
    word = Doorbell.pack(queue=stranger, command=DoorbellCommand.SQ, index=5)
    await intruder.write(DOORBELL, DOORBELL_OFFSET, word.to_bytes(8, "little"))
    await world.idle(2)
    assert not await victim.receive()
    await neighbour()
    assert not await world.settle()
    await intruder.close()
    # Foreign PASID: a program can work under its own only.
    foreign = next(mdev.queue.pasid for mdev in world.parent.devices.values() if mdev.queue)
    await _bind_foreign(world, foreign)
    await neighbour()
    assert not await world.settle()
    # Unmapped IOVA, and memory mapped for reading.
    domain, sources, _ = world.space(b"text")
    queue = await world.qm.open(domain)
    assert await world.copy(queue, 0x7000_0000, TARGET) is ErrorType.DATA_READ
    await neighbour()
    assert set(names(await world.settle())) == {"F_TRANSLATION"}
    assert await world.copy(queue, TARGET, SOURCE) is ErrorType.DATA_WRITE
    await neighbour()
    assert set(names(await world.settle())) == {"F_PERMISSION"}
    assert world.bus.memory.read(sources[0], 4) == b"text"
    pasid = queue.pasid
    await world.qm.close(queue)
    # A PASID that nothing is bound to, programmed into a queue by a broken kernel.
    broken = await world.qm.open(None)
    for unbound in (pasid, SQC.pasid.max):
        await world.qm.mailbox(MailboxCommand.STOP_QP, broken.number, 0)
        broken.rewind()
        broken.pasid = unbound
        await broken.start()
        assert await world.copy(broken) is ErrorType.DATA_READ
        await neighbour()
        assert set(names(await world.settle())) <= {"C_BAD_SUBSTREAMID", "C_BAD_CD"}
    broken.pasid = 0
    await world.qm.close(broken)
    await victim.release()


async def _bind_foreign(world: World, foreign: int) -> None:
    """A program with a queue of the 2018 interface asks for somebody else's PASID."""
    kind, uuid = "substream-sdmdev", b"00000000-0000-0000-0000-0000000000bb"
    world.parent.types[kind] = MdevType("sdmdev", make=partial(LegacyMdev, form=Form.SDMDEV))
    mdev, caller = world.parent.create(kind, uuid), Process(world.iommu)
    own = (await caller.bind(world.stream)).pasid
    group, container = mdev.group.open(), world.container()
    await group.ioctl(GroupIoctl.SET_CONTAINER, container)
    await container.ioctl(ContainerIoctl.SET_IOMMU, Extension.TYPE1v2)
    file = await group.device_fd(mdev.name)
    assert isinstance(file, LegacyFile)
    file.caller = caller
    with fails(errno.EINVAL):
        await file.ioctl(SdmdevIoctl.BIND_PASID, foreign)
    await file.ioctl(SdmdevIoctl.BIND_PASID, own)
    await group.close()
    world.parent.remove(mdev.name)
    await caller.exit()


async def no_pasid(world: World) -> None:
    """14. No PASID: one process, one domain that all its queues share; NOIOMMU refused."""
    pages = [world.page(b"shared by all"), world.page()]
    for n, page in enumerate(pages):
        world.qm.kernel.map(SOURCE + n * PAGE, page, PAGE, RW)
    queues: list[Queue] = [await world.qm.open(None) for _ in range(2)]
    for n, queue in enumerate(queues):
        assert not queue.pasid
        assert await world.copy(queue, SOURCE, SOURCE + PAGE + 64 * n, 13) is ErrorType.OK
        assert world.bus.memory.read(pages[1] + 64 * n, 13) == b"shared by all"
    assert not await world.settle()
    for queue in queues:
        await world.qm.close(queue)
    await world.qm.kernel.unmap(SOURCE, 2 * PAGE)
    for kernel in (Kernel(), Kernel(noiommu=True)):
        container = Container(world.iommu, MdevProvider(world)._mm, kernel)
        found = await container.ioctl(ContainerIoctl.CHECK_EXTENSION, Extension.NOIOMMU)
        assert found == kernel.noiommu
    container = world.container()
    mdev = world.parent.create("substream-sec", b"00000000-0000-0000-0000-0000000000aa")
    group = mdev.group.open()
    await group.ioctl(GroupIoctl.SET_CONTAINER, container)
    with fails(errno.ENODEV):
        await container.ioctl(ContainerIoctl.SET_IOMMU, Extension.NOIOMMU)
    with fails(errno.EINVAL):
        await group.device_fd(mdev.name)
    await group.close()
    world.parent.remove(mdev.name)
