"""One queue: send jobs, receive completions (qm.md 4.3 to 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from driver.accel import jobs
from driver.bus import Region
from spec.qm import (
    BAR4_BASE,
    CQC,
    CQE,
    SQC,
    SQE_BYTES,
    Doorbell,
    DoorbellCommand,
    MailboxCommand,
    doorbell_offset,
)
from spec.sec import BD3, ErrorType

if TYPE_CHECKING:
    from driver.accel.qm import QmDriver


@dataclass(frozen=True)
class Completion:
    """A finished job: the tag it was sent with, and how it went.

    Members
    -------
    result
        What the device returned: a sum, a CRC; after a failed access the address of one that
        failed; else 0.
    """

    tag: int
    error: ErrorType
    result: int = 0

    @property
    def fault(self) -> int | None:
        """A 16-byte aligned address that could not be reached; None if that is not the reason."""
        return self.result if self.error >= ErrorType.DATA_READ else None


class QueueFull(Exception):
    """No free slot: one is always kept, so that full and empty differ."""


class Queue:
    """A submission ring, a completion ring, and a doorbell page of its own.

    Addresses in jobs are those of the queue's address space. `send` and `receive` touch nothing
    but the rings and the doorbell page, which is what an application gets to map.
    """

    def __init__(self, qm: QmDriver, number: int, pasid: int) -> None:
        self._qm, self._bus = qm, qm.bus
        self.number, self.pasid, self.depth = number, pasid, qm.depth
        self.ring_bytes = (SQE_BYTES + CQE.size()) * self.depth
        iova, self._sq = qm.allocate(self.ring_bytes)
        self._sq_iova, self._cq_iova = iova, iova + SQE_BYTES * self.depth
        self._cq = self._sq + SQE_BYTES * self.depth
        self._tail = self._head = self._used = 0
        self._phase = 1

    @property
    def ring(self) -> int:
        """Physical address of the submission ring; the completion ring follows it."""
        return self._sq

    def rewind(self) -> None:
        """Empty rings, everything at its beginning; the queue must be stopped."""
        self._bus.memory.write(self._sq, bytes(self.ring_bytes))
        self._tail = self._head = self._used = 0
        self._phase = 1

    async def start(self) -> None:
        """Load the contexts: SQC with the PASID, then CQC, armed."""
        low = (1 << 32) - 1
        await self._qm.load_context(MailboxCommand.SQC, self.number, SQC.make(
            base_l=self._sq_iova & low, base_h=self._sq_iova >> 32, depth_minus_1=self.depth - 1,
            log2_size=SQE_BYTES.bit_length() - 1, pasid=self.pasid,
            pasid_enable=bool(self.pasid), cq_num=self.number, order=1))
        await self._qm.load_context(MailboxCommand.CQC, self.number, CQC.make(
            base_l=self._cq_iova & low, base_h=self._cq_iova >> 32, depth_minus_1=self.depth - 1,
            log2_size=CQE.size().bit_length() - 1, phase=1, c_flag=1))

    async def free(self) -> None:
        """Give the rings back; the queue must be stopped."""
        await self._qm.release(self._sq_iova, self.ring_bytes)

    async def copy(self, source: int, target: int, size: int, tag: int) -> None:
        """Send a job: copy `size` bytes between two addresses of this queue's address space."""
        await self.send(jobs.copy(source, target, size, tag))

    async def send(self, job: BD3) -> None:
        """Put a descriptor into the ring and ring the doorbell. `QueueFull` if there is no slot."""
        if self._used == self.depth - 1:
            raise QueueFull(f"queue {self.number} has {self._used} jobs in flight")
        self._bus.memory.write(self._sq + SQE_BYTES * self._tail, job.to_bytes())
        self._tail = (self._tail + 1) % self.depth
        self._used += 1
        await self._ring(DoorbellCommand.SQ, self._tail)

    async def receive(self) -> list[Completion]:
        """All completions that are there, in order; arms the completion event again."""
        done = []
        while True:
            slot = self._cq + CQE.size() * self._head
            entry = CQE.from_bytes(self._bus.memory.read(slot, CQE.size()))
            if entry.phase != self._phase:
                break
            job = self._sq + SQE_BYTES * entry.sq_head
            result = BD3.from_bytes(self._bus.memory.read(job, SQE_BYTES))
            done.append(Completion(result.tag, ErrorType(result.error_type), result.result))
            self._head += 1
            self._used -= 1
            if self._head == self.depth:
                self._head, self._phase = 0, 1 - self._phase
        await self._ring(DoorbellCommand.CQ, self._head, c_flag=1)
        return done

    async def _ring(self, command: DoorbellCommand, index: int, c_flag: int = 0) -> None:
        page = doorbell_offset(self.number) - BAR4_BASE
        await self._bus.write(Region.DOORBELL, page, Doorbell.pack(
            queue=self.number, command=command, index=index, c_flag=c_flag), 8)
