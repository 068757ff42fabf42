"""The golden model of the queue manager while an access of its own waits in the SMMU."""

from typing import cast

import pytest

from pymodel.accel import Accelerator
from pymodel.smmu import Smmu
from spec.qm import (
    ABNORMAL_INT_SOURCE,
    CACHE_WB_DONE,
    CACHE_WB_START,
    EQC,
    MASTER_GLOBAL_CTRL,
    MEM_START_INIT,
    SQ_CQ_DEPTH_CAP,
    TRANS_RETURN,
    DoorbellCommand,
    MailboxCommand,
    MailboxOp,
)
from tests.accel.qm_driver import BUFFER, DATA, EQ, EVENTS, copy_bd
from tests.pymodel.accel.bench import Bench

TABLE = 0x8000
ELSEWHERE = 0x5000      # of another EQ


def run(case):
    Bench().run(case)


@pytest.mark.parametrize("write", [False, True])
def test_bus_master_tells_when_everything_has_returned(write):
    """Reference 2.3, TRANS_RETURN."""
    async def case(b):
        d = b.driver
        await d.bring_up()
        await d.start(0, pasid=1)
        target = DATA + 0x4000
        b.hold(1, (target if write else DATA) >> 12)
        await d.submit(0, copy_bd(DATA, target, 8))
        await d.set(MASTER_GLOBAL_CTRL, 1)
        waits = TRANS_RETURN(await d.get(TRANS_RETURN))
        assert (waits.READS, waits.WRITES) == (write, not write)
        b.release()
        assert await d.get(TRANS_RETURN) == 3
        await d.set(MASTER_GLOBAL_CTRL, 0)
        assert await d.get(TRANS_RETURN) == 0
        assert (await d.complete(0)).error_type == 0
    run(case)


def test_write_back_is_done_when_its_last_write_is():
    """Reference 2.1, 0x208; asked for again meanwhile, nothing happens."""
    async def case(b):
        d = b.driver
        await d.bring_up()
        await d.start(0)
        b.hold(None, TABLE >> 12)
        await d.set(CACHE_WB_START, 1)
        assert await d.get(CACHE_WB_DONE) == 0
        log = len(b.log)
        await d.set(CACHE_WB_START, 1)
        assert len(b.log) == log
        b.release()
        assert await d.get(CACHE_WB_DONE) == 1
    run(case)


async def entry_waits(b):
    """Queue 0's first job is done; the entry that tells so waits on its way to the EQ."""
    await b.driver.bring_up()
    await b.driver.start(0)
    b.hold(None, EQ >> 12)
    await b.driver.submit(0, copy_bd(DATA, DATA + 64, 8))


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("forgotten", [False, True])
def test_an_eq_loaded_while_an_entry_is_written_begins_empty(lost, forgotten):
    """The entry belongs to the ring before: the new one counts only its own."""
    async def case(b):
        d = b.driver
        await entry_waits(b)
        if forgotten:
            await d.set(MEM_START_INIT, 1)
        else:
            eqc = EQC.make(base_l=ELSEWHERE, depth_minus_1=EVENTS - 1, phase=1)
            assert await d.load(MailboxCommand.EQC, eqc) == 0
        b.memory.poisoned = {EQ >> 12} if lost else set()
        b.release()
        b.memory.poisoned = set()
        assert ABNORMAL_INT_SOURCE(await d.get(ABNORMAL_INT_SOURCE)).axi_bresp == lost
        await d.mailbox(MailboxCommand.EQC, 0, BUFFER, MailboxOp.GET)
        dumped = EQC.from_bytes(b.memory.read(BUFFER, EQC.size()))
        assert (dumped.tail, dumped.phase) == (0, not forgotten)
        assert b.memory.read(ELSEWHERE, 4) == bytes(4)
        if not forgotten:
            await d.start(1)
            await d.submit(1, copy_bd(DATA, DATA + 64, 8))
            assert b.memory.read(ELSEWHERE, 8) == b"\1\0\1\0" + bytes(4)
    run(case)


def test_a_lost_entry_that_a_doorbell_has_passed():
    """A head beyond the tail names entries that nobody has seen."""
    async def case(b):
        d = b.driver
        await entry_waits(b)
        await d.ring_events(DoorbellCommand.EQ, 3)
        b.memory.poisoned = {EQ >> 12}
        b.release()
        b.memory.poisoned = set()
        await d.ring_events(DoorbellCommand.EQ, 0)
        await d.start(1)
        await d.submit(1, copy_bd(DATA, DATA + 64, 8))
        assert b.memory.read(EQ, 4) == b"\1\0\1\0"
    run(case)


def test_depth_of_the_rings():
    b = Bench()
    accelerator = Accelerator(b.memory, cast(Smmu, b.smmu), b.sid, b.queues, depth=16)
    depths = SQ_CQ_DEPTH_CAP(accelerator.read(SQ_CQ_DEPTH_CAP.OFFSET, 4))
    assert (depths.SQ_DEPTH, depths.CQ_DEPTH) == (16, 16)
