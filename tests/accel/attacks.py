"""What the owner of a queue can try against others, and what comes of it.

The owner has what a driver maps for him: his address space, his rings (every byte of them), and his
doorbell page. `docs/accelerator.md` shows the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from driver.accel import jobs
from driver.accel.queue import Queue
from driver.bus import Region
from driver.iommu.domain import Domain
from driver.iommu.faults import Fault
from driver.iommu.pagetable import Prot
from pymodel.memory import PAGE
from spec.qm import (
    ABNORMAL_INT_SOURCE,
    CQE,
    DOORBELL_OFFSET,
    DOORBELL_PAGE,
    IN_IDLE_ST,
    SEND_SQE_TO_ACC_CNT,
    SGE,
    SGL,
    SQE_BYTES,
    AeqeType,
    Doorbell,
    DoorbellCommand,
    EventDoorbell,
    Mailbox,
    MailboxCommand,
)
from spec.sec import BD3, ErrorType, Mode, Scene
from tests.accel.system_cases import SOURCE, TARGET, TRIES, System

SECRET = 0x6000_0000        # only in the victim's address space
READ_ONLY = 0x6100_0000     # the attacker may read it
CALM = 30                   # looks at the registers
SQ, CQ = DoorbellCommand.SQ, DoorbellCommand.CQ


@dataclass
class Stage:
    """A victim with a secret, an attacker, and the machine."""

    system: System
    victim: Queue
    attacker: Queue
    victim_pages: list[int]
    own: Domain

    async def ring(self, command: int, index: int, *, size: int = 8, page: Queue | None = None,
                   offset: int = DOORBELL_OFFSET, **fields: int) -> None:
        """A write to a doorbell page, the attacker's own."""
        word = Doorbell.pack(**({"queue": self.attacker.number, "command": command,
                                 "index": index} | fields))
        await self.system.bus.write(
            Region.DOORBELL, self.attacker.number * DOORBELL_PAGE + offset,
            word & (1 << 8 * size) - 1, size)

    async def sent(self) -> int:
        return await self.system.bus.read(Region.ACCEL, SEND_SQE_TO_ACC_CNT.OFFSET)

    async def quiet(self) -> None:
        """Wait until nothing has been under way for a while."""
        last, calm = -1, 0
        for _ in range(TRIES * CALM):
            idle = await self.system.bus.read(Region.ACCEL, IN_IDLE_ST.OFFSET)
            count = await self.sent()
            calm = calm + 1 if idle and count == last else 0
            last = count
            if calm == CALM:
                return
        raise AssertionError("the accelerator never rests")

    async def dropped(self, *rings: Awaitable[None]) -> str:
        """What came of doorbells: nothing, or jobs."""
        before = await self.sent()
        for ring in rings:
            await ring
        await self.quiet()
        started = await self.sent() - before
        return f"{started} jobs" if started else "dropped"

    async def job(self, bd: BD3) -> str:
        """How the attacker's job ended."""
        done: list = []

        async def ended() -> bool:
            await self.system.bus.read(Region.ACCEL, 0)
            done.extend(await self.attacker.receive())
            return bool(done)

        await self.attacker.send(bd)
        await self.system.until("the attacker's job", ended)
        return done[0].error.name

    def put(self, iova: int, data: bytes) -> None:
        """Write into the attacker's own memory."""
        found = self.own.table.lookup(iova // PAGE * PAGE)
        assert found is not None
        self.system.bus.memory.write(found[1] + iova % PAGE, data)

    async def restart(self) -> None:
        """The driver gives the attacker a clean queue."""
        await self.system.qm.restart(self.attacker)


Attempt = Callable[[Stage], Awaitable[str]]


@dataclass(frozen=True)
class Attack:
    """One row: what is tried, what the attacker gets."""

    what: str
    outcome: str
    attempt: Attempt


async def foreign_doorbell(s: Stage) -> str:
    number = s.victim.number
    return await s.dropped(*(s.ring(command, 1, queue=number, c_flag=flag)
                             for command in (SQ, CQ) for flag in (0, 1)))


async def event_doorbell(s: Stage) -> str:
    before = await s.system.bus.read(Region.ACCEL, 0x8)
    outcome = await s.dropped(s.ring(DoorbellCommand.EQ, 0), s.ring(DoorbellCommand.AEQ, 0),
                              s.ring(DoorbellCommand.EQ, 0, offset=EventDoorbell.OFFSET))
    assert await s.system.bus.read(Region.ACCEL, 0x8) == before
    return outcome


async def mailbox_in_the_page(s: Stage) -> str:
    """A mailbox command, and ones, at every place of the own page."""
    base = s.attacker.number * DOORBELL_PAGE
    words = Mailbox.to(MailboxCommand.STOP_QP, s.victim.number).words()
    for offset in (0, 0x300, 0x1008, 0x1300, 0x2000, 0x3100, 0x8000, 0xF300):
        for n, word in enumerate(words):
            await s.system.bus.write(Region.DOORBELL, base + offset + 8 * n, word, 8)
            assert await s.system.bus.read(Region.DOORBELL, base + offset + 8 * n, 8) == 0
    return await s.dropped()


async def half_doorbells(s: Stage) -> str:
    return await s.dropped(s.ring(SQ, 1, size=4), s.ring(SQ, 1, size=4, offset=DOORBELL_OFFSET + 4))


async def beyond_depth(s: Stage) -> str:
    return await s.dropped(*(s.ring(command, index) for command in (SQ, CQ)
                             for index in (s.attacker.depth, 0x7FFF, 0xFFFF)))


async def wrong_random(s: Stage) -> str:
    outcome = await s.dropped(s.ring(SQ, 1, random=0xAAAA))
    source = ABNORMAL_INT_SOURCE(
        await s.system.bus.read(Region.ACCEL, ABNORMAL_INT_SOURCE.OFFSET))
    await s.system.bus.write(Region.ACCEL, ABNORMAL_INT_SOURCE.OFFSET, 0x7FFF)
    assert source.value == ABNORMAL_INT_SOURCE.pack(db_random_invalid=1)
    return outcome + ", noted in db_random_invalid"


async def ring_overrun(s: Stage) -> str:
    """A tail that lies behind: the whole ring of old and empty SQEs, more than its CQ has room
    for."""
    depth = s.attacker.depth
    await s.ring(SQ, 3)
    await s.quiet()
    await s.ring(SQ, 2)
    await s.quiet()
    events = await s.system.qm.service_async()
    assert [(event.queue, event.type) for event in events] == [
        (s.attacker.number, AeqeType.CQ_OVERFLOW)]
    ring = s.system.bus.memory.read(s.attacker.ring, SQE_BYTES * depth)
    errors = {BD3.from_bytes(ring[at:at + SQE_BYTES]).error_type
              for at in range(0, SQE_BYTES * (depth - 1), SQE_BYTES)}
    await s.restart()
    return f"{' or '.join(ErrorType(e).name for e in errors)}, then AEQE CQ_OVERFLOW"


async def lies_about_the_cq(s: Stage) -> str:
    """Heads that were never reached: the device believes that there is room, again and again."""
    depth = s.attacker.depth
    foreign = s.system.bus.memory.read(s.attacker.ring + (SQE_BYTES + CQE.size()) * depth, 64)
    before = await s.sent()
    for turn in range(4):
        await s.ring(SQ, (turn + 1) * (depth // 2 - 1) % depth)
        await s.quiet()
        await s.ring(CQ, turn * 7 % depth)
        await s.quiet()
    await s.system.qm.service_async()
    after = s.system.bus.memory.read(s.attacker.ring + (SQE_BYTES + CQE.size()) * depth, 64)
    assert after == foreign
    unread = await s.sent() - before
    await s.restart()
    return "own CQEs overwritten" if unread > depth else f"{unread} jobs"


async def event_flood(s: Stage) -> str:
    """Arming an unread CQ for ever."""
    assert await s.job(jobs.copy(SOURCE, TARGET, 8)) == "OK"
    await s.system.qm.service()
    await s.ring(CQ, 0, c_flag=0)
    for _ in range(20):
        await s.ring(CQ, 0, c_flag=1)
    await s.quiet()
    events = (await s.system.qm.service()).count(s.attacker.number)
    await s.quiet()
    events_later = (await s.system.qm.service()).count(s.attacker.number)
    await s.restart()
    assert events_later <= 1
    return f"{events} event until the driver has read it"


async def forged_sqe(s: Stage) -> str:
    """All ones, all zeros, a wrong type, the scenes of others."""
    found = set()
    for value in (2**1024 - 1, 0, BD3.pack(type=2), BD3.pack(type=3, invalid=1),
                  BD3.pack(type=3, scene=Scene.STREAM), BD3.pack(type=3, cipher=3, auth=1),
                  BD3.pack(type=3, cipher=1, c_alg=3), BD3.pack(type=3, cipher=3)):
        found.add(await s.job(BD3(value)))
    return ", ".join(sorted(found))


async def wild_source(s: Stage) -> str:
    """The victim's address, its physical address, the rings', nothing's; the end of everything."""
    outcomes = {await s.job(jobs.copy(source, TARGET, 64)) for source in (
        SECRET, s.victim_pages[2], 0x1000_0000, 0xFFFF_FFFF_FFFF_FF00, 1 << 47)}
    return ", ".join(sorted(outcomes))


async def wild_target(s: Stage) -> str:
    outcomes = {await s.job(jobs.copy(SOURCE, target, 64)) for target in (
        SECRET, s.victim_pages[0], 0x1000_0000, 0xFFFF_FFFF_FFFF_FF00, READ_ONLY)}
    return ", ".join(sorted(outcomes))


async def over_the_end(s: Stage) -> str:
    return await s.job(jobs.copy(SOURCE, TARGET + PAGE - 100, 300))


async def wild_key(s: Stage) -> str:
    first = await s.job(jobs.aes(Mode.ECB, SOURCE, TARGET, 32, key=SECRET, key_bytes=16,
                                 encrypt=True))
    second = await s.job(jobs.aes(Mode.CBC, SOURCE, TARGET, 32, key=SOURCE, key_bytes=16,
                                  iv=SECRET, encrypt=True))
    return f"{first}, {second}"


async def wild_list(s: Stage) -> str:
    """A list in the victim's memory; one that names it; one that ends early; one of itself."""
    place = SOURCE + 0x800

    def written(entries: list[tuple[int, int]], following: int = 0) -> jobs.Sgl:
        head = SGL.make(next_dma=following, entry_sum_in_sgl=len(entries))
        s.put(place, head.to_bytes() + b"".join(
            SGE.make(buffer=buffer, length=length).to_bytes() for buffer, length in entries))
        return jobs.Sgl(place)

    outcomes = [await s.job(jobs.copy(jobs.Sgl(SECRET & ~63), TARGET, 64))]
    for entries, following in (([(SECRET, 64)], 0), ([(SOURCE, 8)], 0), ([], place),
                               ([(0, 64)], 0)):
        outcomes.append(await s.job(jobs.copy(written(entries, following), TARGET, 64)))
    return ", ".join(dict.fromkeys(outcomes))


async def reset_in_mid_job(s: Stage) -> str:
    """The owner goes away while his job waits for a page; the queue goes to the next one."""
    system, faults = s.system, list[Fault]()
    _, queue, _, target = await system.owner(faults.append)
    await queue.copy(SOURCE + PAGE - 64, TARGET, 128, tag=1)     # the second page is missing

    async def waits() -> bool:
        await system.iommu.faults.service()
        return bool(faults)

    await system.until("stall", waits)
    assert not await queue.receive()
    await system.qm.restart(queue)
    system.bus.memory.write(target, bytes(PAGE))
    ended = await queue.receive()
    next_job = await system.job(queue, SOURCE, TARGET + 256, 64)
    late = any(system.bus.memory.read(target, 256))
    await system.qm.close(queue)
    return f"{'ended' if ended or late else 'aborted'}; the next owner's job: {next_job.error.name}"


DROPPED = "dropped"
ATTACKS = [
    Attack("doorbell of another queue through the own page", DROPPED, foreign_doorbell),
    Attack("doorbells of EQ and AEQ through the own page", DROPPED, event_doorbell),
    Attack("mailbox command anywhere in the own page", DROPPED, mailbox_in_the_page),
    Attack("half a doorbell", DROPPED, half_doorbells),
    Attack("index beyond the depth", DROPPED, beyond_depth),
    Attack("wrong random value", "dropped, noted in db_random_invalid", wrong_random),
    Attack("tail behind the head: the ring overrun", "BD_TYPE, then AEQE CQ_OVERFLOW",
           ring_overrun),
    Attack("CQ heads that are lies", "own CQEs overwritten", lies_about_the_cq),
    Attack("arming an unread CQ for ever", "1 event until the driver has read it", event_flood),
    Attack("forged SQE fields", "ALGORITHM, BD_TYPE, CIPHER, LENGTH, SCENE", forged_sqe),
    Attack("wild source pointer", "DATA_READ", wild_source),
    Attack("wild target pointer, a read-only page", "DATA_WRITE", wild_target),
    Attack("a length beyond what is mapped", "DATA_WRITE", over_the_end),
    Attack("key or IV in others' memory", "KEY_READ, IV_READ", wild_key),
    Attack("lists: in others' memory, of it, too short, of itself, null",
           "SGL_READ, DATA_READ, SGL", wild_list),
    Attack("reset in mid-job", "aborted; the next owner's job: OK", reset_in_mid_job),
]


async def attack(system: System) -> list[tuple[str, str]]:
    """Every attack, one after the other; what the attacker got. After each the victim's memory and
    rings and the page that the attacker may only read are what they were, and the victim's next
    job ends well."""
    bus = system.bus
    victim_domain, victim, *pages = await system.owner()
    own, attacker, *_ = await system.owner()
    secret, shared = bus.pages.scatter(), bus.pages.scatter()
    victim_domain.map(SECRET, secret, PAGE, Prot.READ | Prot.WRITE)
    own.map(READ_ONLY, shared, PAGE, Prot.READ)
    for n, page in enumerate((*pages, secret, shared)):
        bus.memory.write(page, bytes([0xA0 + n]) * PAGE)
    scene = Stage(system, victim, attacker, [*pages, secret], own)
    outcomes = []
    for row in ATTACKS:
        watched = [(page, PAGE) for page in (*pages, secret, shared)]
        watched.append((victim.ring, victim.ring_bytes))
        before = [bus.memory.read(at, size) for at, size in watched]
        outcomes.append((row.what, await row.attempt(scene)))
        assert [bus.memory.read(at, size) for at, size in watched] == before, row.what
        await system.smmu.events()
        assert (await system.job(victim, SOURCE, TARGET, 100)).error is ErrorType.OK, row.what
        await system.qm.service()
    return outcomes


def table() -> str:
    """The rows as Markdown."""
    rows = [f"| {row.what} | {row.outcome} |" for row in ATTACKS]
    return "\n".join(["| attack | what the attacker gets |", "|---|---|", *rows])
