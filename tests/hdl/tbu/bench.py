"""A TBU between Python models of its client, memory and TCU, all stepped once per clock."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace

from amaranth import Cat
from amaranth.lib import data
from amaranth.sim import Simulator

from hdl.axi import Burst
from hdl.streams import InvOp
from hdl.tbu.tbu import Tbu
from tests.hdl.tbu.accesses import OKAY, Access, Answer, MemoryAccess, content
from tests.hdl.tbu.channels import Channel, axi_channel, stream_channel


class Bench:
    """Runs accesses through a TBU.

    Members
    -------
    translate
        Request to `Answer`; called when the TCU takes the request.
    busy
        Probability that a ready or valid under Python's control is low in a cycle.
    memory_latency, tcu_latency
        (min, max) in cycles.
    interleave
        Memory may give the beats of several reads in turn. Terminated reads stay in one piece.
    """

    def __init__(self, *, seed: int = 1, entries: int = 8, slots: int = 6, threads: int = 8,
                 blocks: int = 4, busy: float = 0.0, memory_latency=(10, 10), tcu_latency=(20, 20),
                 interleave: bool = False, translate: Callable | None = None):
        config = SimpleNamespace(utlb_entries=entries, tbu_slots=slots, tbu_threads=threads,
                                 write_blocks=blocks)
        self.dut = Tbu(config, number=3, data_width=128)
        self.random = random.Random(seed)
        self.busy, self.memory_latency, self.tcu_latency = busy, memory_latency, tcu_latency
        self.interleave = interleave
        self.translate = translate or (lambda r: Answer(pa=r.addr >> 12 << 12))
        self.cycle = 0
        self.reads: deque[Access] = deque()
        self.writes: deque[Access] = deque()
        self.done: list[Access] = []
        self.memory_reads: list[MemoryAccess] = []
        self.memory_writes: list[MemoryAccess] = []
        self.requests: list[SimpleNamespace] = []
        self.trace: list[SimpleNamespace] = []
        self.invalidations: deque[dict] = deque()
        self.sync = False          # level of sync.req
        self.acked = False
        self.enabled = True
        self.events: Callable[[Bench], None] = lambda bench: None  # called every cycle
        self._open_reads: dict[int, deque[Access]] = {}
        self._open_writes: dict[int, deque[Access]] = {}
        self._pending_data: deque[tuple[Access, int]] = deque()
        self._read_queue: list[MemoryAccess] = []
        self._data_queue: deque[MemoryAccess] = deque()
        self._response_queue: list[MemoryAccess] = []
        self._answers: list[tuple[int, SimpleNamespace, Answer]] = []
        self._current_read: MemoryAccess | None = None
        self._early_data: deque[tuple[int, int]] = deque()

    # What Python drives: (channel, item or None), valid kept until ready.

    def _channels(self):
        d = self.dut
        self.c = {p: axi_channel(d.client, p) for p in ("ar", "aw", "w", "r", "b")}
        self.m = {p: axi_channel(d.memory, p) for p in ("ar", "aw", "w", "r", "b")}
        self.request = stream_channel(d.request)
        self.response = stream_channel(d.response)
        self.invalidation = stream_channel(d.invalidation)
        trace = d.trace.record
        self.tracer = Channel(d.trace.valid, None,
                              [(n, getattr(trace, n)) for n, _ in data.Layout.cast(trace.shape())])
        self.driven = {"ar": self.c["ar"], "aw": self.c["aw"], "w": self.c["w"],
                       "r": self.m["r"], "b": self.m["b"], "response": self.response,
                       "invalidation": self.invalidation}
        self.taken = {"r": self.c["r"], "b": self.c["b"], "mar": self.m["ar"],
                      "maw": self.m["aw"], "mw": self.m["w"], "request": self.request}

    def run(self, cycles: int = 20000, *, until: Callable[[], bool] | None = None) -> None:
        """Run until every access is done (or `until`), at most `cycles` cycles."""
        self._channels()
        until = until or (lambda: not (self.reads or self.writes or self._open()))
        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        failure: list[str] = []

        async def process(ctx):
            for _ in range(cycles):
                await self._step(ctx)
                if until() and self.quiet():
                    return
            failure.append(f"not done after {cycles} cycles: {len(self.reads)} reads, "
                           f"{len(self.writes)} writes waiting, open {self._open()}")

        sim.add_testbench(process)
        sim.run()
        assert not failure, failure[0]

    def quiet(self) -> bool:
        return not self.invalidations

    def _open(self) -> int:
        return sum(map(len, (*self._open_reads.values(), *self._open_writes.values())))

    def _offer(self, name: str):
        """The next item for a driven channel, or None."""
        if self.busy and self.random.random() < self.busy:
            return None
        return getattr(self, f"_next_{name}")()

    async def _step(self, ctx):
        offers = getattr(self, "_offers", None)
        if offers is None:
            offers = self._offers = dict.fromkeys(self.driven)
        self.events(self)
        ctx.set(self.dut.enable, int(self.enabled))
        ctx.set(self.dut.sync.req, int(self.sync))
        for name, channel in self.driven.items():
            if offers[name] is None:
                item = self._offer(name)
                offers[name] = item
                ctx.set(channel.valid, item is not None)
                if item is not None:
                    ctx.set(channel.payload, channel.pack(item))
        readies = {}
        for name, channel in self.taken.items():
            readies[name] = not (self.busy and self.random.random() < self.busy)
            ctx.set(channel.ready, readies[name])
        probes = [ch.ready for ch in self.driven.values()]
        probes += [Cat(ch.valid, ch.payload) for ch in self.taken.values()]
        probes += [Cat(self.tracer.valid, self.tracer.payload), self.dut.sync.ack]
        *values, ack = (await ctx.tick().sample(*probes))[2:]
        self.acked = bool(ack)
        values = iter(values)
        fired = []
        for name in self.driven:
            if next(values) and offers[name] is not None:
                fired.append((name, offers[name]))
                offers[name] = None
        for name, channel in self.taken.items():
            value = next(values)
            if value & 1 and readies[name]:
                fired.append((f"take_{name}", channel.unpack(value >> 1)))
        value = next(values)
        if value & 1:
            self.trace.append(self.tracer.unpack(value >> 1))
        for name, item in fired:
            getattr(self, f"_on_{name}")(item)
        self.cycle += 1

    # Client

    def _address(self, queue):
        if not queue:
            return None
        access = queue[0]
        access.start = self.cycle
        return SimpleNamespace(
            id=access.id, addr=access.addr, len=access.len, size=access.size,
            burst=access.burst.value, lock=0, cache=0, access=access,
            prot=access.pnu | access.ind << 2,
            user=access.ssid | access.ssv << 20 | access.sid << 21)

    def _next_ar(self):
        return self._address(self.reads)

    def _next_aw(self):
        return self._address(self.writes)

    def _on_ar(self, item):
        self.reads.popleft()
        self._open_reads.setdefault(item.id, deque()).append(item.access)

    def _on_aw(self, item):
        self.writes.popleft()
        self._open_writes.setdefault(item.id, deque()).append(item.access)
        access = item.access
        access.data = [self.random.getrandbits(128) for _ in range(access.len + 1)]
        self._pending_data.extend((access, beat) for beat in range(access.len + 1))

    def _next_w(self):
        if not self._pending_data:
            return None
        access, beat = self._pending_data.popleft()
        return SimpleNamespace(data=access.data[beat], strb=0xFFFF, last=beat == access.len)

    def _on_w(self, item):
        pass

    def _on_take_r(self, beat):
        access = self._open_reads[beat.id][0]
        access.resp.append(beat.resp)
        access.data.append(beat.data)
        assert beat.last == (len(access.resp) == access.len + 1)
        assert self._burst in (None, beat.id), "another burst's beat inside a burst"
        mixed = self.interleave and any(read.id == beat.id for read in self._read_queue)
        self._burst = None if beat.last or mixed else beat.id
        if beat.last:
            access.end = self.cycle
            self.done.append(self._open_reads[beat.id].popleft())

    _burst: int | None = None

    def _on_take_b(self, item):
        access = self._open_writes[item.id].popleft()
        access.resp.append(item.resp)
        access.end = self.cycle
        self.done.append(access)

    # Memory

    def _arrive(self, item) -> MemoryAccess:
        access = MemoryAccess(item.id, item.addr, item.len, item.size, item.burst, item.cache,
                              item.prot, self.cycle)
        access.due = self.cycle + self.random.randint(*self.memory_latency)
        return access

    def _on_take_mar(self, item):
        access = self._arrive(item)
        self.memory_reads.append(access)
        self._read_queue.append(access)

    def _ready_item(self, queue):
        """A due access that is the first of its id; the choice between ids is random."""
        seen: set[int] = set()
        firsts = [a for a in queue if not (a.id in seen or seen.add(a.id))]
        due = [a for a in firsts if a.due <= self.cycle]
        return self.random.choice(due) if due else None

    def _next_r(self):
        access = self._current_read or self._ready_item(self._read_queue)
        if access is None:
            return None
        self._current_read = access
        beat = access.beat
        addr = access.addr + (beat << access.size if access.burst == Burst.INCR.value else 0)
        return SimpleNamespace(id=access.id, data=content(addr), resp=OKAY,
                               last=beat == access.len)

    def _on_r(self, item):
        access = self._current_read
        access.beat += 1
        if item.last:
            self._read_queue.remove(access)
        if item.last or self.interleave:
            self._current_read = None

    def _on_take_maw(self, item):
        access = self._arrive(item)
        self.memory_writes.append(access)
        self._data_queue.append(access)
        self._match_data()

    def _on_take_mw(self, item):
        self._early_data.append((item.data, item.last))
        self._match_data()

    def _match_data(self):
        while self._data_queue and self._early_data:
            data, last = self._early_data.popleft()
            access = self._data_queue[0]
            access.data.append(data)
            assert last == (len(access.data) == access.len + 1)
            if last:
                access.due = max(access.due, self.cycle + 1)
                self._response_queue.append(self._data_queue.popleft())

    def _next_b(self):
        access = self._ready_item(self._response_queue)
        if access is None:
            return None
        self._response_queue.remove(access)
        return SimpleNamespace(id=access.id, resp=OKAY)

    def _on_b(self, item):
        pass

    # TCU

    def _on_take_request(self, request):
        assert request.tbu == 3
        assert all(r.tag != request.tag for _, r, _ in self._answers), "tag reused"
        request.cycle = self.cycle
        self.requests.append(request)
        answer = self.translate(request)
        delay = answer.delay if answer.delay >= 0 else self.random.randint(*self.tcu_latency)
        self._answers.append((self.cycle + delay, request, answer))

    def _next_response(self):
        due = [a for a in self._answers if a[0] <= self.cycle]
        if not due:
            return None
        chosen = self.random.choice(due)
        self._answers.remove(chosen)
        _, request, answer = chosen
        mask = (1 << answer.size) - 1
        attrs = answer.mair | answer.privcfg << 10 | answer.instcfg << 12
        return SimpleNamespace(
            tbu=request.tbu, tag=request.tag, outcome=answer.outcome.value,
            bypass=answer.bypass, cacheable=answer.cacheable, pa=answer.pa & ~mask,
            size=answer.size, perms=answer.perms, attrs=attrs)

    def _on_response(self, item):
        pass

    # Maintenance

    def invalidate(self, op: InvOp, **fields) -> None:
        self.invalidations.append({"op": op.value} | fields)

    def _next_invalidation(self):
        return SimpleNamespace(**self.invalidations.popleft()) if self.invalidations else None

    def _on_invalidation(self, item):
        pass
