"""What must hold when the accelerator and the SMMU have come to rest after random work."""

from __future__ import annotations

from driver.bus import Region
from spec.events import EVENT_BYTES, Event
from spec.fields import Register
from spec.qm import (
    ABNORMAL_INT_SOURCE,
    ACC_FINISH_CNT,
    AEQ_IRQ_CAP,
    AEQE,
    EQ_IRQ_CAP,
    IN_IDLE_ST,
    SEND_SQE_TO_ACC_CNT,
    WB_SQE_FROM_ACC_CNT,
    AeqeType,
)
from spec.registers import EVENTQ_BASE
from tb.accel.system import System

MESSAGE_BYTES = 4


class Judge:
    """Checks a system at rest.

    Members
    -------
    stalls
        Records of stalls that were read.
    was_reset
        Set by the user: the function was reset since the last check.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._counted = self._jobs = 0    # by the device, by us
        self._pulses = 0
        self.stalls, self.was_reset = 0, False

    async def check(self) -> None:
        """Nothing is in flight: judge the SMMU, the errors, and all of memory."""
        system, env = self._system, self._system.env
        assert IN_IDLE_ST(await self._read(IN_IDLE_ST)).IDLE
        await system.iommu.faults.service()
        for trace, port in zip(env.traces, env.mems[1:], strict=True):
            system.board.check(trace.take(), port.log())
            port.clear_log()
        records = system.smmu.take()
        system.board.events(event.to_bytes() for event in records if not self._is_stall(event))
        system.board.verify()
        await self._check_asynchronous()
        await self._check_abnormal()
        self._check_message()
        await self._check_counters()
        queue = EVENTQ_BASE(await env.cfg.read64(EVENTQ_BASE.OFFSET))
        system.mirror.adopt(queue.ADDR, EVENT_BYTES << queue.LOG2SIZE)   # judged above
        wrong = system.mirror.differences()
        assert not wrong, f"{len(wrong)} pages are not as they must be:\n" + "\n".join(wrong[:5])

    def _is_stall(self, event: Event) -> bool:
        """Whether it says that a transaction waits, which then must have had a reason."""
        values = dict(event.items())
        if not values.get("Stall"):
            return False
        space = self._system.spaces[values["SubstreamID"]]
        assert space.may_stall(values["InputAddr"]), f"nothing is wrong there: {event}"
        self.stalls += 1
        return True

    async def _check_asynchronous(self) -> None:
        """Only careless queues have overflowed, and each said so once."""
        system = self._system
        ring = system.qm.aeq
        head, phase = ring.head, ring.phase
        for entry in await system.qm.service_async():
            agent = system.agent(entry.queue)
            assert entry.type == AeqeType.CQ_OVERFLOW, entry
            agent.overflows -= 1
            assert agent.overflows >= 0, (
                f"queue {agent.number} of depth {agent.depth} cannot have overflowed: {entry}")
            system.mirror.expect(ring.physical + AEQE.size() * head, AEQE.make(
                queue=agent.number, phase=phase, type=AeqeType.CQ_OVERFLOW).to_bytes())
            head = (head + 1) % ring.depth
            phase ^= head == 0
            agent.done["overflow"] += 1

    async def _check_counters(self) -> None:
        """They tell the jobs of a round without a reset."""
        system = self._system
        counted = {register: await self._read(register) for register in (
            SEND_SQE_TO_ACC_CNT, ACC_FINISH_CNT, WB_SQE_FROM_ACC_CNT)}
        jobs = sum(agent.done["jobs"] for agent in system.agents)
        if not self.was_reset:
            for register, count in counted.items():
                assert count - self._counted == jobs - self._jobs, (
                    f"{register.__name__} says {count - self._counted}, done are "
                    f"{jobs - self._jobs} jobs")
        self._counted, self._jobs = counted[ACC_FINISH_CNT], jobs
        self.was_reset = False

    def _check_message(self) -> None:
        """Interrupts of the event queues came as messages, too."""
        system = self._system
        pulses = sum(system.env.irq.count(name) for name in ("eq", "aeq"))
        new, self._pulses = pulses - self._pulses, pulses
        if system.message is None:
            return
        data, physical = system.message
        found = int.from_bytes(system.mirror.read(physical, MESSAGE_BYTES), "little")
        legal = [data + cap(cap.RESET).VECTOR for cap in (EQ_IRQ_CAP, AEQ_IRQ_CAP)] if new else []
        legal += [] if new and not self.was_reset else [0]
        assert found in legal, f"the message is {found:#x}, must be one of {legal}"
        system.mirror.write(physical, bytes(MESSAGE_BYTES))

    async def _check_abnormal(self) -> None:
        system = self._system
        source = await system.qm.take_errors()
        tried = sum(agent.done.pop("wrong random", 0) for agent in system.agents)
        want = ABNORMAL_INT_SOURCE.make(db_random_invalid=tried > 0)
        assert source == want, f"abnormal errors {source}, must be {want}"

    async def _read(self, register: type[Register]) -> int:
        return await self._system.bus.read(Region.ACCEL, register.OFFSET)
