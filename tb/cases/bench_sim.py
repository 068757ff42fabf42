"""The same memory workload on native agents and on cocotbext-axi, for `substream bench sim`.

Design: the pass-through of sim/designs. Each transaction is 64 bytes, half of them writes; data
is checked in both. Returns transactions per second of wall clock.
"""

from __future__ import annotations

import time
from itertools import zip_longest

import cocotb
from cocotb.triggers import ClockCycles, Combine
from cocotbext.axi import AxiBus, AxiMaster, AxiRam

from tb.client import Request
from tb.env import Env

SIZE = 64
WINDOW = 1 << 16
PART = WINDOW // SIZE // 2  # what is written and what is read back do not overlap


def _payload(number: int) -> bytes:
    return number.to_bytes(4, "little") * (SIZE // 4)


async def native(env: Env) -> dict:
    """params: transactions. Reads back each part while the next one is being written."""
    count, client = env.params["transactions"] // 2, env.client(0)
    env.mems[0].ideal(10)
    start, cycle = time.monotonic(), env.cycles
    before = range(0)
    for at in range(0, count + PART, PART):
        part = range(at, min(at + PART, count)) if at < count else range(0)
        batch = []
        for write, read in zip_longest(part, before):
            if write is not None:
                batch.append(Request(addr=write * SIZE % WINDOW, beats=4, data=_payload(write),
                                     id=write % 16))
            if read is not None:
                batch.append(Request(addr=read * SIZE % WINDOW, beats=4, id=read % 16))
        answers = [answer for answer in await client.run(batch) if answer.data]
        for number, answer in zip(before, answers, strict=True):
            assert answer.data == _payload(number)
        before = part
    return _figures(env, start, cycle, 2 * count)


def _figures(env: Env, start: float, cycle: int, transactions: int) -> dict:
    seconds, cycles = time.monotonic() - start, env.cycles - cycle
    return {"transactions_per_second": transactions / seconds, "cycles": cycles,
            "cycles_per_second": cycles / seconds}


def _buses(env: Env) -> tuple[AxiBus, AxiBus]:
    return (AxiBus.from_prefix(env.top, "client0_"), AxiBus.from_prefix(env.top, "mem0_"))


async def _ready(env: Env) -> None:
    await ClockCycles(env.top.clk, 10)


async def cocotbext(env: Env) -> dict:
    """params: transactions. External ports: client0 and mem0."""
    count = env.params["transactions"] // 2
    client, memory = _buses(env)
    master = AxiMaster(client, env.top.clk, env.top.rst)
    ram = AxiRam(memory, env.top.clk, env.top.rst, size=WINDOW)
    for part in (master.write_if, master.read_if, ram.write_if, ram.read_if):
        part.log.setLevel("WARNING")
    await _ready(env)
    start, cycle = time.monotonic(), env.cycles

    async def one(number: int) -> None:
        address = number * SIZE % WINDOW
        await master.write(address, _payload(number))
        assert (await master.read(address, SIZE)).data == _payload(number)

    for at in range(0, count, 16):
        await Combine(*[cocotb.start_soon(one(n)) for n in range(at, min(at + 16, count))])
    return _figures(env, start, cycle, 2 * count)


async def idle(env: Env) -> None:
    """Nothing but clock edges."""
    await env.wait_cycles(env.params["cycles"])
