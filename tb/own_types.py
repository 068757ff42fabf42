"""Memory types of the SMMU's own accesses, as memory port 0 saw them (reference 4.10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pymodel.transaction import Result
from tb.axi_types import axi_cache
from tb.client import Resp
from tb.machine import Machine
from tb.memory_port import MemoryAccess


class OwnTypes:
    """Judges accesses to tables by what the model explained of transactions on the same tables,
    and those to queues and MSIs by the registers and commands of `machine`.

    Members
    -------
    judged
        How many accesses so far.
    failures
        The text of every disagreement.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._tables: dict[int, set[int]] = defaultdict(set)  # address to MAIR bytes
        self.judged = 0
        self.failures: list[str] = []

    def learn(self, result: Result) -> None:
        """The accesses that an explained transaction makes when nothing is cached."""
        for step in result.steps:
            if step.address is not None and step.step != "combine_attributes":
                self._tables[step.address].add(step.fields["mair"])

    def check(self, accesses: Iterable[MemoryAccess], *, settled: bool) -> None:
        """Judge what memory saw since the last call. `settled`: nothing but the transactions
        learnt since then read tables, so that no access is without a reason."""
        for item in accesses:
            queue = self._machine.own_type(item.addr, write=item.write)
            types = self._tables.get(item.addr, set()) if queue is None else {queue.mair}
            if types:
                self.judged += 1
                codes = {axi_cache(mair, write=item.write) for mair in types}
                if item.cache not in codes:
                    self.failures.append(f"AxCACHE {item.cache:#06b} of {item}, the model's is "
                                         + " or ".join(f"{code:#06b}" for code in sorted(codes)))
            elif settled and item.resp <= Resp.EXOKAY:  # the model explains no aborted access
                self.failures.append(f"an access that no transaction needs: {item}")
        self._tables.clear()

    def verify(self) -> None:
        """AssertionError with the first disagreements, or if nothing has been judged."""
        shown = "\n".join(self.failures[:3])
        assert not self.failures, f"{len(self.failures)} disagreements with the model:\n{shown}"
        assert self.judged, "no access of the SMMU itself has been judged"
