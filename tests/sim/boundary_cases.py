"""Native agents against cocotbext-axi, an independent implementation of AXI4."""

from __future__ import annotations

from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiBurstType, AxiBus, AxiMaster, AxiRam, AxiResp

from tb.client import Burst, Request
from tb.env import Env

SIZE = 1 << 16


async def master_on_native_memory(env: Env) -> None:
    """Their master, our memory. External port: client0."""
    master = AxiMaster(AxiBus.from_prefix(env.top, "client0_"), env.top.clk, env.top.rst)
    await ClockCycles(env.top.clk, 10)
    env.mems[0].set(read_latency=3, read_jitter=9, ar_stall=0.3, w_stall=0.3, aw_stall=0.3,
                    write_jitter=5, reorder=0.5, read_rate=0.7)
    model = bytearray(env.rng.randbytes(SIZE))
    env.mem.write(0, bytes(model))
    for _ in range(60):
        size, length = env.rng.randrange(5), env.rng.randint(1, 300)
        address = env.rng.randrange(SIZE - length)
        if env.rng.random() < 0.5:
            data = env.rng.randbytes(length)
            answer = await master.write(address, data, size=size)
            model[address:address + length] = data
        else:
            answer = await master.read(address, length, size=size)
            assert answer.data == model[address:address + length]
        assert answer.resp == AxiResp.OKAY
    assert env.mem.read(0, SIZE) == model
    env.fail(0x100, 0x1FF)
    assert (await master.read(0x180, 4)).resp == AxiResp.SLVERR
    assert (await master.write(0x180, b"1234")).resp == AxiResp.SLVERR
    data = await master.read(0x40, 64, burst=AxiBurstType.INCR)
    assert data.data == model[0x40:0x80]


async def native_client_on_ram(env: Env) -> None:
    """Our client, their memory. External port: mem0."""
    ram = AxiRam(AxiBus.from_prefix(env.top, "mem0_"), env.top.clk, env.top.rst, size=SIZE)
    model = bytearray(env.rng.randbytes(SIZE))
    ram.write(0, bytes(model))
    client = env.client(0)
    client.knobs.r_stall = client.knobs.b_stall = client.knobs.w_stall = 20000
    for _ in range(60):
        size, beats = env.rng.randrange(5), env.rng.choice((1, 2, 4, 8, 16))
        burst = Burst.WRAP if beats > 1 and env.rng.random() < 0.4 else Burst.INCR
        address = env.rng.randrange(SIZE // 512) * 512 + env.rng.randrange(256)
        address -= address % (1 << size) if burst is Burst.WRAP else 0
        low = address - address % (beats << size)
        where = list(range(address, (address >> size) + beats << size)) if (
            burst is Burst.INCR) else [low + (address - low + i) % (beats << size)
                                       for i in range(beats << size)]
        data = env.rng.randbytes(len(where)) if env.rng.random() < 0.5 else None
        answer = (await client.run([Request(addr=address, size=size, beats=beats, burst=burst,
                                            data=data, id=env.rng.randrange(256))]))[0]
        assert answer.ok
        if data is None:
            assert answer.data == bytes(model[at] for at in where)
        else:
            for at, byte in zip(where, data, strict=True):
                model[at] = byte
    assert ram.read(0, SIZE) == model
