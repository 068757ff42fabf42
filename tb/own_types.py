"""Memory types of the SMMU's own accesses, as memory port 0 saw them (reference 4.10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pymodel.transaction import Result, Step
from spec.context import CD, L1CD
from spec.stream_table import L1STD, STE
from tb.axi_types import axi_cache
from tb.client import Resp
from tb.coverage import Counts
from tb.machine import Machine
from tb.memory_port import MemoryAccess

# Step of the model to what it reads: a word, or a structure of more.
_STRUCTURES = {"find_ste": (L1STD, STE), "find_cd": (L1CD, CD)}
_TABLES = {"walk_stage1": "stage-1 table", "walk_stage2": "stage-2 table"}


class OwnTypes:
    """Judges accesses to tables by what the model explained of transactions on the same tables,
    and those to queues and MSIs by the registers and commands of `machine`.

    Members
    -------
    failures
        The text of every disagreement.
    """

    def __init__(self, machine: Machine, counts: Counts) -> None:
        self._machine, self._counts = machine, counts
        self._tables: dict[int, set[tuple[str, int]]] = defaultdict(set)  # address to names, MAIRs
        self.failures: list[str] = []

    def learn(self, result: Result) -> None:
        """The accesses that an explained transaction makes when nothing is cached."""
        for step in result.steps:
            if step.address is not None and step.step != "combine_attributes":
                self._tables[step.address].add((_name(step), step.fields["mair"]))

    def check(self, accesses: Iterable[MemoryAccess], *, settled: bool) -> None:
        """Judge what memory saw since the last call. `settled`: nothing but the transactions
        learnt since then read tables, so that no access is without a reason."""
        for item in accesses:
            queue = self._machine.own_type(item.addr)
            due = {(queue[0], queue[1].mair)} if queue else self._tables.get(item.addr, set())
            if due:
                self._judge(item, due)
            elif settled and item.resp <= Resp.EXOKAY:  # the model explains no aborted access
                self.failures.append(f"an access that no transaction needs: {item}")
        self._tables.clear()

    def _judge(self, item: MemoryAccess, due: set[tuple[str, int]]) -> None:
        types = sorted(due)
        names = {axi_cache(mair, write=item.write): name for name, mair in types}
        if item.cache not in names:
            self.failures.append(f"AxCACHE {item.cache:#06b} of {item}, the model has {types}")
            return
        # An access flag may be set for an access that is then refused: not in the explanation.
        name = names[item.cache].replace("table", "update" if item.write else "table")
        self._counts.add("own access", name, _type(item.cache))

    def verify(self) -> None:
        """AssertionError with the first disagreements."""
        shown = "\n".join(self.failures[:3])
        assert not self.failures, f"{len(self.failures)} disagreements with the model:\n{shown}"


def _name(step: Step) -> str:
    """As the coverage plan names what the step reads."""
    if step.step in _TABLES:
        return _TABLES[step.step]
    return _STRUCTURES[step.step][len(step.words) > 1].__name__


def _type(cache: int) -> str:
    if not cache >> 2:
        return "non-cacheable" if cache & 2 else "Device"
    return "write-back" if cache & 1 else "write-through"
