"""Software that sees a completion before the device has the answer to its write."""

from tests.accel.bench import Bench as AnyBench
from tests.accel.qm_driver import DATA, copy_bd
from tests.hdl.accel.bench import Bench

QUEUE = 3


def test_a_queue_is_not_full_because_software_was_quick():
    """It acknowledges the CQE and rings the next SQE at once; no overflow is reported."""
    async def case(b: AnyBench) -> None:
        d = b.driver
        await d.bring_up()
        await d.start(QUEUE)
        for turn in range(4):
            await d.submit(QUEUE, copy_bd(DATA, DATA + 0x1000, 16))
            while d.peek(QUEUE) is None:
                await b.bus.read(0)
            await d.complete(QUEUE, c_flag=turn % 2)
        for _ in range(20):
            await b.bus.wait()
        assert not d.async_event(0).phase
        assert b.irqs["aeq"] == 0
    Bench(depth=2, stall=0.0, latency=100).run(case)
