"""Interrupts of the event queues and of the errors when software writes in the very cycle in which
the hardware has something to say: nothing may be lost."""

import pytest
from amaranth.sim import Simulator

from hdl.accel.qm.abnormal import Abnormal
from hdl.accel.qm.events import EventQueue
from spec.qm import ABNORMAL_INT_SOURCE, EQE

ENTRY_CYCLES = 8     # from the wish for an entry to its interrupt, and some more


def simulate(dut, body) -> None:
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(body)
    sim.run()


async def pulses(ctx, signal, cycles: int, actions) -> int:
    """Cycles with `signal`; `actions` at their cycle are values of signals for one cycle."""
    count = 0
    for cycle in range(cycles):
        for at, values in actions:
            if cycle in (at, at + 1):
                for target, value in values:
                    ctx.set(target, value if cycle == at else 0)
        count += ctx.get(signal)
        await ctx.tick()
    return count


def live(register, value):
    return [(register.write, 1), (register.data, value)]


def event_queue(body) -> None:
    """Run `body` with an event queue that is loaded and whose writes are taken."""
    dut = EventQueue(queues=4, number=EQE.cq_num, guarded=True)

    async def loaded(ctx):
        ctx.set(dut.new_context, {"depth_minus_1": 7, "phase": 1})
        ctx.set(dut.load, 1)
        await ctx.tick()
        ctx.set(dut.load, 0)
        ctx.set(dut.write.req.ready, 1)
        ctx.set(dut.write.beat.ready, 1)
        await body(ctx, dut)

    simulate(dut, loaded)


@pytest.mark.parametrize("lifted", range(ENTRY_CYCLES))
def test_a_mask_is_lifted_while_an_entry_appears(lifted):
    """One interrupt, whichever is first."""
    async def body(ctx, dut):
        assert await pulses(ctx, dut.irq, 2 * ENTRY_CYCLES, [
            (0, [(dut.want[0], 1)]), (4, [(dut.write.done, 1)]),
            (lifted, live(dut.mask, 0))]) == 1
        assert ctx.get(dut.source.value) == 1
        assert ctx.get(dut.context.tail) == 1

    event_queue(body)


@pytest.mark.parametrize("name", ["load", "forget"])
@pytest.mark.parametrize("cycle", [2, 3, 4])
def test_a_context_goes_while_an_entry_is_written(name, cycle):
    """Up to the cycle of its answer: it is no entry of the new context, and no interrupt."""
    async def body(ctx, dut):
        ctx.set(dut.mask.write, 1)
        await ctx.tick()
        ctx.set(dut.mask.write, 0)
        told = await pulses(ctx, dut.irq, 2 * ENTRY_CYCLES, [
            (0, [(dut.want[0], 1)]), (4, [(dut.write.done, 1)]),
            (cycle, [(getattr(dut, name), 1)])])
        assert told == ctx.get(dut.source.value) == ctx.get(dut.context.tail) == 0

    event_queue(body)


@pytest.mark.parametrize("cleared", range(6))
def test_an_error_is_cleared_while_it_appears_again(cleared):
    """It is gone, or there is an interrupt after the clearing."""
    dut = Abnormal(queues=4)
    error = ABNORMAL_INT_SOURCE.axi_rresp.mask

    async def body(ctx):
        ctx.set(dut.registers.ABNORMAL_INT_MASK.write, 1)
        ctx.set(dut.registers.RAS_NFE_ENABLE.data, error)
        ctx.set(dut.registers.RAS_NFE_ENABLE.write, 1)
        await ctx.tick()
        ctx.set(dut.registers.ABNORMAL_INT_MASK.write, 0)
        ctx.set(dut.registers.RAS_NFE_ENABLE.write, 0)
        assert await pulses(ctx, dut.irq, 5, [(0, [(dut.raise_read, 1)])]) == 1
        source = dut.registers.ABNORMAL_INT_SOURCE
        told = await pulses(ctx, dut.irq, 12, [
            (3, [(dut.raise_read, 1)]), (cleared, live(source, error))])
        assert told == ctx.get(source.value) // error == (cleared <= 3)

    simulate(dut, body)
