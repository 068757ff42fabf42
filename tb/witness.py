"""What benches saw of transactions, as observations for the checker."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from pymodel.checker import Observation
from pymodel.transaction import Ending
from tb.client import Request, Response
from tb.memory_port import MemoryAccess
from tb.samplers import TraceEntry
from tb.scoreboard import ABORT, RAZWI, TRANSLATED, transaction

_ENDINGS = {(TRANSLATED, 0): Ending.TRANSLATED, (TRANSLATED, 1): Ending.BYPASS,
            (ABORT, 0): Ending.ABORT, (ABORT, 1): Ending.ABORT, (RAZWI, 0): Ending.RAZWI}


def observe(batch: Sequence[Request], responses: Sequence[Response], trace: Iterable[TraceEntry],
            accesses: Iterable[MemoryAccess]) -> list[Observation]:
    """The transactions of one client's batch, all of which have ended.

    `trace` and `accesses` are those of its TBU since the batch began. Requests, trace records and
    accesses keep their order for each AXI id and direction. Times are safe bounds: issued no later
    than the TBU saw the request, decided no earlier than it was, completed no later than the last
    response of memory. What never reaches memory may have been terminated at once and answered
    late, in its turn: a CMD_SYNC waits for its event record only (reference 6.4). AssertionError
    if the three do not fit together.
    """
    asked: dict[tuple[int, bool], deque[tuple[Request, Response]]] = defaultdict(deque)
    for request, response in zip(batch, responses, strict=True):
        asked[request.id, request.data is not None].append((request, response))
    reached: dict[tuple[int, bool], deque[MemoryAccess]] = defaultdict(deque)
    for item in accesses:
        reached[item.id, item.write].append(item)
    out = []
    for entry in trace:
        queue = asked[entry.axid, not entry.rnw]
        assert queue, f"the trace has a transaction that nobody made: {entry}"
        request, response = queue.popleft()
        txn = transaction(entry)
        assert (request.addr, request.sid) == (txn.addr, txn.sid), f"{entry} is not {request}"
        pa, completed = None, response.issue
        if entry.outcome == TRANSLATED:
            pa, there = entry.pa, reached[entry.axid, txn.write]
            assert there, f"memory saw nothing for {entry}"
            assert there[0].addr == pa, f"memory saw {there[0].addr:#x} for {entry}"
            completed = there.popleft().done
        out.append(Observation(
            txn=txn, ending=_ENDINGS[entry.outcome, entry.bypass], issued=response.issue,
            decided=entry.cycle, completed=completed, pa=pa))
    assert not any(asked.values()), "requests without a trace record"
    assert not any(reached.values()), "memory saw accesses that no transaction made"
    return out
