"""Event queue, its interrupt, MSIs and errors (reference 4.9, 7.3, 7.5)."""

import pytest
from queue_bench import EVTQ, QueueBench

from spec import commands as c
from spec import events as e
from spec import registers as r


def numbered(n: int) -> e.Event:
    return e.F_TRANSLATION.make(StreamID=n, InputAddr=0x1000 * n, RnW=1, CLASS=e.FaultClass.IN)


def stalled(n: int) -> e.Event:
    return numbered(n).replace(Stall=1, STAG=n)


async def settled(bench):
    """Until the last accepted record is in its place."""
    while bench.ctx.get(bench.regs.queues.evtq.busy):
        await bench.ctx.tick()


async def prod(bench):
    await settled(bench)
    return await bench.bus.load(r.EVENTQ_PROD)


def test_record_then_index_then_interrupt():
    seen = []

    async def script(bench):
        await bench.start(msis=True)
        evtq = bench.regs.queues.evtq
        bench.memory.on_write = lambda address, data: seen.append(
            (address, len(data), bench.ctx.get(evtq.prod)))
        for n in range(3):
            await bench.record(numbered(n))
        await settled(bench)
        await bench.idle()
        assert [bench.event(n) for n in range(3)] == [numbered(n).value for n in range(3)]
        # Only the first found the queue empty.
        assert bench.kinds("irq") == [("irq", "evtq")]
        await bench.bus.store(r.EVENTQ_CONS, RD=3)
        await bench.record(numbered(3))
        await settled(bench)
        await bench.idle()
        assert bench.kinds("irq") == [("irq", "evtq")] * 2
        assert (await prod(bench)).value == 4

    QueueBench().run(script)
    records = [(address, shown) for address, size, shown in seen if size == 32]
    assert records == [(EVTQ + 32 * n, n) for n in range(4)]
    assert [(address, shown >= 1) for address, size, shown in seen if size == 4] == [
        (0x8004, True)] * 2


@pytest.mark.parametrize("log2evtq", [0, 1, 3])
def test_wrap(log2evtq):
    """Fill and drain over several turns."""
    size = 1 << log2evtq

    async def script(bench):
        await bench.start()
        for turn in range(5):
            for n in range(size):
                await bench.record(numbered(turn * size + n))
            end = (await prod(bench)).WR
            assert end == (turn + 1) * size % (2 * size)
            assert [bench.event(n) for n in range(size)] == [
                numbered(turn * size + n).value for n in range(size)]
            await bench.bus.store(r.EVENTQ_CONS, RD=end)

    bench = QueueBench(log2evtq=log2evtq, busy=True).run(script)
    assert len(bench.kinds("irq")) == 5


def test_overflow():
    async def script(bench):
        await bench.start()
        for n in range(4):
            await bench.record(numbered(n))
        assert (await prod(bench)).value == 4                    # full is not an overflow
        await bench.record(numbered(4))
        await bench.record(numbered(5))
        value = await prod(bench)
        assert (value.WR, value.OVFLG) == (4, 1)                 # toggled once
        # There is room again: writing goes on although the overflow is not acknowledged.
        await bench.bus.store(r.EVENTQ_CONS, RD=1)
        await bench.record(numbered(6))
        value = await prod(bench)
        assert (value.WR, value.OVFLG) == (5, 1)
        assert bench.event(4) == numbered(6).value
        await bench.record(numbered(7))                          # full again, still active
        assert (await prod(bench)).OVFLG == 1
        # Acknowledged while full: the next loss toggles again.
        await bench.bus.store(r.EVENTQ_CONS, RD=1, OVACKFLG=1)
        await bench.record(numbered(8))
        value = await prod(bench)
        assert (value.WR, value.OVFLG) == (5, 0)

    bench = QueueBench().run(script)
    assert bench.kinds("irq") == [("irq", "evtq")]               # none for the overflow
    assert len(bench.kinds("write")) == 5


def test_no_overflow_while_disabled():
    async def script(bench):
        await bench.start()
        for n in range(4):
            await bench.record(numbered(n))
        await settled(bench)
        await bench.enable(CMDQEN=1)
        await bench.record(numbered(4))
        value = await prod(bench)
        assert (value.WR, value.OVFLG) == (4, 0)

    QueueBench().run(script)


def test_disabled_queue_loses_records():
    async def script(bench):
        await bench.start(evtq=False)
        await bench.record(numbered(0))
        await bench.record(stalled(1), stall=True)
        await bench.idle()
        assert (await prod(bench)).value == 0
        assert not bench.ctx.get(bench.engine.writable)

    bench = QueueBench().run(script)
    assert bench.log == [("verdict", 1, 0)]


def test_stall_records_are_returned_until_there_is_room():
    async def script(bench):
        await bench.start()
        await bench.record(stalled(9), stall=True)
        for n in range(3):
            await bench.record(numbered(n))
        await bench.record(stalled(5), stall=True)
        assert (await prod(bench)).value == 4                    # and no overflow
        assert not bench.ctx.get(bench.engine.writable)
        # Neither later records nor CMD_SYNC wait for it.
        await bench.record(numbered(7))
        assert (await prod(bench)).OVFLG == 1
        await bench.issue(c.SYNC.make())
        await bench.bus.store(r.EVENTQ_CONS, RD=1)
        assert bench.ctx.get(bench.engine.writable)
        await bench.record(stalled(5), stall=True)
        await settled(bench)
        assert bench.event(4) == stalled(5).value
        await bench.idle()

    bench = QueueBench().run(script)
    assert bench.kinds("verdict") == [("verdict", 9, 1), ("verdict", 5, 0), ("verdict", 5, 1)]


def test_write_abort():
    async def script(bench):
        await bench.start()
        bench.memory.broken = {EVTQ + 32 + 4}
        await bench.record(numbered(0))
        await bench.record(stalled(1), stall=True)               # aborted: recorded, and lost
        await bench.record(numbered(2))                          # not writable: lost silently
        await bench.record(stalled(3), stall=True)               # not writable: returned
        value = await prod(bench)
        assert (value.WR, value.OVFLG) == (1, 0)
        assert (await bench.bus.load(r.GERROR)).value == r.GERROR.pack(EVENTQ_ABT_ERR=1)
        bench.memory.broken = set()
        await bench.bus.store(r.GERRORN, EVENTQ_ABT_ERR=1)
        await bench.record(numbered(4))
        assert (await prod(bench)).WR == 2
        assert bench.event(1) == numbered(4).value

    bench = QueueBench().run(script)
    assert bench.kinds("verdict") == [("verdict", 1, 1), ("verdict", 3, 0)]
    assert bench.kinds("irq") == [("irq", "evtq"), ("irq", "gerror")]


def test_abort_in_the_empty_queue_gives_no_interrupt():
    async def script(bench):
        await bench.start()
        bench.memory.broken = {EVTQ}
        await bench.record(numbered(0))
        await settled(bench)
        await bench.idle()

    assert QueueBench().run(script).kinds("irq") == [("irq", "gerror")]


def test_drained_while_the_record_is_written():
    """Software empties the queue just before PROD moves: the record must still interrupt."""
    async def script(bench):
        await bench.start()
        await bench.record(numbered(0))
        await settled(bench)
        await bench.record(numbered(1))
        await bench.bus.store(r.EVENTQ_CONS, RD=1)
        assert (await bench.bus.load(r.EVENTQ_PROD)).WR == 1
        await settled(bench)
        await bench.idle()

    assert QueueBench(latency=40).run(script).kinds("irq") == [("irq", "evtq")] * 2


@pytest.mark.parametrize(("wr", "rd"), [(0, 5), (7, 0)])
def test_inconsistent_indices_do_nothing(wr, rd):
    async def script(bench):
        await bench.bus.store(r.EVENTQ_BASE, ADDR=EVTQ, LOG2SIZE=bench.log2evtq)
        await bench.bus.store(r.EVENTQ_PROD, WR=wr)
        await bench.bus.store(r.EVENTQ_CONS, RD=rd)
        await bench.enable(EVENTQEN=1)
        # The distance is taken modulo twice the size: 3 and 7 of 4 entries.
        await bench.record(numbered(0))
        value = await prod(bench)
        consistent = (wr - rd) % 8 <= 4
        assert ((wr + consistent) % 8, 0) == (value.WR, value.OVFLG)

    QueueBench().run(script)


def test_disable_waits_for_the_record():
    async def script(bench):
        await bench.start()
        await bench.record(numbered(0))
        await bench.bus.store(r.CR0, CMDQEN=1)
        assert (await bench.bus.load(r.CR0ACK)).EVENTQEN == 1
        await bench.bus.poll(r.CR0ACK, EVENTQEN=0)
        assert bench.event(0) == numbered(0).value
        assert (await bench.bus.load(r.EVENTQ_PROD)).WR == 1

    QueueBench(latency=60).run(script)


@pytest.mark.parametrize("msis", [False, True])
def test_interrupt_enable(msis):
    """IRQ_CTRL gates both forms; its acknowledge waits for the MSI; nothing from before counts."""
    async def script(bench):
        await bench.start(irqs=False, msis=msis)
        await bench.record(numbered(0))
        await settled(bench)
        await bench.interrupts(EVENTQ_IRQEN=1)
        await bench.idle()
        assert bench.kinds("irq") == []
        await bench.bus.store(r.EVENTQ_CONS, RD=1)
        await bench.record(numbered(1))
        await settled(bench)
        await bench.ctx.tick().repeat(3)
        await bench.bus.store(r.IRQ_CTRL, 0)
        if msis:
            assert (await bench.bus.load(r.IRQ_CTRLACK)).EVENTQ_IRQEN == 1
        await bench.bus.poll(r.IRQ_CTRLACK, EVENTQ_IRQEN=0)
        if msis:
            assert bench.memory.peek(0x8004, 4) == (0x1111_8004).to_bytes(4, "little")
        await bench.bus.store(r.EVENTQ_CONS, RD=2)
        await bench.record(numbered(2))
        await settled(bench)
        await bench.idle(60)

    bench = QueueBench(latency=40).run(script)
    assert bench.kinds("irq") == [("irq", "evtq")]
    assert len([entry for entry in bench.kinds("write") if len(entry[2]) == 4]) == int(msis)


def test_message_aborts():
    """Event queue and GERROR MSIs: reported once; the GERROR one raises no further interrupt."""
    async def script(bench):
        await bench.start(msis=True)
        bench.memory.broken = {0x8000, 0x8004}
        await bench.record(numbered(0))
        await settled(bench)
        await bench.idle(60)
        assert (await bench.bus.load(r.GERROR)).value == r.GERROR.pack(
            MSI_EVENTQ_ABT_ERR=1, MSI_GERROR_ABT_ERR=1)
        assert bench.kinds("irq") == [("irq", "evtq"), ("irq", "gerror")]
        # Active errors do not stop later MSIs.
        bench.memory.broken = set()
        await bench.bus.store(r.EVENTQ_CONS, RD=1)
        await bench.record(numbered(1))
        await settled(bench)
        await bench.idle(60)

    bench = QueueBench().run(script)
    assert bench.kinds("irq") == [("irq", "evtq"), ("irq", "gerror"), ("irq", "evtq")]
    assert [entry[1] for entry in bench.kinds("write")] == [EVTQ, EVTQ + 32, 0x8004]


def test_all_interrupts_at_once():
    """The three sources share one writer; each sends its own message."""
    async def script(bench):
        await bench.start(msis=True)
        await bench.send(c.SYNC.make(CS=1, MSIAddr=0x9000, MSIData=3), 0xFF)
        await bench.record(numbered(0))
        await settled(bench)
        await bench.idle(120)

    bench = QueueBench(latency=20, busy=True).run(script)
    assert {entry[1] for entry in bench.kinds("write")} == {EVTQ, 0x8000, 0x8004, 0x9000}
    assert {name for _, name in bench.kinds("irq")} == {"evtq", "gerror", "cmdq_sync"}
