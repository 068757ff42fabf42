"""Runs inside the simulator: the whole design does the first things a system asks of it."""

from __future__ import annotations

from typing import Any

from driver.iommu.domain import Iommu, Stream
from driver.iommu.pagetable import Prot
from driver.smmu.device import SmmuDriver
from tb.bus import CocotbBus
from tb.client import Request, Resp
from tb.env import Env

SID = 5
IOVA = 0x1000_0000


async def bypass(env: Env) -> dict[str, Any]:
    """Before SMMUEN, with the reset value of GBPA, everything passes with its own address."""
    bus = CocotbBus(env)
    page = bus.pages.scatter()
    data = bytes(range(64))
    written = await env.client(0).write(page, data, sid=SID, id=3)
    assert written.resp == Resp.OKAY
    assert bus.memory.read(page, 64) == data
    read = await env.client(0).read(page, 64, sid=SID, ssid=9, id=7)
    assert (read.resp, read.data) == (Resp.OKAY, data)
    assert [record.bypass for record in env.trace(1).take()] == [1, 1]
    return {"latency": read.accept - read.issue, "cycles": env.cycles}


async def translate(env: Env) -> dict[str, Any]:
    """Tables, a translated write and read, a hit, an abort with its event, an unmapping."""
    bus = CocotbBus(env)
    smmu = await SmmuDriver.probe(bus)
    iommu = Iommu(smmu)
    stream = await Stream.open(iommu, SID, log2_pasids=2)
    domain = iommu.domain()
    await stream.attach(domain, 0)
    pasid = await stream.attach(domain)
    pages = [bus.pages.scatter() for _ in range(3)]
    for n, page in enumerate(pages):
        domain.map(IOVA + 4096 * n, page, 4096, Prot.READ | Prot.WRITE if n else Prot.READ)
    data = env.rng.randbytes(64)
    client = env.client(0)

    assert (await client.write(IOVA + 4096 + 64, data, sid=SID)).ok
    assert bus.memory.read(pages[1] + 64, 64) == data
    read = await client.read(IOVA + 4096 + 64, 64, sid=SID, ssid=pasid)
    assert (read.resp, read.data) == (Resp.OKAY, data)
    assert [(r.hit, r.pa) for r in env.trace(1).take()] == [(0, pages[1] + 64)] * 2

    hits = await client.run([Request(addr=IOVA + 4096 + 16 * n, sid=SID, id=n) for n in range(16)])
    assert all(h.ok for h in hits)
    assert {r.hit for r in env.trace(1).take()} == {1}

    assert (await client.write(IOVA, data, sid=SID)).resp == Resp.SLVERR
    assert (await client.read(IOVA, sid=SID)).ok
    assert (await client.read(IOVA + 0x100000, sid=SID)).resp == Resp.SLVERR
    events = await smmu.events()
    assert [type(e).__name__ for e in events] == ["F_PERMISSION", "F_TRANSLATION"]

    assert (await client.read(IOVA + 8192, sid=SID)).ok
    await domain.unmap(IOVA + 8192, 4096)
    assert (await client.read(IOVA + 8192, sid=SID)).resp == Resp.SLVERR
    return {"cycles": env.cycles}
