"""The context table alone: what happens to one queue leaves the others alone."""

import pytest
from amaranth.sim import Simulator

from hdl.accel.qm.contexts import ContextTable
from hdl.layouts import layout
from spec.qm import SQC

LOADED, CLOSED = 1, 2     # queues


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("pulse", ["load", "unload"])
def test_a_queue_is_loaded_while_another_is_closed(pulse, at_once):
    """A completion closes its queue in whatever cycle: what the mailbox does then counts, too."""
    dut = ContextTable(layout(SQC), [], queues=4, ports=1)

    async def body(ctx):
        async def load(queue):
            ctx.set(dut.number, queue)
            ctx.set(dut.load, 1)
            await ctx.tick()
            ctx.set(dut.load, 0)
        for queue in (CLOSED, *[LOADED] * (pulse == "unload")):
            await load(queue)
        ctx.set(dut.number, LOADED)
        ctx.set(getattr(dut, pulse), 1)
        if not at_once:
            await ctx.tick()
            ctx.set(getattr(dut, pulse), 0)
        ctx.set(dut.close, 1 << CLOSED)
        await ctx.tick()
        there = (pulse == "load") << LOADED
        assert ctx.get(dut.loaded) == there | 1 << CLOSED
        assert ctx.get(dut.open) == there

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(body)
    sim.run()
