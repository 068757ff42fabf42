"""Counters of what the device did."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.streams import Live
from hdl.layouts import view
from spec.qm import (
    ACC_FINISH_CNT,
    CQE_CNT,
    CQE_CNT_VF_SQN,
    CQE_ERR_CNT,
    DB_CNT,
    DB_CNT_VF,
    DFX_CNT_CLR_CE,
    MB_CNT,
    MB_CNT_VF,
    SEND_SQE_TO_ACC_CNT,
    SQE_CNT,
    SQE_CNT_VF_SQN,
    WB_SQE_FROM_ACC_CNT,
)

SELECTORS = [MB_CNT_VF, DB_CNT_VF, SQE_CNT_VF_SQN, CQE_CNT_VF_SQN]
COUNTERS = [MB_CNT, DB_CNT, SQE_CNT, CQE_CNT, SEND_SQE_TO_ACC_CNT, WB_SQE_FROM_ACC_CNT,
            ACC_FINISH_CNT, CQE_ERR_CNT]
REGISTERS = [DFX_CNT_CLR_CE, *SELECTORS, *COUNTERS]
FUNCTION_BITS = 6   # of a selector: the function; the queue is in its upper half


class Counters(wiring.Component):
    """What reference 2.9 counts, modulo 2^32. A read of a counter's doubleword clears it while
    DFX_CNT_CLR_CE says so.

    MB_CNT and DB_CNT count while their selector names function 0; SQE_CNT and CQE_CNT the entries
    of the queue of function 0 that their selector names.

    Members
    -------
    registers
        One `Live` per name of `REGISTERS`.
    command, doorbell, sent, written_back, finished, cqe_error
        Pulses: a command starts; a doorbell arrives; a job goes to a lane, leaves it, has its
        result in its SQE; a CQE could not be written.
    sqe, sqe_queue, cqe, cqe_queue
        Pulse: an SQE was fetched, a CQE written, of that queue.

    What lanes and completions do has a pulse for each of them.
    """

    def __init__(self, *, queues: int, lanes: int, completions: int):
        self.completions = completions
        super().__init__({
            "registers": Out(wiring.Signature({r.__name__: In(Live()) for r in REGISTERS})),
            "command": In(1), "doorbell": In(1), "sent": In(1),
            "finished": In(lanes), "written_back": In(completions), "cqe_error": In(completions),
            "sqe": In(1), "sqe_queue": In(range(queues)),
            "cqe": In(completions), "cqe_queue": In(range(queues)).array(completions),
        })

    def elaborate(self, platform):
        m = Module()
        live = {register: getattr(self.registers, register.__name__) for register in REGISTERS}
        selected = {}
        for register in (DFX_CNT_CLR_CE, *SELECTORS):
            value = selected[register] = Signal(32, name=register.__name__)
            m.d.comb += live[register].value.eq(value)
            with m.If(live[register].write):
                m.d.sync += value.eq(live[register].data)
        clears = view(DFX_CNT_CLR_CE, selected[DFX_CNT_CLR_CE]).CLEAR

        def chosen(selector, queue):
            word = selected[selector]
            return (word[:FUNCTION_BITS] == 0) & (word[16:] == queue)

        for register, event in (
                (MB_CNT, self.command & (selected[MB_CNT_VF][:FUNCTION_BITS] == 0)),
                (DB_CNT, self.doorbell & (selected[DB_CNT_VF][:FUNCTION_BITS] == 0)),
                (SQE_CNT, self.sqe & chosen(SQE_CNT_VF_SQN, self.sqe_queue)),
                (CQE_CNT, sum(self.cqe[n] & chosen(CQE_CNT_VF_SQN, self.cqe_queue[n])
                              for n in range(self.completions))),
                (SEND_SQE_TO_ACC_CNT, self.sent), (WB_SQE_FROM_ACC_CNT, sum(self.written_back)),
                (ACC_FINISH_CNT, sum(self.finished)), (CQE_ERR_CNT, sum(self.cqe_error))):
            count = Signal(32, name=register.__name__)
            cleared = live[register].read & clears
            m.d.comb += live[register].value.eq(count)
            m.d.sync += count.eq(Mux(cleared, 0, count) + event)
        return m
