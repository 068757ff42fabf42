"""Beats of structures, interleaved."""

import random

import pytest
from amaranth.sim import Simulator

from hdl.tcu.collect import BEAT_BITS, Collector


@pytest.mark.parametrize("seed", range(4))
def test_beats_of_several_reads_interleave(seed):
    """Each structure is put together from its own beats, and fails with them alone."""
    rng = random.Random(seed)
    dut = Collector(3)
    reads = {n: [(rng.getrandbits(BEAT_BITS), rng.random() < 0.2) for _ in range(rng.randint(1, 2))]
             for n in range(8)}
    want = {n: (sum(data << BEAT_BITS * k for k, (data, _) in enumerate(beats)),
                any(bad for _, bad in beats)) for n, beats in reads.items()}
    order = rng.sample([n for n, beats in reads.items() for _ in beats],
                       sum(map(len, reads.values())))
    seen = {}

    async def bench(ctx):
        beats, out = dut.beats, dut.structures
        sent = dict.fromkeys(reads, 0)
        while len(seen) < len(reads):
            if order:
                n = order[0]
                data, bad = reads[n][sent[n]]
                ctx.set(beats.payload, {"id": n, "data": data, "error": bad, "exclusive": 0,
                                        "last": sent[n] == len(reads[n]) - 1})
            ctx.set(beats.valid, bool(order))
            ctx.set(out.ready, rng.random() < 0.7)
            *_, taken, given, value = await ctx.tick().sample(
                beats.valid & beats.ready, out.valid & out.ready, out.payload)
            if taken:
                sent[order.pop(0)] += 1
            if given:
                bits = BEAT_BITS * len(reads[value.id])
                seen[value.id] = (value.data & (1 << bits) - 1, bool(value.error))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run_until(1e-3)
    assert seen == want
