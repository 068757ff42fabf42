"""Command queue: order, wrap, errors (reference 6.5, 7.1, 7.2)."""

import random

import pytest
from queue_bench import CMDQ, QueueBench, asids, numbered

from spec import commands as c
from spec import registers as r
from spec.commands import COMMAND_BYTES, CommandError


def test_linux_bring_up():
    """The commands of reference 9.2 step 9, with the CMD_SYNC that Linux sends."""
    sync = 0x0FC0_2046

    async def script(bench):
        await bench.start()
        await bench.issue(c.CFGI_STE_RANGE.make(Range=31), sync, c.TLBI_EL2_ALL.make(), sync,
                          c.TLBI_NSNH_ALL.make(), sync)
        assert (await bench.bus.load(r.GERROR)).value == 0
        assert (await bench.bus.load(r.CR0ACK)).value == 0xC

    bench = QueueBench().run(script)
    assert [e[1] for e in bench.kinds("inv", "sync")] == [
        "CFGI_STE", 0, 1, "TLBI_EL2_ALL", 0, 1, "TLBI_NSNH_ALL", 0, 1]
    assert bench.kinds("irq", "write") == []


@pytest.mark.parametrize("log2cmdq", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("busy", [False, True])
def test_order_and_wrap(log2cmdq, busy):
    """Every command once and in order, over several turns of the queue, never read past PROD."""
    total, rng = 40, random.Random(log2cmdq)

    async def script(bench):
        await bench.start()
        sent = 0
        while sent < total:
            count = min(rng.randint(1, 1 << log2cmdq), total - sent)
            end, before = bench.prod + count, len(bench.memory.reads)
            for n in range(sent, sent + count):
                bench.memory.poke(bench.slot(end - count + n - sent), numbered(n).to_bytes())
            bench.prod = bench.wrap(end)
            await bench.bus.store(r.CMDQ_PROD, WR=bench.prod)
            await bench.drained()
            allowed = {bench.slot(i) for i in range(end - count, end)}
            for address, size in bench.memory.reads[before:]:
                assert set(range(address, address + size, COMMAND_BYTES)) <= allowed
            sent += count

    bench = QueueBench(log2cmdq=log2cmdq, busy=busy, shuffle=True, latency=6)
    assert asids(bench.run(script)) == list(range(total))


def test_base_is_aligned_to_the_size():
    async def script(bench):
        await bench.bus.store(r.CMDQ_BASE, ADDR=CMDQ + 0x60, LOG2SIZE=3)
        await bench.enable(CMDQEN=1)
        await bench.issue(numbered(5))

    bench = QueueBench().run(script)
    assert bench.memory.reads == [(CMDQ, 16)]


def test_reads_are_merged():
    """Sixteen commands behind each other need four reads."""
    async def script(bench):
        await bench.start()
        await bench.issue(*(numbered(n) for n in range(16)))

    bench = QueueBench(log2cmdq=5, latency=20).run(script)
    assert bench.memory.reads == [(CMDQ + 64 * n, 64) for n in range(4)]


def test_throughput():
    """64 invalidations and a CMD_SYNC, memory 50 cycles away: at most 4 cycles each."""
    cycles = []

    async def script(bench):
        await bench.start()
        await bench.send(*(numbered(n) for n in range(64)), c.SYNC.make())
        while bench.ctx.get(bench.regs.queues.cmdq.cons) != bench.prod:
            await bench.ctx.tick()
            cycles.append(1)

    QueueBench(log2cmdq=7, latency=50).run(script)
    assert len(cycles) <= 4 * 65, len(cycles)


def test_illegal_command_stops():
    async def script(bench):
        await bench.start()
        await bench.send(numbered(0), 0xFF, numbered(2), numbered(3))
        await bench.bus.poll(r.GERROR, CMDQ_ERR=1)
        cons = await bench.bus.load(r.CMDQ_CONS)
        assert (cons.RD, cons.ERR) == (1, CommandError.CERROR_ILL)
        # PROD moves, but nothing is fetched while the error is active.
        reads = len(bench.memory.reads)
        await bench.send(numbered(4))
        await bench.idle()
        assert (len(bench.memory.reads), asids(bench)) == (reads, [0])
        # Disabling and enabling the queue does not help (reference 6.5 step 7).
        await bench.enable(EVENTQEN=1)
        await bench.enable(CMDQEN=1, EVENTQEN=1)
        await bench.idle()
        assert asids(bench) == [0]
        # Repair in place, acknowledge: the new contents are executed, without a doorbell.
        bench.memory.poke(bench.slot(1), c.SYNC.make().to_bytes())
        bench.memory.poke(bench.slot(2), numbered(22).to_bytes())
        await bench.bus.store(r.GERRORN, CMDQ_ERR=1)
        await bench.drained()

    bench = QueueBench().run(script)
    assert asids(bench) == [0, 22, 3, 4]
    assert bench.kinds("irq") == [("irq", "gerror")]


def test_late_answers_after_an_error():
    """Reads that were on their way when the error was acknowledged do not count."""
    async def script(bench):
        await bench.start()
        await bench.send(numbered(0), numbered(1), numbered(2), 0xFF)
        await bench.idle(40)
        await bench.send(*(numbered(n) for n in range(4, 16)))
        await bench.bus.poll(r.GERROR, CMDQ_ERR=1)
        bench.memory.poke(bench.slot(3), numbered(3).to_bytes())
        await bench.bus.store(r.GERRORN, CMDQ_ERR=1)
        await bench.drained()

    assert asids(QueueBench(log2cmdq=5, latency=60).run(script)) == list(range(16))


def test_producer_moves_back_during_an_error():
    async def script(bench):
        await bench.start()
        await bench.send(0xFF, numbered(1), numbered(2))
        await bench.bus.poll(r.GERROR, CMDQ_ERR=1)
        bench.prod = 0
        await bench.bus.store(r.CMDQ_PROD, WR=0)
        await bench.bus.store(r.GERRORN, CMDQ_ERR=1)
        await bench.idle()
        assert (await bench.bus.load(r.CMDQ_CONS)).RD == 0
        await bench.issue(numbered(7))

    assert asids(QueueBench().run(script)) == [7]


def test_repeated_errors():
    """Every new activation toggles GERROR and interrupts."""
    async def script(bench):
        await bench.start()
        await bench.send(0x100, 0x200, 0x300, numbered(1))
        for n in range(3):
            gerror = await bench.bus.poll(r.GERROR, CMDQ_ERR=(n + 1) % 2)
            assert n == (await bench.bus.load(r.CMDQ_CONS)).RD
            bench.memory.poke(bench.slot(n), c.PREFETCH_CONFIG.make().to_bytes())
            await bench.bus.store(r.GERRORN, gerror.value)
        await bench.drained()

    bench = QueueBench().run(script)
    assert bench.kinds("irq", "inv") == [("irq", "gerror")] * 3 + [
        ("inv", "TLBI_ASID", {"vmid": 1, "asid": 1})]


@pytest.mark.parametrize("bad", range(5))
def test_fetch_abort(bad):
    """An abort is the fault of the one command it hit, also when several are read together."""
    async def script(bench):
        await bench.start()
        bench.memory.broken = {bench.slot(bad) + 8}
        await bench.send(*(numbered(n) for n in range(8)))
        await bench.bus.poll(r.GERROR, CMDQ_ERR=1)
        cons = await bench.bus.load(r.CMDQ_CONS)
        assert (bad, CommandError.CERROR_ABT) == (cons.RD, cons.ERR)
        assert asids(bench) == list(range(bad))
        bench.memory.broken = set()
        await bench.bus.store(r.GERRORN, CMDQ_ERR=1)
        await bench.drained()
        # After the trouble reads are merged again.
        await bench.issue(*(numbered(n) for n in range(8, 16)))
        assert bench.memory.reads[-1][1] == 64

    assert asids(QueueBench().run(script)) == list(range(16))


def test_disable_drops_what_was_read():
    """CMDQEN=0: the command in progress ends, CONS stands still, nothing read stays."""
    async def script(bench):
        await bench.start()
        bench.accept = False
        await bench.send(*(numbered(n) for n in range(6)))
        await bench.idle()
        await bench.bus.store(r.CR0, EVENTQEN=1)
        await bench.idle()
        assert (await bench.bus.load(r.CR0ACK)).CMDQEN == 1
        bench.accept = True
        await bench.bus.poll(r.CR0ACK, CMDQEN=0)
        cons = (await bench.bus.load(r.CMDQ_CONS)).RD
        assert len(asids(bench)) == cons == 1
        for n in range(cons, 6):
            bench.memory.poke(bench.slot(n), numbered(100 + n).to_bytes())
        await bench.idle()
        assert cons == (await bench.bus.load(r.CMDQ_CONS)).RD
        await bench.enable(CMDQEN=1, EVENTQEN=1)
        await bench.drained()

    assert asids(QueueBench(latency=10).run(script)) == [0, 101, 102, 103, 104, 105]


@pytest.mark.parametrize(("log2cmdq", "prod", "cons"), [(3, 9, 0), (3, 0, 1), (0, 1, 0), (2, 7, 1)])
def test_initial_indices(log2cmdq, prod, cons):
    """Any consistent pair is a good start; an inconsistent one does nothing."""
    used = (prod - cons) % (2 << log2cmdq)

    async def script(bench):
        for n in range(1 << log2cmdq):
            bench.memory.poke(bench.slot(n), numbered(n).to_bytes())
        await bench.bus.store(r.CMDQ_BASE, ADDR=CMDQ, LOG2SIZE=log2cmdq)
        await bench.bus.store(r.CMDQ_PROD, WR=prod)
        await bench.bus.store(r.CMDQ_CONS, RD=cons)
        await bench.enable(CMDQEN=1)
        await bench.idle(60)

    bench = QueueBench(log2cmdq=log2cmdq).run(script)
    expected = [(cons + n) % (1 << log2cmdq) for n in range(used)]
    assert asids(bench) == (expected if used <= 1 << log2cmdq else [])


def test_stall_commands():
    async def script(bench):
        await bench.start()
        await bench.issue(c.RESUME.make(StreamID=1, STAG=2, Ac=1), c.STALL_TERM.make(StreamID=3))

    assert QueueBench().run(script).kinds("stall") == [
        ("stall", ("RETRY", 1, 2)), ("stall", ("TERM", 3, 0))]


def test_stall_command_is_illegal_without_stalls():
    async def script(bench):
        await bench.start()
        await bench.send(c.RESUME.make(StreamID=1))
        await bench.bus.poll(r.GERROR, CMDQ_ERR=1)

    assert QueueBench(preset="tiny").run(script).kinds("stall") == []


def test_vmid_wildcard():
    """CR0.VMW goes with every command once it is acknowledged; reserved values act as 0."""
    async def script(bench):
        await bench.start()
        for vmw in (3, 4, 5, 7):
            await bench.enable(CMDQEN=1, EVENTQEN=1, VMW=vmw)
            await bench.issue(c.TLBI_NH_ALL.make(VMID=1))

    bench = QueueBench(features={"VMW": 1}).run(script)
    assert [fields.get("vmw", 0) for _, _, fields in bench.kinds("inv")] == [3, 4, 0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_random(seed):
    """Random commands, some illegal, on a slow, reordering, pausing memory."""
    rng = random.Random(seed)
    made = {"bad": lambda n: 0x99, "sync": lambda n: c.SYNC.make(CS=1, MSIAddr=0x9000),
            "none": lambda n: c.PREFETCH_ADDR.make(), "inv": numbered}

    async def script(bench):
        await bench.start()
        expected, n = [], 0
        for _ in range(12):
            batch = rng.choices(list(made), [1, 2, 1, 8], k=rng.randint(1, 8))
            first = bench.prod
            numbers = list(range(n, n + len(batch)))
            n += len(batch)
            await bench.send(*(made[kind](i) for kind, i in zip(batch, numbers, strict=True)))
            for place, (kind, number) in enumerate(zip(batch, numbers, strict=True)):
                if kind == "bad":
                    active = (await bench.bus.load(r.GERRORN)).CMDQ_ERR ^ 1
                    await bench.bus.poll(r.GERROR, CMDQ_ERR=active)
                    at = bench.wrap(first + place)
                    assert at == (await bench.bus.load(r.CMDQ_CONS)).RD
                    bench.memory.poke(bench.slot(at), numbered(number).to_bytes())
                    await bench.bus.store(r.GERRORN, CMDQ_ERR=active)
                if kind in ("bad", "inv"):
                    expected.append(number)
            await bench.drained()
        assert asids(bench) == expected

    QueueBench(busy=True, shuffle=True, latency=rng.randint(1, 12), seed=seed).run(script)


@pytest.mark.parametrize("seed", range(4))
def test_a_place_is_free_before_its_read_is_answered(seed):
    """Beats of reads interleave: the first command of a read may have been executed, and its place
    be free, long before the last one has come."""
    async def script(bench):
        await bench.start()
        for first in range(0, 120, 30):
            await bench.send(*map(numbered, range(first, first + 30)))
            await bench.drained()

    bench = QueueBench(preset="tiny", log2cmdq=5, shuffle=True, busy=True, latency=1,
                       seed=seed).run(script)
    assert asids(bench) == list(range(120))
