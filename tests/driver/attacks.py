"""Every attack that the owner of a queue can try, what comes of it, and that nobody else notices.

Each attack gets the attacker's queue, does its worst, and says what happened; after each of them
the neighbours' memory and rings are compared byte by byte, and the neighbours work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from driver.accel import jobs
from driver.accel.qm import KERNEL_IOVA, QmDriver
from driver.accel.queue import Queue
from driver.accel.sgl import pack_sgl
from driver.bus import Bus, Region
from driver.iommu.domain import Domain, Iommu, Stream
from driver.iommu.pagetable import Prot
from driver.smmu.device import SmmuDriver
from pymodel.memory import PAGE
from spec.qm import (
    AEQE,
    BAR4_BASE,
    CQE,
    DOORBELL_PAGE,
    SQE_BYTES,
    AeqeType,
    Doorbell,
    DoorbellCommand,
    Mailbox,
    MailboxCommand,
    doorbell_offset,
)
from spec.sec import BD3, ErrorType, Mode

HERE, THERE, FOREIGN = 0x4000_0000, 0x4000_1000, 0x5000_0000   # mapped, mapped, the neighbours'
SECRET = bytes(range(256)) * 16
SLICE = 2_000
ROUNDS = 400
SQ, CQ = DoorbellCommand.SQ, DoorbellCommand.CQ


class Scene:
    """An attacker and two neighbours.

    Members
    -------
    queue
        The attacker's.
    pages
        What HERE and THERE are for the attacker.
    """

    def __init__(self, bus: Bus, qm: QmDriver) -> None:
        self.bus, self.qm, self.iommu = bus, qm, qm.iommu
        self.neighbours: list[tuple[Queue, Domain, list[int]]] = []

    @classmethod
    async def create(cls, bus: Bus, sid: int) -> Scene:
        iommu = Iommu(await SmmuDriver.probe(bus))
        stream = await Stream.open(iommu, sid, 4)
        scene = cls(bus, await QmDriver.probe(bus, iommu, stream))
        for base in (HERE, FOREIGN, FOREIGN):
            domain = iommu.domain()
            pages = [bus.pages.scatter() for _ in range(2)]
            for n, page in enumerate(pages):
                domain.map(base + n * PAGE, page, PAGE, Prot.READ | Prot.WRITE)
            scene.neighbours.append((await scene.qm.open(domain), domain, pages))
            bus.memory.write(pages[0], SECRET)
        scene.queue, _, scene.pages = scene.neighbours.pop(0)
        return scene

    async def doorbell(self, offset: int = 0, **fields: int) -> None:
        """A doorbell word somewhere in the attacker's page, by default where it belongs."""
        word = Doorbell.make(queue=self.queue.number, command=SQ).replace(**fields)
        page = doorbell_offset(self.queue.number) - BAR4_BASE
        await self.bus.write(Region.DOORBELL, page + offset, word.value, 8)

    async def ended(self, queue: Queue, count: int = 1) -> list[ErrorType]:
        """How the next jobs of a queue end."""
        done: list[ErrorType] = []
        for _ in range(ROUNDS):
            done += [completion.error for completion in await queue.receive()]
            if len(done) >= count:
                return done
            await self.bus.interrupt("eq", SLICE)
        raise AssertionError(f"queue {queue.number}: {len(done)} of {count} jobs have ended")

    async def do(self, job: BD3) -> str:
        await self.queue.send(job)
        return (await self.ended(self.queue))[0].name

    async def silent(self) -> str:
        """Nothing comes of it."""
        await self.bus.interrupt("eq", SLICE)
        return "nothing" if not await self.queue.receive() else "a completion"

    async def work(self) -> None:
        """The neighbours work, and only they have changed what is theirs."""
        for queue, _, pages in self.neighbours:
            assert self.bus.memory.read(pages[0], PAGE) == SECRET
            await queue.copy(FOREIGN, FOREIGN + PAGE, PAGE, tag=1)
        for queue, _, pages in self.neighbours:
            assert await self.ended(queue) == [ErrorType.OK]
            assert self.bus.memory.read(pages[1], PAGE) == SECRET
            self.bus.memory.write(pages[1], bytes(PAGE))

    def private(self) -> list[bytes]:
        """Everything that the attacker must not change: memory and rings of the neighbours, and
        what the driver shares with the device."""
        read, depth = self.bus.memory.read, self.qm.aeq.depth
        return [read(page, PAGE) for _, _, pages in self.neighbours for page in pages] + [
            read(queue.ring, queue.ring_bytes) for queue, _, _ in self.neighbours] + [
            read(self.qm.aeq.physical, AEQE.size() * depth)]


async def foreign_doorbell(s: Scene) -> str:
    for queue, _, _ in s.neighbours:
        await s.doorbell(queue=queue.number, index=3)
        await s.doorbell(queue=queue.number, command=CQ, index=3, c_flag=1)
    return await s.silent()


async def doorbell_beyond_the_ring(s: Scene) -> str:
    await s.doorbell(index=s.queue.depth)
    await s.doorbell(index=0xFFFF)
    await s.doorbell(command=CQ, index=s.queue.depth, c_flag=1)
    return await s.silent()


async def doorbells_of_the_event_queues(s: Scene) -> str:
    for command in (DoorbellCommand.EQ, DoorbellCommand.AEQ, 7, 15):
        await s.doorbell(command=command, index=1)
    return await s.silent()


async def mailbox_through_the_page(s: Scene) -> str:
    """The words that would stop a neighbour, everywhere in the page but at the doorbell."""
    number = s.neighbours[0][0].number
    words = Mailbox.to(MailboxCommand.STOP_QP, number).words()
    base = DOORBELL_PAGE * s.queue.number
    for offset in (0, Mailbox.OFFSET, 0xFF0, 0x1010, 0x2000, 0x8000, DOORBELL_PAGE - 16):
        for n, word in enumerate(words):
            await s.bus.write(Region.DOORBELL, base + offset + 8 * n, word, 8)
    return await s.silent()


async def read_of_a_neighbour(s: Scene) -> str:
    return await s.do(jobs.copy(FOREIGN, THERE, PAGE))


async def write_to_a_neighbour(s: Scene) -> str:
    return await s.do(jobs.fill(FOREIGN, PAGE, 0))


async def write_to_the_rings(s: Scene) -> str:
    return await s.do(jobs.fill(KERNEL_IOVA, 64, 0))


async def physical_address(s: Scene) -> str:
    return await s.do(jobs.copy(s.neighbours[0][2][0], THERE, PAGE))


async def address_beyond_48_bits(s: Scene) -> str:
    return await s.do(jobs.copy((1 << 64) - PAGE, THERE, PAGE))


async def foreign_key(s: Scene) -> str:
    return await s.do(jobs.aes(Mode.ECB, HERE, THERE, 16, key=FOREIGN, key_bytes=32, encrypt=True))


async def foreign_iv(s: Scene) -> str:
    return await s.do(jobs.aes(Mode.CTR, HERE, THERE, 16, key=HERE, key_bytes=32, encrypt=True,
                               iv=FOREIGN))


async def foreign_list(s: Scene) -> str:
    return await s.do(jobs.copy(jobs.Sgl(FOREIGN), THERE, 16))


async def list_over_a_neighbour(s: Scene) -> str:
    s.bus.memory.write(s.pages[0], pack_sgl(HERE, [(THERE, 8), (FOREIGN, 8)]))
    return await s.do(jobs.copy(THERE, jobs.Sgl(HERE), 16))


async def endless_list(s: Scene) -> str:
    """A list that leads to itself, of empty entries: an end is found all the same."""
    raw = bytearray(pack_sgl(HERE, [(THERE, 1)]))
    raw[0:8] = HERE.to_bytes(8, "little")
    s.bus.memory.write(s.pages[0], bytes(raw))
    return await s.do(jobs.crc32c(jobs.Sgl(HERE), 300))


async def forged_result(s: Scene) -> str:
    """An SQE that says it is done already, and has every unused bit set."""
    job = jobs.copy(FOREIGN, THERE, 16).replace(
        done=1, flag=2, key_sel=15, salt=2**32 - 1, a_key_addr=FOREIGN, nonce_len=15, counter=7)
    return await s.do(job)


async def largest_job(s: Scene) -> str:
    """It ends where the mapping does; the neighbours have worked meanwhile."""
    await s.queue.send(jobs.crc32c(HERE, 0xFFFE00))
    await s.work()
    return (await s.ended(s.queue))[0].name


async def whole_ring_of_garbage(s: Scene) -> str:
    count = s.queue.depth - 1
    for n in range(count):
        await s.queue.send(BD3.make(type=14, tag=n))
    return " ".join(error.name for error in set(await s.ended(s.queue, count)))


async def never_acknowledged(s: Scene) -> str:
    """More jobs than the completion queue holds; an event tells the driver, which restarts it."""
    await s.qm.restart(s.queue)
    memory, last = s.bus.memory, s.queue.depth - 1
    for n in range(last + 1):
        memory.write(s.queue.ring + SQE_BYTES * n, jobs.fill(THERE, 16, n).to_bytes())
    await s.doorbell(index=last)
    final = s.queue.ring + SQE_BYTES * (last + 1) + CQE.size() * (last - 1)
    for _ in range(ROUNDS):
        if any(memory.read(final, CQE.size())):
            break
        await s.bus.interrupt("eq", SLICE)
    await s.doorbell(index=0)
    for _ in range(ROUNDS):
        if found := await s.qm.service_async():
            break
        await s.bus.interrupt("aeq", SLICE)
    assert [event.queue for event in found] == [s.queue.number]
    await s.work()
    await s.qm.restart(s.queue)
    return AeqeType(found[0].type).name


async def stopped_in_mid_job(s: Scene) -> str:
    await s.queue.send(jobs.copy(HERE, THERE, PAGE))
    await s.qm.restart(s.queue)
    return await s.do(jobs.copy(HERE, THERE, 16))


Attack = Callable[[Scene], Awaitable[str]]
ATTACKS: dict[Attack, str] = {   # and what happens
    foreign_doorbell: "nothing",
    doorbell_beyond_the_ring: "nothing",
    doorbells_of_the_event_queues: "nothing",
    mailbox_through_the_page: "nothing",
    read_of_a_neighbour: "DATA_READ",
    write_to_a_neighbour: "DATA_WRITE",
    write_to_the_rings: "DATA_WRITE",
    physical_address: "DATA_READ",
    address_beyond_48_bits: "DATA_READ",
    foreign_key: "KEY_READ",
    foreign_iv: "IV_READ",
    foreign_list: "SGL_READ",
    list_over_a_neighbour: "DATA_WRITE",
    endless_list: "OK",
    forged_result: "DATA_READ",
    largest_job: "DATA_READ",
    whole_ring_of_garbage: "BD_TYPE",
    never_acknowledged: "CQ_OVERFLOW",
    stopped_in_mid_job: "OK",
}


async def attacks(bus: Bus, sid: int) -> dict[str, str]:
    """All of them, one after the other; what happened."""
    scene = await Scene.create(bus, sid)
    found = {}
    for attack, expected in ATTACKS.items():
        before = scene.private()
        found[attack.__name__] = await attack(scene)
        assert found[attack.__name__] == expected, f"{attack.__name__}: {found[attack.__name__]}"
        if attack not in (largest_job, never_acknowledged):   # the neighbours work in these
            assert scene.private() == before, f"{attack.__name__} has changed what is not its own"
        await scene.work()
        await scene.iommu.faults.service()
        scene.bus.memory.write(scene.pages[0], SECRET)
    return found
