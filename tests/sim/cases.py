"""Cases for the pass-through design of tests/sim/data."""

from __future__ import annotations

from tb.client import Resp
from tb.env import Env


async def smoke(env: Env) -> dict:
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
    return {"cycles": env.cycles}


async def idle(env: Env) -> dict:
    await env.wait_cycles(env.params["cycles"])
    return {}

