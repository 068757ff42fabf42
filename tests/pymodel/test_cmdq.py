"""The Command queue: consumption, errors, restart, SYNC (reference 6.4, 6.5, 7.2)."""

from __future__ import annotations

import pytest
from smmu_rig import CMDQ, MSI, OUTSIDE, Rig, implementation

from pymodel.observer import Observer
from spec import commands as c
from spec import registers as r
from spec.commands import CommandError

SYNC, CFGI, BAD = c.SYNC.pack(), c.CFGI_STE.pack(StreamID=1), 0


@pytest.mark.parametrize("log2size", [0, 1, 2, 6])
def test_wrap(log2size):
    """Fill, drain and refill across the wrap point, with both values of the wrap bit."""
    rig = Rig(cmdq=log2size)
    size = 1 << log2size
    total = 0
    for _ in range(5):
        batch = [c.CFGI_STE.pack(StreamID=n & 0xFFFF) for n in range(size - 1)] + [SYNC]
        rig.issue(*batch)
        total += size
        assert rig.rd(r.CMDQ_CONS).RD == total % (2 * size) == rig.rd(r.CMDQ_PROD).WR
    assert len(rig.log.of("command")) == total
    assert not rig.active(r.GERROR.CMDQ_ERR)


@pytest.mark.parametrize("log2size", [0, 1, 6, 16, 19])
@pytest.mark.parametrize("half", [0, 1])
def test_wrap_of_every_size(log2size, half):
    size = 1 << log2size
    rig = Rig(implementation(CMDQS=19), cmdq=log2size, enable=False)
    start = (half * size + size - 1) % (2 * size)
    rig.prod = start
    rig.wr(r.CMDQ_PROD, start)
    rig.wr(r.CMDQ_CONS, start)
    rig.enable(CMDQEN=1)
    for number in range(3):
        rig.issue(SYNC)
        assert rig.rd(r.CMDQ_CONS).RD == (start + number + 1) % (2 * size)


def test_commands_run_in_order():
    rig = Rig()
    rig.issue(*[c.CFGI_STE.pack(StreamID=n) for n in range(5)])
    assert [command.StreamID for command, _ in rig.log.of("command")] == list(range(5))


def test_a_queue_larger_than_cmdqs_is_capped():
    rig = Rig(implementation(CMDQS=2), cmdq=9)
    for _ in range(3):
        rig.issue(CFGI, SYNC)
    assert rig.rd(r.CMDQ_CONS).RD == 6
    rig.issue(CFGI, SYNC)
    assert rig.rd(r.CMDQ_CONS).RD == 0


def test_commands_queued_before_the_enable_run_at_the_enable():
    rig = Rig(enable=False)
    rig.issue(CFGI, SYNC)
    assert rig.rd(r.CMDQ_CONS).RD == 0
    rig.enable(CMDQEN=1)
    assert rig.rd(r.CMDQ_CONS).RD == 2


@pytest.mark.parametrize(("prod", "cons"), [(0, 0), (8, 8), (3, 3), (8, 0), (0, 8), (2, 15)])
def test_any_consistent_start(prod, cons):
    rig = Rig(cmdq=3, enable=False)
    for slot in range(8):
        rig.place(slot, CFGI)
    rig.wr(r.CMDQ_PROD, prod)
    rig.wr(r.CMDQ_CONS, cons)
    rig.enable(CMDQEN=1)
    assert rig.rd(r.CMDQ_CONS).RD == prod
    assert len(rig.log.of("command")) == (prod - cons) % 16


def test_inconsistent_indices_do_nothing():
    rig = Rig(cmdq=3)
    for slot in range(8):
        rig.place(slot, CFGI)
    rig.wr(r.CMDQ_PROD, 9)
    assert rig.rd(r.CMDQ_CONS).RD == 0
    assert rig.log.of("command") == []
    rig.wr(r.CMDQ_PROD, 8)
    assert rig.rd(r.CMDQ_CONS).RD == 8


def test_high_bits_of_prod_have_no_effect():
    rig = Rig(cmdq=3)
    rig.place(0, CFGI)
    rig.wr(r.CMDQ_PROD, 0xFFFF1)
    assert rig.rd(r.CMDQ_CONS).RD == 1


def test_nothing_runs_while_disabled():
    rig = Rig()
    rig.enable(CMDQEN=0)
    rig.issue(CFGI)
    assert rig.log.of("command") == []
    rig.enable(CMDQEN=1)
    assert len(rig.log.of("command")) == 1


def test_error_stops_at_the_command():
    rig = Rig()
    rig.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(GERROR_IRQEN=1))
    rig.issue(CFGI, CFGI, BAD, CFGI)
    assert rig.rd(r.CMDQ_CONS) == r.CMDQ_CONS.make(RD=2, ERR=CommandError.CERROR_ILL)
    assert rig.active(r.GERROR.CMDQ_ERR)
    assert rig.irqs == ["gerror"]
    assert len(rig.log.of("command")) == 2
    assert rig.log.of("error")[0][0] is CommandError.CERROR_ILL


def test_nothing_restarts_before_the_acknowledge():
    rig = Rig()
    rig.issue(BAD, CFGI)
    rig.issue(CFGI)                         # PROD moves on
    rig.enable(CMDQEN=0)                    # neither does CMDQEN
    rig.enable(CMDQEN=1)
    rig.place(0, SYNC)                      # nor the repair
    assert rig.rd(r.CMDQ_CONS).RD == 0
    rig.acknowledge()
    assert rig.rd(r.CMDQ_CONS).RD == 3      # the repaired slot was fetched again
    assert len(rig.log.of("sync")) == 1
    assert rig.rd(r.GERROR).value == rig.rd(r.GERRORN).value


def test_prod_may_move_back_to_cons_while_stopped():
    rig = Rig()
    rig.issue(CFGI, BAD, CFGI)
    rig.wr(r.CMDQ_PROD, 1)
    rig.acknowledge()
    assert rig.rd(r.CMDQ_CONS).RD == 1
    assert len(rig.log.of("command")) == 1


def test_an_unrepaired_command_fails_again():
    rig = Rig()
    rig.issue(BAD)
    first = rig.rd(r.GERROR).CMDQ_ERR
    rig.acknowledge()
    assert rig.rd(r.GERROR).CMDQ_ERR == first ^ 1
    assert rig.active(r.GERROR.CMDQ_ERR)
    assert len(rig.log.of("error")) == 2


def test_acknowledge_while_disabled():
    rig = Rig()
    rig.issue(BAD)
    rig.place(0, SYNC)
    rig.enable(CMDQEN=0)
    rig.acknowledge()
    assert rig.rd(r.CMDQ_CONS).RD == 0
    rig.enable(CMDQEN=1)
    assert rig.rd(r.CMDQ_CONS).RD == 1


def test_acknowledge_of_another_error_does_not_restart():
    rig = Rig()
    rig.issue(BAD)
    rig.wr(r.GERRORN, r.GERRORN.pack(EVENTQ_ABT_ERR=1))
    assert len(rig.log.of("error")) == 1


def test_external_abort_on_fetch():
    rig = Rig(enable=False)
    rig.wr(r.CMDQ_BASE, r.CMDQ_BASE.pack(ADDR=OUTSIDE, LOG2SIZE=4))
    rig.enable(CMDQEN=1)
    rig.wr(r.CMDQ_PROD, 1)
    assert rig.rd(r.CMDQ_CONS) == r.CMDQ_CONS.make(ERR=CommandError.CERROR_ABT)
    assert rig.active(r.GERROR.CMDQ_ERR)


def test_abort_in_the_middle_then_recovery():
    rig = Rig(cmdq=9)
    slots = 4096 // 16
    rig.memory.poisoned.add(CMDQ // 4096 + 1)
    for slot in range(slots):
        rig.place(slot, CFGI)
    rig.wr(r.CMDQ_PROD, slots + 2)
    assert rig.rd(r.CMDQ_CONS) == r.CMDQ_CONS.make(RD=slots, ERR=CommandError.CERROR_ABT)
    rig.memory.poisoned.clear()
    rig.place(slots, CFGI)
    rig.place(slots + 1, SYNC)
    rig.acknowledge()
    assert rig.rd(r.CMDQ_CONS).RD == slots + 2


def test_cons_written_while_disabled_keeps_err():
    rig = Rig()
    rig.issue(BAD)
    rig.enable(CMDQEN=0)
    rig.wr(r.CMDQ_CONS, 5)
    assert rig.rd(r.CMDQ_CONS) == r.CMDQ_CONS.make(RD=5, ERR=CommandError.CERROR_ILL)


# CS, MSIAddr, ID fields, words written at MSI, wires.
SIGNALS = [
    (0, MSI, {}, 0, []),
    (1, MSI, {}, 0x1122_3344, ["cmdq_sync"]),
    (1, 0, {}, 0, ["cmdq_sync"]),
    (1, MSI, {"MSI": 0}, 0, ["cmdq_sync"]),
    (2, MSI, {}, 0, []),
    (2, MSI, {"SEV": 1}, 0, ["sev"]),
]


@pytest.mark.parametrize(("cs", "address", "fields", "word", "wires"), SIGNALS)
def test_sync_signal(cs, address, fields, word, wires):
    rig = Rig(implementation(**fields))
    rig.issue(c.SYNC.pack(CS=cs, MSIAddr=address, MSIData=0x1122_3344))
    assert rig.memory.read64(MSI) == word
    assert rig.irqs == wires
    assert rig.rd(r.CMDQ_CONS).RD == 1
    assert len(rig.log.of("sync")) == 1


def test_sync_msi_into_its_own_slot():
    """Four bytes exactly, and the command is not fetched again."""
    rig = Rig()
    rig.issue(CFGI, c.SYNC.pack(CS=1, MSIAttr=0xF, MSH=3, MSIAddr=CMDQ + 16))
    assert rig.memory.read(CMDQ + 16, 4) == bytes(4)
    assert rig.memory.read(CMDQ + 20, 12) == bytes(4) + (CMDQ + 16).to_bytes(8, "little")
    assert rig.rd(r.CMDQ_CONS).RD == 2
    assert not rig.active(r.GERROR.CMDQ_ERR)


def test_msi_address_is_cut_to_oas_after_the_test_for_zero():
    rig = Rig(implementation(OAS=0))
    rig.memory.write(0, bytes(8))
    rig.issue(c.SYNC.pack(CS=1, MSIAddr=1 << 32, MSIData=9))
    assert rig.memory.read64(0) == 9


def test_aborted_sync_msi():
    rig = Rig()
    rig.wr(r.IRQ_CTRL, r.IRQ_CTRL.pack(GERROR_IRQEN=1))
    rig.issue(c.SYNC.pack(CS=1, MSIAddr=OUTSIDE), CFGI)
    assert rig.active(r.GERROR.MSI_CMDQ_ABT_ERR)
    assert rig.irqs == ["gerror", "cmdq_sync"]
    assert rig.rd(r.CMDQ_CONS).RD == 2  # the SYNC completes and the queue goes on


def test_cons_has_moved_when_the_signal_is_seen():
    rig = Rig()
    seen = []
    rig.smmu.interrupts.wire = lambda name: seen.append((name, rig.rd(r.CMDQ_CONS).RD))
    rig.issue(CFGI, c.SYNC.pack(CS=1))
    assert seen == [("cmdq_sync", 2)]


def test_event_when_a_full_queue_gets_room():
    rig = Rig(implementation(SEV=1), cmdq=1, enable=False)
    rig.place(0, CFGI)
    rig.place(1, CFGI)
    rig.wr(r.CMDQ_PROD, 2)
    rig.enable(CMDQEN=1)
    assert rig.irqs == ["sev"]


def test_a_doorbell_from_an_interrupt_handler():
    rig = Rig()

    def handler(name):
        if len(rig.log.of("sync")) == 1:
            rig.issue(SYNC)

    rig.smmu.interrupts.wire = handler
    rig.issue(c.SYNC.pack(CS=1))
    assert rig.rd(r.CMDQ_CONS).RD == 2
    assert len(rig.log.of("sync")) == 2


class Impatient(Observer):
    """Rings the doorbell again while a command is being consumed."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.rung = rig, False

    def on_command(self, command, invalidation):
        if not self.rung:
            self.rung = True
            self.rig.issue(CFGI)


def test_a_doorbell_while_a_command_is_consumed():
    rig = Rig()
    rig.smmu.observers.append(Impatient(rig))
    rig.issue(SYNC)
    assert rig.rd(r.CMDQ_CONS).RD == 2
    assert [type(command) for command, _ in rig.log.of("command")] == [c.SYNC, c.CFGI_STE]


def test_prefetch_and_invalidations_touch_nothing():
    """They are consumed without an event or a write to memory, SMMUEN=0 and tables invalid."""
    rig = Rig()
    written = []
    rig.memory.watch = lambda *write: written.append(write)
    commands = [c.PREFETCH_CONFIG.pack(StreamID=9), c.PREFETCH_ADDR.pack(StreamID=9, Addr=0x1000),
                c.CFGI_STE.pack(StreamID=9), c.CFGI_CD_ALL.pack(StreamID=9)]
    rig.issue(*commands)
    assert len(written) == len(commands)  # our own
    assert rig.used() == 0
