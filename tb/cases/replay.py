"""A capture on the RTL: registers through MMIO, every probe as a real AXI transaction."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from pymodel.transaction import Ending
from sim.replay.capture import Capture, Probe, load
from sim.replay.restore import EventReader, Write, restore_writes
from spec.commands import COMMAND_BYTES, SYNC
from spec.events import EVENT_BYTES
from spec.registers import CMDQ_BASE, CMDQ_CONS, CMDQ_PROD, EVENTQ_CONS, EVENTQ_PROD
from tb.client import Request, Response
from tb.env import Env
from tb.memory_port import MemoryAccess
from tb.samplers import TraceEntry
from tb.scoreboard import ABORT, RAZWI

BATCH = 32
GAP = 32  # cycles between probes: an event is written well within, so its cycle says whose it is
CLIENT = 0
TRIES = 10_000


async def replay(env: Env) -> list[dict[str, Any]]:
    """Answers of every `params["every"]`-th probe of the capture `params["capture"]`, in order.

    `params["pnu"]` says which probes are driven privileged.
    """
    capture = load(env.params["capture"])
    for port in env.mems:
        port.set(read_latency=env.rng.randrange(1, 8), write_latency=env.rng.randrange(1, 8))
    machine = await Machine.restore(env, capture)
    answers = []
    probes = capture.probes[::env.params["every"]]
    for at in range(0, len(probes), BATCH):
        answers += await machine.batch(probes[at:at + BATCH])
    return answers


async def _write(env: Env, write: Write) -> None:
    await env.cfg.run([(write.offset, write.size, write.value)])
    if write.ack is None:
        return
    for _ in range(TRIES):
        if await env.cfg.read32(write.ack) == write.value:
            return
    raise AssertionError(f"register {write.ack:#x} does not acknowledge {write.value:#x}")


class Machine:
    """Runs batches of probes and finds out what each one did.

    Members
    -------
    accesses
        What the SMMU itself read and wrote in memory for the last batch.
    """

    @classmethod
    async def restore(cls, env: Env, capture: Capture) -> Machine:
        """The RTL in the state of the capture."""
        env.open_memory(capture.ram_base, capture.ram_size)
        for address, content in capture.pages.items():
            env.mem.write(address, content)
        env.mems[0].set(log=True)
        for write in restore_writes(capture):
            await _write(env, write)
        return cls(env, capture)

    def __init__(self, env: Env, capture: Capture) -> None:
        self._env, self._capture = env, capture
        self._events = EventReader(capture)
        base = CMDQ_BASE(capture.regs["CMDQ_BASE"])
        self._log2 = min(base.LOG2SIZE, capture.impl.CMDQS)
        size = max(COMMAND_BYTES << self._log2, 32)
        self._cmdq = base.ADDR & ~(size - 1)
        self._prod = capture.regs["CMDQ_PROD"] & ((2 << self._log2) - 1)
        self.accesses: list[MemoryAccess] = []

    async def batch(self, probes: tuple[Probe, ...]) -> list[dict[str, Any]]:
        env = self._env
        pnu = env.params["pnu"]
        env.mems[0].clear_log()
        responses = await env.client(CLIENT).run(
            [_request(probe, pnu[probe.number]) for probe in probes])
        self.accesses = env.mems[0].log()
        await self._sync()
        traces = env.trace(1 + CLIENT).take()
        assert len(traces) == len(probes), f"{len(traces)} trace records of {len(probes)} probes"
        owners: dict[int, list[bytes]] = {}
        issued = [response.issue for response in responses]
        for cycle, record in await self._records():
            owners.setdefault(bisect_right(issued, cycle) - 1, []).append(record)
        return [self._answer(probe, trace, response, owners.get(n, []))
                for n, (probe, trace, response)
                in enumerate(zip(probes, traces, responses, strict=True))]

    async def _sync(self) -> None:
        """A CMD_SYNC: after it every event of what was answered is visible (reference 6.4)."""
        mask = (2 << self._log2) - 1
        self._env.mem.write(self._cmdq + COMMAND_BYTES * (self._prod & mask >> 1),
                            SYNC.make().to_bytes())
        self._prod = (self._prod + 1) & mask
        await self._env.cfg.write32(CMDQ_PROD.OFFSET, self._prod)
        for _ in range(TRIES):
            cons = CMDQ_CONS(await self._env.cfg.read32(CMDQ_CONS.OFFSET))
            if cons.RD == self._prod:
                return
        raise AssertionError("CMD_SYNC does not complete")

    async def _records(self) -> list[tuple[int, bytes]]:
        """(cycle of the write, record) of the events since the last call."""
        env = self._env
        slots = self._events.slots(await env.cfg.read32(EVENTQ_PROD.OFFSET))
        await env.cfg.write32(EVENTQ_CONS.OFFSET, self._events.cons)
        cycles = {item.addr: item.cycle for item in env.mems[0].log() if item.write}
        env.mems[0].clear_log()
        return [(cycles[slot], env.mem.read(slot, EVENT_BYTES)) for slot in slots]

    def _answer(self, probe: Probe, trace: TraceEntry, response: Response,
                records: list[bytes]) -> dict[str, Any]:
        assert trace.addr == probe.iova, f"probe {probe.number}: trace of {trace.addr:#x}"
        assert len(records) <= 1, f"probe {probe.number} made {len(records)} events"
        ending = Ending.BYPASS if trace.bypass else Ending.TRANSLATED
        if trace.outcome in (ABORT, RAZWI):
            ending = Ending.RAZWI if response.ok else Ending.ABORT
            assert (trace.outcome == RAZWI) == response.ok, f"probe {probe.number}: {response}"
        passed = ending in (Ending.BYPASS, Ending.TRANSLATED)
        return {"ending": ending.value, "pa": trace.pa if passed else None,
                "event": records[0].hex() if records else None,
                "memory": {str(a): self._env.mem.read64(a) for a in probe.pte_after}}


def _request(probe: Probe, pnu: bool) -> Request:
    size = probe.size
    while probe.iova % size:
        size //= 2
    return Request(addr=probe.iova, sid=probe.sid, ssid=probe.ssid, pnu=pnu, ind=probe.ind,
                   size=size.bit_length() - 1, gap=GAP, fence=True,
                   data=bytes(range(1, size + 1)) if probe.write else None)
