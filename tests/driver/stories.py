"""What drivers and programs do, on any bus: the golden model or the RTL in a simulator."""

from __future__ import annotations

import select

from driver.accel.qm import QmDriver
from driver.bus import Bus, DriverError
from driver.iommu.domain import Iommu, Stream
from driver.iommu.mm import Mm
from driver.iommu.pagetable import Prot
from driver.iommu.process import Process
from driver.smmu import device as smmu_device
from driver.smmu.cmdq import CommandRefused
from driver.smmu.device import SmmuDriver
from driver.vfio import iommufd_uapi as fd
from driver.vfio.cdev import CdevFile
from driver.vfio.iommufd import Iommufd
from driver.vfio.owner import FunctionBus, OwnedDomain, OwnedStream
from driver.vfio.pci import ACCEL_WIRES, PciFunction, accelerator_bars
from driver.vfio.uacce import Uacce, UacceFile
from driver.vfio.uacce_uapi import QpContext, QpInfo, QueueFileRegion, UacceIoctl
from pymodel.memory import PAGE
from sim.scenarios.world import SLICE, SOURCE, TARGET, Board, Watcher, World
from spec.commands import TLBI_NH_ALL, Command
from spec.events import Event
from spec.qm import CQE, DOORBELL_OFFSET, SQE_BYTES, Doorbell, DoorbellCommand
from spec.sec import BD3, BD3_TYPE, Cipher, ErrorType
from tests.driver.attacks import attacks

RW = Prot.READ | Prot.WRITE
IOMMUFD = 7  # the program's descriptor
PASIDS = 16


class Nobody(Watcher):
    """Does not watch."""

    async def fresh(self, *, function: bool) -> Board:
        raise NotImplementedError

    async def begin(self, world: World) -> None:
        pass

    async def settle(self, events: list[Event]) -> None:
        pass

    def skip(self) -> None:
        pass

    def fetches(self) -> None:
        return None


async def host(bus: Bus, sid: int) -> World:
    """A host with nobody who watches."""
    return await World.create(bus, sid, Nobody())


class User:
    """What UADK does with an open queue: rings and doorbell page, and no system call."""

    def __init__(self, world: World, uacce: Uacce, file: UacceFile) -> None:
        self.world, self.file = world, file
        self.page = file.mmap(QueueFileRegion.MMIO, uacce.mmio_size)
        self.rings = file.mmap(QueueFileRegion.DUS, uacce.dus_size)
        self.tail = self.head = 0

    async def start(self) -> User:
        argument = bytearray(QpContext.size())
        await self.file.ioctl(UacceIoctl.SET_QP_CONTEXT, argument)
        self.number = QpContext.decode(argument).id
        argument = bytearray(QpInfo.size())
        await self.file.ioctl(UacceIoctl.GET_QP_INFO, argument)
        self.info = QpInfo.decode(argument)
        await self.file.ioctl(UacceIoctl.START_Q)
        return self

    async def send(self, source: int, target: int, size: int) -> None:
        job = BD3.make(type=BD3_TYPE, cipher=Cipher.COPY, de=1, data_src_addr=source,
                       data_dst_addr=target, c_len=size)
        await self.rings.store(SQE_BYTES * self.tail, job.to_bytes())
        self.tail += 1
        word = Doorbell.pack(queue=self.number, command=DoorbellCommand.SQ, index=self.tail)
        await self.page.store(DOORBELL_OFFSET, word.to_bytes(8, "little"))

    async def receive(self) -> ErrorType:
        slot = SQE_BYTES * self.info.sq_depth + CQE.size() * self.head

        async def done() -> bool:
            await self.world.iommu.faults.service()
            return bool(CQE.from_bytes(await self.rings.load(slot, CQE.size())).phase)

        await self.world.until(done, "the completion")
        entry = CQE.from_bytes(await self.rings.load(slot, CQE.size()))
        self.head += 1
        job = await self.rings.load(SQE_BYTES * entry.sq_head, SQE_BYTES)
        return ErrorType(BD3.from_bytes(job).error_type)

    async def copy(self, source: int, target: int, size: int) -> ErrorType:
        await self.send(source, target, size)
        return await self.receive()


class Owner:
    """A host whose accelerator belongs to one program, and that program."""

    def __init__(self, bus: Bus, iommu: Iommu, stream: Stream, queues: int) -> None:
        self.bus, self.smmu, self.iommu = bus, iommu.smmu, iommu
        self.function = PciFunction(bus, "0000:00:03.0", 3, accelerator_bars(queues), ACCEL_WIRES,
                                    stream)
        self.mm = Mm(bus)
        self.iommufd = Iommufd(iommu, self.mm)
        self.open()

    @classmethod
    async def create(cls, bus: Bus, sid: int, queues: int) -> Owner:
        iommu = Iommu(await SmmuDriver.probe(bus))
        return cls(bus, iommu, await Stream.open(iommu, sid, PASIDS.bit_length() - 1), queues)

    def open(self) -> None:
        """The program opens the device."""
        self.file = CdevFile(self.function, {IOMMUFD: self.iommufd})
        self.stream = OwnedStream(self.file, self.iommufd, IOMMUFD, PASIDS)
        self.device = FunctionBus(self.file, self.mm, ACCEL_WIRES)

    async def probe(self) -> None:
        """The program's own driver, the same as the host's."""
        self.qm = await QmDriver.probe(self.device, self.stream, self.stream)  # type: ignore[arg-type]

    async def shut(self) -> None:
        """The program closes the device."""
        self.device.close()
        await self.file.close()

    def memory(self, domain: OwnedDomain, iova: int, data: bytes = b"", prot: Prot = RW) -> int:
        """A page of the program, reached at `iova`; its address."""
        at = self.mm.mmap(PAGE)
        self.mm.write(at, data)
        domain.map(iova, at, PAGE, prot)
        return at

    async def copy(self, queue, source: int, target: int, size: int) -> ErrorType:
        await queue.copy(source, target, size, 1)
        for _ in range(50):
            await self.function.service(SLICE)
            done = await queue.receive()
            if done:
                return done[0].error
        raise DriverError("the job does not end")


async def commands(bus: Bus, sid: int) -> None:
    """Batches beyond the queue, illegal commands among others, an overflow of events."""
    smmu_device.CMDQ_LOG2SIZE, smmu_device.EVENTQ_LOG2SIZE, sizes = 3, 1, (
        smmu_device.CMDQ_LOG2SIZE, smmu_device.EVENTQ_LOG2SIZE)
    try:
        world = await host(bus, sid)
    finally:
        smmu_device.CMDQ_LOG2SIZE, smmu_device.EVENTQ_LOG2SIZE = sizes
    cmdq = world.smmu.cmdq
    await cmdq.issue(*[TLBI_NH_ALL.make()] * 20)
    for batch in ([Command(0xEE)], [TLBI_NH_ALL.make(), Command(0xEE), TLBI_NH_ALL.make()]):
        try:
            await cmdq.issue(*batch)
        except CommandRefused:
            continue
        raise AssertionError("an illegal command was done")
    await cmdq.post(Command(0xEE))
    await bus.interrupt("gerror", SLICE)
    await world.until(lambda: _noticed(world), "the interrupt's reason")
    await cmdq.issue(TLBI_NH_ALL.make())
    assert len(cmdq.refused) == 3
    queue = await world.qm.open(world.iommu.domain())
    for n in range(4):
        await queue.copy(SOURCE, TARGET, 64, tag=n)
    for _ in range(4):
        await bus.interrupt("eq", SLICE)
    before = len(world.events)
    await world.iommu.faults.service()
    assert world.smmu.evtq.overflows
    assert len(world.events) > before
    await world.finish(queue, 4)
    world.iommu.faults.events.clear()
    await queue.copy(SOURCE, TARGET, 64, tag=9)
    await world.finish(queue)
    await world.iommu.faults.service()
    assert world.events, "the event queue works again"
    await world.qm.close(queue)


async def _noticed(world) -> bool:
    """Whether there was a global error, whoever has handled it."""
    await world.smmu.errors.service()
    return bool(world.smmu.errors.seen)


async def shared_addresses(bus: Bus, sid: int) -> None:
    """UACCE: two programs at the same addresses, pages on demand, munmap, exit in the middle."""
    world = await host(bus, sid)
    uacce = Uacce(world.qm, "hisi_sec2-0", "cipher")
    users, processes = [], []
    for n in range(2):
        process = Process(world.iommu)
        user = await User(world, uacce, await uacce.open(process)).start()
        source, target = (process.mmap(3 * PAGE) for _ in range(2))
        process.write(source, bytes([n + 1]) * (2 * PAGE))
        users.append(user)
        processes.append(process)
    for user in users:
        await user.send(source, target, 2 * PAGE)
    for n, (user, process) in enumerate(zip(users, processes, strict=True)):
        assert await user.receive() is ErrorType.OK
        assert process.read(target, 2 * PAGE) == bytes([n + 1]) * (2 * PAGE)
    first, second = processes
    await first.munmap(source, PAGE)
    assert await users[0].copy(source, target, 16) is not ErrorType.OK
    assert await users[1].copy(source, target, 16) is ErrorType.OK
    await users[0].send(source + PAGE, target, PAGE)  # in flight when the program ends
    await users[0].send(source + 2 * PAGE, target, PAGE)
    await first.exit()
    assert await users[1].copy(source, target + PAGE, 16) is ErrorType.OK
    assert second.read(target + PAGE, 16) == b"\2" * 16
    third = await User(world, uacce, await uacce.open(second)).start()
    fresh = second.mmap(3 * PAGE)
    await third.send(fresh, fresh, 3 * PAGE)  # its queue is put while the pages come
    await third.file.close()
    assert await users[1].copy(source, target, 16) is ErrorType.OK
    for user in users:
        await user.file.close()
    await second.exit()


async def blocks(bus: Bus, sid: int) -> None:
    """Blocks, split where a part goes, with jobs on both sides of the hole."""
    world = await host(bus, sid)
    domain, big = world.iommu.domain(), 1 << 21
    base = bus.pages.contiguous(big, big)
    for n in range(3):
        bus.memory.write(base + n * PAGE, bytes([n + 1]) * 32)
    domain.map(SOURCE, base, big, RW)
    assert domain.table.lookup(SOURCE) == (2, base)
    domain.map(TARGET, bus.pages.scatter(), PAGE, RW)
    queue = await world.qm.open(domain)
    assert await world.copy(queue, SOURCE + PAGE, TARGET, 32) is ErrorType.OK
    await domain.unmap(SOURCE + PAGE, PAGE)
    assert await world.copy(queue, SOURCE + PAGE, TARGET, 32) is not ErrorType.OK
    found = domain.table.lookup(TARGET)
    assert found is not None
    for n in (0, 2):
        assert await world.copy(queue, SOURCE + n * PAGE, TARGET, 32) is ErrorType.OK
        assert bus.memory.read(found[1], 32) == bytes([n + 1]) * 32
    await domain.unmap(SOURCE + 2 * PAGE, big - 2 * PAGE)
    assert await world.copy(queue, SOURCE + 2 * PAGE, TARGET, 32) is not ErrorType.OK
    assert await world.copy(queue, SOURCE, TARGET, 32) is ErrorType.OK
    await world.qm.close(queue)
    domain.close()


async def few_asids(bus: Bus, sid: int) -> None:
    """Five address spaces on three ASIDs; whoever is parked works again when it faults."""
    world = await host(bus, sid)
    world.iommu.asids._limit = world.iommu.asids._fresh + 3
    spaces = []

    async def handler(address: int, write: bool) -> bool:
        return False

    for n in range(5):
        domain = world.iommu.domain(handler=handler)
        domain.map(SOURCE, world.page(bytes([n + 1]) * 16), PAGE, RW)
        spaces.append((domain, await world.qm.open(domain)))
    assert sum(domain.asid == 0 for domain, _ in spaces) == 2
    for _ in range(2):
        for n, (domain, queue) in enumerate(spaces):
            assert await world.copy(queue, SOURCE, SOURCE + 64, 16) is ErrorType.OK
            found = domain.table.lookup(SOURCE)
            assert found is not None
            assert bus.memory.read(found[1] + 64, 16) == bytes([n + 1]) * 16
    for domain, queue in spaces:
        await world.qm.close(queue)
        domain.close()


async def whole_function(bus: Bus, sid: int) -> None:
    """One program has the whole function: own PASIDs, page tables exchanged under them, faults in
    its own queue where the SMMU stalls, and a second owner after it."""
    owner = await Owner.create(bus, sid, queues=4)
    await owner.probe()
    first, second = owner.stream.domain(), owner.stream.domain()
    for n, domain in enumerate((first, second)):
        owner.memory(domain, 0x4000, bytes([n + 1]) * 32)
        target = owner.memory(domain, 0x8000)
    queue = await owner.qm.open(first)
    assert await owner.copy(queue, 0x4000, 0x8000, 32) is ErrorType.OK
    await owner.stream.replace(queue.pasid, second)
    assert await owner.copy(queue, 0x4000, 0x8000, 32) is ErrorType.OK
    assert owner.mm.read(target, 32) == b"\2" * 32
    assert await owner.copy(queue, 0xC000, 0x8000, 32) is not ErrorType.OK
    if owner.smmu.impl.stalls:
        await _own_faults(owner)
    await owner.shut()
    owner.open()
    await owner.probe()
    domain = owner.stream.domain()
    owner.memory(domain, 0x4000)
    assert await owner.copy(await owner.qm.open(domain), 0x4000, 0x4100, 16) is ErrorType.OK
    await owner.shut()
    await owner.iommufd.close()


async def _own_faults(owner: Owner) -> None:
    argument = bytearray(fd.FaultAlloc(fd.FaultAlloc.size()).encode())
    await owner.iommufd.ioctl(fd.IommufdIoctl.FAULT_QUEUE_ALLOC, argument)
    alloc = fd.FaultAlloc.decode(argument)
    faults = owner.iommufd.files[alloc.out_fault_fd]
    domain = owner.stream.domain(alloc.out_fault_id)
    owner.memory(domain, 0x8000)
    queue = await owner.qm.open(domain)
    await queue.copy(0x4000, 0x8000, 16, 1)
    for _ in range(50):
        await owner.bus.interrupt("evtq", SLICE)
        await owner.iommu.faults.service()
        if select.select([alloc.out_fault_fd], [], [], 0)[0]:
            break
    record = fd.PageFault.decode(faults.read(fd.PageFault.size()))
    assert (record.pasid, record.addr & -PAGE) == (queue.pasid, 0x4000)
    owner.memory(domain, 0x4000, b"late")
    await faults.write(fd.PageResponse(record.cookie, fd.FaultCode.SUCCESS).encode())
    for _ in range(50):
        if done := await queue.receive():
            break
        await owner.function.service(SLICE)
    assert done[0].error is ErrorType.OK


STORIES = {story.__name__: story for story in (
    commands, shared_addresses, blocks, few_asids, whole_function, attacks)}
STALLING = {"few_asids"}  # need the stall model
