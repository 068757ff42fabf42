"""What random runs have in common: queues, timing and errors of memory, requests."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from pymodel.memory import PAGE
from pymodel.transaction import Transaction
from spec.registers import CR1
from spec.stream_table import STE_BYTES
from tb.client import Burst, Request
from tb.env import Env
from tb.machine import Machine
from tb.random_world import World


def queues(env: Env, machine: Machine) -> None:
    """Small queues now and then, which wrap; an Event queue that overflows seldom. Memory types
    of queues and tables."""
    rng = env.rng
    machine.cr1 = CR1.pack(QUEUE_OC=rng.randrange(4), TABLE_OC=rng.randrange(4))
    machine.allocate = rng.randrange(2)
    machine.log2_cmdq = rng.randrange(machine.log2_cmdq + 1)
    if rng.random() < 0.2:
        machine.log2_evtq = rng.randrange(machine.log2_evtq + 1)


def poison(env: Env, world: World) -> None:
    """Now and then a page of the structures answers with errors, to the model as to the RTL."""
    if env.rng.random() < 0.4:
        pages = [half.root & -PAGE for stream in world.streams for context in stream.contexts
                 for half in context.halves]
        pages += [stream.ste.S1ContextPtr & -PAGE for stream in world.streams]
        pages += [vm.table.root & -PAGE for vm in world.vms]
        pages += [context.address & -PAGE for stream in world.streams
                  for context in stream.contexts]
        inside = [page for page in pages if world.layout.base <= page < world.layout.data]
        if inside:
            env.poison(env.rng.choice(inside))


def weather(env: Env) -> None:
    """Memory timing of this run."""
    rng = env.rng
    for port in env.mems:
        port.set(read_latency=rng.randrange(1, 20), write_latency=rng.randrange(1, 20),
                 read_jitter=rng.choice((0, 5, 30, 120)), write_jitter=rng.choice((0, 5)),
                 read_rate=rng.choice((1.0, 1.0, 0.5)), ar_stall=rng.choice((0.0, 0.3)),
                 aw_stall=rng.choice((0.0, 0.3)), w_stall=rng.choice((0.0, 0.3)),
                 reorder=rng.choice((0.0, 0.5, 1.0)), early=rng.choice((0.0, 0.5, 1.0)),
                 interleave=rng.choice((0.0, 0.0, 0.5, 1.0)), log=True)
    for client in env.clients:
        client.knobs.outstanding = rng.choice((1, 4, 16, 64))
        client.knobs.r_stall = client.knobs.b_stall = rng.choice((0, 20_000))
        client.knobs.w_stall = rng.choice((0, 0, 20_000))


def beat(env: Env) -> int:
    """Most bytes of a beat of the clients."""
    return int(min(client.knobs.bytes for client in env.clients))


def request(txn: Transaction, rng: Random) -> Request:
    """The AXI request of a transaction, sometimes a burst that stays in its page, or exclusive."""
    burst, beats = _burst(txn, rng)
    whole = txn.size * beats
    # AXI4 A7.2.4: a power of two of at most 128 bytes, aligned to it, in at most 16 beats.
    may_lock = (burst is not Burst.FIXED and beats <= 16 and whole <= 128
                and not whole & (whole - 1) and not txn.addr % whole)
    return Request(addr=txn.addr, sid=txn.sid, ssid=txn.ssid, pnu=txn.pnu, ind=txn.ind,
                   size=txn.size.bit_length() - 1, beats=beats, burst=burst,
                   lock=may_lock and rng.random() < 0.1, id=rng.randrange(8),
                   gap=rng.choice((0, 0, 0, 9)),
                   data=rng.randbytes(whole) if txn.write else None)


def _burst(txn: Transaction, rng: Random) -> tuple[Burst, int]:
    """AxBURST and the number of beats (AXI4 A3.4.1)."""
    room, draw = (PAGE - txn.addr % PAGE) // txn.size, rng.random()
    if draw < 0.12:
        return Burst.INCR, rng.randrange(1, min(room, 16) + 1)
    if draw < 0.15:
        return Burst.INCR, rng.randrange(1, min(room, 256) + 1)
    if draw < 0.22:
        return Burst.WRAP, rng.choice((2, 4, 8, 16))
    if draw < 0.3:
        return Burst.FIXED, rng.randrange(1, 17)
    return Burst.INCR, 1


def spaced(txn: Transaction, rng: Random) -> Request:
    """A request with a pause before it, so that changes fall between them."""
    return replace(request(txn, rng), gap=rng.choice((0, 0, 9, 60)))


def untouched(world: World) -> None:
    """No client wrote into the structures: the stream table entries are as they were written."""
    for stream in world.streams:
        found = world.memory.read(stream.address, STE_BYTES)
        assert found == stream.ste.to_bytes(), f"the STE of StreamID {stream.sid:#x} was changed"
