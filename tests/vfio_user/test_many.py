"""64 channels at once."""

import random

from driver.run import run
from driver.wd.queue import Queue
from driver.wd.vfio_user import VfioUserChannel
from pymodel.memory import PAGE
from spec.sec import ErrorType
from tests.vfio_user.rig import serving

CHANNELS = 64


def test_all_channels_at_once(tmp_path):
    """Every channel with jobs in flight at the same address; some go in between."""
    rng = random.Random(64)
    with serving(tmp_path, CHANNELS, "base") as server:
        channels = [VfioUserChannel(server.path(n)) for n in range(CHANNELS)]
        queues = [Queue(channel, run(channel.info())) for channel in channels]
        memories = [run(queue.reserve(PAGE)) for queue in queues]
        assert len({memory.address for memory in memories}) == 1
        numbers = {queue._info.number for queue in queues}
        assert len(numbers) == CHANNELS
        for lap in range(3):
            for n, (queue, memory) in enumerate(zip(queues, memories, strict=True)):
                memory.write(0, bytes([n, lap]) * 32)
                run(queue.copy(memory.address, memory.address + 128, 64, tag=lap))
            for n in rng.sample(range(len(queues)), 4):
                run(queues[n].release())
                queues[n] = memories[n] = None
            queues = [queue for queue in queues if queue]
            memories = [memory for memory in memories if memory]
            for queue, memory in zip(queues, memories, strict=True):
                assert run(queue.wait(60_000))
                assert [(j.tag, j.error) for j in run(queue.receive())] == [(lap, ErrorType.OK)]
                assert memory.read(128, 64) == memory.read(0, 64)
        for queue in queues:
            run(queue.release())
