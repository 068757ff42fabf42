"""Memory types of the SMMU's own accesses in the golden model (reference 1.5, 2.4-2.6, 4.10)."""

import pytest

from pymodel.own import OwnType, by_memattr, by_queue, by_ste, by_table, by_walk, nested
from spec.registers import CR1
from spec.stream_table import STE


def test_registers():
    """CR1 codes with the hint of the base register; NC in both halves is outer shareable."""
    cr1 = CR1.pack(TABLE_IC=2, TABLE_OC=1, TABLE_SH=3, QUEUE_IC=1, QUEUE_OC=2, QUEUE_SH=1)
    assert by_table(cr1, 1) == (0xEA, 3)
    assert by_table(cr1, 0) == (0xC8, 3)
    assert by_queue(cr1, 1, write=False) == (0xAE, 0)
    assert by_queue(cr1, 1, write=True) == (0x9D, 0)
    assert by_table(CR1.pack(TABLE_IC=3, TABLE_OC=0, TABLE_SH=3), 1) == (0x44, 2)


def test_structures():
    ste = STE.make(S1CIR=3, S1COR=2, S1CSH=3, S2IR0=1, S2OR0=3, S2SH0=2)
    assert by_ste(ste) == (0xAC, 3)
    assert by_walk(ste) == (0xEF, 2)


@pytest.mark.parametrize(("code", "found"), [(1, (0x04, 2)), (5, (0x44, 2)), (15, (0xFF, 3)),
                                             (4, (0x00, 2))])
def test_msi(code, found):
    assert by_memattr(code, 3) == found


def test_nested():
    """The weaker of both; Device becomes Normal-NC with PTWNNC only; S2FWB forces."""
    own = OwnType(0xFF, 3)
    assert nested(own, (10, 2, False), ptwnnc=True) == (0xBB, 2)
    assert nested(own, (1, 3, False), ptwnnc=False) == (0x04, 2)
    assert nested(own, (1, 3, False), ptwnnc=True) == (0x44, 2)
    assert nested(OwnType(0x44, 2), (6, 3, True), ptwnnc=False) == (0xFF, 2)
    assert nested(own, (7, 0, True), ptwnnc=True) == (0xFF, 3)
