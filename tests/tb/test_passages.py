"""What `passages` says of transactions that change on their way."""

from dataclasses import replace

import pytest

from tb.client import Burst, Request, Resp, Response
from tb.memory_port import MemoryAccess
from tb.samplers import TraceEntry
from tb.scoreboard import ABORT, RAZWI, TRANSLATED
from tb.witness import passages

ASKED = Request(addr=0x1040, sid=7, size=3, beats=4, id=2, burst=Burst.WRAP, lock=True)
SEEN = MemoryAccess(addr=0x9000_0040, cycle=20, done=30, id=2, beats=4, size=3, burst=Burst.WRAP,
                    write=False, lock=True, cache=15, prot=2, resp=Resp.EXOKAY)
TRACED = {"axid": 2, "rnw": 1, "sid": 7, "addr": 0x1040, "len": 3, "size": 3,
          "outcome": TRANSLATED, "pa": 0x9000_0040}
DATA = bytes(range(32))


def answered(resp: Resp, data: bytes) -> Response:
    return Response(resp, data, issue=10, accept=11, first=25, done=31)


def traced(**fields: int) -> TraceEntry:
    layout = TraceEntry._layout()
    return TraceEntry(18, sum(value << layout[name][0]
                              for name, value in (TRACED | fields).items()))


def test_one_that_passes_unchanged():
    found = passages([ASKED], [answered(Resp.EXOKAY, DATA)], [traced()], [SEEN])
    assert [(p.request, p.access) for p in found] == [(ASKED, SEEN)]


@pytest.mark.parametrize(("outcome", "resp"), [(ABORT, Resp.SLVERR), (RAZWI, Resp.OKAY)])
def test_terminated_ones(outcome, resp):
    entry = traced(outcome=outcome)
    assert passages([ASKED], [answered(resp, bytes(32))], [entry], [])[0].access is None
    with pytest.raises(AssertionError, match="for the terminated"):
        passages([ASKED], [answered(Resp.OKAY + Resp.SLVERR - resp, bytes(32))], [entry], [])
    with pytest.raises(AssertionError, match="data of a terminated read"):
        passages([ASKED], [answered(resp, DATA)], [entry], [])


@pytest.mark.parametrize("change", [
    {"beats": 3}, {"size": 2}, {"burst": Burst.INCR}, {"lock": False}, {"addr": 0x9000_0048},
    {"resp": Resp.OKAY}])
def test_what_memory_saw_otherwise(change):
    with pytest.raises(AssertionError, match=r"memory (saw|answered)"):
        passages([ASKED], [answered(Resp.EXOKAY, DATA)], [traced()], [replace(SEEN, **change)])


@pytest.mark.parametrize("change", [{"addr": 0x1048}, {"sid": 6}, {"len": 2}, {"size": 2}])
def test_what_the_trace_says_otherwise(change):
    with pytest.raises(AssertionError, match="is not Request"):
        passages([ASKED], [answered(Resp.EXOKAY, DATA)], [traced(**change)], [SEEN])


@pytest.mark.parametrize(("trace", "accesses", "complaint"), [
    ([], [], "requests without a trace record"),
    ([traced(), traced()], [SEEN, SEEN], "nobody made"),
    ([traced()], [], "memory saw nothing"),
    ([traced()], [SEEN, SEEN], "accesses that no transaction made"),
])
def test_what_does_not_fit_together(trace, accesses, complaint):
    with pytest.raises(AssertionError, match=complaint):
        passages([ASKED], [answered(Resp.EXOKAY, DATA)], trace, accesses)
