"""Cases for the pass-through design (sim/designs): the native agents against each other."""

from __future__ import annotations

import hashlib
import time

import cocotb

from tb.client import Burst, Request, Resp
from tb.env import Env
from tb.events import Hang


async def smoke(env: Env) -> None:
    await env.cfg.write64(0, 0x1122334455667788)
    assert await env.cfg.read64(0) == 0x1122334455667788
    await env.cfg.write32(4, 0xAABBCCDD)
    assert await env.cfg.read32(4) == 0xAABBCCDD
    assert await env.cfg.read32(0) == 0x55667788
    env.mem.write(0x1000, bytes(range(64)))
    answer = await env.client(0).read(0x1000, 64, sid=5, ssid=7)
    assert answer.data == bytes(range(64))
    assert answer.resp == Resp.OKAY
    await env.client(0).write(0x2000, b"0123456789abcdef")
    assert env.mem.read(0x2000, 16) == b"0123456789abcdef"
    records = env.trace(0).take()
    assert [(r.addr, r.rnw, r.sid, r.ssv, r.ssid) for r in records] == [
        (0x1000, 1, 5, 1, 7), (0x2000, 0, 0, 0, 0)], records


async def idle(env: Env) -> None:
    await env.wait_cycles(env.params["cycles"])


async def latency(env: Env) -> None:
    """A handshake at cycle t is answered at exactly t + L; one address is accepted per cycle."""
    port = env.mems[0]
    for cycles in (1, 2, 10, 50):
        port.ideal(cycles)
        port.set(log=True)
        answers = await env.client(0).run(
            [Request(addr=8 * i, size=3, id=i % 16) for i in range(100)])
        assert {a.first - a.accept for a in answers} == {cycles}
        assert [a.accept - answers[0].accept for a in answers] == list(range(100))
        assert [entry.cycle for entry in port.log()] == [a.accept for a in answers]
        assert [entry.done for entry in port.log()] == [a.done for a in answers]
        port.clear_log()
        answers = await env.client(0).run(
            [Request(addr=8 * i, size=3, id=i % 16, data=bytes(8)) for i in range(100)])
        assert {a.done - a.accept for a in answers} == {cycles}
        answers = await env.client(0).run([Request(addr=64 * i, beats=4) for i in range(20)])
        assert answers[-1].done - answers[0].first == 79  # beats without a gap
        port.clear_log()
    before = env.cycles
    await env.wait_cycles(17)
    assert env.cycles == before + 17


def _beats(q: Request) -> list[int]:
    """Addresses of the bytes of a request, in order, by the definition of AXI4 A3.4.1."""
    step, first = 1 << q.size, q.addr
    start, total, out = first - first % step, step * q.beats, []
    for beat in range(q.beats):
        address = first if beat == 0 or q.burst == Burst.FIXED else start + beat * step
        if q.burst == Burst.WRAP:
            low = first - first % total
            address = low + (first - low + beat * step) % total
        out += range(address, address - address % step + step)
    return out


async def bursts(env: Env) -> None:
    """Every burst type, narrow sizes, unaligned starts and strobes, against a byte model."""
    model = bytearray(env.rng.randbytes(4096))
    env.mem.write(0, bytes(model))
    rng, client = env.rng, env.client(0)
    for _ in range(60):
        size, burst = rng.randrange(5), rng.choice(list(Burst))
        beats = rng.choice((2, 4, 8, 16)) if burst is Burst.WRAP else rng.randint(1, 16)
        addr = rng.randrange(4096 - 256)
        if burst is Burst.WRAP:
            addr -= addr % (1 << size)
        shape = Request(addr=addr, size=size, beats=beats, burst=burst, id=rng.randrange(256))
        where = _beats(shape)
        if rng.random() < 0.5:
            data = rng.randbytes(len(where))
            enable = bytes(rng.random() < 0.7 for _ in where) if rng.random() < 0.5 else None
            await client.run([Request(addr=addr, size=size, beats=beats, burst=burst, data=data,
                                      enable=enable, id=shape.id)])
            for at, byte, on in zip(where, data, enable or b"\1" * len(where), strict=True):
                if on:
                    model[at] = byte
            assert env.mem.read(0, 4096) == model, shape
        else:
            answer = (await client.run([shape]))[0]
            assert answer.data == bytes(model[at] for at in where), shape


async def early(env: Env) -> None:
    """When reads take their data: at the response, or with `early` at any edge since acceptance,
    in order within an id; the beats of a burst at different ones."""
    port, client = env.mems[0], env.client(0)
    kinds = set()
    for chance in (0.0, 1.0):
        port.ideal(40)
        port.set(early=chance)
        for _ in range(12):
            env.mem.write(0, bytes(32))
            batch = [Request(addr=0, id=0, beats=2), Request(addr=0, id=0), Request(addr=0, id=1)]
            task = cocotb.start_soon(client.run(batch))
            for number in range(1, 30):
                await env.wait_cycles(1)
                env.mem.write(0, bytes([number]) * 32)
            answers = await task
            (one, two), later, other = ((a.data[0], a.data[-1]) for a in answers)
            newest = 29
            assert later[0] >= min(one, two)
            assert later[0] == later[1]
            if chance == 0:
                assert {one, two, *later, *other} == {newest}, answers
            kinds |= {(chance, "early", one < newest), (chance, "torn", one != two),
                      (chance, "overtakes", other[0] < later[0])}
    assert {k for k in kinds if k[0]} == {(1.0, name, flag) for name in
                                          ("early", "torn", "overtakes") for flag in (0, 1)}


async def watched(env: Env) -> None:
    """`read_of` ends with the acceptance of a read that touches the bytes, and not otherwise."""
    client = env.client(0)
    assert not await env.read_of(0x100, 8, 50)
    for addr, size, hits in ((0xF8, 3, False), (0x100, 3, True), (0x108, 3, False),
                             (0x80, 4, True)):
        beats = 9 if size == 4 else 1
        task = cocotb.start_soon(client.run([Request(addr=addr, size=size, beats=beats)]))
        assert await env.read_of(0x100, 8, 50) == hits, hex(addr)
        await task
    task = cocotb.start_soon(client.write(0x100, bytes(8)))
    assert not await env.read_of(0x100, 8, 50)
    await task
    # A held read has what memory held when it was accepted; another id is answered before it.
    env.mem.write(0x100, bytes([7]) * 16)
    batch = [Request(addr=0x100, id=1), Request(addr=0x100, id=2), Request(addr=0x100, id=1)]
    task = cocotb.start_soon(client.run(batch))
    assert await env.read_of(0x100, 8, 50, hold=30)
    env.mem.write(0x100, bytes([9]) * 16)
    held, other, behind = await task
    assert (held.data[0], other.data[0], behind.data[0]) == (7, 9, 9)
    assert held.first == held.accept + 31 > other.done
    assert behind.first > held.done


async def pressure(env: Env) -> dict:
    """Random latency, order, bandwidth and back-pressure lose nothing; the times are returned."""
    rng, client = env.rng, env.client(0)
    env.mems[0].set(read_latency=5, read_jitter=40, write_latency=3, write_jitter=20,
                    reorder=0.5, ar_stall=0.3, aw_stall=0.4, w_stall=0.3, read_rate=0.6,
                    write_rate=0.7, read_depth=12, write_depth=6, interleave=0.5, log=True)
    client.knobs.outstanding = 20
    client.knobs.r_stall, client.knobs.b_stall, client.knobs.w_stall = 20000, 10000, 15000
    batch = []
    for i in range(400):
        beats = rng.randint(1, 8)
        data = rng.randbytes(16 * beats) if rng.random() < 0.5 else None
        if data is None:
            env.mem.write(4096 * i, rng.randbytes(16 * beats))
        batch.append(Request(addr=4096 * i, beats=beats, data=data, id=rng.randrange(4),
                             gap=rng.choice((0, 0, 0, 9)), fence=rng.random() < 0.02))
    answers = await client.run(batch)
    for q, a in zip(batch, answers, strict=True):
        assert a.ok
        assert env.mem.read(q.addr, 16 * q.beats) == (a.data or q.data)
    for kind in (True, False):
        for number in range(4):  # order within an id
            done = [a.done for q, a in zip(batch, answers, strict=True)
                    if q.id == number and (q.data is None) == kind]
            assert done == sorted(done)
    reads = [a.done for q, a in zip(batch, answers, strict=True) if q.data is None]
    assert reads != sorted(reads), "nothing was reordered"
    spans = [(a.first, a.done) for q, a in zip(batch, answers, strict=True) if q.data is None]
    assert any(first < other < done for first, done in spans for other, _ in spans), "no beat mixed"
    times = repr([(a.issue, a.accept, a.first, a.done) for a in answers])
    return {"times": hashlib.sha256(times.encode()).hexdigest(), "cycles": env.cycles}


async def errors(env: Env) -> None:
    client = env.client(0)
    env.open_memory(0x8000_0000, 1 << 30)
    assert (await client.read(0x7FFF_FFF0)).resp == Resp.DECERR
    assert (await client.read(0xC000_0000)).resp == Resp.DECERR
    assert (await client.write(1 << 51, bytes(16))).resp == Resp.DECERR
    assert (await client.read(0x8000_0000)).ok
    base = 0x8000_0000
    rule = env.fail(base + 0x1000, base + 0x1FFF, writes=False)
    assert (await client.read(base + 0x1800)).resp == Resp.SLVERR
    assert (await client.write(base + 0x1800, b"x" * 16)).ok
    assert (await client.read(base + 0x2000)).ok
    rule.remove()
    assert (await client.read(base + 0x1800)).data == b"x" * 16
    env.fail(base, base + 0xFFF, resp=Resp.DECERR, after=2, count=1)
    answers = await client.run([Request(addr=base, fence=True)] * 5)
    assert [a.resp for a in answers] == [0, 0, Resp.DECERR, 0, 0]
    env.poison(base + 0x5000)
    env.mem.poisoned.clear()
    assert (await client.write(base + 0x5010, b"y" * 16)).resp == Resp.SLVERR
    assert env.mem.read(base + 0x5010, 16) == bytes(16), "a refused write reached memory"
    env.mems[0].set(error_rate=0.25)
    answers = await client.run([Request(addr=base + 16 * i) for i in range(1000)])
    assert 180 < sum(not a.ok for a in answers) < 320
    assert env.mems[0].stats.errors == sum(not a.ok for a in answers) + 6


async def exclusive(env: Env) -> None:
    client = env.client(0)

    async def load(number: int = 0) -> Resp:
        return (await client.read(0x100, 8, lock=True, id=number)).resp

    async def store(value: bytes, number: int = 0) -> Resp:
        return (await client.write(0x100, value, lock=True, id=number)).resp

    assert await store(b"no load!") == Resp.OKAY
    assert env.mem.read(0x100, 8) == bytes(8)
    assert await load() == Resp.EXOKAY
    assert await store(b"first.ok") == Resp.EXOKAY
    assert env.mem.read(0x100, 8) == b"first.ok"
    assert await store(b"monitor?") == Resp.OKAY, "a monitor serves one store"
    assert await load() == Resp.EXOKAY
    await client.write(0x108, b"elsewher")
    assert await store(b"second.k") == Resp.EXOKAY
    assert await load() == Resp.EXOKAY
    await client.write(0x100, b"intruder", id=9)
    assert await store(b"too late") == Resp.OKAY
    assert env.mem.read(0x100, 8) == b"intruder"
    assert await load() == Resp.EXOKAY
    env.mem.write(0x100, b"software")  # not through any port
    assert await store(b"too late") == Resp.OKAY
    assert await load(1) == Resp.EXOKAY
    assert await load(2) == Resp.EXOKAY
    assert await store(b"id two..", 2) == Resp.EXOKAY
    assert await store(b"id one..", 1) == Resp.OKAY


async def interrupts(env: Env) -> None:
    assert not await env.irq.wait("evtq", 50)
    await env.cfg.write32(0x10, 0b01)
    assert await env.irq.wait("evtq", 50)
    assert not await env.irq.wait("evtq", 50), "a pulse is seen once"
    await env.cfg.write32(0x10, 0b11)
    await env.wait_cycles(20)
    assert await env.irq.wait("evtq", 0), "a pulse before the wait is not lost"
    assert await env.irq.wait("gerror", 0)
    assert (env.irq.count("evtq"), env.irq.count("gerror")) == (2, 1)
    assert [names for _, names in env.irq.log()] == [["evtq"], ["evtq", "gerror"]]


async def reset(env: Env) -> None:
    await env.cfg.write64(0, 99)
    env.mem.write(0, b"kept")
    await env.client(0).run([Request(addr=16 * n) for n in range(3)])
    await env.reset()
    env.mems[0].set(log=True)
    assert await env.cfg.read64(0) == 0
    assert (await env.client(0).read(0)).data[:4] == b"kept"
    assert len(env.mems[0].log()) == 1  # both sides see the same handshakes


async def hang(env: Env) -> None:
    env.patience = 1000
    env.mems[0].set(ar_stall=1.0)
    try:
        await env.client(0).read(0)
    except Hang as error:
        assert 1000 <= env.cycles < 3000
        raise error


async def illegal_burst(env: Env) -> None:
    await env.client(0).run([Request(addr=0xFF0, beats=2)])


async def spin(env: Env) -> None:
    while True:
        time.sleep(0.1)


async def crash(env: Env) -> None:
    import os
    os.abort()
