"""An AXI4 slave for block tests: random delays, answers reordered across ids, error pages."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from dataclasses import dataclass

from hdl.axi import Resp
from pymodel.memory import PAGE, BusError, SparseMemory

LIMIT = 100_000   # cycles of one test


@dataclass(frozen=True)
class Access:
    """One burst as it was seen on the bus; `ssid` None means SSV = 0."""

    write: bool
    id: int
    addr: int
    beats: int
    sid: int
    ssid: int | None


class AxiMemory:
    """Serves `axi` (128-bit, INCR) from `memory`; `run` is a background process.

    Parameters
    ----------
    stall : float
        Chance, in each cycle and channel, of not being ready or valid.
    latency : int
        Cycles from an address to its first answer, at least.
    data_first : bool
        An address of a write is taken only while there are data.

    Members
    -------
    log
        Every burst, in the order of the address handshakes.
    hold
        (ssid, page number) pairs whose accesses wait until they are removed from here.
    """

    def __init__(self, axi, memory: SparseMemory, *, seed: int = 1, stall: float = 0.3,
                 latency: int = 0, data_first: bool = False):
        self.axi, self.memory, self.stall, self.latency = axi, memory, stall, latency
        self.data_first = data_first
        self.random = random.Random(seed)
        self.log: list[Access] = []
        self.hold: set[tuple[int | None, int]] = set()
        self.cycle = 0
        self._reads: dict[int, deque] = defaultdict(deque)     # id -> (ready cycle, access, beat)
        self._writes: deque = deque()                          # accesses that wait for data
        self._answers: dict[int, deque] = defaultdict(deque)   # id -> (ready cycle, id, error)
        self._read_beat: tuple | None = None
        self._written = 0

    def _coin(self) -> bool:
        return self.random.random() >= self.stall

    def _accept(self, write: bool, ids, addr, length, burst, user) -> Access:
        assert burst.value == 1
        assert addr % 16 == 0
        assert addr // PAGE == (addr + 16 * length + 15) // PAGE, f"{addr:#x} crosses 4 KB"
        access = Access(write, ids, addr, length + 1, user.sid, user.ssid if user.ssv else None)
        self.log.append(access)
        return access

    def _waits(self, access: Access) -> bool:
        return (access.ssid, access.addr // PAGE) in self.hold

    def _next_beat(self):
        ready = [i for i, beats in self._reads.items() if beats and beats[0][0] <= self.cycle
                 and not self._waits(beats[0][1])]
        if not ready or not self._coin():
            return None
        _, access, beat = self._reads[self.random.choice(ready)].popleft()
        try:
            data, resp = int.from_bytes(self.memory.read(access.addr + 16 * beat, 16), "little"), 0
        except BusError:
            data, resp = 0, 2
        return access.id, data, resp, beat == access.beats - 1

    def _write(self, data: int, strb: int, last: int) -> None:
        access, error = self._writes[0]
        at = access.addr + 16 * self._written
        try:
            old = bytearray(self.memory.read(at, 16))
            for n in range(16):
                if strb >> n & 1:
                    old[n] = data >> 8 * n & 0xFF
            self.memory.write(at, bytes(old))
        except BusError:
            self._writes[0] = (access, True)
            error = True
        self._written += 1
        assert last == (self._written == access.beats)
        if last:
            self._writes.popleft()
            self._written = 0
            self._answers[access.id].append((self.cycle + 1 + self.latency, access.id, error))

    def _next_answer(self):
        """Of a write; those of one id in order."""
        ready = [answers for answers in self._answers.values()
                 if answers and answers[0][0] <= self.cycle]
        return self.random.choice(ready).popleft() if ready and self._coin() else None

    async def run(self, ctx) -> None:
        axi = self.axi
        answer = None
        while True:
            self._read_beat = self._read_beat or self._next_beat()
            answer = answer or self._next_answer()
            ctx.set(axi.arready, self._coin())
            ctx.set(axi.awready, self._coin() and (not self.data_first or ctx.get(axi.wvalid)))
            ctx.set(axi.wready, bool(self._writes) and not self._waits(self._writes[0][0])
                    and self._coin())
            ctx.set(axi.rvalid, self._read_beat is not None)
            if self._read_beat:
                for signal, value in zip((axi.rid, axi.rdata, axi.rresp, axi.rlast),
                                         self._read_beat, strict=True):
                    ctx.set(signal, Resp(value) if signal is axi.rresp else value)
            ctx.set(axi.bvalid, answer is not None)
            if answer:
                ctx.set(axi.bid, answer[1])
                ctx.set(axi.bresp, Resp.SLVERR if answer[2] else Resp.OKAY)
            sampled = await ctx.tick().sample(
                axi.arvalid & axi.arready, axi.arid, axi.araddr, axi.arlen, axi.arburst,
                axi.aruser, axi.awvalid & axi.awready, axi.awid, axi.awaddr, axi.awlen,
                axi.awburst, axi.awuser, axi.wvalid & axi.wready, axi.wdata, axi.wstrb, axi.wlast,
                axi.rvalid & axi.rready, axi.bvalid & axi.bready)
            ar, aw, w = sampled[2:8], sampled[8:14], sampled[14:18]
            if ar[0]:
                access = self._accept(False, *ar[1:])
                for beat in range(access.beats):
                    self._reads[access.id].append((self.cycle + 1 + self.latency, access, beat))
            if w[0]:
                self._write(*w[1:])
            if aw[0]:
                self._writes.append((self._accept(True, *aw[1:]), False))
            if sampled[18]:
                self._read_beat = None
            if sampled[19]:
                answer = None
            self.cycle += 1
            assert self.cycle < LIMIT, "hang"
