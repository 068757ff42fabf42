"""Register file, queues and stall buffer, with Python for the translator, the TBUs and software."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from amaranth import Module
from amaranth.lib.wiring import connect
from queue_bench import QueueBench
from register_bench import TIMEOUT, RegisterBus, simulate

from hdl.config import Config
from hdl.streams import Outcome
from hdl.tcu.stalls.buffer import StallBuffer
from spec import registers as r
from spec.commands import RESUME
from spec.events import EVENTS, F_TRANSLATION


@dataclass
class Transaction:
    """One that waits in a TBU. `faults`: how many of its attempts stall; `bad` ones end with an
    abort and a record of their own instead."""

    number: int
    sid: int = 1
    faults: int = 1
    bad: bool = False
    attempts: int = 0
    end: Outcome | None = None


@dataclass
class Record:
    """A stall record that software has read."""

    stag: int
    sid: int
    number: int


class StallBench(QueueBench):
    """`asks` holds the transactions whose next attempt is due; `seen` what came of all;
    `on_retry` is called before one asks again."""

    def __init__(self, *, stalls: int = 2, slots: int = 4, busy: float = 0.0, seed: int = 1, **kw):
        super().__init__(features={"STALL_MAX": stalls}, consumers=1, **kw)
        config = Config.preset("base").with_(impl=self.engine.impl, tbu_slots=slots)
        self.stalls = StallBuffer(config)
        self.asks: deque[Transaction] = deque()
        self.seen: dict[int, Transaction] = {}
        self.busy = busy
        self.on_retry: Callable[[], None] = lambda: None
        self.events_read = 0

    def run(self, script):
        m = Module()
        for name in ("regs", "engine", "stalls"):
            m.submodules[name] = getattr(self, name)
        engine, stalls = self.engine, self.stalls
        connect(m, self.regs.queues, engine.regs)
        connect(m, stalls.record, engine.event)
        connect(m, engine.stall_cmd, stalls.command)
        m.d.comb += [stalls.verdict.eq(engine.verdict), stalls.writable.eq(engine.writable),
                     stalls.enable.eq(self.regs.state.smmuen), engine.inv.ready.eq(1)]

        async def testbench(ctx):
            self.ctx, self.bus = ctx, RegisterBus(ctx, self.regs.cfg)
            await script(self)

        simulate(m, testbench, self.memory.serve_reads, self.memory.serve_writes,
                 self._synchronise(0), self._translate, self._answers)
        return self

    async def start(self, **kw):
        await super().start(**kw)
        await self.enable(CMDQEN=1, EVENTQEN=int(kw.get("evtq", True)), SMMUEN=1)

    def ask(self, number: int, sid: int = 1, faults: int = 1, **kw) -> Transaction:
        txn = Transaction(number, sid, faults, **kw)
        self.seen[number] = txn
        self.asks.append(txn)
        return txn

    # The translator.

    async def _translate(self, ctx):
        """One attempt after the other: its record, then its answer."""
        event, response = self.stalls.event, self.stalls.response
        while True:
            if not self.asks:
                await ctx.tick()
                continue
            txn = self.asks.popleft()
            who = {"tbu": txn.number & 1, "tag": txn.number >> 1}
            stalls = txn.attempts < txn.faults
            txn.attempts += 1
            outcome = Outcome.RETRY if stalls else Outcome.ABORT if txn.bad else Outcome.TRANSLATED
            if stalls or txn.bad:
                record = F_TRANSLATION.make(StreamID=txn.sid, InputAddr=txn.number, Stall=stalls)
                ctx.set(event.payload, {**who, "record": record.value, "stall": stalls})
                ctx.set(event.valid, 1)
                await ctx.tick().until(event.ready)
                ctx.set(event.valid, 0)
            for name, value in (*who.items(), ("outcome", outcome)):
                ctx.set(getattr(response.payload, name), value)
            ctx.set(response.valid, 1)
            await ctx.tick().until(response.ready)
            ctx.set(response.valid, 0)

    async def _answers(self, ctx):
        """The TBUs: an answer ends the transaction, or it asks again."""
        answer = self.stalls.answer
        while True:
            ready = not (self.busy and self.memory.random.random() < self.busy)
            ctx.set(answer.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(answer.valid, answer.payload)
            if not valid or not ready:
                continue
            txn = self.seen[payload.tag << 1 | payload.tbu]
            assert txn.end is None, f"{txn} is answered again"
            assert not payload.cacheable or payload.outcome == Outcome.TRANSLATED.value
            if Outcome(payload.outcome) == Outcome.RETRY:
                assert txn not in self.asks
                self.on_retry()
                self.asks.append(txn)
            else:
                txn.end = Outcome(payload.outcome)

    # Software.

    async def records(self) -> list[Record]:
        """New stall records; others are taken out, too."""
        prod = await self.bus.load(r.EVENTQ_PROD)
        out = []
        while self.events_read != prod.WR:
            value = self.event(self.events_read)
            record = EVENTS[value & 0xFF](value)
            self.events_read = (self.events_read + 1) % (2 << self.log2evtq)
            if record.Stall:
                out.append(Record(record.STAG, record.StreamID, record.InputAddr))
        await self.bus.store(r.EVENTQ_CONS, RD=self.events_read, OVACKFLG=prod.OVFLG)
        return out

    async def stalled(self, count: int = 1) -> list[Record]:
        """Wait for `count` more stall records."""
        out: list[Record] = []
        for _ in range(TIMEOUT):
            out += await self.records()
            if len(out) >= count:
                assert len(out) == count, out
                return out
        raise AssertionError(f"{len(out)} of {count} stall records")

    async def ended(self, *transactions: Transaction):
        for _ in range(TIMEOUT):
            if all(txn.end is not None for txn in transactions):
                return
            await self.ctx.tick()
        raise AssertionError([txn for txn in transactions if txn.end is None])


def resume(record: Record, *, Ac: int = 0, Ab: int = 0, **other: int) -> RESUME:
    return RESUME.make(**{"StreamID": record.sid, "STAG": record.stag, "Ac": Ac, "Ab": Ab, **other})

