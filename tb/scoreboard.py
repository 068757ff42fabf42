"""Every transaction of the RTL against the golden model, while the tables stand still.

The RTL's trace says how each transaction left a TBU; the memory ports say what reached memory; the
Event queue says what was recorded. The model answers each transaction on the same memory, without
touching it.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hdl.streams import Outcome
from pymodel.memory import Memory
from pymodel.reader import MemoryReader, PreviewReader
from pymodel.state import SmmuState
from pymodel.transaction import Ending, Result, Transaction
from pymodel.translate import translate
from sim.explain import access, outcome
from sim.replay.expect import decode
from sim.text import steps_text
from spec.events import EVENTS
from spec.impl import Implementation
from tb.axi_types import axi_attributes
from tb.coverage_samples import Sampler
from tb.memory_port import MemoryAccess
from tb.own_types import OwnTypes
from tb.samplers import TraceEntry


def _code(member: Any) -> int:
    return int(member.value)


TRANSLATED, ABORT, RAZWI = _code(Outcome.TRANSLATED), _code(Outcome.ABORT), _code(Outcome.RAZWI)


@dataclass
class Tally:
    """What one (StreamID, SubstreamID) did. Cycles are those of its trace records."""

    transactions: int = 0
    bytes: int = 0
    hits: int = 0
    walks: int = 0
    first: int = 0
    last: int = 0

    def add(self, entry: TraceEntry) -> None:
        self.first = self.first if self.transactions else entry.cycle
        self.last = entry.cycle
        self.transactions += 1
        self.hits += entry.hit
        self.walks += not entry.hit
        if entry.outcome == TRANSLATED:
            self.bytes += (entry.len + 1) << entry.size


@dataclass
class Scoreboard:
    """Checks trace records as they are handed over.

    Members
    -------
    state
        Register values in effect; set it whenever software changes them.
    transactions, agree
        Counts so far. `failures` holds the text of every disagreement.
    tallies
        Per (StreamID, SubstreamID or None).
    coverage
        Where transactions that agree are sampled, if anywhere.
    own
        Who learns from the model which accesses of the SMMU itself they need, if anybody.
    """

    impl: Implementation
    memory: Memory
    state: SmmuState
    transactions: int = 0
    agree: int = 0
    failures: list[str] = field(default_factory=list)
    tallies: dict[tuple[int, int | None], Tally] = field(
        default_factory=lambda: defaultdict(Tally))
    outcomes: Counter[str] = field(default_factory=Counter)
    due: Counter[bytes] = field(default_factory=Counter)
    coverage: Sampler | None = None
    own: OwnTypes | None = None
    event_types: Counter[str] = field(default_factory=Counter)
    _tables: PreviewReader | None = None
    _maybe: Counter[int] = field(default_factory=Counter)  # bits that may have been updated

    def expect_updates(self, descriptors: dict[int, int]) -> None:
        """Judge hardware updates from now on: these are the descriptors that there are, by
        physical address, before the transactions handed over next."""
        self._tables = PreviewReader(MemoryReader(self.memory))
        self._tables.updated = descriptors
        self._maybe.clear()

    def updates(self) -> None:
        """Memory must hold the descriptors with exactly the updates that were due. Access flags,
        and what stage 2 says of the table, that were set for an access which was then refused may
        be there or not; that a stage-1 page is dirty must not: it is never said speculatively
        (reference 4.6)."""
        if self._tables is None:
            return
        for address, value in self._tables.updated.items():
            found = self.memory.read64(address)
            if (found ^ value) & ~self._maybe[address]:
                self.failures.append(f"the descriptor at {address:#x} is {found:#018x}, with the "
                                     f"updates that are due it is {value:#018x}")
        self._tables = None

    def check(self, trace: Iterable[TraceEntry], accesses: Iterable[MemoryAccess]) -> None:
        """Judge the transactions of one TBU. `accesses` is what its memory port saw since the
        last call: for each AXI id and direction, the translated transactions in order."""
        reached: dict[tuple[int, bool], deque[MemoryAccess]] = defaultdict(deque)
        for item in accesses:
            reached[item.id, item.write].append(item)
        for entry in trace:
            txn = transaction(entry)
            steps = self._model(txn, explain=True) if self.coverage is not None else None
            if self.own is not None and steps is not None:
                self.own.learn(steps)
            result = self._model(txn)
            self.transactions += 1
            self.tallies[txn.sid, txn.ssid].add(entry)
            self.outcomes[result.ending.value] += 1
            if result.event is not None and result.ending is not Ending.STALLED:
                self.due[result.event] += 1
            why = _differences(entry, result)
            if entry.outcome == TRANSLATED:
                queue = reached[entry.axid, txn.write]
                why += _arrival(queue.popleft() if queue else None, entry, result)
            if why:
                self._fail(entry, txn, why)
            else:
                self.agree += 1
                if self.coverage is not None and steps is not None:
                    self.coverage.transaction(txn, steps, bool(entry.hit))
        self.failures += [f"memory saw an access that no transaction made: {item}"
                          for queue in reached.values() for item in queue]

    def events(self, records: Iterable[bytes], *, lossy: bool = False) -> None:
        """Records the RTL wrote since the last call but those of stalls; all that are due must be
        there, unless the queue overflowed (`lossy`), and no others."""
        seen = Counter(records)
        for record, n in seen.items():
            self.event_types[_name(record)] += n
        missing = Counter() if lossy else self.due - seen
        self.failures += [f"event not written ({n}x): {decode(record)}"
                          for record, n in missing.items()]
        self.failures += [f"event not due ({n}x): {decode(record)}"
                          for record, n in (seen - self.due).items()]
        self.due.clear()

    def verify(self) -> None:
        """AssertionError with the first disagreements, if there are any."""
        shown = "\n".join(self.failures[:3])
        assert not self.failures, f"{len(self.failures)} disagreements with the model:\n{shown}"

    def _model(self, txn: Transaction, *, explain: bool = False) -> Result:
        if self._tables is None or explain:
            reader = self._tables or PreviewReader(MemoryReader(self.memory))
            return translate(self.impl, self.state, reader, txn, explain=explain)
        trial = PreviewReader(self._tables)
        result = translate(self.impl, self.state, trial, txn)
        for address, value in trial.updated.items():
            before = self._tables.updated.get(address, value)
            if result.ending is Ending.TRANSLATED:
                self._tables.updated[address] = value
                self._maybe[address] &= ~(value ^ before)
            else:
                # Stage 1 says "dirty" by a bit that is cleared.
                self._maybe[address] |= value & ~before
        return result

    def _fail(self, entry: TraceEntry, txn: Transaction, why: list[str]) -> None:
        result = self._model(txn, explain=True)
        self.failures.append(
            f"cycle {entry.cycle}: {access(txn)}: {'; '.join(why)}\n{entry}\n"
            f"the model: {outcome(result)}\n{steps_text(result.steps).plain}")


def transaction(entry: TraceEntry) -> Transaction:
    """The client's transaction that a trace record describes."""
    return Transaction(sid=entry.sid, ssid=entry.ssid if entry.ssv else None, addr=entry.addr,
                       write=not entry.rnw, pnu=bool(entry.pnu), ind=bool(entry.ind),
                       size=1 << entry.size)


def _name(record: bytes) -> str:
    number = record[0]
    return EVENTS[number].__name__ if number in EVENTS else hex(number)


_OUTCOMES = {Ending.TRANSLATED: (TRANSLATED, 0), Ending.BYPASS: (TRANSLATED, 1),
             Ending.ABORT: (ABORT, 0), Ending.RAZWI: (RAZWI, 0),
             Ending.STALLED: (ABORT, 0)}   # it has left, so software has refused it


def _differences(entry: TraceEntry, result: Result) -> list[str]:
    want, bypass = _OUTCOMES[result.ending]
    if entry.outcome != want or (want == TRANSLATED and entry.bypass != bypass):
        return [f"the RTL ended it otherwise (outcome {entry.outcome}, bypass {entry.bypass})"]
    if want == TRANSLATED and entry.pa != result.pa:
        return [f"the RTL's address is {entry.pa:#x}"]
    return []


def _arrival(seen: MemoryAccess | None, entry: TraceEntry, result: Result) -> list[str]:
    """What is wrong with the access that memory saw for a translated transaction."""
    if seen is None or seen.addr != entry.pa:
        return [f"memory saw {'nothing' if seen is None else hex(seen.addr)} for it"]
    if result.attrs is None:
        return []
    cache, prot = axi_attributes(result.attrs, write=seen.write)
    if (seen.cache, seen.prot) != (cache, prot):
        return [f"memory saw AxCACHE {seen.cache:#06b} and AxPROT {seen.prot:#05b}, the model's "
                f"attributes are {cache:#06b} and {prot:#05b}"]
    return []
