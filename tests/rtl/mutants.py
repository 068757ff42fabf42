"""Guards of the RTL to break, one at a time, and the cases that must notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sim.regress import CASES
from sim.toolchain import ROOT

FIELD = "tests.field.duts:every_bug"
ASIDE, MERGE = "tests/hdl/tbu/test_aside.py", "tests/hdl/tcu/test_tcu_merge.py"
FAULTS = "tests/hdl/tcu/test_tcu_faults.py"
STALLS = "tests/hdl/tcu/queues/test_stall_buffer.py"
DROPS = "tests/hdl/tcu/test_drops.py"
MAINTENANCE, FLIGHT = "tests/hdl/tbu/test_maintenance.py", "tests/hdl/tcu/test_tcu_flight.py"
CONCURRENT, STATIC = CASES["concurrent"], CASES["translation"]


@dataclass(frozen=True)
class Mutant:
    """In `file`, `before` (which occurs once) becomes `after`.

    Members
    -------
    case, seeds, preset
        What has to fail with one of the seeds.
    names
        For FIELD: bugs of tests/field that must be among those noticed.
    test
        Instead of a case: tests of the block that must fail, as arguments of pytest.
    """

    name: str
    file: str
    before: str
    after: str
    case: str = CONCURRENT
    seeds: int = 12
    preset: str = "tiny"
    names: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    @contextmanager
    def broken(self, *parts: str) -> Iterator[Path]:
        """A copy of these folders with the guard broken."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for part in parts:
                shutil.copytree(ROOT / part, folder / part,
                                ignore=shutil.ignore_patterns("__pycache__"))
            path = folder / self.file
            text = path.read_text()
            assert text.count(self.before) == 1, f"{self.name}: {self.file} has changed"
            path.write_text(text.replace(self.before, self.after))
            yield folder

    def verilog(self) -> str:
        """The Verilog of the broken design."""
        with self.broken("hdl", "spec") as folder:
            code = ("import sys; from hdl.config import Config; from hdl.gen import verilog; "
                    "sys.stdout.write(verilog(Config.preset(sys.argv[1]))[0])")
            return subprocess.run([sys.executable, "-c", code, self.preset], cwd=folder, check=True,
                                  stdout=subprocess.PIPE, text=True).stdout

    def tested(self) -> subprocess.CompletedProcess[str]:
        """`test`, run on the broken design."""
        with self.broken("hdl", "spec", "sim", "pymodel", "tb", "driver", "tests") as folder:
            return subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider",
                 *self.test], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, check=False)


MUTANTS = (
    Mutant("fills of walks that an invalidation has overtaken", "hdl/tcu/translate.py",
           " & ~stale & ~lifetimes.invalidate", ""),
    Mutant("answers that an invalidation has overtaken stay in the micro TLB",
           "hdl/tbu/channel.py", "response.cacheable & ~slots.answer_stale",
           "response.cacheable", test=(MAINTENANCE,)),
    Mutant("answers of overtaken walks are cacheable", "hdl/tcu/output.py",
           "reply.cacheable & ~stale", "reply.cacheable", test=(FLIGHT,)),
    Mutant("the micro TLB keeps what TLBI names", "hdl/tbu/utlb.py",
           "Mux(configuration, hits, ~0)", "Mux(configuration, hits, 0)", STATIC),
    Mutant("the micro TLB keeps what CFGI names", "hdl/tbu/utlb.py",
           "Mux(configuration, hits, ~0)", "Mux(configuration, 0, ~0)", test=(MAINTENANCE,)),
    Mutant("CMD_SYNC does not wait for walks", "hdl/tcu/contexts.py",
           "waiting & (awaited == 0)", "waiting"),
    Mutant("AxBURST does not pass", "hdl/tbu/outlet.py", '"burst", ', "", STATIC),
    Mutant("AxLOCK does not pass", "hdl/tbu/outlet.py", ', "lock")', ")", STATIC),
    Mutant("RAZ/WI is answered as an abort", "hdl/tbu/returns.py",
           "Mux(outcome == Outcome.RAZWI, Resp.OKAY, Resp.SLVERR)", "Resp.SLVERR", STATIC),
    Mutant("CDs are typed by S1DSS", "hdl/tcu/config/step.py",
           "own.by_ste(self.step.ste.S1COR)", "own.by_ste(self.step.ste.S1DSS)", STATIC),
    Mutant("tables in pages of stage 2 are typed by the STE", "hdl/tcu/walk/stage2.py",
           "own.by_cd(step.cd, walk.half)", "own.by_ste(ste.S1COR)", STATIC,
           preset="base:sizes=tiny"),
    Mutant("records have the hint of commands", "hdl/regs/file.py",
           "base.WA, write=True", "base.WA, write=False", STATIC),
    Mutant("MSIs of CMD_SYNCs are typed by MSH", "hdl/tcu/queues/decode.py",
           "own.by_memattr(word.MSIAttr)", "own.by_memattr(word.MSH)", STATIC),
    Mutant("no permission check on a hit", "hdl/tbu/channel.py",
           "& allowed(found.perms, found.attrs, write=self.write",
           "| allowed(found.perms, found.attrs, write=self.write", FIELD,
           names=("no_permission_check_on_a_hit",)),
    Mutant("Span is not bounded by SPLIT", "hdl/tcu/config/stream_table.py",
           " | (span > split + 1)", "", FIELD,
           names=("second_level_span_is_twice_too_large",)),
    Mutant("L2 tables are twice as large", "hdl/tcu/config/stream_table.py",
           "(span - 1)[:4]", "span[:4]", FIELD,
           names=("second_level_span_is_twice_too_large",)),
    Mutant("SubstreamID 0 is legal with S1DSS=2", "hdl/tcu/config/substream.py",
           "(ste.S1DSS == SteS1DSS.SSID0) & (self.ssid == 0)", "0", STATIC),
    Mutant("CMD_SYNC with CS=3 is legal", "hdl/tcu/queues/decode.py",
           "illegal.append(~Cat(signal == word.CS for signal in SyncCS).any())", "pass", FIELD,
           names=("sync_with_reserved_signal_is_accepted",)),
    Mutant("a context waits for one that has been answered", "hdl/tcu/intake.py",
           "(self._leading & ~self._ended).bit_select(self.peer, 1)", "self._candidate",
           test=(MERGE, "-k", "has_gone")),
    Mutant("a context waits for one that is being answered", "hdl/tcu/intake.py",
           "(self._leading & ~self._ended).bit", "self._leading.bit",
           test=(MERGE, "-k", "has_gone")),
    Mutant("who has been answered is waited for still", "hdl/tcu/intake.py",
           "(self._leading | self._first_leads | self._second_leads) & ~self._ended",
           "self._leading | self._first_leads | self._second_leads",
           test=(MERGE, "-k", "has_gone")),
    Mutant("contexts of one page do not wait", "hdl/tcu/intake.py",
           "self._candidate & _same_page(req, self.peer_req)", "0",
           test=(MERGE, "-k", "one_walk")),
    Mutant("a woken context waits again", "hdl/tcu/intake.py",
           "alike.any() & ~self._first_woken)", "alike.any())", test=(MERGE, "-k", "one_walk")),
    Mutant("contexts that wait are not woken", "hdl/tcu/intake.py",
           "ends.answered & (ends.answered_index == behind)", "0",
           test=(MERGE, "-k", "one_walk")),
    Mutant("CMD_SYNC does not wait for faults that have left their contexts",
           "hdl/tcu/contexts.py", " & (behind == 0)", "", test=(FAULTS, "-k", "sync")),
    Mutant("answers of faults before all others", "hdl/tcu/output.py",
           "self.fault.valid & ~self.faulted", "self.fault.valid",
           test=(FAULTS, "-k", "hold_up")),
    Mutant("the side buffer promises a block too little", "hdl/tbu/aside.py",
           "(self.reserve.payload >> BLOCK_LOG2) + 1", "(self.reserve.payload >> BLOCK_LOG2)",
           test=(ASIDE, "-k", "as_long_a_burst")),
    Mutant("the side buffer forgets the blocks given back", "hdl/tbu/aside.py",
           "room + freed.any()", "room", test=(ASIDE, "-k", "makes_room")),
    Mutant("a burst is read from its last block on", "hdl/tbu/aside.py",
           "first.en.eq(opens & ~begun)", "first.en.eq(opens)",
           test=(ASIDE, "-k", "as_long_a_burst")),
    Mutant("a burst is read from its first block only", "hdl/tbu/aside.py",
           "Mux(offset.all(), following.data, here)", "here",
           test=(ASIDE, "-k", "as_long_a_burst")),
    Mutant("a block is given back with its first beat", "hdl/tbu/aside.py",
           "sink.ready & (sink.payload.last | offset.all())", "sink.ready & (offset == 0)",
           test=(ASIDE, "-k", "random")),
    Mutant("a write leaves before its data are aside", "hdl/tbu/slots.py",
           "(first | aside & stored)", "(first | aside)", test=(ASIDE,)),
    Mutant("newer stalls overtake held ones", "hdl/tcu/stalls/buffer.py",
           "tags.room & (again | ~self._retrying & ~self._held.r_rdy)", "tags.room",
           test=(STALLS, "-k", "overtake")),
    Mutant("a stall is lost when the queue refuses another", "hdl/tcu/stalls/buffer.py",
           "~tags.refused & ~self._moved & ~self._sweep.any()",
           "~self._moved & ~self._sweep.any()", test=(STALLS, "-k", "refused_stall")),
    Mutant("what the queue refuses is not held", "hdl/tcu/stalls/buffer.py",
           "tags.refused | self._moved | arrived", "self._moved | arrived",
           test=(STALLS, "-k", "refused_stall")),
    Mutant("held ones are tried again without room in the queue", "hdl/tcu/stalls/buffer.py",
           "held.r_rdy & tags.room & self.writable", "held.r_rdy & tags.room",
           test=(STALLS, "-k", "not_writable")),
    Mutant("an old answer ends the wait for a held one", "hdl/tcu/stalls/buffer.py",
           "theirs.ready & self._retrying", "theirs.ready", test=(STALLS, "-k", "last_one")),
    Mutant("STALL_TERM counts one that has just left", "hdl/tcu/stalls/buffer.py",
           "self._held.level - self._held.r_en", "self._held.level",
           test=(STALLS, "-k", "let_go")),
    Mutant("STALL_TERM ends what is held of other streams", "hdl/tcu/stalls/buffer.py",
           "self._closing | (head.sid == self.command.payload.sid)",
           "self._closing | self._sweep.any()",
           test=(STALLS, "-k", "ends_what_is_recorded")),
    Mutant("stalls outlive SMMUEN if it rises soon", "hdl/tcu/stalls/buffer.py",
           "self._closing.eq(~self.enable | ending)", "self._closing.eq(~self.enable)",
           test=(STALLS, "-k", "smmuen_ends")),
    Mutant("ranges of more pages than fit are shorter", "hdl/tcu/walk/cache.py",
           " | pages[most:].any()", "", test=(DROPS,)),
)
