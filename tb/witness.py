"""What benches saw of transactions from end to end, and as observations for the checker."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pymodel.checker import Observation
from pymodel.transaction import Ending
from tb.client import Request, Resp, Response
from tb.memory_port import MemoryAccess
from tb.samplers import TraceEntry
from tb.scoreboard import ABORT, RAZWI, TRANSLATED, transaction

_ENDINGS = {(TRANSLATED, 0): Ending.TRANSLATED, (TRANSLATED, 1): Ending.BYPASS,
            (ABORT, 0): Ending.ABORT, (ABORT, 1): Ending.ABORT, (RAZWI, 0): Ending.RAZWI}


@dataclass(frozen=True, slots=True)
class Passage:
    """One transaction as its client, the trace of its TBU and memory (None: not reached) saw it."""

    request: Request
    response: Response
    entry: TraceEntry
    access: MemoryAccess | None

    def verify(self) -> None:
        """AssertionError if burst or response changed on the way."""
        q, answer, entry, access = self.request, self.response, self.entry, self.access
        assert (q.addr, q.sid, q.beats, q.size) == (entry.addr, entry.sid, entry.len + 1,
                                                    entry.size), f"{entry} is not {q}"
        if access is not None:
            assert access.addr == entry.pa, f"memory saw {access.addr:#x} for {entry}"
            shape = (q.beats, q.size, q.burst, q.lock)
            seen = (access.beats, access.size, access.burst, access.lock)
            assert seen == shape, f"memory saw {access} for {q}"
            assert answer.resp == access.resp, f"{answer.resp!r} where memory answered {access}"
        else:
            want = Resp.OKAY if entry.outcome == RAZWI else Resp.SLVERR
            assert answer.resp == want, f"{answer.resp!r} for the terminated {entry}"
            assert not any(answer.data), f"data of a terminated read: {entry}"

    def bin(self) -> tuple[str, ...]:
        """Its bin in the coverage group "burst"."""
        q = self.request
        return (q.burst.name, "1" if q.beats == 1 else "2 to 16" if q.beats <= 16 else "more",
                "read" if q.data is None else "write", "exclusive" if q.lock else "normal",
                "terminated" if self.access is None else "passed")


def passages(batch: Sequence[Request], responses: Sequence[Response], trace: Iterable[TraceEntry],
             accesses: Iterable[MemoryAccess]) -> list[Passage]:
    """The transactions of one client's batch, all of which have ended, in the order of the trace.

    `trace` and `accesses` are those of its TBU since the batch began. Requests, trace records and
    accesses keep their order for each AXI id and direction. AssertionError if they do not fit
    together.
    """
    asked: dict[tuple[int, bool], deque[tuple[Request, Response]]] = defaultdict(deque)
    for request, response in zip(batch, responses, strict=True):
        asked[request.id, request.data is not None].append((request, response))
    reached: dict[tuple[int, bool], deque[MemoryAccess]] = defaultdict(deque)
    for item in accesses:
        reached[item.id, item.write].append(item)
    out = []
    for entry in trace:
        queue, access = asked[entry.axid, not entry.rnw], None
        assert queue, f"the trace has a transaction that nobody made: {entry}"
        if entry.outcome == TRANSLATED:
            there = reached[entry.axid, not entry.rnw]
            assert there, f"memory saw nothing for {entry}"
            access = there.popleft()
        out.append(Passage(*queue.popleft(), entry, access))
        out[-1].verify()
    assert not any(asked.values()), "requests without a trace record"
    assert not any(reached.values()), "memory saw accesses that no transaction made"
    return out


def observe(batch: Sequence[Request], responses: Sequence[Response], trace: Iterable[TraceEntry],
            accesses: Iterable[MemoryAccess]) -> list[Observation]:
    """The `passages` as the checker wants them.

    Times are safe bounds: issued no later than the TBU saw the request, decided no earlier than it
    was, completed no later than the last response of memory. What never reaches memory may have
    been terminated at once and answered late, in its turn: a CMD_SYNC waits for its event record
    only (reference 6.4).
    """
    return [Observation(
        txn=transaction(p.entry), ending=_ENDINGS[p.entry.outcome, p.entry.bypass],
        issued=p.response.issue, decided=p.entry.cycle,
        completed=p.access.done if p.access else p.response.issue,
        pa=p.entry.pa if p.access else None) for p in passages(batch, responses, trace, accesses)]
