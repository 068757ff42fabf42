"""A program's queue: jobs in, completions out. Nothing here knows of PASIDs."""

from __future__ import annotations

from collections import deque

from driver.accel import jobs
from driver.accel.queue import Completion, QueueFull
from driver.vfio.mdev import QueueInfo
from driver.wd.channel import DOORBELL, RINGS, Channel, Memory
from spec.qm import CQE, DOORBELL_OFFSET, SQE_BYTES, Doorbell, DoorbellCommand
from spec.sec import BD3, ErrorType

PATIENCE = 100_000


class Queue:
    """Requested with `driver.wd.request`. One job a slot; one slot always stays free.

    Asynchronous: `send`, later `wait` and `receive`. Synchronous: `run`.
    """

    def __init__(self, channel: Channel, info: QueueInfo) -> None:
        self._channel, self._info = channel, info
        self._done: deque[Completion] = deque()
        self._tail = self._head = self._used = 0
        self._phase = 1

    @property
    def depth(self) -> int:
        """Slots."""
        return self._info.depth

    @property
    def in_flight(self) -> int:
        """Jobs sent whose completion was not taken from the ring yet."""
        return self._used

    async def send(self, job: BD3) -> None:
        """Hand a job to the device; `QueueFull` if there is no slot."""
        if self._used == self.depth - 1:
            raise QueueFull(f"{self._used} jobs are in flight")
        await self._channel.write(RINGS, SQE_BYTES * self._tail, job.to_bytes())
        self._tail = (self._tail + 1) % self.depth
        self._used += 1
        await self._ring(DoorbellCommand.SQ, self._tail, 0)

    async def copy(self, source: int, target: int, size: int, tag: int = 0) -> None:
        """Send a copy between two addresses."""
        await self.send(copy_job(source, target, size, tag))

    async def receive(self) -> list[Completion]:
        """What has ended since the last call, in order; never waits."""
        await self._collect()
        done = list(self._done)
        self._done.clear()
        return done

    async def wait(self, patience: int = PATIENCE) -> bool:
        """Wait until a completion can be received; whether there is one. `patience` as of
        `Channel.wait`."""
        await self._collect()
        while not self._done:
            if not await self._channel.wait(patience):
                await self._collect()
                break
            await self._collect()
        return bool(self._done)

    async def run(self, job: BD3, patience: int = PATIENCE) -> Completion:
        """Send a job and wait for its end; no other job may be in flight. TimeoutError."""
        if self._used or self._done:
            raise ValueError("other jobs are in flight")
        await self.send(job)
        if not await self.wait(patience):
            raise TimeoutError(f"the job has not ended after {patience}")
        return self._done.popleft()

    async def reserve(self, size: int) -> Memory:
        """Memory that the device reaches."""
        return await self._channel.reserve(size)

    async def share(self, memory: Memory) -> Memory:
        """Let this queue reach what was reserved through another queue of the program."""
        return await self._channel.share(memory)

    async def free(self, memory: Memory) -> None:
        """Give memory back."""
        await self._channel.free(memory)

    async def reset(self) -> None:
        """Abort all jobs and begin anew."""
        await self._channel.reset()
        self._rewind()

    async def release(self) -> None:
        """Give the queue and its memory back."""
        await self._channel.close()

    def _rewind(self) -> None:
        self._tail = self._head = self._used = 0
        self._phase = 1
        self._done.clear()

    async def _collect(self) -> None:
        """Take what is in the completion ring, and arm the interrupt."""
        while True:
            slot = self._info.cq_offset + CQE.size() * self._head
            entry = CQE.from_bytes(await self._channel.read(RINGS, slot, CQE.size()))
            if entry.phase != self._phase:
                break
            job = BD3.from_bytes(
                await self._channel.read(RINGS, SQE_BYTES * entry.sq_head, SQE_BYTES))
            self._done.append(Completion(job.tag, ErrorType(job.error_type), job.result))
            self._used -= 1
            self._head += 1
            if self._head == self.depth:
                self._head, self._phase = 0, 1 - self._phase
        await self._ring(DoorbellCommand.CQ, self._head, 1)

    async def _ring(self, command: DoorbellCommand, index: int, c_flag: int) -> None:
        word = Doorbell.pack(queue=self._info.number, command=command, index=index, c_flag=c_flag)
        await self._channel.write(DOORBELL, DOORBELL_OFFSET, word.to_bytes(8, "little"))


def copy_job(source: int, target: int, size: int, tag: int = 0) -> BD3:
    """A job that copies `size` bytes between two addresses."""
    return jobs.copy(source, target, size, tag)
