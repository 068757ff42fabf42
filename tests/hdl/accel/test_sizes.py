"""Numbers of queues."""

import pytest

from spec.qm import EQ_AEQ_DEPTH_CAP, EQE, QUE_NUM_CAP, event_depths
from spec.sec import ErrorType
from tests.accel.qm_driver import DATA, EQ, copy_bd
from tests.hdl.accel.bench import Bench


@pytest.mark.parametrize("queues", [2, 64, pytest.param(1024, marks=pytest.mark.regress)])
def test_the_last_queue_works_alone_and_in_company(queues):
    last = queues - 1

    async def case(b):
        d = b.driver
        assert QUE_NUM_CAP(await d.get(QUE_NUM_CAP)).TOTAL == queues
        depths = EQ_AEQ_DEPTH_CAP(await d.get(EQ_AEQ_DEPTH_CAP))
        assert (depths.EQ_DEPTH, depths.AEQ_DEPTH) == event_depths(queues)
        await d.bring_up(queues=queues)
        for queue in (0, last):
            await d.start(queue)
        await d.ring(last, 0, 1, page=0)              # through another's page
        await d.submit(last, copy_bd(DATA, DATA + 64, 8))
        await d.submit(0, copy_bd(DATA, DATA + 64, 8))
        for queue in (0, last):
            assert (await d.complete(queue)).error_type == ErrorType.OK
        await d.pause(3)
        events = [EQE.from_bytes(b.memory.read(EQ + 4 * n, 4)) for n in range(2)]
        assert {event.cq_num for event in events} == {0, last}

    Bench(queues=queues, stall=0.1).run(case)
