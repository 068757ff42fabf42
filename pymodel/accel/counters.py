"""Counters of what the device did (reference 2.9)."""

from __future__ import annotations

from spec import qm
from spec.fields import Register

SELECTORS: dict[type[Register], type[Register]] = {
    qm.MB_CNT: qm.MB_CNT_VF, qm.DB_CNT: qm.DB_CNT_VF, qm.SQE_CNT: qm.SQE_CNT_VF_SQN,
    qm.CQE_CNT: qm.CQE_CNT_VF_SQN}
COUNTERS: list[type[Register]] = [
    *SELECTORS, qm.SEND_SQE_TO_ACC_CNT, qm.WB_SQE_FROM_ACC_CNT, qm.ACC_FINISH_CNT, qm.CQE_ERR_CNT]


class Counters:
    """Counts modulo 2^32 into the register values `stored`, where the selectors are, too.

    MB_CNT and DB_CNT count while their selector names function 0; SQE_CNT and CQE_CNT the queue of
    function 0 that their selector names.
    """

    def __init__(self, stored: dict[type[Register], int]):
        self._stored = stored

    def count(self, register: type[Register], queue: int | None = None) -> None:
        if register in SELECTORS:
            word = self._stored[SELECTORS[register]]
            if word & 0x3F or (queue is not None and word >> 16 != queue):
                return
        self._stored[register] = (self._stored[register] + 1) & 0xFFFF_FFFF

    def read(self, offset: int) -> None:
        """The doubleword at `offset` was read."""
        if qm.DFX_CNT_CLR_CE(self._stored[qm.DFX_CNT_CLR_CE]).CLEAR:
            for register in COUNTERS:
                if register.OFFSET // 8 == offset // 8:
                    self._stored[register] = 0
