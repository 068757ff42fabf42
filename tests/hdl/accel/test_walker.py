"""The list walker alone: which segments come out, what is read for them, how it fails."""

import random

import pytest
from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hdl.accel.dma.master import MemoryMaster
from hdl.accel.dma.walker import ListWalker
from hdl.accel.streams import Place, Segment
from hdl.axi import AXI4, StreamUser
from pymodel.memory import BusError, SparseMemory
from spec.qm import SGE, SGL
from spec.sec import ErrorType
from tests.hdl.accel.axi_memory import AxiMemory

LIST = 0x1000
PLACE = {"addr": LIST, "scattered": 1, "space": {"ssv": 1, "ssid": 9}}


class Rig(wiring.Component):
    def __init__(self):
        self.walker = ListWalker(ErrorType.DATA_READ)
        self.hold = Signal()
        super().__init__({
            "place": In(Place), "segment": Out(stream.Signature(Segment)),
            "axi": Out(AXI4(addr_width=64, data_width=128, id_width=8, user=StreamUser))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.walker = walker = self.walker
        m.submodules.master = master = MemoryMaster(sid=1, reads=1, writes=0)
        wiring.connect(m, walker.read, master.reads[0])
        wiring.connect(m, walker.segment, wiring.flipped(self.segment))
        wiring.connect(m, master.axi, wiring.flipped(self.axi))
        m.d.comb += [walker.place.eq(self.place), walker.go.eq(1), walker.hold.eq(self.hold)]
        return m


def write_lists(memory, lists):
    """Lists of (address, length), each at a place of its own, chained; `LIST` is the first."""
    at = LIST
    for n, entries in enumerate(lists):
        following = at + 64 * (1 + (len(entries) + 1) // 2) + 64 * (n % 3)
        head = SGL.make(next_dma=following if n < len(lists) - 1 else 0,
                        entry_sum_in_sgl=len(entries))
        memory.write(at, head.to_bytes() + b"".join(
            SGE.make(buffer=a, length=size).to_bytes() for a, size in entries))
        at = following


def walk(memory, length, skip=0, *, place=PLACE, stall=0.2, seed=1):
    """(segments, failure or None, bus)."""
    dut = Rig()
    bus = AxiMemory(dut.axi, memory, seed=seed, stall=stall)
    segments, failure = [], None
    rng = random.Random(seed)

    async def drive(ctx):
        nonlocal failure
        ctx.set(dut.place, {**place, "length": length, "skip": skip})
        for _ in range(20_000):
            take = rng.random() > stall
            ctx.set(dut.segment.ready, take)
            _, _, given, segment, error, found = await ctx.tick().sample(
                dut.segment.valid & take, dut.segment.payload, dut.walker.error,
                dut.walker.failure)
            if given:
                assert (segment.space.ssv, segment.space.ssid) == (1, 9)
                assert segment.error_type == ErrorType.DATA_READ
                segments.append((segment.addr, segment.length))
            if error:
                failure = (ErrorType(found.error_type), found.addr)
            if (error and not ctx.get(dut.segment.valid)) or (given and segment.last):
                return
        raise AssertionError("hang")

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(drive)
    sim.add_testbench(bus.run, background=True)
    sim.run()
    return segments, failure, bus


def cut(entries, length, skip):
    """What software would make of the same entries."""
    out = []
    for address, size in entries:
        if size <= skip:
            skip -= size
            continue
        take = min(size - skip, length)
        out.append((address + skip, take))
        length, skip = length - take, 0
        if not length:
            return out
    raise AssertionError


@pytest.mark.parametrize("seed", range(4))
def test_chains(seed):
    rng, memory = random.Random(seed), SparseMemory(0, 1 << 20)
    lists = [[(rng.randrange(1, 1 << 64), rng.choice([1, 2, 15, 16, 17, 4096, 100_000]))
              for _ in range(rng.choice([1, 2, 7, 8, 9, 20]))] for _ in range(rng.randrange(1, 5))]
    write_lists(memory, lists)
    entries = [entry for entries in lists for entry in entries]
    total = sum(size for _, size in entries)
    skip = rng.choice([0, 1, 16, min(total - 1, 0xFFFF)])
    length = rng.randrange(1, min(total - skip, (1 << 24) - 1) + 1)
    segments, failure, bus = walk(memory, length, skip, seed=seed)
    assert failure is None
    expected = cut(entries, length, skip)
    assert [(a % 2**64, n) for a, n in expected] == segments
    assert all(access.ssid == 9 for access in bus.log)


def test_skipping_ends_with_an_entry():
    memory = SparseMemory(0, 1 << 20)
    write_lists(memory, [[(0x9000, 10), (0xA000, 10)], [(0xB000, 10)]])
    for skip, first in ((9, (0x9009, 1)), (10, (0xA000, 3)), (20, (0xB000, 3))):
        segments, failure, _ = walk(memory, 3, skip)
        assert (segments[0], failure) == (first, None)


def test_flat():
    segments, failure, bus = walk(SparseMemory(0, 1 << 16), 77, 5, place=PLACE | {"scattered": 0})
    assert (segments, failure, bus.log) == ([(LIST + 5, 77)], None, [])


def test_nothing_is_read_that_is_not_needed():
    """Neither the next list nor the next block of entries."""
    memory = SparseMemory(0, 1 << 20)
    write_lists(memory, [[(0x9000, 10)] * 20, [(0x9000, 10)]])
    for length, last in ((60, 0x10FF), (61, 0x11FF), (200, LIST + 64 + 640 - 1)):
        segments, failure, bus = walk(memory, length)
        assert failure is None
        assert sum(size for _, size in segments) == length
        assert max(a.addr + 16 * a.beats - 1 for a in bus.log) == last


GOOD = (0x9000, 16)


@pytest.mark.parametrize(("lists", "address", "given"), [
    ([[GOOD]], LIST, 1),                       # ends early
    ([[GOOD], []], LIST, 1),                   # nothing in the second
    ([[GOOD, (0, 16), (0x9000, 100)]], LIST, 1),
    ([[GOOD, (0x9000, 0), (0x9000, 100)]], LIST, 1),
    ([[GOOD]], LIST + 32, 0), ([[GOOD]], 0, 0),
])
def test_malformed(lists, address, given):
    memory = SparseMemory(0, 1 << 20)
    write_lists(memory, lists)
    segments, failure, _ = walk(memory, 100, place=PLACE | {"addr": address})
    assert failure == (ErrorType.SGL, 0)
    assert segments == [GOOD] * given


class BadBeat(SparseMemory):
    """16 bytes of it cannot be read."""

    bad = 0

    def read(self, address, size):
        if address == self.bad:
            raise BusError(address)
        return super().read(address, size)


@pytest.mark.parametrize(("offset", "given"), [(0, 0), (64, 0), (80, 0), (128, 2), (144, 2)])
def test_unreadable(offset, given):
    """The address is that of the beat; what came before is given."""
    memory = BadBeat(0, 1 << 20)
    write_lists(memory, [[GOOD] * 3])
    memory.bad = LIST + offset
    segments, failure, _ = walk(memory, 48)
    assert failure == (ErrorType.SGL_READ, LIST + offset)
    assert segments == [GOOD] * given
