"""Command queue: CMD_SYNC, its messages and wake-up events (reference 6.4)."""

from queue_bench import QueueBench, asids, numbered

from spec import commands as c
from spec import registers as r


def test_sync_waits_for_everything():
    """CONS passes a CMD_SYNC only after consumers, then records accepted before."""
    async def script(bench):
        await bench.start()
        bench.acknowledge = False
        await bench.send(numbered(0), c.SYNC.make(CS=1), numbered(1))
        await bench.idle(40)
        assert (await bench.bus.load(r.CMDQ_CONS)).RD == 1
        assert asids(bench) == [0]
        await bench.record(0x1234)
        bench.acknowledge = True
        await bench.drained()

    bench = QueueBench(latency=30).run(script)
    assert [entry[:2] for entry in bench.kinds("inv", "sync", "write")] == [
        ("inv", "TLBI_ASID"), ("sync", 0), ("sync", 1), ("write", 0x20_0000),
        ("inv", "TLBI_ASID")]
    assert ("irq", "cmdq_sync") in bench.log


def test_sync_message_into_its_own_slot():
    """Exactly 4 bytes, after CONS has passed the CMD_SYNC, which is not read again."""
    passed = []

    async def script(bench):
        await bench.start()
        bench.memory.on_write = lambda address, data: (
            bench.log.append(("write", address, data)),
            passed.append(bench.ctx.get(bench.regs.queues.cmdq.cons)))
        for turn in range(3):
            slot = bench.slot(bench.prod)
            # Reference 12, vector 10, with the slot as the address.
            await bench.send(slot << 64 | 0x1122_3344_0FC0_1046, numbered(turn))
            await bench.drained()
            await bench.idle()
            assert bench.memory.peek(slot, 16) == (
                0x1122_3344.to_bytes(4, "little") + 0x1122_3344.to_bytes(4, "little")
                + slot.to_bytes(8, "little"))

    bench = QueueBench().run(script)
    assert [len(data) for _, _, data in bench.kinds("write")] == [4, 4, 4]
    assert all(cons > 2 * turn for turn, cons in enumerate(passed))
    assert asids(bench) == [0, 1, 2]
    assert bench.kinds("irq") == [("irq", "cmdq_sync")] * 3


def test_sync_message_abort():
    """MSI_CMDQ_ABT_ERR, but the CMD_SYNC has completed and the queue goes on."""
    async def script(bench):
        await bench.start(msis=True)
        bench.memory.broken = {0x9000}
        sync = c.SYNC.make(CS=1, MSIAddr=0x9000, MSIData=1)
        await bench.issue(sync, numbered(1), sync, numbered(2))
        await bench.idle()
        assert (await bench.bus.load(r.GERROR)).value == r.GERROR.pack(MSI_CMDQ_ABT_ERR=1)
        # The error does not stop later MSIs.
        bench.memory.broken = set()
        await bench.issue(sync)
        await bench.idle()

    bench = QueueBench().run(script)
    assert asids(bench) == [1, 2]
    assert bench.kinds("irq") == [("irq", "cmdq_sync"), ("irq", "gerror")] + [
        ("irq", "cmdq_sync")] * 2
    assert [entry[1] for entry in bench.kinds("write")] == [0x8000, 0x9000]


def test_next_sync_waits_for_the_message():
    """A CMD_SYNC completes only when the MSI of the one before has been answered."""
    async def script(bench):
        await bench.start()
        first = c.SYNC.make(CS=1, MSIAddr=0x9000, MSIData=1)
        await bench.send(first, c.SYNC.make(CS=1, MSIAddr=0x9004, MSIData=2))
        await bench.bus.poll(r.CMDQ_CONS, RD=2)
        assert bench.memory.peek(0x9000, 4) == b"\1\0\0\0"

    QueueBench(latency=60, hold=1).run(script)


def test_disabling_translation_synchronises():
    """SMMUEN 1 -> 0 is acknowledged after every consumer, also between two CMD_SYNCs."""
    async def script(bench):
        await bench.start()
        await bench.enable(SMMUEN=1, CMDQEN=1, EVENTQEN=1)
        bench.acknowledge = False
        await bench.bus.store(r.CR0, CMDQEN=1, EVENTQEN=1)
        await bench.send(c.SYNC.make(), numbered(1))
        await bench.idle()
        assert (await bench.bus.load(r.CR0ACK)).SMMUEN == 1
        assert bench.ctx.get(bench.regs.state.smmuen) == 0
        bench.acknowledge = True
        await bench.bus.poll(r.CR0ACK, SMMUEN=0)
        await bench.drained()
        await bench.enable(SMMUEN=1, CMDQEN=1, EVENTQEN=1)
        await bench.enable(CMDQEN=1, EVENTQEN=1)

    assert len(QueueBench().run(script).kinds("sync")) == 6


def test_wake_up_event():
    """With IDR0.SEV: at a CMD_SYNC with CS=2, and when the full queue has room again."""
    async def script(bench):
        await bench.start()
        await bench.issue(c.SYNC.make(CS=2))
        await bench.idle(5)
        assert bench.kinds("sev") == [("sev",)]
        await bench.issue(*(numbered(n) for n in range(8)))

    assert len(QueueBench(features={"SEV": 1}).run(script).kinds("sev")) == 2
    assert QueueBench().run(script_without_sev).kinds("sev") == []


async def script_without_sev(bench):
    await bench.start()
    await bench.issue(c.SYNC.make(CS=2), *(numbered(n) for n in range(7)))
    await bench.idle(5)


def test_a_pause_while_a_sync_waits_repeats_nothing():
    """Software acknowledges an error that there is not, which stops the queue until it takes that
    back: the CMD_SYNC in progress is not read again."""
    async def script(bench):
        await bench.start()
        bench.acknowledge = False
        await bench.send(numbered(0), c.SYNC.make(CS=1), numbered(1), numbered(2))
        await bench.idle(40)
        for value in (1, 0):
            await bench.bus.store(r.GERRORN, CMDQ_ERR=value)
            await bench.idle()
        bench.acknowledge = True
        await bench.drained()
        await bench.idle()
        await bench.issue(numbered(3))

    bench = QueueBench().run(script)
    assert asids(bench) == [0, 1, 2, 3]
    assert bench.kinds("irq") == [("irq", "cmdq_sync")]
