"""Software that answers stalls at random, and what it knows about each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from random import Random

from cocotb.task import Task

from pymodel.checker import Checker, Observation
from pymodel.memory import PAGE
from pymodel.transaction import Ending, Transaction
from spec.commands import RESUME, STALL_TERM
from spec.events import F_TRANSLATION, TRANSLATION_FAULTS, EventType, FaultClass
from spec.registers import CR0
from spec.vmsa import shift
from tb.coverage import Counts
from tb.env import Env
from tb.machine import Machine, register_state
from tb.random_world import World
from tb.recorded import Recorder

PAUSE = (20, 400)  # cycles between looks at the Event queue
PATIENCE = 6       # looks without a new stall, until everything is answered
RETRIES = 4        # of one transaction
Key = tuple[int, int | None, int, bool]  # StreamID, SubstreamID, address, write

# Answers.
RETRY, ABORT, RAZWI, TERM, OFF = "retry", "abort", "razwi", "term", "off"


def key_of(txn: Transaction) -> Key:
    return txn.sid, txn.ssid, txn.addr, txn.write


def distinct(txn: Transaction, used: set[Key], rng: Random) -> Transaction:
    """The transaction, or one of the same page, so that no two in `used` look alike in a record."""
    while key_of(txn) in used:
        txn = replace(txn, addr=(txn.addr & -PAGE) | rng.randrange(PAGE) & -txn.size)
    used.add(key_of(txn))
    return txn


@dataclass
class Attempt:
    """A stall record that software has read.

    Members
    -------
    kind
        Stage, event, class.
    seen, before
        Times: it was visible at `seen`, and became so at `before` at the earliest.
    answer, answered
        What software did, and no later than when it did.
    unsure
        A STALL_TERM was executed not long before or after it stalled: which stalls and records it
        catches is then UNPREDICTABLE (reference 6.3).
    """

    sid: int
    stag: int
    kind: tuple[str, str, str]
    seen: int
    before: int
    answer: str = ""
    answered: int = 0
    unsure: bool = False


class StallSoftware:
    """Reads the Event queue, which it now and then disables, and answers what stalls; also by
    disabling the SMMU for a while, for which GBPA has to say abort.

    Members
    -------
    records
        All records read; the user empties it.
    counts
        How often each answer was given.
    lossy
        Other records than those of stalls may be missing, since the user last cleared it.
    """

    def __init__(self, env: Env, machine: Machine, recorder: Recorder, checker: Checker,
                 world: World, coverage: Counts) -> None:
        self._env, self._machine, self._recorder, self._world = env, machine, recorder, world
        self._checker, self._coverage = checker, coverage
        self._rng = env.rng
        self._eager = self._rng.choice((0.0, 0.2, 0.7))  # chance of an answer at each look
        self._off = self._rng.choice((0.0, 0.0, 0.1))    # chance that the queue is disabled
        self._live: dict[int, Attempt] = {}
        self._attempts: dict[Key, list[Attempt]] = defaultdict(list)
        self._keys: dict[int, Key] = {}                  # of the live ones
        # (StreamID, from, to): when its stalls were ended, even those without a record.
        self._terms: list[tuple[int, int, int]] = []
        self._looked, self._on = env.cycles, True
        self.records: list[bytes] = []
        self.counts: dict[str, int] = defaultdict(int)
        self.lossy = False

    async def serve(self, running: list[Task], work: Callable[[], Awaitable[None]]) -> None:
        """Work until all tasks are done; `work` now and then."""
        rng, idle = self._rng, 0
        while not all(task.done() for task in running):
            await self._env.wait_cycles(rng.randrange(*PAUSE))
            if rng.random() < (self._off if self._on else 0.4):
                await self._switch(not self._on)
            if rng.random() < 0.3:
                await work()
            found = await self.look()
            idle = 0 if found else idle + 1
            late = idle > PATIENCE
            if late and not self._on:
                await self._switch(True)
            if self._live and late and rng.random() < 0.1:
                await self._restart()
            for stag in list(self._live):
                if stag in self._live and (late or rng.random() < self._eager):
                    await self._answer(stag, last=late and rng.random() < 0.5)
        if not self._on:
            await self._switch(True)
        await self.look()
        assert not self._live or all(attempt.unsure for attempt in self._live.values()), (
            "stalls whose transactions have ended", self._live)
        self._live.clear()

    async def _switch(self, on: bool) -> None:
        """Enable or disable the Event queue."""
        self._on = on
        self.lossy = True
        await self._machine.enable(CR0.pack(SMMUEN=1, CMDQEN=1, EVENTQEN=on))

    async def _restart(self) -> None:
        """Disable the SMMU, which ends everything that stalls, and enable it again."""
        for value in (0, 1):
            since = self._env.cycles
            await self._machine.enable(CR0.pack(SMMUEN=value, CMDQEN=1, EVENTQEN=1))
            self._checker.on_state(await register_state(self._env), since, self._env.cycles)
            await self.look()
            if not value:
                for stag in list(self._live):
                    self._end(stag, OFF)
                self._terms += [(stream.sid, since, self._env.cycles)
                                for stream in self._world.streams]
            await self._env.wait_cycles(self._rng.randrange(200))

    async def look(self, terminated: int | None = None) -> int:
        """Take new records out of the queue; how many stall. Those of the stream `terminated` are
        unsure."""
        since, self._looked, found = self._looked, self._env.cycles, 0
        overflows = self._machine.overflows
        for data in await self._machine.events():
            self.records.append(data)
            record = _fault(data)
            if record is None or not record.Stall:
                continue
            found += 1
            old = self._live.get(record.STAG)
            if old is not None:
                assert old.unsure, f"STAG {record.STAG} is used twice"
                old.answer = TERM
            key = _key(record)
            kind = (str(1 + record.S2), EventType(record.TYPE).name, FaultClass(record.CLASS).name)
            attempt = Attempt(record.StreamID, record.STAG, kind, self._env.cycles, since,
                              unsure=record.StreamID == terminated)
            self._attempts[key].append(attempt)
            self._live[record.STAG], self._keys[record.STAG] = attempt, key
        assert len(self._live) <= self._machine.impl.STALL_MAX
        self.lossy |= self._machine.overflows != overflows
        return found

    async def _answer(self, stag: int, *, last: bool) -> None:
        """One answer; `last`: nothing that lets it stall again."""
        rng, attempt, key = self._rng, self._live[stag], self._keys[stag]
        if attempt.unsure:
            await self._terminate(attempt.sid)
            return
        if rng.random() < 0.1:  # nobody's
            await self._machine.post([
                RESUME.make(StreamID=attempt.sid ^ 1 << rng.randrange(8), STAG=stag,
                            Ac=rng.randrange(2), Ab=rng.randrange(2)),
                RESUME.make(StreamID=attempt.sid, STAG=stag ^ 0x8000, Ac=1)])
        tired = last or len(self._attempts[key]) > RETRIES
        answer = rng.choices((RETRY, ABORT, RAZWI, TERM), (0 if tired else 6, 2, 2, 1))[0]
        if answer == TERM:
            await self._terminate(attempt.sid)
            return
        if answer == RETRY and rng.random() < 0.5:
            self._map(key)
        self._end(stag, answer)
        self._coverage.add("command", "RESUME", "whole", "unused")
        await self._machine.post([RESUME.make(StreamID=attempt.sid, STAG=stag, Ac=answer == RETRY,
                                              Ab=1 if answer == ABORT else
                                              rng.randrange(2) if answer == RETRY else 0)])

    def _map(self, key: Key) -> None:
        """Put the leaf back that the transaction needs, if one was taken away."""
        sid, ssid, address, _ = key
        for stream in self._world.streams:
            for context in stream.contexts if stream.sid == sid else ():
                for half in context.halves if context.ssid == (ssid or 0) else ():
                    for leaf in half.leaves:
                        if (not leaf.present
                                and not (address ^ leaf.iova) >> shift(half.g, leaf.level)):
                            leaf.present = True
                            half.put(leaf.slot, leaf.value)

    def _end(self, stag: int, answer: str) -> None:
        """The stall is no longer live."""
        attempt = self._live.pop(stag)
        attempt.answer, attempt.answered = answer, self._env.cycles
        self.counts[answer] += 1
        self._coverage.add("stall", *attempt.kind, answer)

    async def _terminate(self, sid: int) -> None:
        """STALL_TERM. What was visible before it ends; what stalls while it is executed, may."""
        for stag, attempt in list(self._live.items()):
            if attempt.sid == sid:
                self._end(stag, TERM)
        since = self._env.cycles
        self._coverage.add("command", "STALL_TERM", "whole", "unused")
        await self._recorder.post([STALL_TERM.make(StreamID=sid)])
        await self._recorder.settle()
        self._terms.append((sid, since, self._env.cycles))
        await self.look(terminated=sid)

    def unfold(self, observations: Iterable[Observation]) -> list[Observation]:
        """Observations of transactions that have ended, as one for each attempt; those that
        software ended have to have ended as it asked. Forgets their attempts."""
        faults = [record for data in self.records if (record := _fault(data)) is not None]
        plain = {_key(record) for record in faults if not record.Stall}
        out = []
        for seen in observations:
            attempts = self._attempts.pop(key_of(seen.txn), [])
            issued = seen.issued
            for attempt in attempts:
                out.append(replace(seen, ending=Ending.STALLED, pa=None, issued=issued,
                                   decided=attempt.seen, completed=max(issued, attempt.before)))
                issued = attempt.answered
                last = attempt is attempts[-1]
                assert last or attempt.answer == RETRY, (seen, attempts)
            answer = attempts[-1].answer if attempts else RETRY
            if answer != RETRY:
                razwi = answer == RAZWI and not self._world.impl.TERM_MODEL
                want = Ending.RAZWI if razwi else Ending.ABORT
                assert seen.ending is want, f"{answer}, but {seen}"
                continue
            final = replace(seen, issued=issued, completed=max(issued, seen.completed))
            if not self._terminated(final, plain):
                out.append(final)
        assert not self._attempts, f"stalls of nobody: {self._attempts}"
        self._terms.clear()
        return out

    def _terminated(self, seen: Observation, plain: set[Key]) -> bool:
        """Whether STALL_TERM or SMMUEN ended it before there was a record."""
        if seen.ending is not Ending.ABORT or key_of(seen.txn) in plain or not any(
                sid == seen.txn.sid and begin <= seen.decided and end >= seen.issued
                for sid, begin, end in self._terms):
            return False
        allowed = self._checker.allowed(seen.txn, seen.issued, seen.decided, seen.completed)
        return any(outcome.ending is Ending.STALLED for outcome in allowed)


def _fault(data: bytes) -> F_TRANSLATION | None:
    """A record of a fault that can stall; their layouts agree in what is used here."""
    if data[0] not in TRANSLATION_FAULTS:
        return None
    return F_TRANSLATION(int.from_bytes(data, "little"))


def _key(record: F_TRANSLATION) -> Key:
    """The transaction of a record."""
    return (record.StreamID, record.SubstreamID if record.SSV else None, record.InputAddr,
            not record.RnW)
