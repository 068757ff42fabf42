"""Many block ports on one AXI4 master, against a memory that reorders and stalls."""

from __future__ import annotations

import random
from collections import deque
from types import SimpleNamespace

import pytest
from amaranth import Cat
from amaranth.sim import Simulator

from hdl.mem.read import LOCK_ID, ReadArbiter
from hdl.mem.write import WriteArbiter

OKAY, EXOKAY, SLVERR = 0, 1, 2
MASK = (1 << 128) - 1


def content(addr: int) -> int:
    """The 16 bytes at a 16-byte aligned address."""
    return (addr * 0x9E3779B97F4A7C15F39CC0605CEDC835 + 1) & MASK


def failing(addr: int) -> bool:
    return addr >> 20 & 7 == 5


def request(r: random.Random, port: int, number: int, sizes) -> SimpleNamespace:
    size = r.choice(sizes)
    return SimpleNamespace(port=port, id=number % 256, size=size, lock=0, data=r.getrandbits(256),
                           addr=r.getrandbits(40) >> size << size, beats=[])


def run(dut, step, cycles: int = 6000) -> None:
    """Call `step(ctx)` before each clock edge until it returns True."""
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    finished = []

    async def process(ctx):
        for _ in range(cycles):
            if await step(ctx):
                finished.append(True)
                return

    sim.add_testbench(process)
    sim.run()
    assert finished, "not done"


def offer(ctx, port, queue, members):
    """Ask for the first of the queue, if there is any."""
    ctx.set(port.req.valid, bool(queue))
    if queue:
        ctx.set(port.req.payload, {name: getattr(queue[0], name) for name in members})


@pytest.mark.parametrize(("seed", "busy", "ports", "outstanding"),
                         [(1, 0.0, 2, 16), (2, 0.4, 3, 4), (3, 0.2, 1, 1)])
def test_reads(seed, busy, ports, outstanding):
    r = random.Random(seed)
    dut = ReadArbiter(ports=ports, outstanding=outstanding)
    waiting = [deque(request(r, p, n, (3, 4, 5, 6)) for n in range(60)) for p in range(ports)]
    for queue in waiting:
        queue[30].lock, queue[30].size = int(queue is waiting[0]), 3
    open_: list[dict[int, SimpleNamespace]] = [{} for _ in range(ports)]
    memory: list[SimpleNamespace] = []
    state = SimpleNamespace(cycle=0, answer=None, most=0, held=None)
    axi = dut.axi

    async def step(ctx):
        for p, port in enumerate(dut.port):
            offer(ctx, port, waiting[p], ("addr", "size", "id", "lock"))
            ctx.set(port.resp.ready, r.random() >= busy)
        ctx.set(axi.arready, r.random() >= busy)
        if state.answer is None and memory and r.random() >= busy:
            due = [m for m in memory if m.due <= state.cycle]
            state.answer = r.choice(due) if due else None
        a = state.answer
        ctx.set(axi.rvalid, a is not None)
        if a:
            ctx.set(axi.rid, a.id)
            ctx.set(axi.rdata, content(a.addr + 16 * a.beat & ~15))
            ctx.set(axi.rresp.as_value(),
                    SLVERR if failing(a.addr) else EXOKAY if a.lock else OKAY)
            ctx.set(axi.rlast, a.beat == a.len)
        probes = [Cat(axi.arvalid, axi.arready), axi.arid, axi.araddr, axi.arlen, axi.arsize,
                  axi.arlock, Cat(axi.rvalid, axi.rready)]
        for port in dut.port:
            out = port.resp.payload
            probes += [Cat(port.req.valid, port.req.ready), Cat(port.resp.valid, port.resp.ready),
                       out.id, out.data, Cat(out.last, out.error, out.exclusive)]
        values = list(await ctx.tick().sample(*probes))[2:]
        ar, arid, addr, length, size, lock, rr = values[:7]
        if state.held:
            assert (ar & 1, arid, addr) == state.held, "AR changed before it was taken"
        state.held = (1, arid, addr) if ar == 1 else None
        if ar == 3:
            assert (arid == LOCK_ID) == lock
            assert all(m.id != arid for m in memory)
            memory.append(SimpleNamespace(id=arid, addr=addr, len=length, size=size, lock=lock,
                                          beat=0, due=state.cycle + r.randrange(1, 20)))
            state.most = max(state.most, len(memory))
        if rr == 3:
            a.beat += 1
            if a.beat > a.len:
                memory.remove(a)
            state.answer = None  # the next beat may be of another read
        for p in range(ports):
            req, resp, id_, data, flags = values[7 + 5 * p:12 + 5 * p]
            if req == 3:
                item = waiting[p].popleft()
                open_[p][item.id] = item
            if resp == 3:
                check_beat(open_[p], id_, data, flags)
        state.cycle += 1
        return not any(waiting) and not any(open_)

    run(dut, step)
    assert state.most >= min(outstanding, 4)


def check_beat(open_, id_, data, flags):
    item = open_[id_]
    n = len(item.beats)
    want = content(item.addr + 16 * n & ~15)
    if item.size == 3:
        want = want >> 8 * (item.addr & 8) & (1 << 64) - 1
        data &= (1 << 64) - 1
    assert data == want
    item.beats.append(data)
    last = len(item.beats) == max(1, (1 << item.size) // 16)
    assert flags == last | failing(item.addr) << 1 | (item.lock and not failing(item.addr)) << 2
    if last:
        del open_[id_]


def test_a_read_takes_no_cycle_of_its_own():
    dut = ReadArbiter(ports=2, outstanding=4)

    async def step(ctx):
        ctx.set(dut.port[1].req.valid, 1)
        ctx.set(dut.port[1].req.payload, {"addr": 0x1000, "size": 4, "id": 7, "lock": 0})
        ctx.set(dut.axi.arready, 1)
        await ctx.delay(1e-8)
        assert ctx.get(dut.axi.arvalid)
        assert ctx.get(dut.port[1].req.ready)
        await ctx.tick()
        return True

    run(dut, step)


@pytest.mark.parametrize(("seed", "busy", "ports"), [(1, 0.0, 2), (2, 0.5, 3)])
def test_writes(seed, busy, ports):
    r = random.Random(seed)
    dut = WriteArbiter(ports=ports)
    waiting = [deque(request(r, p, n, (2, 3, 4, 5)) for n in range(50)) for p in range(ports)]
    waiting[0][20].lock, waiting[0][20].size = 1, 3
    waiting[0][20].addr &= ~7
    open_: list[dict[int, SimpleNamespace]] = [{} for _ in range(ports)]
    addresses, beats, done = deque(), deque(), []
    state = SimpleNamespace(answer=None)
    axi, ram = dut.axi, {}

    async def step(ctx):
        for p, port in enumerate(dut.port):
            offer(ctx, port, waiting[p], ("addr", "size", "data", "id", "lock"))
            ctx.set(port.resp.ready, r.random() >= busy)
        for ready in (axi.awready, axi.wready):
            ctx.set(ready, r.random() >= busy)
        if state.answer is None and done and r.random() < .5:
            state.answer = done.pop(r.randrange(len(done)))
        b = state.answer
        ctx.set(axi.bvalid, b is not None)
        if b:
            ctx.set(axi.bid, b.id)
            ctx.set(axi.bresp.as_value(),
                    SLVERR if failing(b.addr) else EXOKAY if b.lock else OKAY)
        probes = [Cat(axi.awvalid, axi.awready), axi.awid, axi.awaddr, axi.awlen, axi.awlock,
                  Cat(axi.wvalid, axi.wready), axi.wdata, axi.wstrb, axi.wlast,
                  Cat(axi.bvalid, axi.bready)]
        for port in dut.port:
            out = port.resp.payload
            probes += [Cat(port.req.valid, port.req.ready), Cat(port.resp.valid, port.resp.ready),
                       out.id, Cat(out.error, out.exclusive)]
        aw, awid, addr, length, lock, w, data, strobe, last, bb, *rest = list(
            await ctx.tick().sample(*probes))[2:]
        if aw == 3:
            addresses.append(SimpleNamespace(id=awid, addr=addr, len=length, lock=lock, n=0))
        if w == 3:
            beats.append((data, strobe, last))
        while addresses and beats:
            data, strobe, last = beats.popleft()
            a = addresses[0]
            for byte in range(16):
                if strobe >> byte & 1:
                    ram[(a.addr & ~15) + 16 * a.n + byte] = data >> 8 * byte & 0xFF
            assert last == (a.n == a.len)
            a.n += 1
            if last:
                done.append(addresses.popleft())
        if bb == 3:
            state.answer = None
        for p in range(ports):
            req, resp, id_, flags = rest[4 * p:4 * p + 4]
            if req == 3:
                item = waiting[p].popleft()
                open_[p][item.id] = item
            if resp == 3:
                item = open_[p].pop(id_)
                got = bytes(ram.pop(item.addr + n) for n in range(1 << item.size))
                assert int.from_bytes(got, "little") == item.data & (1 << (8 << item.size)) - 1
                assert flags == failing(item.addr) | (item.lock and not failing(item.addr)) << 1
        return not any(waiting) and not any(open_)

    run(dut, step)
    assert not ram, "bytes nobody asked for"
