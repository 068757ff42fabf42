"""Any number of lanes: as many jobs under way, and all of them right."""

import random

import pytest

from tests.accel.bench import Bench as AnyBench
from tests.accel.jobs import KINDS, Maker
from tests.accel.qm_driver import DATA, copy_bd
from tests.hdl.accel.bench import Bench

HELD = 0x3F0000   # a page whose reads wait


@pytest.mark.parametrize("lanes", [1, 3])
def test_lanes(lanes):
    begun = []

    async def case(b: AnyBench) -> None:
        d = b.driver
        await d.bring_up()
        for queue in range(4):
            await d.start(queue, queue + 1)
            b.hold(queue + 1, HELD >> 12)
        for queue in range(4):
            await d.submit(queue, copy_bd(HELD, DATA, 16))
        for _ in range(20):
            await b.bus.wait()
        begun.append(sum(access.addr >> 12 == HELD >> 12 for access in b.log))
        b.release()
        for queue in range(4):
            assert (await d.complete(queue)).error_type == 0
        maker = Maker(b.memory, random.Random(lanes), DATA)
        jobs = [maker.make(kind, 48) for kind in KINDS[::3]]
        for n, job in enumerate(jobs):
            await d.submit(n % 4, job.bd)
        for n, job in enumerate(jobs):
            job.check(b.memory, await d.complete(n % 4))

    Bench(lanes=lanes, stall=0.1).run(case)
    assert begun == [lanes]
