"""Bugs of registers and queues."""

from __future__ import annotations

from spec import registers as r
from spec.commands import CFGI_STE, SYNC
from spec.stream_table import STE, SteConfig
from tests.field.rig import LOG2_QUEUE, TRIES, Rig


async def page_1_registers_missing(rig: Rig) -> None:
    """ThunderX2 erratum 74: EVENTQ_PROD and CONS are in page 1; their places in page 0 are not an
    alias here."""
    await rig.start()
    await rig.access(1, 0)  # V=0
    await rig.issue()
    assert (await rig.read(r.EVENTQ_PROD)).WR == 1
    assert await rig.raw(r.EVENTQ_PROD.OFFSET - 0x10000) == 0
    assert len(await rig.events()) == 1
    assert (await rig.read(r.EVENTQ_CONS)).RD == 1


async def one_shared_interrupt(rig: Rig) -> None:
    """ThunderX2 erratum 126: every source has a wire of its own."""
    await rig.start()
    await rig.access(1, 0)
    await rig.issue()
    assert (rig.irqs("evtq"), rig.irqs("gerror"), rig.irqs("cmdq_sync")) == (1, 0, 0)
    await rig.issue(SYNC.make(CS=1))
    assert (rig.irqs("evtq"), rig.irqs("gerror"), rig.irqs("cmdq_sync")) == (1, 0, 1)
    assert await rig.command_error(0xFF) == 1
    assert (rig.irqs("evtq"), rig.irqs("gerror"), rig.irqs("cmdq_sync")) == (1, 1, 1)


async def no_wake_up_when_the_command_queue_leaves_full(rig: Rig) -> None:
    """MMU-600 1076982: a queue that was full drains, and what is added then is fetched too. (The
    event itself needs IDR0.SEV, which no preset has.)"""
    await rig.start()
    for _ in range(5):  # several times around
        await rig.post(*[CFGI_STE.make(StreamID=n) for n in range(1 << LOG2_QUEUE)])
        await rig.consumed()
        await rig.post(CFGI_STE.make(StreamID=1))
        await rig.consumed()


async def a_full_command_queue_looks_empty(rig: Rig) -> None:
    """The wrap bit: equal indices with different wrap bits are a full queue, not an empty one."""
    await rig.start()
    await rig.enable(EVENTQEN=1, SMMUEN=1)
    rig.put_ste(1, STE.make(V=1, Config=SteConfig.BYPASS))
    await rig.post(*[SYNC.make()] * (1 << LOG2_QUEUE))
    assert (await rig.read(r.CMDQ_CONS)).RD == 0
    await rig.enable(CMDQEN=1, EVENTQEN=1, SMMUEN=1)
    await rig.consumed()
    assert (await rig.read(r.CMDQ_CONS)).RD == 1 << LOG2_QUEUE  # wrapped, not 0


async def command_queue_consumer_is_writable_while_enabled(rig: Rig) -> None:
    """OpenVMM: CMDQ_CONS is read-only while CMDQEN=1, and only then."""
    await rig.start()
    await rig.issue()
    await rig.write(r.CMDQ_CONS, 7)
    assert (await rig.read(r.CMDQ_CONS)).RD == 1
    await rig.issue()
    await rig.enable(EVENTQEN=1, SMMUEN=1)
    await rig.write(r.CMDQ_CONS, 7)
    assert (await rig.read(r.CMDQ_CONS)).RD == 7


async def event_queue_overflow_is_a_global_error(rig: Rig) -> None:
    """QEMU: an overflow toggles OVFLG once and loses records; GERROR has nothing to say."""
    await rig.start(evtq=1)
    for _ in range(4):
        await rig.access(1, 0)
    await rig.issue()
    prod = await rig.read(r.EVENTQ_PROD)
    assert (prod.WR, prod.OVFLG) == (2, 1)
    assert (await rig.read(r.GERROR)).value == 0
    assert len(await rig.events()) == 2  # acknowledges
    for _ in range(3):
        await rig.access(1, 0)
    await rig.issue()
    prod = await rig.read(r.EVENTQ_PROD)
    assert (prod.WR, prod.OVFLG) == (0, 0)  # a second overflow toggles again
    assert (await rig.read(r.GERROR)).value == 0


async def unbounded_update_of_control_registers(rig: Rig) -> None:
    """A driver that polls CR0ACK for the whole of what it wrote: it reads that soon, and bits that
    do not exist never show there."""
    await rig.start()
    await rig.write(r.CR0, 0xFFFF_FFFF)
    for _ in range(TRIES):
        if (await rig.read(r.CR0ACK)).value == (await rig.read(r.CR0)).value:
            break
    else:
        raise AssertionError("CR0ACK does not become CR0")
    assert not (await rig.read(r.CR0ACK)).value & ~rig.impl.mask(r.CR0)
