"""Random jobs and misuse: RTL and golden model leave the same memory behind."""

import random

import pytest

from tests.accel.bench import Bench as AnyBench
from tests.accel.qm_driver import DATA, copy_bd
from tests.hdl.accel.bench import Bench as RtlBench
from tests.pymodel.accel.bench import Bench as ModelBench

QUEUES, DEPTH, SPACE = 4, 6, 0x40000
POISON, SINK = 0x2_0000, 0x3_0000   # in a queue's space: unreadable page; targets of failing jobs


def random_bd(rng, queue):
    """A job inside the queue's own space; now and then one that must fail."""
    base = DATA + queue * SPACE
    length = rng.choice([1, 2, 15, 16, 17, 255, 256, 257, 1000, 4096])
    src = base + rng.randrange(0, 0x8000)
    dst = base + 0xC000 + rng.randrange(0, 0x8000)
    kind = rng.randrange(10)
    if kind == 0:
        return copy_bd(base + POISON - rng.randrange(1, length + 1), base + SINK, length)
    if kind == 1:
        return copy_bd(src, base + POISON - length // 2, length + 2)
    if kind == 2:
        return copy_bd(src, dst, length, **rng.choice([
            {"scene": 3}, {"auth": 1}, {"cipher": 1}, {"src_addr_type": 1}, {"invalid": 1}]))
    if kind == 3:
        return copy_bd(src, None, length, cipher_src_offset=rng.randrange(64))
    return copy_bd(src, dst, length)


async def misuse(driver, rng, queue):
    """A doorbell that must not count."""
    kind = rng.randrange(3)
    if kind == 0:
        await driver.ring(queue, rng.randrange(2), 1, page=(queue + 1) % QUEUES)
    elif kind == 1:
        await driver.ring(queue, rng.randrange(2), rng.randrange(DEPTH, 2**16))
    else:
        await driver.ring(queue, rng.randrange(2), 1, random=rng.randrange(1, 2**16))


def scenario(seed):
    results = {}

    async def case(b: AnyBench) -> None:
        rng, d = random.Random(seed), b.driver
        b.memory.write(DATA, random.Random(seed).randbytes(QUEUES * SPACE))
        b.memory.poisoned = {(DATA + q * SPACE + POISON) // 4096 for q in range(QUEUES)}
        await d.bring_up(QUEUES)
        for queue in range(QUEUES):
            await d.start(queue, rng.choice([None, queue + 1]))
        waiting = dict.fromkeys(range(QUEUES), 0)
        errors = []
        for _ in range(40):
            queue = rng.randrange(QUEUES)
            if rng.random() < 0.1:
                await misuse(d, rng, queue)
            if waiting[queue] == DEPTH - 1 or (waiting[queue] and rng.random() < 0.3):
                errors.append((await d.complete(queue, c_flag=1)).error_type)
                waiting[queue] -= 1
            else:
                await d.submit(queue, random_bd(rng, queue))
                waiting[queue] += 1
        for queue, count in waiting.items():
            for _ in range(count):
                errors.append((await d.complete(queue)).error_type)
        b.memory.poisoned = set()
        for queue in range(QUEUES):
            space = DATA + queue * SPACE
            results[queue] = (b.memory.read(d.sq(queue), 128 * DEPTH),
                              b.memory.read(d.cq(queue), 16 * DEPTH),
                              b.memory.read(space, POISON - 0x1000))
        results["errors"] = errors

    return case, results


@pytest.mark.parametrize("seed", range(2))
def test_rtl_and_model_agree(seed):
    case, of_rtl = scenario(seed)
    RtlBench(depth=DEPTH, seed=seed, stall=0.2, latency=10 * seed).run(case)
    case, of_model = scenario(seed)
    ModelBench(depth=DEPTH).run(case)
    assert of_rtl == of_model
    assert len(set(of_rtl["errors"])) >= 3
