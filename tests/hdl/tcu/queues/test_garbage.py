"""Nothing that software writes, and nothing in memory, hangs the queues (reference 6.5, 7)."""

import random

import pytest
from queue_bench import CMDQ, EVTQ, QueueBench

from spec import commands as c
from spec import registers as r

REGISTERS = [r.CR0, r.CR1, r.GBPA, r.IRQ_CTRL, r.GERRORN, r.GERROR_IRQ_CFG0, r.CMDQ_BASE,
             r.CMDQ_PROD, r.CMDQ_CONS, r.EVENTQ_BASE, r.EVENTQ_PROD, r.EVENTQ_CONS,
             r.EVENTQ_IRQ_CFG0, r.STRTAB_BASE, r.IDR0, r.CR0ACK]


@pytest.mark.parametrize("seed", range(4))
def test_garbage_then_recovery(seed):
    """After any writes, records, commands and aborts: off, acknowledge, on, and all is well."""
    rng = random.Random(seed)

    async def script(bench):
        for address in range(CMDQ, CMDQ + 0x400, 16):
            kind = rng.choice(list(c.COMMANDS.values()))
            bench.memory.poke(address, (kind.OPCODE | rng.getrandbits(120) << 8).to_bytes(
                16, "little"))
        bench.memory.broken = {rng.randrange(base, base + 0x400) for base in (CMDQ, EVTQ)}
        for _ in range(120):
            register = rng.choice(REGISTERS)
            value = rng.getrandbits(register.BITS)
            if register is r.CR0:
                value |= rng.choice([0, 0xD])
            elif register in (r.CMDQ_BASE, r.EVENTQ_BASE):
                value = (CMDQ if register is r.CMDQ_BASE else EVTQ) | rng.randrange(8)
            elif register is r.GERRORN:
                value = (await bench.bus.load(r.GERROR)).value
            await bench.bus.write(register.OFFSET, value, register.size())
            if rng.random() < 0.3:
                await bench.record(rng.getrandbits(256), stall=rng.random() < 0.3)

        await bench.enable()
        await bench.interrupts()
        await bench.bus.store(r.GERRORN, (await bench.bus.load(r.GERROR)).value)
        bench.memory.broken, bench.prod, bench.log[:] = set(), 0, []
        await bench.start()
        await bench.issue(c.TLBI_NSNH_ALL.make(), c.SYNC.make(CS=1, MSIAddr=0x9000, MSIData=seed))
        await bench.record(0x77)
        await bench.issue(c.SYNC.make())
        assert bench.event(0) == 0x77
        assert bench.kinds("inv") == [("inv", "TLBI_NSNH_ALL", {})]
        assert (await bench.bus.load(r.GERROR)).value == (await bench.bus.load(r.GERRORN)).value

    QueueBench(busy=True, shuffle=True, latency=5, seed=seed).run(script)
