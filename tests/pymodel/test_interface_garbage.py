"""Random register writes, commands and memory: no exception, and every write returns soon."""

from __future__ import annotations

import random
import struct
from contextlib import suppress

import pytest
from smmu_rig import CMDQ, EVENTQ, MSI, OUTSIDE, STRTAB, TABLES, Rig, implementation

from pymodel.memory import BusError
from pymodel.transaction import Ending, Transaction
from spec import registers as r
from spec.commands import COMMANDS
from spec.impl import PRESETS

REGISTERS = [register for register in r.SMMU if register.NEEDS != ("ATOS",)]
PLACES = [CMDQ, EVENTQ, STRTAB, TABLES, MSI, OUTSIDE, 0, (1 << 52) - 1]
IMPLS = {"base": PRESETS["base"], "tiny": PRESETS["tiny"],
         "small": implementation(CMDQS=0, EVENTQS=0, STALL_MAX=1),
         "deep": implementation(CMDQS=7, EVENTQS=3, SEV=1, VMW=1, TERM_MODEL=1)}


def command(rng: random.Random) -> int:
    """Mostly known opcodes, mostly small operands."""
    opcode = rng.choice([*COMMANDS, rng.randrange(256)])
    value = rng.getrandbits(128) if rng.random() < 0.3 else (
        rng.randrange(8) << 32 | rng.choice([0, 1, 2, 3]) << 12 | rng.randrange(4) << 64)
    return value & ~0xFF | opcode


def value_for(rng: random.Random, register) -> int:
    width = register.BITS
    if rng.random() < 0.4:
        return rng.getrandbits(width)
    place = rng.choice(PLACES) | rng.randrange(8)
    return rng.choice([0, (1 << width) - 1, 1 << rng.randrange(width), rng.randrange(16),
                       place & ((1 << width) - 1)])


def act(rng: random.Random, rig: Rig) -> None:
    choice = rng.random()
    if choice < 0.25:
        register = rng.choice(REGISTERS)
        rig.wr(register, value_for(rng, register))
    elif choice < 0.3:
        rig.smmu.write(rng.randrange(0x20000), rng.choice([1, 2, 4, 8]), rng.getrandbits(64))
        rig.smmu.read(rng.randrange(0x20000), rng.choice([1, 2, 4, 8]))
    elif choice < 0.5:
        with suppress(BusError):  # the queue may be anywhere by now
            rig.place(rng.randrange(64), command(rng))
        rig.wr(r.CMDQ_PROD, rig.rd(r.CMDQ_CONS).RD + rng.randrange(3) & r.CMDQ_PROD.WR.max)
    elif choice < 0.6:
        rig.acknowledge()
        rig.wr(r.CR0, rng.getrandbits(4))
    elif choice < 0.65:
        rig.wr(r.EVENTQ_CONS, rig.rd(r.EVENTQ_PROD).value)
    elif choice < 0.7:
        rig.stream(rng.randrange(8), stall=rng.random() < 0.7)
    elif choice < 0.75:
        for page in (STRTAB, TABLES):
            rig.memory.write(page + 8 * rng.randrange(512), struct.pack("<Q", rng.getrandbits(64)))
    else:
        rig.smmu.access(Transaction(
            sid=rng.randrange(8), addr=rng.choice([0, 0x1000, rng.getrandbits(64)]),
            ssid=rng.choice([None, None, 0, 3]), write=rng.random() < 0.5))


@pytest.mark.parametrize("impl", sorted(IMPLS))
@pytest.mark.parametrize("seed", range(10))
def test_garbage(impl, seed):
    rng = random.Random(seed)
    rig = Rig(IMPLS[impl], cmdq=rng.randrange(7), eventq=rng.randrange(4))
    # Everything that stalls ends exactly once, or is stalled still.
    stalled, access = [], rig.smmu.access

    def counted(txn):
        result = access(txn)
        if result.ending is Ending.STALLED:
            stalled.append(txn)
        return result

    for _ in range(400):
        rig.smmu.access = counted
        act(rng, rig)
        recorded = sum(tag is not None for tag, _ in rig.smmu.stalls)
        assert recorded <= IMPLS[impl].STALL_MAX
    rig.wr(r.CR0, 0)
    assert len(rig.smmu.stalls) == 0
    ended = [done.txn for done in rig.smmu.completed]
    assert len({id(txn) for txn in ended}) == len(ended)
    assert {id(txn) for txn in ended} == {id(txn) for txn in stalled}
    assert all(done.result.ending is not Ending.STALLED for done in rig.smmu.completed)
