"""What the scoreboard says of hardware updates, with a model that makes any."""

import pytest

from pymodel.memory import SparseMemory
from pymodel.state import SmmuState
from pymodel.transaction import Ending, Result, Transaction
from spec.impl import PRESETS
from spec.vmsa import AP_RO, S1Leaf
from tb.scoreboard import Scoreboard

RAM, SLOT = 0x8000_0000, 0x8000_1000
CLEAN = 0x9000_0003 | S1Leaf.AP.put(AP_RO)
USED, DIRTY = CLEAN | S1Leaf.AF.mask, (CLEAN | S1Leaf.AF.mask) & ~S1Leaf.AP.put(AP_RO)
PASSES, REFUSED = Ending.TRANSLATED, Ending.ABORT


def complaints(monkeypatch, accesses: list[tuple[Ending, int]], found: int) -> list[str]:
    """Each access ends so, with the descriptor as it is then; `found` is what memory then has."""
    left = iter(accesses)

    def translate(impl, state, reader, txn, explain=False):
        ending, value = next(left)
        old = reader.descriptor(SLOT, 1, 3, None)
        assert reader.update(SLOT, old, value, 1, 3, None)
        return Result(ending)

    monkeypatch.setattr("tb.scoreboard.translate", translate)
    memory = SparseMemory(RAM, 1 << 20)
    board = Scoreboard(PRESETS["base"], memory, SmmuState())
    board.expect_updates({SLOT: CLEAN})
    for _ in accesses:
        board._model(Transaction(sid=1, addr=0, write=True))
    memory.write(SLOT, found.to_bytes(8, "little"))
    board.updates()
    return board.failures


@pytest.mark.parametrize(("accesses", "found", "right"), [
    ([(PASSES, USED)], USED, True),
    ([(PASSES, USED)], CLEAN, False),
    ([(PASSES, DIRTY)], USED, False),
    # For an access that is refused the flag may be set; dirty state may not.
    ([(REFUSED, USED)], CLEAN, True),
    ([(REFUSED, USED)], USED, True),
    ([(REFUSED, DIRTY)], USED, True),
    ([(REFUSED, DIRTY)], DIRTY, False),
    # What was optional is due once an access has used it.
    ([(REFUSED, USED), (PASSES, USED)], CLEAN, False),
    ([(PASSES, DIRTY), (REFUSED, DIRTY)], DIRTY, True),
])
def test_updates(accesses, found, right, monkeypatch):
    assert (not complaints(monkeypatch, accesses, found)) == right
