"""One queue's software: it submits, waits, and checks whatever the device does for it."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from random import Random

from cocotb.triggers import Event

from driver.accel.qm import QmDriver
from driver.bus import Region
from pymodel.accel.allowed import Allowed, Where, allowed
from pymodel.memory import Memory
from spec.qm import (
    BAR4_BASE,
    CQC,
    CQE,
    DOORBELL_PAGE,
    SQC,
    SQE_BYTES,
    Doorbell,
    DoorbellCommand,
    MailboxCommand,
    doorbell_offset,
)
from spec.sec import BD3, STATUS_OFFSET, ErrorType
from tb.accel.space import Slot, Space
from tb.accel.work import Work
from tb.mirror import Mirror

LOW = (1 << 32) - 1
LATE = 3   # ticks of waiting for an event beside a completion after which that is an error


@dataclass
class Pending:
    """A job that was rung."""

    index: int
    kind: str
    bd: BD3
    legal: Allowed
    slot: Slot


@dataclass
class Setting:
    """What an agent works in.

    Members
    -------
    memory
        The RAM with its injected errors, as the device sees it.
    where
        Where the queue's addresses lead (see `pymodel.accel.allowed`).
    """

    qm: QmDriver
    mirror: Mirror
    memory: Memory
    space: Space
    where: Where


class Agent:
    """Works queue `number`, whose contexts it loads itself.

    Members
    -------
    events
        It waits for events; otherwise it looks for completions now and then.
    careless
        It submits more than its completion queue has room for.
    overflows
        How many AEQEs may say so.
    armings
        How many EQEs the device may have written for it so far.
    wake
        Set whenever it should look.
    listening
        It does nothing before that.
    done
        Completions by kind and error.
    """

    def __init__(self, setting: Setting, number: int, ssid: int | None, depth: int, rng: Random,
                 work: Work, events: bool) -> None:
        self._set, self.number, self.ssid, self.depth = setting, number, ssid, depth
        self._rng, self._work, self.events = rng, work, events
        self._random = rng.choice((0, 0, 0x5A))
        iova, self._sq = setting.qm.allocate((SQE_BYTES + CQE.size()) * depth)
        self._sq_iova, self._cq_iova = iova, iova + SQE_BYTES * depth
        self._cq = self._sq + SQE_BYTES * depth
        self.pending: deque[Pending] = deque()
        self.wake = Event()
        self.careless = not events and rng.random() < 0.5
        self.armings = self.overflows = 0
        self.done: Counter[str] = Counter()
        self.open = self.listening = False
        self._lateness = 0
        self._rewind()

    def _rewind(self) -> None:
        self._set.mirror.write(self._sq, bytes((SQE_BYTES + CQE.size()) * self.depth))
        self._tail = self._head = self._acked = 0
        self._phase = 1

    # Contexts

    async def start(self) -> None:
        """Empty rings and new contexts."""
        assert not self.pending
        self._rewind()
        load, number, last = self._set.qm.load_context, self.number, self.depth - 1
        self.armings += 1
        self.overflows += self.careless
        await load(MailboxCommand.SQC, number, SQC.make(
            base_l=self._sq_iova & LOW, base_h=self._sq_iova >> 32, depth_minus_1=last,
            log2_size=SQE_BYTES.bit_length() - 1, pasid=self.ssid or 0, w8=self._random,
            pasid_enable=self.ssid is not None, cq_num=number,
            priority=self._rng.randrange(8), order=1))
        await load(MailboxCommand.CQC, number, CQC.make(
            base_l=self._cq_iova & LOW, base_h=self._cq_iova >> 32, depth_minus_1=last,
            log2_size=CQE.size().bit_length() - 1, phase=1, c_flag=1, w8=self._random))
        self.open = True
        self.wake.set()     # what it waited for is gone

    async def make_room(self) -> None:
        """Acknowledge all that was seen, so that every job has room for its completion."""
        if self._acked != self._head:
            await self._acknowledge()

    async def stop(self) -> None:
        """Drain and close: every job that was rung is complete."""
        await self.make_room()
        self.open = False
        await self._set.qm.mailbox(MailboxCommand.STOP_QP, self.number, 0)
        await self.drained()

    async def drained(self) -> None:
        """The device says that nothing is left to do."""
        await self.collect()
        assert not self.pending, f"queue {self.number} was drained with {len(self.pending)} jobs"
        if self._rng.random() < 0.5:          # late doorbells of a closed queue do nothing
            await self._ring(DoorbellCommand.SQ, (self._tail + 1) % self.depth)
            await self._ring(DoorbellCommand.CQ, self._head, c_flag=1)

    def abandon(self) -> None:
        """The device was reset: whatever was legal up to any moment may have happened."""
        mirror = self._set.mirror
        completed = self._completed_by_phase()
        for job in self.pending:
            status = self._sq + SQE_BYTES * job.index + STATUS_OFFSET
            raw = mirror.read(status, SQE_BYTES - STATUS_OFFSET)
            untouched = raw == mirror.expected(status, len(raw))
            if not untouched:
                self._check_sqe(job)
            assert completed == 0 or not untouched, f"queue {self.number}: CQE before the SQE"
            completed -= completed > 0
            self._take_effect(job, finished=False)
            self.done["abandoned"] += 1
            self._free(job)
        self.pending.clear()
        self.open = False

    def _completed_by_phase(self) -> int:
        """CQEs written and not yet seen; they are taken over into the copy."""
        count = 0
        while self._cqe() is not None and count < len(self.pending):
            self._expect_cqe(self.pending[count])
            count += 1
        return count

    # Submission

    def room(self) -> bool:
        oldest = self._head if self.careless else self._acked
        return (self.open and bool(self._set.space.free)
                and (self._tail + 1 - oldest) % self.depth != 0)

    async def submit(self, most: int) -> int:
        """Place some jobs and ring once; how many."""
        placed = 0
        while placed < most and self.room():
            slot = self._set.space.free.pop(0)
            kind, bd = self._work.draw(slot)
            legal = allowed(self._set.memory, self._set.where, bd)
            self._set.mirror.write(self._sq + SQE_BYTES * self._tail, bd.to_bytes())
            self.pending.append(Pending(self._tail, kind, bd, legal, slot))
            self._tail = (self._tail + 1) % self.depth
            placed += 1
        if placed:
            await self._ring(DoorbellCommand.SQ, self._tail)
        return placed

    async def _ring(self, command: DoorbellCommand, index: int, **fields: int) -> None:
        word = Doorbell.pack(queue=self.number, command=command, index=index,
                             random=self._random, **fields)
        await self._write(doorbell_offset(self.number) - BAR4_BASE, word)

    async def _write(self, offset: int, word: int, size: int = 8) -> None:
        await self._set.qm.bus.write(Region.DOORBELL, offset, word, size)

    async def attack(self) -> None:
        """Something that must have no effect."""
        rng, page = self._rng, DOORBELL_PAGE * self.number
        own = doorbell_offset(self.number) - BAR4_BASE
        word = Doorbell.make(queue=self.number, command=DoorbellCommand.SQ, index=self._tail + 1,
                             random=self._random)
        beyond = rng.randrange(self.depth, 1 << 16)
        match rng.randrange(7):
            case 0:    # another queue through the own page
                await self._write(own, word.replace(queue=self.number ^ 1, index=1).value)
            case 1:
                await self._write(own, word.replace(index=beyond).value)
            case 2:
                await self._write(own, word.replace(
                    command=DoorbellCommand.CQ, index=beyond, c_flag=1).value)
            case 3:    # event queues and unknown commands are not for applications
                await self._write(own, word.replace(command=rng.randrange(2, 16), index=0).value)
            case 4:    # elsewhere in the page: there is no mailbox
                await self._write(page + 8 * rng.randrange(512), rng.getrandbits(64))
            case 5:    # half a doorbell
                await self._write(own, word.value & LOW, 4)
            case 6:
                await self._write(own, word.replace(random=self._random ^ 1).value)
                self.done["wrong random"] += 1

    # Completion

    def _cqe(self) -> bytes | None:
        """The next CQE, if it is there."""
        raw = self._set.mirror.read(self._cq + CQE.size() * self._head, CQE.size())
        return raw if CQE.from_bytes(raw).phase == self._phase else None

    async def collect(self) -> int:
        """Check all completions that are there; acknowledge them sooner or later."""
        count = 0
        while self._cqe() is not None:
            assert self.pending, f"queue {self.number}: a completion of nothing"
            job = self.pending.popleft()
            self._expect_cqe(job)
            self._check_sqe(job)
            self._free(job)
            count += 1
        often = 0.2 if self.careless else 0.7
        if self._acked != self._head and (self.events or self._rng.random() < often):
            await self._acknowledge()
        return count

    async def _acknowledge(self) -> None:
        arm = int(self.events or self._rng.random() < 0.3)
        self.armings += arm
        self._acked = self._head
        await self._ring(DoorbellCommand.CQ, self._head, c_flag=arm)

    def _expect_cqe(self, job: Pending) -> None:
        at = self._cq + CQE.size() * self._head
        want = CQE.make(sq_head=job.index, sq_num=self.number, phase=self._phase).to_bytes()
        found = self._set.mirror.read(at, len(want))
        assert found == want, f"queue {self.number}: CQE {found.hex()}, must be {want.hex()}"
        self._set.mirror.expect(at, want)
        self._head = (self._head + 1) % self.depth
        self._phase ^= self._head == 0

    def _check_sqe(self, job: Pending) -> None:
        """The ending is a legal one, and so is what it did to memory."""
        mirror, at = self._set.mirror, self._sq + SQE_BYTES * job.index
        raw = mirror.read(at, SQE_BYTES)
        sqe = BD3.from_bytes(raw)
        ending = sqe.error_type, sqe.result
        assert ending in job.legal.endings, (
            f"queue {self.number}: {job.kind} ended as {_text(*ending)}, legal is "
            f"{[_text(*e) for e in sorted(job.legal.endings)[:5]]}: {job.bd.text()}")
        want = job.bd.to_bytes()[:STATUS_OFFSET] + BD3.status(*ending).to_bytes()[STATUS_OFFSET:]
        assert raw == want, f"queue {self.number}: SQE {raw.hex()}, must be {want.hex()}"
        mirror.expect(at, want)
        self._take_effect(job, finished=sqe.error_type == ErrorType.OK)
        self.done[ErrorType(sqe.error_type).name] += 1
        self.done[job.kind] += 1
        self.done["jobs"] += 1

    def _take_effect(self, job: Pending, finished: bool) -> None:
        """Every byte is new, or, of a job that did not end well, new or old."""
        mirror = self._set.mirror
        for pa, data in job.legal.effect:
            found, old = mirror.read(pa, len(data)), mirror.expected(pa, len(data))
            right = found == data if finished else all(
                f in (d, o) for f, d, o in zip(found, data, old, strict=True))
            assert right, (f"queue {self.number}: {job.kind} wrote {found[:32].hex()}... at "
                           f"{pa:#x}, must be {data[:32].hex()}...: {job.bd.text()}")
            mirror.expect(pa, found)

    def _free(self, job: Pending) -> None:
        self._set.space.free.append(job.slot)

    async def listen(self) -> None:
        """Until `wake`: nothing but an event, or a new start, ends it."""
        self.listening, self._lateness = True, 0
        await self.wake.wait()
        self.listening = False

    def tick(self) -> None:
        """Time has passed: nobody waits long for the event of a completion that is there. An agent
        that has its event and is kept from looking does not count."""
        if self.listening and self.open and self._cqe() is not None:
            self._lateness += 1
            assert self._lateness < LATE, f"queue {self.number}: no event for its completion"


def _text(error: int, result: int) -> str:
    return f"{ErrorType(error).name} {result:#x}"
