"""AXI4-Lite slave: channel order and back-pressure."""

import random

import pytest
from register_bench import simulate

from hdl.regs.slave import RegisterSlave


@pytest.mark.parametrize("order", ["address first", "data first", "together"])
def test_write_channels(order):
    """Address and data may come in any order; the registers see one write, once."""
    dut, seen = RegisterSlave(addr_width=17), []

    async def master(ctx):
        ctx.set(dut.bus.awaddr, 0x18)
        ctx.set(dut.bus.wdata, 0x1111_2222_3333_4444)
        ctx.set(dut.bus.wstrb, 0xF0)
        first, second = {"address first": (dut.bus.awvalid, dut.bus.wvalid),
                         "data first": (dut.bus.wvalid, dut.bus.awvalid),
                         "together": (dut.bus.wvalid, dut.bus.wvalid)}[order]
        ctx.set(first, 1)
        if order != "together":
            for _ in range(5):
                await ctx.tick()
            assert not seen
            ctx.set(second, 1)
        ctx.set(dut.bus.awvalid, 1)
        await ctx.tick()
        ctx.set(dut.bus.awvalid, 0)
        ctx.set(dut.bus.wvalid, 0)
        for _ in range(5):                       # the answer waits for bready
            assert ctx.get(dut.bus.bvalid)
            await ctx.tick()
        ctx.set(dut.bus.bready, 1)
        await ctx.tick()
        assert not ctx.get(dut.bus.bvalid)

    async def watch(ctx):
        while True:
            _, _, write, place, words, values = await ctx.tick().sample(
                dut.write, dut.write_index, dut.write_words, dut.write_data)
            if write:
                seen.append((place, words, list(values)))

    simulate(dut, master, watch)
    assert seen == [(3, 0b10, [0x3333_4444, 0x1111_2222])]


def test_read_back_pressure():
    """Data stays while the master is not ready, also when the register changes meanwhile."""
    dut, rng = RegisterSlave(addr_width=17), random.Random(1)

    async def master(ctx):
        for index in range(20):
            ctx.set(dut.bus.araddr, 8 * index)
            ctx.set(dut.bus.arvalid, 1)
            ctx.set(dut.read_data[0], index)
            await ctx.tick()
            ctx.set(dut.bus.arvalid, 0)
            for _ in range(rng.randrange(4)):
                ctx.set(dut.read_data[0], 0xDEAD)
                assert ctx.get(dut.bus.rvalid)
                assert not ctx.get(dut.bus.arready)
                await ctx.tick()
            assert ctx.get(dut.bus.rdata) == index
            ctx.set(dut.bus.rready, 1)
            await ctx.tick()
            ctx.set(dut.bus.rready, 0)

    simulate(dut, master)
